"""What the monitor knows at a moment: everything on the screen is a function of one snapshot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from fxwatch.records.analysis import Analysis
from fxwatch.records.base import Verdict, worst
from fxwatch.records.ledger import LedgerLine
from fxwatch.records.status import DaemonStatus
from fxwatch.records.thresholds import Thresholds
from fxwatch.records.training import TrainingLine


class Lack(StrEnum):
    """What is missing before there is anything to show."""

    FOLDER = "folder"
    STORE = "store"
    RESULTS = "results"
    RIGHTS = "rights"


@dataclass(frozen=True, slots=True)
class RunNews:
    """The newest analysis of a run, from its history alone."""

    name: str
    verdict: Verdict
    step: int | None
    analyses: int
    latest: str


@dataclass(frozen=True, slots=True)
class Past:
    """Where the shown analysis stands in the history of its run, and what came before it.

    `number` counts from 1. `before` holds the branch shares of the analysis before it; `trends` its metrics up to and
    with itself, oldest first. `verdicts` is the whole history, the worst of each `stride` analyses. `gap` is the
    typical time between analyses in seconds.
    """

    number: int
    count: int
    before: Mapping[str, float | None] = field(default_factory=dict)
    trends: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()
    stride: int = 1
    gap: float | None = None
    restarted: str | None = None
    reading: bool = False


@dataclass(frozen=True, slots=True)
class FileNews:
    """What the newest lines of the ledger say: when a file last moved, the newest step of each run, what went wrong."""

    at: float | None = None
    steps: Mapping[str, int] = field(default_factory=dict)
    troubles: tuple[LedgerLine, ...] = ()
    lines: tuple[LedgerLine, ...] = ()


@dataclass(frozen=True, slots=True)
class Delivery:
    """What of the analyses has gone to W&B. `begun`: somebody has ever sent; `at`: when something was sent last."""

    begun: bool = False
    waiting: int = 0
    at: float | None = None
    trouble: str | None = None


Map = tuple[tuple[float | None, ...], ...]
"""Rows of numbers; None where there is none."""


@dataclass(frozen=True, slots=True)
class FeatureNews:
    """One feature: its shares in all analyses up to the shown one, and its branch over time steps.

    `steps` and `shares` go together, oldest first. `heat` has a row a feature of `names`, and a column a time step.
    """

    branch: str
    feature: str
    steps: tuple[int | None, ...] = ()
    shares: tuple[float, ...] = ()
    names: tuple[str, ...] = ()
    heat: Map = ()
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class HeadNews:
    """One attention head: how much each query looks at each key, averaged over the probe states."""

    layer: str
    head: int
    weights: Map = ()
    trouble: str | None = None


Curve = Sequence[tuple[float, float]]
"""A metric of a run over its whole history, thinned out: steps and means."""


@dataclass(frozen=True, slots=True)
class Closer:
    """What only one subject shows, read while it is in front.

    `trends`: the last shares of each feature by branch. `curves`: `metric` by run.
    """

    trends: Mapping[tuple[str, str], tuple[float, ...]] = field(default_factory=dict)
    feature: FeatureNews | None = None
    head: HeadNews | None = None
    metric: str = ""
    curves: Mapping[str, Curve] = field(default_factory=dict)
    against: Analysis | None = None
    pinned: bool = False
    trouble: str | None = None
    reading: bool = False


@dataclass(frozen=True, slots=True)
class Training:
    """What the recorder measured of training itself, in its newest attempt.

    `first` and `position` are where its lines begin and end, over the trainer's steps or else the optimizer's; `norms`
    holds the mean gradient norm of each layer over the last lines, `scalars` the trainer's own numbers, `attention` the
    stability of each head, by layer and place.
    """

    last: TrainingLine | None = None
    lines: int = 0
    first: int | None = None
    position: int | None = None
    norms: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    scalars: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    attention: Mapping[tuple[str, int], tuple[float | None, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Times are seconds since the epoch, runs stand worst first; `trouble` says why an analysis cannot be read.

    `barred`: paths that are there and cannot be read, and why.
    """

    now: float
    watched: str
    store: str
    lack: Lack | None = None
    empty: bool = False
    barred: tuple[tuple[str, str], ...] = ()
    daemon: DaemonStatus | None = None
    runs: tuple[RunNews, ...] = ()
    run: str | None = None
    held: bool = False
    past: Past | None = None
    analysis: Analysis | None = None
    trouble: str | None = None
    png: str | None = None
    files: FileNews = FileNews()
    delivery: Delivery = Delivery()
    closer: Closer = Closer()
    training: Training = Training()

    @property
    def thresholds(self) -> Thresholds:
        """The limits by which the shown analysis was judged; the guide's where none is shown."""
        return self.analysis.thresholds if self.analysis is not None else Thresholds()

    @property
    def news(self) -> RunNews | None:
        """The newest analysis of the shown run."""
        return next((run for run in self.runs if run.name == self.run), None)

    @property
    def verdict(self) -> Verdict:
        """That of the shown analysis; of one that cannot be read the history knows it, but ok cannot be vouched for."""
        if self.analysis is not None:
            return self.analysis.health.verdict
        return worst("unknown", self.news.verdict) if self.news is not None and not self.held else "unknown"
