"""The table of analyses: a row for every analysis of a run, with its verdict and the headline numbers."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

import pyarrow as pa

from fxwatch.records.history import HEADLINES, HistoryLine
from fxwatch.store.layout import Run
from fxwatch.store.lines import read_lines

_LINES_A_PIECE = 10_000
_TEXTS = ("run", "id", "created_at", "checkpoint", "verdict")
_COUNTS = ("seq", "step", "dead_features", "vanishing_gradients", "exploding_gradients", "drops")
_NUMBERS = tuple(name for name in HEADLINES if name not in _COUNTS)
_COMMON = pa.schema(
    [(name, pa.string()) for name in _TEXTS]
    + [(name, pa.int64()) for name in _COUNTS]
    + [(name, pa.float64()) for name in _NUMBERS]
)


def analyses_table(runs: Iterable[Run]) -> pa.Table:
    """All analyses of some runs, in the order in which they completed; `share/BRANCH` are the branches' shares."""
    pieces = [_COMMON.empty_table()]
    for run in runs:
        lines = read_lines(run.history, HistoryLine)
        while rows := [_row(run.name, line) for line in islice(lines, _LINES_A_PIECE)]:
            shares = {name: None for row in rows for name in row if name.startswith("share/")}
            schema = pa.schema([*_COMMON, *((name, pa.float64()) for name in shares)])
            pieces.append(pa.Table.from_pylist(rows, schema))
    return pa.concat_tables(pieces, promote_options="default")


def _row(run: str, line: HistoryLine) -> dict[str, Any]:
    found = {name: getattr(line, name) for name in (*_TEXTS[1:], *_COUNTS, *_NUMBERS)}
    shares = {f"share/{branch}": share for branch, share in line.branches.items()}
    return {"run": run, **found, **shares}
