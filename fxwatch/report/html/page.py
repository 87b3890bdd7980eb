"""The page: what the template shows of each run. Names come from files; the template escapes all that it is given."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from fxwatch import __version__
from fxwatch.records.analysis import Analysis
from fxwatch.records.base import SEVERITY, Verdict, worst
from fxwatch.records.history import HistoryLine
from fxwatch.records.quality import Estimate
from fxwatch.records.thresholds import AtLeast, AtMost, Between
from fxwatch.records.training import LayerSpan, TrainingLine, Trouble, trouble
from fxwatch.report.html.definitions import DEFINITIONS
from fxwatch.report.html.figures import Figure, figures, training_figure, training_numbers_figure
from fxwatch.report.palette import MARKS
from fxwatch.report.past import Past
from fxwatch.report.png import Arrays
from fxwatch.report.words import count, estimate, moment, named, number, percent, plain
from fxwatch.terminal import clean

LISTED_HISTORY = 50


class Part(NamedTuple):
    """One run on the page: its newest analysis, the history to it, the run as a whole, what its recorder measured."""

    analysis: Analysis
    arrays: Arrays
    history: Sequence[HistoryLine]
    past: Past
    training: Sequence[TrainingLine] = ()


class Metric(NamedTuple):
    """A row of the table of headline numbers."""

    name: str
    value: str
    error: str
    limits: str
    verdict: Verdict
    reason: str


class Training(NamedTuple):
    """What a recorder measured: the newest line, and what is wrong with the gradient of which layer in it."""

    figure: Figure
    numbers: Figure | None
    last: TrainingLine
    layers: list[tuple[str, LayerSpan, Trouble | None]]


class Section(NamedTuple):
    """A run as the template gets it."""

    anchor: str
    analysis: Analysis
    figures: dict[str, Figure]
    metrics: list[Metric]
    history: Sequence[HistoryLine]
    training: Training | None


def page(parts: Sequence[Part], made_at: str) -> str:
    """The whole page, the worst run first; it needs no other file, and runs no script."""
    ordered = sorted(parts, key=lambda part: -SEVERITY[part.analysis.health.verdict])
    sections = [
        Section(
            anchor=f"run-{place}",
            analysis=part.analysis,
            figures=figures(part.analysis, part.arrays, part.history, part.past),
            metrics=metrics(part.analysis),
            history=part.history[-LISTED_HISTORY:][::-1],
            training=_training(part),
        )
        for place, part in enumerate(ordered)
    ]
    template = _environment().get_template("page.html.jinja")
    return template.render(
        sections=sections,
        verdict=worst(*(part.analysis.health.verdict for part in parts)),
        definitions=DEFINITIONS,
        made_at=moment(made_at),
        version=__version__,
    )


def _training(part: Part) -> Training | None:
    if not part.training:
        return None
    limits, last = part.analysis.thresholds.gradient, part.training[-1]
    figure = training_figure(part.training, limits, part.analysis.run)
    numbers = training_numbers_figure(part.training)
    layers = [(name, layer, trouble(layer, limits)) for name, layer in last.layers.items()]
    return Training(figure, numbers, last, layers)


def metrics(analysis: Analysis) -> list[Metric]:
    """The headline numbers, with the limits that they are judged by."""
    flow, thresholds = analysis.gradient_flow, analysis.thresholds
    rows = [_metric(name, found, getattr(thresholds, name)) for name, found in analysis.estimates().items()]
    dead, stability, attention = analysis.dead_features, analysis.stability, analysis.attention
    found = Estimate(value=dead.total_count, verdict=dead.verdict, reason=dead.reason)
    rows.append(_metric("dead features", found, thresholds.dead_features))
    measured = flow.reason is None
    for words, layers in (("vanishing", flow.vanishing_gradients), ("exploding", flow.exploding_gradients)):
        verdict: Verdict = "unknown" if not measured else "bad" if layers else "ok"
        found = Estimate(value=len(layers) if measured else None, verdict=verdict, reason=flow.reason)
        rows.append(_metric(f"{words} layers", found, None))
    found = Estimate(value=stability.spearman, verdict=stability.verdict, reason=stability.reason)
    noise = "" if stability.null_low is None else f"noise band from {number(stability.null_low)}"
    rows.append(_metric("stability", found, None)._replace(limits=noise))
    rows.append(_metric("attention stability", Estimate(value=attention.stability, reason=attention.reason), None))
    return rows


def _metric(name: str, found: Estimate, limit: AtLeast | AtMost | Between | None) -> Metric:
    value, error = ("–", "") if found.value is None else estimate(found.value, found.standard_error)
    return Metric(name, value, error, _limits(limit), found.verdict, found.reason or "")


def _limits(limit: AtLeast | AtMost | Between | None) -> str:
    match limit:
        case AtLeast():
            return f"≥ {number(limit.ok)}; bad below {number(limit.bad)}"
        case AtMost():
            return f"≤ {number(limit.ok)}; bad above {number(limit.bad)}"
        case Between():
            words = [("≥", limit.low), ("≤", limit.high), ("bad above", limit.bad_high)]
            return "; ".join(f"{word} {number(edge)}" for word, edge in words if edge is not None)
        case None:
            return ""


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("fxwatch.report.html", "."),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"percent": percent, "number": number, "named": named, "plain": plain, "moment": moment}
    made.globals |= {"marks": MARKS, "count": count}
    return made


def _shown(value: Any) -> Any:
    """Text without characters that hide or turn their neighbours; what has no value is a dash."""
    if value is None:
        return "–"
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value
