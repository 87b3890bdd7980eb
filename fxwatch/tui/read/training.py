"""What the recorder has measured of training itself, read on as it is written."""

from fxwatch.records.training import TrainingLine, newest_attempt, on_own_steps
from fxwatch.store.layout import Run
from fxwatch.store.tail import Tail
from fxwatch.tui.read.read_on import read_on
from fxwatch.tui.snapshot import Training

_TREND = 240


class TrainingReader:
    """Follows the training.jsonl of one run after another."""

    def __init__(self) -> None:
        self._of: str | None = None
        self._lines: list[TrainingLine] = []
        self._found: Training | None = None

    def __call__(self, run: Run) -> Training:
        """What there is of a run; the same object while nothing is new."""
        if self._of != run.name:
            self._of, self._tail = run.name, Tail(run.training)
            self._clear()
        for restarted, new in read_on(self._tail, TrainingLine):
            if restarted is not None:
                self._clear()
            self._lines += new
            if new:
                self._found = None
        if self._found is None:
            self._found = training_of(self._lines)
        return self._found

    def _clear(self) -> None:
        self._lines, self._found = [], None


def training_of(lines: list[TrainingLine]) -> Training:
    """The newest attempt among some lines, in columns."""
    newest = newest_attempt(lines)
    if not newest:
        return Training()
    shown, last, own = newest[-_TREND:], newest[-1], on_own_steps(newest)
    scalars = dict.fromkeys(name for line in shown for name in line.scalars)
    return Training(
        last=last,
        lines=len(newest),
        first=newest[0].position(own=own),
        position=last.position(own=own),
        norms={name: tuple(_norm(line, name) for line in shown) for name in last.layers},
        scalars={name: tuple(line.scalars.get(name) for line in shown) for name in scalars},
        attention={
            (name, head): tuple(_stability(line, name, head) for line in shown)
            for name, heads in last.attention.items()
            for head in range(len(heads.entropy))
        },
    )


def _norm(line: TrainingLine, layer: str) -> float | None:
    return line.layers[layer].mean if layer in line.layers else None


def _stability(line: TrainingLine, layer: str, head: int) -> float | None:
    heads = line.attention[layer].stability if layer in line.attention else []
    return heads[head] if head < len(heads) else None
