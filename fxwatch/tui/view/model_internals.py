"""Model internals: what each branch and each feature counts for, what is dead, and how attention behaves."""

from fxwatch.records.analysis import Analysis, Attention, BranchShare, DeadFeatures
from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.view.blocks import Block, fitted, shortened
from fxwatch.tui.view.branch_bar import branch_bar, interval_bar, longest_share
from fxwatch.tui.view.text import Line, Span, crop, left, line, mark, name, quiet, right, title
from fxwatch.tui.view.top_features import top_features
from fxwatch.tui.view.trend import trend
from fxwatch.tui.view.words import count, number, percent, points

NAME = "Model internals"
_LABEL, _SHARE, _INTERVAL, _CHANGE = 11, 7, 9, 6
_MOST_BRANCHES = 12


def least(snapshot: Snapshot) -> int:
    """The fewest lines that are of use."""
    return 1 + min(4, _branches(snapshot))


def good(snapshot: Snapshot) -> int:
    """The lines for all but details."""
    branches = _branches(snapshot)
    return 2 + branches + 1 + 3 * branches + 1 + _dead(snapshot) + 2


def _branches(snapshot: Snapshot) -> int:
    return max(1, min(_MOST_BRANCHES, len(snapshot.analysis.branches))) if snapshot.analysis else 1


def _dead(snapshot: Snapshot) -> int:
    return min(5, len(_causes(snapshot.analysis.dead_features))) if snapshot.analysis else 0


def lines(snapshot: Snapshot, width: int, height: int | None = None) -> list[Line]:
    """As much as fits, under a title."""
    analysis = snapshot.analysis
    head = [title(NAME, width, "2")]
    if analysis is None:
        return head
    branches = [row for name_, branch in analysis.branches.items() for row in _branch(name_, branch, snapshot, width)]
    rows, intervals = branches[::2], branches[1::2]
    shown = rows if height is None else shortened(rows, max(1, min(_MOST_BRANCHES, height - 1)))
    dead = _dead_lines(analysis.dead_features, width)
    blocks = [Block(0, head), Block(3, [_caption(width)])]
    spacious = height is None or height >= 2 + 2 * len(rows) + 6 * len(rows) + len(dead) + 3
    for row, interval in zip(shown, intervals, strict=False):
        blocks.append(Block(0, [row]))
        blocks.append(Block(6, [interval] if spacious else []))
    blocks += [Block(0, shown[len(intervals) :])]
    fixed = 1 + len(shown)
    features = _features(analysis, width, height, fixed, spacious=spacious)
    blocks.append(Block(1, features))
    blocks.append(Block(2, dead[:1]))
    blocks.append(Block(5, dead[1:], cut=True))
    blocks.append(Block(4, _attention(analysis.attention, snapshot, width)))
    return fitted(blocks, height)


def _caption(width: int) -> Line:
    words = " " * 13 + right("share", _SHARE) + right("95 %", _INTERVAL) + right("change", _CHANGE + 1)
    return crop(line(quiet(f"{words}  ░ expected")), width)


def _branch(label: str, branch: BranchShare, snapshot: Snapshot, width: int) -> list[Line]:
    """A row, and the interval to be drawn below it."""
    analysis = snapshot.analysis
    longest = longest_share(list(analysis.branches.values())) if analysis else 1.0
    before = snapshot.past.before.get(label) if snapshot.past else None
    change = branch.share - before if branch.share is not None and before is not None else None
    interval = "" if branch.low is None or branch.high is None else f"{branch.low * 100:.1f}–{branch.high * 100:.1f}"
    head = line(
        mark(branch.verdict) if branch.expected else quiet(" "),
        " ",
        left(name(label), _LABEL),
        Span(right(percent(branch.share), _SHARE), branch.verdict if branch.verdict in {"warn", "bad"} else "strong"),
        quiet(right(interval, _INTERVAL + 1)),
        right(points(change), _CHANGE),
        "  ",
    )
    taken = 2 + _LABEL + _SHARE + _INTERVAL + 1 + _CHANGE + 2
    room = max(4, width - taken)
    under = line(" " * taken, quiet(interval_bar(branch, longest, room)))
    return [crop((*head, *branch_bar(branch, longest, room)), width), crop(under, width)]


def _features(analysis: Analysis, width: int, height: int | None, fixed: int, *, spacious: bool) -> list[Line]:
    """The top features, as many a branch as there is room for beside the rest."""
    rankings = {label: ranking for label, ranking in analysis.feature_importance.items() if ranking}
    if not rankings:
        return []
    if height is None:
        return top_features(analysis, width, None)
    intervals = len(analysis.branches) if spacious else 0
    room = height - fixed - intervals - 1 - min(5, len(_causes(analysis.dead_features))) - 4
    each = room // len(rankings)
    if each < 1:
        each = 1 if height - fixed >= len(rankings) + 1 else 0
    return top_features(analysis, width, each) if each else []


def _causes(dead: DeadFeatures) -> list[tuple[str, str, str]]:
    return [
        (branch, feature, dead.causes.get(branch, {}).get(feature, "no cause given"))
        for branch, features in dead.branches.items()
        for feature in features
    ]


def _dead_lines(dead: DeadFeatures, width: int) -> list[Line]:
    total = NOT_LOOKED if dead.total_count is None else f"{dead.total_count:,}"
    words = name(dead.reason or "") if dead.total_count is None else ""
    head = line(mark(dead.verdict), " ", left("dead features", 16), Span(total, "strong"), " ", quiet(words))
    found = [
        line("  ", left(f"  {name(branch)}/{name(feature)}", 30), " ", quiet(name(cause).replace("_", " ")))
        for branch, feature, cause in _causes(dead)
    ]
    return [crop(row, width) for row in (head, *found)]


NOT_LOOKED = "not looked for"


def _attention(attention: Attention, snapshot: Snapshot, width: int) -> list[Line]:
    label = line("  ", left("attention", 16))
    if attention.stability is None and attention.entropy is None:
        return [crop((*label, quiet(name(attention.reason or "none"))), width)]
    heads = sum(map(len, attention.layers.values()))
    past = snapshot.past.trends.get("attention_stability", ()) if snapshot.past else ()
    return [
        crop(
            (
                *label,
                *line("stability ", Span(number(attention.stability), "strong")),
                *line(", entropy ", Span(number(attention.entropy), "strong")),
                quiet(f", {count(heads, 'head')} "),
                Span(trend(past, min(20, max(0, width - 66)), 0.1)),
            ),
            width,
        )
    ]
