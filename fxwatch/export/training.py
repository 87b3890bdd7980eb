"""The table of training: what the recorder measured of training itself, a row for every number at every line."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice

import numpy as np
import pyarrow as pa

from fxwatch.export.names import NAME, coded
from fxwatch.records.training import TrainingLine
from fxwatch.store.layout import Run
from fxwatch.store.lines import read_lines

_LINES_A_BATCH = 200
_OF_THE_LINE = ("attempt", "step", "optimizer_step", "update", "steps")

TRAINING = pa.schema(
    {
        "quantity": NAME,
        "name": NAME,
        "head": pa.int64(),
        "value": pa.float64(),
        "run": NAME,
        "attempt": pa.int64(),
        "step": pa.int64(),
        "optimizer_step": pa.int64(),
        "update": pa.int64(),
        "steps": pa.int64(),
        "measured_at": pa.string(),
    }
)
"""`name` is a layer, or a number that the trainer logged; `steps` are the optimizer's that the value is taken over."""


def training_batches(run: Run) -> Iterator[pa.RecordBatch]:
    """The table of a run, all its attempts, in pieces of bounded size; none where nobody recorded it."""
    lines = read_lines(run.training, TrainingLine)
    while chunk := list(islice(lines, _LINES_A_BATCH)):
        if found := [(line, *cell) for line in chunk for cell in _cells(line)]:
            yield _batch(run.name, found)


def _cells(line: TrainingLine) -> Iterator[tuple[str, str, int | None, float | None]]:
    """Quantity, name, head and value."""
    for name, layer in line.layers.items():
        yield "gradient_norm", name, None, layer.mean
        yield "gradient_norm_least", name, None, layer.least
        yield "gradient_norm_greatest", name, None, layer.greatest
        yield "gradient_mean", name, None, layer.mean_absolute
        yield "gradient_weight_ratio", name, None, layer.weight_ratio
        yield "gradient_nonfinite_steps", name, None, layer.nonfinite
    for name, heads in line.attention.items():
        yield from (("attention_entropy", name, head, value) for head, value in enumerate(heads.entropy))
        yield from (("attention_stability", name, head, value) for head, value in enumerate(heads.stability))
    yield from (("logged", name, None, value) for name, value in line.scalars.items())


def _batch(run: str, found: Sequence[tuple[TrainingLine, str, str, int | None, float | None]]) -> pa.RecordBatch:
    lines, quantities, names, heads, values = zip(*found, strict=True)
    rows = np.arange(len(lines))
    columns = {
        "quantity": coded(quantities, rows),
        "name": coded(names, rows),
        "head": pa.array(heads, pa.int64()),
        "value": pa.array(values, pa.float64()),
        "run": coded([run], np.zeros_like(rows)),
        **{name: pa.array([getattr(line, name) for line in lines], pa.int64()) for name in _OF_THE_LINE},
        "measured_at": pa.array(
            [datetime.fromtimestamp(line.at, UTC).isoformat(timespec="seconds") for line in lines], pa.string()
        ),
    }
    return pa.RecordBatch.from_arrays([columns[name] for name in TRAINING.names], schema=TRAINING)
