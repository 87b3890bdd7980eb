"""Training progress: how many analyses, what became of the files, and how far the results lag behind training."""

from fxwatch.records.ledger import LedgerLine
from fxwatch.records.times import seconds
from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.view.blocks import Block, fitted
from fxwatch.tui.view.heartbeat import wandb_words
from fxwatch.tui.view.text import Line, Span, joined, left, line, name, quiet, title
from fxwatch.tui.view.words import count, duration, moment, size, whole

NAME = "Training progress"
_LABEL = 15


def room(snapshot: Snapshot) -> tuple[int, int]:  # noqa: ARG001 - all panels are asked the same
    """The fewest lines that are of use, and those for all but details."""
    return 2, 6


def lines(snapshot: Snapshot, width: int, height: int | None = None) -> list[Line]:
    """As much as fits, under a title."""
    rows = [
        ("analyses", _analyses(snapshot)),
        ("files", _files(snapshot)),
        ("step", _steps(snapshot)),
        ("this analysis" if snapshot.held else "last analysis", _cost(snapshot)),
        ("explained", _explained(snapshot)),
        ("W&B", _sent(snapshot)),
    ]
    if snapshot.analysis is not None and snapshot.analysis.attempt > 1:
        rows.append(("attempt", [f"{snapshot.analysis.attempt}, as training began anew"]))
    if snapshot.past is not None and snapshot.past.restarted is not None:
        rows.append(("history", [f"read anew, since it was {snapshot.past.restarted}"]))
    if height is not None and height <= 2:
        return [title(NAME, width, "4"), _in_one_line(snapshot, width)][:height]
    room = width - 2 - _LABEL
    blocks = [Block(0, [title(NAME, width, "4")])]
    for rank, (label, parts) in enumerate(rows):
        row = (Span("  "), quiet(left(label, _LABEL)), *joined(parts or [quiet("not known")], room))
        blocks.append(Block(rank, [row]))
    blocks.append(Block(8, [_barred(path, why) for path, why in snapshot.barred], cut=True))
    blocks.append(Block(9, [_trouble(trouble) for trouble in snapshot.files.troubles], cut=True))
    return fitted(blocks, width, height)


def _in_one_line(snapshot: Snapshot, width: int) -> Line:
    files = ", ".join(map(str, _files(snapshot)))
    parts = [
        *_analyses(snapshot)[:1],
        *([f"files: {files}"] if files else []),
        *_steps(snapshot)[-1:],
        *_cost(snapshot)[:2],
    ]
    return (Span("  "), *joined(parts, width - 2))


def _analyses(snapshot: Snapshot) -> list[str | Span]:
    if snapshot.past is None:
        return [Span("0", "strong")]
    parts: list[str | Span] = [Span(f"{snapshot.past.count:,} done", "strong")]
    if len(snapshot.runs) > 1:
        parts.append(f"{sum(run.analyses for run in snapshot.runs):,} in {len(snapshot.runs)} runs")
    if snapshot.past.gap is not None:
        parts.append(quiet(f"one every {duration(snapshot.past.gap)}"))
    return parts


def _files(snapshot: Snapshot) -> list[str | Span]:
    files = snapshot.daemon.files if snapshot.daemon else {}
    return [f"{number:,} {state}" for state, number in sorted(files.items(), key=lambda item: -item[1])]


def _steps(snapshot: Snapshot) -> list[str | Span]:
    """The newest step seen against the newest analysed."""
    news = snapshot.news
    analysed = news.step if news is not None else None
    seen = snapshot.files.steps.get(snapshot.run or "")
    newest = max((step for step in (seen, analysed) if step is not None), default=None)
    if newest is None:
        return []
    if newest == analysed:
        return [f"{whole(newest)} analysed, the newest seen"]
    if analysed is None:
        return [f"{whole(newest)} seen", "none analysed"]
    return [f"{whole(analysed)} of {whole(newest)} seen", Span(f"{newest - analysed:,} behind", "warn")]


def _cost(snapshot: Snapshot) -> list[str | Span]:
    analysis = snapshot.analysis
    if analysis is None:
        return []
    cost, made = analysis.cost, seconds(analysis.created_at)
    parts: list[str | Span] = [] if made is None else [moment(made, snapshot.now)]
    parts += [duration(cost.seconds), f"{count(cost.forwards, 'forward')}, {count(cost.backwards, 'backward')}"]
    return parts if cost.peak_rss_bytes is None else [*parts, size(cost.peak_rss_bytes)]


def _explained(snapshot: Snapshot) -> list[str | Span]:
    analysis = snapshot.analysis
    if analysis is None:
        return []
    states = analysis.states
    used = f"{count(states.count, 'state')} of {name(states.path, 80)}"
    left_out = [Span(f"{states.left_out:,} left out", "warn")] if states.left_out else []
    return [name(analysis.checkpoint.path, 80), *left_out, quiet(used)]


def _sent(snapshot: Snapshot) -> list[str | Span]:
    words, trouble = wandb_words(snapshot), snapshot.delivery.trouble
    told = Span(words.sentence.removeprefix("W&B "), "warn" if words.verdict == "warn" else "")
    return [told] if trouble is None else [told, Span(name(trouble), "warn")]


def _barred(path: str, why: str) -> Line:
    return line(Span("! ", "warn"), name(path, 200), " ", quiet(f"cannot be read: {name(why)}"))


def _trouble(trouble: LedgerLine) -> Line:
    words = f"{trouble.state}: {name(trouble.reason)}" if trouble.reason else trouble.state
    return line(Span("! ", "warn"), name(trouble.path, 80), " ", quiet(words))
