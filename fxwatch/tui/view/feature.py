"""One feature: what it counts for now, how that came, and where in time it is read."""

from fxwatch.records.analysis import Analysis
from fxwatch.tui.snapshot import FeatureNews, Snapshot
from fxwatch.tui.view.chart import curve, ends, scale_of
from fxwatch.tui.view.features import signed
from fxwatch.tui.view.heatmap import heatmap, legend
from fxwatch.tui.view.text import BLANK, Line, Span, crop, joined, left, line, mark, name, paragraph, quiet, title
from fxwatch.tui.view.words import count, number, percent, whole

NAME = "Feature"


def lines(snapshot: Snapshot, width: int, height: int | None = None) -> list[Line]:  # noqa: ARG001 - it is scrolled
    """All there is to say of it."""
    news = snapshot.closer.feature
    if snapshot.analysis is None or news is None:
        return [title(NAME, width, "Esc")]
    head = title(f"{name(news.branch, 40)} / {name(news.feature, 80)}", width, "Esc")
    text = [head, *_facts(snapshot.analysis, news, width), *_history(news, width), *_over_time(news, width)]
    return [crop(row, width) for row in text]


def _facts(analysis: Analysis, news: FeatureNews, width: int) -> list[Line]:
    unit = analysis.units.get(news.branch, {}).get(news.feature)
    if unit is None:
        return [line(quiet("  this analysis does not know the feature"))]
    ranking = analysis.feature_importance.get(news.branch, [])
    rank = next((place for place, (feature, _) in enumerate(ranking, 1) if feature == news.feature), None)
    score = dict(ranking).get(news.feature)
    parts: list[str | Span] = [
        Span(f"share {percent(unit.share)}", "strong"),
        f"95 % from {percent(unit.low)} to {percent(unit.high)}",
        f"signed {signed(unit.signed)}",
        f"score {number(score)}",
        f"{'no rank' if rank is None else f'rank {rank} of {len(ranking)}'} in its branch",
    ]
    found = [(Span("  "), *joined(parts, width - 2))]
    if news.feature in analysis.dead_features.branches.get(news.branch, []):
        cause = analysis.dead_features.cause_of(news.branch, news.feature)
        found.append(line(mark("warn"), Span(f" dead: {name(cause)}", "warn")))
    for action, decision in analysis.decisions.items():
        speaks = decision.signed.get(news.branch, {}).get(news.feature)
        if speaks is not None:
            words = "for it" if speaks > 0 else "against it"
            found.append(line(f"  leads {left(name(action, 20), 14)} {signed(speaks)}, speaks {words}"))
    return found


def _history(news: FeatureNews, width: int) -> list[Line]:
    head = [BLANK, line(quiet(f"  share over {count(len(news.shares), 'analysis', 'analyses')}"))]
    if len(news.shares) < 2:
        return head if news.shares else [BLANK, line(quiet("  no history of shares yet"))]
    drawn = curve(news.shares, scale_of(news.shares, 0.01), width, 6)
    return [*head, *drawn, ends(f"step {whole(news.steps[0])}", whole(news.steps[-1]), width)]


def _over_time(news: FeatureNews, width: int) -> list[Line]:
    if news.trouble is not None:
        return [BLANK, *paragraph(name(news.trouble), width)]
    if not news.heat:
        return []
    at = news.names.index(news.feature)
    steps = len(news.heat[at])
    caption = f"  signed attribution over {count(steps, 'time step')} of a state, the newest at the right"
    found = [BLANK, line(quiet(caption))]
    found += curve(news.heat[at], scale_of([0.0, *news.heat[at]], 1e-12), width, 4)
    label = max(12, min(28, width // 3))
    found += [BLANK, line(quiet(f"  all of {name(news.branch, 40)}: "), legend(news.heat))]
    return found + heatmap(news.heat, [name(feature) for feature in news.names], width, label, at)
