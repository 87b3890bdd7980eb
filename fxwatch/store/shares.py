"""The index beside a run's history: what every analysis says of every unit, in files that a reader can map.

Two files a layout of features, named by its hash: a JSON line that names the units, and then one row an analysis. In
`.rows` stand its number in the history and the units' shares, in `.details` the number, the shares' intervals, signed
attributions, and why units are dead. They hold nothing that the analyses do not, and are rebuilt from them.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from fxwatch.records.analysis import Analysis, Cause, Unit
from fxwatch.store.atomic import write_all
from fxwatch.store.bounded import open_regular

Layout = Mapping[str, list[str]]
_LONGEST_HEADER = 4 << 20
_MOST_ROWS = 1 << 21
CAUSES = get_args(Cause)
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
        """Add the row of an analysis, unless it is the last; an analysis without shares has none. Raises OSError."""
        layout = analysis.layout
        if not any(layout.values()):
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        path, header = self._file(layout)
        _append(path, header, row_of(seq, analysis))
        _append(path.with_suffix(".details"), header, details_of(seq, analysis))

    def shares(self, layout: Layout, numbers: Sequence[int]) -> NDArray[np.float32]:
        """Shares in analyses of these numbers, in this order, less those of another layout: (analyses, units)."""
        rows = self._rows(layout)
        places = np.searchsorted(rows["seq"], numbers)
        known = [place for place, number in zip(places, numbers, strict=True) if _is_at(rows, int(place), number)]
        return np.array(rows["share"][known])

    def history(self, layout: Layout, branch: str, feature: str) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """One feature over all analyses of a layout: their numbers in the history, and its shares."""
        rows = self._rows(layout)
        names = [(b, name) for b, features in layout.items() for name in features]
        return np.array(rows["seq"]), np.array(rows["share"][:, names.index((branch, feature))])

    def at(self, layout: Layout, seqs: Sequence[int]) -> NDArray[np.float64]:
        """Shares at analyses of these numbers, (analyses, units); NaN where one is not indexed with this layout.

        Raises ValueError or OSError where the file is damaged.
        """
        rows = self._rows(layout)
        found = np.full((len(seqs), sum(map(len, layout.values()))), np.nan)
        places = np.searchsorted(rows["seq"], seqs)
        known = [(i, place) for i, place in enumerate(places) if place < len(rows) and rows["seq"][place] == seqs[i]]
        for i, place in known:
            found[i] = rows["share"][place]
        return found

    def rebuild(self, analyses: Iterable[tuple[int, Analysis]]) -> None:
        """Write the index anew from numbered analyses."""
        if not self.folder.is_dir():
            self.folder.unlink(missing_ok=True)
        for old in [*self.folder.glob("*.rows"), *self.folder.glob("*.details")]:
            old.unlink()
        for seq, analysis in analyses:
            self.append(seq, analysis)

    def holds(self, numbers: Sequence[int]) -> bool:
        """Whether it has rows of these analyses alone, in order, and one of the last of them."""
        try:
            found = list(self.layouts())
        except (ValueError, OSError, TypeError, AttributeError):  # a damaged file may hold anything
            return False
        if any(one.shares["seq"].tolist() != one.details["seq"].tolist() for one in found):
            return False
        seqs = [int(seq) for one in found for seq in one.shares["seq"]]
        ascending = all((np.diff(one.shares["seq"]) > 0).all() for one in found)
        return ascending and set(seqs) <= set(numbers) and max(seqs, default=None) == max(numbers, default=None)

    def layouts(self) -> Iterator[Indexed]:
        """All that is indexed. Raises ValueError, TypeError, AttributeError or OSError where a file is damaged."""
        for path in sorted(self.folder.glob("*.rows")):
            details = path.with_suffix(".details")
            layout, _ = _header(path)
            empty = np.zeros(0, _detailed(sum(map(len, layout.values()))))
            yield Indexed(layout, self._open(path), self._open(details) if details.exists() else empty)

    def _rows(self, layout: Layout) -> NDArray[np.void]:
        path, _ = self._file(layout)
        return self._open(path) if path.exists() else np.zeros(0, _row(sum(map(len, layout.values()))))

    def _open(self, path: Path) -> NDArray[np.void]:
        layout, begin = _header(path)
        count = sum(map(len, layout.values()))
        kind = _row(count) if path.suffix == ".rows" else _detailed(count)
        rows = (path.stat().st_size - begin) // kind.itemsize
        if rows > _MOST_ROWS:
            raise ValueError(f"{path} has more rows than any run has analyses")
        return np.memmap(path, kind, "r", begin, (rows,)) if rows > 0 else np.zeros(0, kind)

    def _file(self, layout: Layout) -> tuple[Path, bytes]:
        header = json.dumps(layout).encode() + b"\n"
        return self.folder / f"{hashlib.sha256(header).hexdigest()[:8]}.rows", header


def shares_of(units: Mapping[str, Mapping[str, Unit]]) -> list[float]:
    """The shares of all units, branch by branch."""
    return [unit.share for branch in units.values() for unit in branch.values()]


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


def _is_at(rows: NDArray[np.void], place: int, number: int) -> bool:
    return place < len(rows) and int(rows["seq"][place]) == number


def _row(units: int) -> np.dtype[np.void]:
    return np.dtype([("seq", "<i8"), ("share", "<f4", (units,))])


def _detailed(units: int) -> np.dtype[np.void]:
    numbers = [(name, "<f4", (units,)) for name in ("low", "high", "signed")]
    return np.dtype([("seq", "<i8"), *numbers, ("dead", "u1", (units,))])


def _cause(cause: str | None) -> int:
    return 0 if cause is None else CAUSES.index(cause) + 1 if cause in CAUSES else _OTHER_CAUSE


def _header(path: Path) -> tuple[Layout, int]:
    """The layout, and where the rows begin. Raises ValueError or OSError."""
    with open_regular(path) as file:
        line = file.readline(_LONGEST_HEADER)
    try:
        found = json.loads(line)
    except RecursionError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(names, list) for names in found.values()):
        raise ValueError(f"{path} does not begin with the names of its units")
    return found, len(line)


def _append(path: Path, header: bytes, row: NDArray[np.void]) -> None:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        size = os.fstat(handle).st_size
        if size < len(header):
            os.pwrite(handle, header, 0)
        whole = max(size - len(header), 0) // row.itemsize
        data, end = row.tobytes(), len(header) + whole * row.itemsize
        if whole and os.pread(handle, 8, end - row.itemsize) == data[:8]:
            return
        os.lseek(handle, end, os.SEEK_SET)  # over the rest of a torn row
        write_all(handle, data)
    finally:
        os.close(handle)
