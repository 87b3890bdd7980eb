"""The index beside a run's history: the share of every unit in every analysis, in files that a reader can map.

One file a layout of features, named by its hash: a JSON line that names the units, and then one row an analysis, its
number in the history and the units' shares. It holds nothing that the analyses do not, and is rebuilt from them.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxwatch.records.analysis import Analysis, Unit

Layout = Mapping[str, list[str]]


class ShareIndex:
    """The index of one run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def append(self, seq: int, analysis: Analysis) -> None:
        """Add the row of an analysis; an analysis without shares has none. Raises OSError."""
        layout = {branch: list(units) for branch, units in analysis.units.items()}
        count = sum(len(names) for names in layout.values())
        if not count:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        path, header = self._file(layout)
        row = np.zeros(1, _row(count))
        row["seq"], row["share"] = seq, shares_of(analysis.units)
        if not path.exists():
            path.write_bytes(header)
        with path.open("r+b") as file:
            whole = (file.seek(0, os.SEEK_END) - len(header)) // row.itemsize
            file.seek(len(header) + max(whole, 0) * row.itemsize)  # over the rest of a torn row
            file.write(row.tobytes())

    def last(self, layout: Layout, count: int) -> NDArray[np.float32]:
        """Shares in the last `count` analyses of a layout, oldest first: (analyses, units)."""
        rows = self._rows(layout)
        return np.array(rows["share"][-count:]) if count else np.zeros((0, sum(map(len, layout.values()))), np.float32)

    def history(self, layout: Layout, branch: str, feature: str) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """One feature over all analyses of a layout: their numbers in the history, and its shares."""
        rows = self._rows(layout)
        names = [(b, name) for b, features in layout.items() for name in features]
        return np.array(rows["seq"]), np.array(rows["share"][:, names.index((branch, feature))])

    def rebuild(self, analyses: Iterable[tuple[int, Analysis]]) -> None:
        """Write the index anew from numbered analyses."""
        for old in self.folder.glob("*.rows"):
            old.unlink()
        for seq, analysis in analyses:
            self.append(seq, analysis)

    def newest(self) -> int | None:
        """The number of the newest analysis in the index."""
        found = [int(rows["seq"][-1]) for rows in map(self._open, self.folder.glob("*.rows")) if len(rows)]
        return max(found, default=None)

    def _rows(self, layout: Layout) -> NDArray[np.void]:
        path, _ = self._file(layout)
        return self._open(path) if path.exists() else np.zeros(0, _row(sum(map(len, layout.values()))))

    def _open(self, path: Path) -> NDArray[np.void]:
        with path.open("rb") as file:
            header = file.readline()
        kind = _row(sum(map(len, json.loads(header).values())))
        count = (path.stat().st_size - len(header)) // kind.itemsize
        if count <= 0:
            return np.zeros(0, kind)
        return np.memmap(path, kind, "r", len(header), (count,))

    def _file(self, layout: Layout) -> tuple[Path, bytes]:
        header = json.dumps(layout).encode() + b"\n"
        return self.folder / f"{hashlib.sha256(header).hexdigest()[:8]}.rows", header


def shares_of(units: Mapping[str, Mapping[str, Unit]]) -> list[float]:
    """The shares of all units, branch by branch."""
    return [unit.share for branch in units.values() for unit in branch.values()]


def _row(units: int) -> np.dtype[np.void]:
    return np.dtype([("seq", "<i8"), ("share", "<f4", (units,))])
