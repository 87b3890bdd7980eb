"""The history of a run in columns: of each line only what is shown is kept, so that 100,000 analyses fit in memory."""

import math
from array import array
from collections.abc import Callable
from itertools import pairwise
from statistics import median

from fxwatch.records.base import SEVERITY, Verdict
from fxwatch.records.history import HEADLINES, HistoryLine
from fxwatch.records.times import seconds
from fxwatch.store.layout import Run
from fxwatch.store.lines import parse_line
from fxwatch.store.tail import Tail
from fxwatch.tui.snapshot import Past

_TREND = 120
_STRIP = 64
_NO_STEP = -1
_VERDICTS = tuple(SEVERITY)
_MOST_BRANCHES = 64


class History:
    """Follows history.jsonl, from its beginning or from a `backlog` of bytes before its end.

    Beyond `most` lines the oldest are forgotten, but still counted. `newest` is the place of the latest checkpoint's
    analysis, which is the last one, unless older checkpoints were explained after it.
    """

    def __init__(self, run: Run, *, most: int = 250_000, backlog: int | None = None) -> None:
        self._tail = Tail(run.history, backlog=backlog)
        self._most = most
        self.restarted: str | None = None
        self._clear()

    def _clear(self) -> None:
        self.first = 0
        self.newest = -1
        self._late = False
        self._ids: list[str] = []
        self._steps = array("q")
        self._verdicts = bytearray()
        self._findings: list[frozenset[str]] = []
        self._kinds: dict[frozenset[str], frozenset[str]] = {}
        self._times = array("d")
        self._metrics = {name: array("f") for name in HEADLINES}
        self.branches: dict[str, array[float]] = {}

    @property
    def count(self) -> int:
        """How many analyses there were."""
        return self.first + len(self._ids)

    def follow(self, enough: Callable[[], bool]) -> bool:
        """Read on until there is no more or it is `enough`; whether there is more."""
        while True:
            piece = self._tail.read()
            if piece.restarted is not None:
                self._clear()
                self.restarted = piece.restarted
            for raw in piece.lines:
                if (line := parse_line(raw, HistoryLine)) is not None:
                    self._add(line)
            if not piece.more or enough():
                return piece.more

    def id_of(self, index: int) -> str | None:
        """The analysis at a place in the history."""
        return self._ids[index - self.first] if self.first <= index < self.count else None

    def step_of(self, index: int) -> int | None:
        """The step of an analysis; None where it has none or is not remembered."""
        step = self._steps[index - self.first] if self.first <= index < self.count else _NO_STEP
        return None if step == _NO_STEP else step

    def beginning(self, index: int) -> int | None:
        """The latest place before an analysis at which one of its findings began, as far as is remembered."""
        here = index - self.first
        if not 0 <= here < len(self._ids):
            return None
        standing = self._findings[here]
        for at in range(here, -1, -1):
            earlier = self._findings[at - 1] if at else frozenset()
            if at < here and standing - earlier:
                return at + self.first
            standing &= earlier
            if not standing:
                break
        return None

    def beginning_of(self, index: int, metric: str, since: int | None) -> int | None:
        """The place at which the finding of a metric began that stands at an analysis: the one of that step, or the
        first of those in a row that have it, as far as is remembered.
        """
        here = index - self.first
        if not 0 <= here < len(self._ids):
            return None
        while here and metric in self._findings[here - 1] and (since is None or self._steps[here] != since):
            here -= 1
        return here + self.first

    def points(self, metric: str, most: int) -> list[tuple[float, float]]:
        """A metric over steps (over places where there is no step), each point the mean of a bucket of analyses."""
        values = self._metrics.get(metric) or self.branches.get(metric) or array("f")
        stride = max(1, -(-len(values) // most))
        found = []
        for begin in range(0, len(values), stride):
            known = [value for value in values[begin : begin + stride] if not math.isnan(value)]
            if known:
                step = self._steps[min(begin + stride, len(values)) - 1]
                found.append((float(begin + self.first if step == _NO_STEP else step), sum(known) / len(known)))
        return sorted(found) if self._late else found

    def past(self, index: int, *, reading: bool = False) -> Past:
        """What there is to say of the place of an analysis in the history."""
        at = index - self.first
        window = slice(max(0, at + 1 - _TREND), at + 1)
        verdicts, stride = self._strip()
        return Past(
            number=index + 1,
            count=self.count,
            before={name: _known(shares[at - 1]) for name, shares in self.branches.items()} if at > 0 else {},
            trends={name: tuple(map(_known, values[window])) for name, values in self._metrics.items()},
            verdicts=verdicts,
            stride=stride,
            gap=_typical_gap(self._times[max(0, at - 20) : at + 1]),
            restarted=self.restarted,
            reading=reading,
        )

    def _strip(self) -> tuple[tuple[Verdict, ...], int]:
        """The worst verdict of each bucket; buckets double in size as they fill, so that old ones do not change."""
        stride = 1
        while self.count > stride * _STRIP:
            stride *= 2
        edges = range(self.first // stride * stride, self.count, stride)
        buckets = (self._verdicts[max(0, edge - self.first) : edge - self.first + stride] for edge in edges)
        return tuple(_VERDICTS[max(bucket)] for bucket in buckets if bucket), stride

    def _add(self, line: HistoryLine) -> None:
        self._late = self._late or line.late
        if not line.late or (line.step or 0) > (self.step_of(self.newest) or 0):
            self.newest = self.count
        self._ids.append(line.id)
        self._steps.append(_NO_STEP if line.step is None or not 0 <= line.step < 1 << 62 else line.step)
        self._verdicts.append(SEVERITY[line.verdict])
        found = frozenset(line.findings)
        self._findings.append(self._kinds.setdefault(found, found))
        self._times.append(_number(seconds(line.created_at)))
        for name, values in self._metrics.items():
            values.append(_number(getattr(line, name)))
        for name in line.branches:
            if name not in self.branches and len(self.branches) < _MOST_BRANCHES:
                self.branches[name] = array("f", [math.nan]) * (len(self._ids) - 1)
        for name, shares in self.branches.items():
            shares.append(_number(line.branches.get(name)))
        if len(self._ids) > self._most:
            self._forget(self._most // 5 + 1)

    def _forget(self, number: int) -> None:
        for entries in (self._ids, self._times, self._steps, self._verdicts, self._findings):
            del entries[:number]
        for values in (*self._metrics.values(), *self.branches.values()):
            del values[:number]
        self.first += number


def _number(value: float | None) -> float:
    return math.nan if value is None or abs(value) > 1e38 else value


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _typical_gap(times: "array[float]") -> float | None:
    gaps = [later - earlier for earlier, later in pairwise(times) if later > earlier]
    return median(gaps) if gaps else None
