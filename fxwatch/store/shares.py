"""The index beside a run's history: what every analysis says of every unit, in files that a reader can map.

Two files a layout of features, named by its hash: a JSON line that names the units, and then one row an analysis. In
`.rows` stand its number in the history and the units' shares, in `.details` the number, the shares' intervals, signed
attributions, and why units are dead. They hold nothing that the analyses do not, and are rebuilt from them.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fxwatch.records.analysis import Analysis, Unit

Layout = Mapping[str, list[str]]
CAUSES = ("constant_input", "zero_projection", "no_functional_effect", "low_importance")
"""Why a unit is dead, as `.details` number it from 1; 0: it is not, 255: another cause."""
_OTHER_CAUSE = 255


class Indexed(NamedTuple):
    """All that the index holds of one layout: rows by `seq` and `share`, and by `seq`, `low`, `high`, `signed`, `dead`.

    The two are of one length only where no crash has come between them.
    """

    layout: Layout
    shares: NDArray[np.void]
    details: NDArray[np.void]


class ShareIndex:
    """The index of one run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def append(self, seq: int, analysis: Analysis) -> None:
        """Add the row of an analysis; an analysis without shares has none. Raises OSError."""
        layout = layout_of(analysis)
        if not any(layout.values()):
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        path, header = self._file(layout)
        _append(path, header, row_of(seq, analysis))
        _append(path.with_suffix(".details"), header, details_of(seq, analysis))

    def last(self, layout: Layout, count: int, since: int = 0) -> NDArray[np.float32]:
        """Shares in the last `count` analyses of a layout, of those from number `since` on, oldest first: (analyses,
        units).
        """
        rows = self._rows(layout)[-count:]
        return (
            np.array(rows["share"][rows["seq"] >= since])
            if count
            else np.zeros((0, sum(map(len, layout.values()))), np.float32)
        )

    def history(self, layout: Layout, branch: str, feature: str) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """One feature over all analyses of a layout: their numbers in the history, and its shares."""
        rows = self._rows(layout)
        names = [(b, name) for b, features in layout.items() for name in features]
        return np.array(rows["seq"]), np.array(rows["share"][:, names.index((branch, feature))])

    def rebuild(self, analyses: Iterable[tuple[int, Analysis]]) -> None:
        """Write the index anew from numbered analyses."""
        for old in [*self.folder.glob("*.rows"), *self.folder.glob("*.details")]:
            old.unlink()
        for seq, analysis in analyses:
            self.append(seq, analysis)

    def newest(self) -> int | None:
        """The number of the newest analysis in the index; None where there is none, or where its files differ.

        Raises ValueError or OSError where a file is damaged.
        """
        found = list(self.layouts())
        if any(len(one.shares) != len(one.details) for one in found):
            return None
        return max((int(one.shares["seq"][-1]) for one in found if len(one.shares)), default=None)

    def layouts(self) -> Iterator[Indexed]:
        """All that is indexed. Raises ValueError or OSError where a file is damaged."""
        for path in sorted(self.folder.glob("*.rows")):
            details = path.with_suffix(".details")
            layout = _layout(path)
            empty = np.zeros(0, _detailed(sum(map(len, layout.values()))))
            yield Indexed(layout, self._open(path), self._open(details) if details.exists() else empty)

    def _rows(self, layout: Layout) -> NDArray[np.void]:
        path, _ = self._file(layout)
        return self._open(path) if path.exists() else np.zeros(0, _row(sum(map(len, layout.values()))))

    def _open(self, path: Path) -> NDArray[np.void]:
        with path.open("rb") as file:
            header = file.readline()
        count = sum(map(len, json.loads(header).values()))
        kind = _row(count) if path.suffix == ".rows" else _detailed(count)
        rows = (path.stat().st_size - len(header)) // kind.itemsize
        if rows <= 0:
            return np.zeros(0, kind)
        return np.memmap(path, kind, "r", len(header), (rows,))

    def _file(self, layout: Layout) -> tuple[Path, bytes]:
        header = json.dumps(layout).encode() + b"\n"
        return self.folder / f"{hashlib.sha256(header).hexdigest()[:8]}.rows", header


def shares_of(units: Mapping[str, Mapping[str, Unit]]) -> list[float]:
    """The shares of all units, branch by branch."""
    return [unit.share for branch in units.values() for unit in branch.values()]


def layout_of(analysis: Analysis) -> Layout:
    """The names of all units, by branch."""
    return {branch: list(units) for branch, units in analysis.units.items()}


def row_of(seq: int, analysis: Analysis) -> NDArray[np.void]:
    """An analysis as `.rows` hold it."""
    shares = shares_of(analysis.units)
    row = np.zeros(1, _row(len(shares)))
    row["seq"], row["share"] = seq, shares
    return row


def details_of(seq: int, analysis: Analysis) -> NDArray[np.void]:
    """An analysis as `.details` hold it."""
    units = [unit for branch in analysis.units.values() for unit in branch.values()]
    row = np.zeros(1, _detailed(len(units)))
    row["seq"] = seq
    row["low"], row["high"] = [unit.low for unit in units], [unit.high for unit in units]
    row["signed"] = [unit.signed for unit in units]
    causes = analysis.dead_features.causes
    row["dead"] = [
        _cause(causes.get(branch, {}).get(name)) for branch, named in analysis.units.items() for name in named
    ]
    return row


def _row(units: int) -> np.dtype[np.void]:
    return np.dtype([("seq", "<i8"), ("share", "<f4", (units,))])


def _detailed(units: int) -> np.dtype[np.void]:
    numbers = [(name, "<f4", (units,)) for name in ("low", "high", "signed")]
    return np.dtype([("seq", "<i8"), *numbers, ("dead", "u1", (units,))])


def _cause(cause: str | None) -> int:
    return 0 if cause is None else CAUSES.index(cause) + 1 if cause in CAUSES else _OTHER_CAUSE


def _layout(path: Path) -> Layout:
    with path.open("rb") as file:
        found: Layout = json.loads(file.readline())
    return found


def _append(path: Path, header: bytes, row: NDArray[np.void]) -> None:
    if not path.exists():
        path.write_bytes(header)
    with path.open("r+b") as file:
        whole = (file.seek(0, os.SEEK_END) - len(header)) // row.itemsize
        file.seek(len(header) + max(whole, 0) * row.itemsize)  # over the rest of a torn row
        file.write(row.tobytes())
