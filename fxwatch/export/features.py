"""The table of features: a row for every feature of every analysis of a run, in the order in which they completed.

Its numbers come from the index beside the history, so that 100,000 analyses are not 100,000 files to open; those that
the index does not hold, as where an older fxwatch wrote it, are read one by one.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fxwatch.export.names import NAME, coded
from fxwatch.records.history import HistoryLine
from fxwatch.store.layout import Run, StoreError
from fxwatch.store.lines import read_lines
from fxwatch.store.read import read_analysis
from fxwatch.store.shares import CAUSES, Indexed, Layout, ShareIndex, details_of, row_of

ROWS_A_BATCH = 250_000

FEATURES = pa.schema(
    {
        "branch": NAME,
        "feature": NAME,
        "importance": pa.float32(),
        "share": pa.float32(),
        "low": pa.float32(),
        "high": pa.float32(),
        "signed": pa.float32(),
        "dead": NAME,
        "run": NAME,
        "step": pa.int64(),
        "seq": pa.int64(),
        "analysis": NAME,
    }
)
"""First the guide's three columns; the others are named as in analysis.json, and `dead` is the cause, if any."""

_DEAD = pa.array([*CAUSES, "another cause"])
_NOT_DEAD, _ANOTHER = 0, len(CAUSES)


class _Slab(NamedTuple):
    """Analyses of one layout that follow each other: their lines, and their rows of the index."""

    lines: Sequence[HistoryLine]
    layout: Layout
    shares: NDArray[np.void]
    details: NDArray[np.void]


def feature_batches(run: Run) -> Iterator[pa.RecordBatch]:
    """The table of a run, in pieces of bounded size. Analyses that are neither indexed nor there are left out."""
    index = [(one, _places(one)) for one in _read_index(run)]
    widest = max((sum(map(len, one.layout.values())) for one, _ in index), default=1)
    lines = read_lines(run.history, HistoryLine)
    while chunk := list(islice(lines, max(1, ROWS_A_BATCH // widest))):
        for held, group in groupby(chunk, lambda line: _holder(index, line.seq)):
            for slab in _read(run, group) if held is None else [_taken(*index[held], list(group))]:
                yield _batch(run.name, slab)


def _read_index(run: Run) -> list[Indexed]:
    try:
        return list(ShareIndex(run.shares).layouts())
    except (ValueError, OSError):
        return []


def _places(one: Indexed) -> dict[int, tuple[int, int]]:
    """Where the analyses are in both files of a layout, by their numbers."""
    details = {seq: place for place, seq in enumerate(one.details["seq"].tolist())}
    return {seq: (place, details[seq]) for place, seq in enumerate(one.shares["seq"].tolist()) if seq in details}


def _holder(index: list[tuple[Indexed, dict[int, tuple[int, int]]]], seq: int) -> int | None:
    return next((number for number, (_, places) in enumerate(index) if seq in places), None)


def _taken(one: Indexed, places: dict[int, tuple[int, int]], lines: list[HistoryLine]) -> _Slab:
    at = np.array([places[line.seq] for line in lines])
    return _Slab(lines, one.layout, one.shares[at[:, 0]], one.details[at[:, 1]])


def _read(run: Run, lines: Iterator[HistoryLine]) -> Iterator[_Slab]:
    for line in lines:
        try:
            found = read_analysis(run.analysis(line.id).json)
        except StoreError:
            continue
        yield _Slab([line], found.layout, row_of(line.seq, found), details_of(line.seq, found))


def _batch(run: str, slab: _Slab) -> pa.RecordBatch:
    analyses = len(slab.lines)
    branches = [branch for branch, features in slab.layout.items() for _ in features]
    features = [feature for named in slab.layout.values() for feature in named]
    units = len(features)
    dead = slab.details["dead"].ravel().astype(np.int32)
    columns: dict[str, Any] = {
        "branch": coded(branches, np.tile(np.arange(units), analyses)),
        "feature": coded(features, np.tile(np.arange(units), analyses)),
        "importance": _numbers(_scores(slab.shares["share"], [len(named) for named in slab.layout.values()])),
        "share": _numbers(slab.shares["share"]),
        **{name: _numbers(slab.details[name]) for name in ("low", "high", "signed")},
        "dead": pa.DictionaryArray.from_arrays(pa.array(np.minimum(dead - 1, _ANOTHER), mask=dead == _NOT_DEAD), _DEAD),
        "run": coded([run], np.zeros(analyses * units, np.int32)),
        "step": pa.array([line.step for line in slab.lines], pa.int64()).take(np.repeat(np.arange(analyses), units)),
        "seq": pa.array(np.repeat([line.seq for line in slab.lines], units)),
        "analysis": coded([line.id for line in slab.lines], np.repeat(np.arange(analyses), units)),
    }
    return pa.RecordBatch.from_arrays([columns[name] for name in FEATURES.names], schema=FEATURES)


def _scores(shares: NDArray[np.float32], widths: list[int]) -> NDArray[np.float32]:
    """The guide's scores, (analyses, units): shares over the length of their branch's vector."""
    parts = np.split(shares, np.cumsum(widths)[:-1], axis=1)
    lengths = [np.linalg.norm(part, axis=1, keepdims=True) for part in parts]
    return np.hstack([part / np.where(length > 0, length, 1) for part, length in zip(parts, lengths, strict=True)])


def _numbers(values: NDArray[np.float32]) -> pa.Array:
    return pa.array(values.ravel(), from_pandas=True)
