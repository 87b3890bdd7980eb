"""Model internals: what each branch and each feature counts for, what is dead, and how attention behaves."""

from fxwatch.records.analysis import Analysis, BranchShare, DeadFeatures
from fxwatch.records.internals import Attention
from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.view.blocks import Block, fitted, shortened
from fxwatch.tui.view.branch_bar import branch_bar, interval_bar, longest_share
from fxwatch.tui.view.text import BLANK, Line, Span, left, line, mark, name, quiet, right, title, width_of
from fxwatch.tui.view.top_features import top_features
from fxwatch.tui.view.training import heads_table
from fxwatch.tui.view.trend import trend
from fxwatch.tui.view.words import count, ends, number, percent, points

NAME = "Model internals"
_LABEL, _SHARE, _INTERVAL, _CHANGE = 11, 7, 9, 6
_MOST_BRANCHES = 12


def room(snapshot: Snapshot) -> tuple[int, int]:
    """The fewest lines that are of use, and those for all but details."""
    if snapshot.analysis is None:
        return 2, 10
    branches = max(1, min(_MOST_BRANCHES, len(snapshot.analysis.branches)))
    dead = min(5, len(_causes(snapshot.analysis.dead_features)))
    return 1 + min(4, branches), 2 + branches + 1 + 3 * branches + 1 + dead + 2


def lines(snapshot: Snapshot, width: int, height: int | None = None) -> list[Line]:
    """As much as fits, under a title."""
    analysis = snapshot.analysis
    if analysis is None:
        return [title(NAME, width, "2")]
    tight = height is not None and height < 2 + 2 * len(analysis.branches)
    rows = [_branch(label, snapshot, width, leader=tight) for label in analysis.branches]
    intervals = [_interval(branch, analysis, width) for branch in analysis.branches.values()]
    shown = rows if height is None else shortened(rows, max(1, min(_MOST_BRANCHES, height - 1)))
    dead = _dead_lines(analysis.dead_features)
    head = title(NAME, width, "2", _rest(analysis) if tight else "")
    blocks = [Block(0, [head]), Block(3, [line(quiet(_CAPTION))])]
    spacious = height is None or height >= 2 + 2 * len(rows) + 6 * len(rows) + len(dead) + 3
    for row, interval in zip(shown, intervals, strict=False):
        blocks.append(Block(0, [row]))
        blocks.append(Block(6, [interval] if spacious else []))
    blocks += [Block(0, shown[len(intervals) :])]
    fixed = 1 + len(shown)
    features = _features(analysis, width, height, fixed, spacious=spacious)
    blocks += [Block(7, [BLANK]), Block(1, features)]
    blocks += [Block(7, [BLANK]), Block(2, dead[:1])]
    blocks.append(Block(5, dead[1:], cut=True))
    blocks.append(Block(4, [_attention(analysis.attention, snapshot, width)]))
    if height is None:
        blocks.append(Block(5, heads_table(snapshot, width)))
    return fitted(blocks, width, height)


_CAPTION = " " * 13 + right("share", _SHARE) + right("95 %", _INTERVAL) + right("change", _CHANGE + 1) + "  ░ expected"


def _rest(analysis: Analysis) -> str:
    """What else there is, for the little room that a title has."""
    total, stability = analysis.dead_features.total_count, analysis.attention.stability
    parts = [] if total is None else [count(total, "dead feature")]
    return ", ".join([*parts, *([] if stability is None else [f"attention {number(stability)}"])])


_TAKEN = 2 + _LABEL + _SHARE + _INTERVAL + 1 + _CHANGE + 2
_LEADER = 24


def _branch(label: str, snapshot: Snapshot, width: int, *, leader: bool) -> Line:
    """Share, interval, change and bar; with its leading feature where the rankings have no room of their own."""
    analysis = snapshot.analysis
    if analysis is None:
        return ()
    branch = analysis.branches[label]
    before = snapshot.past.before.get(label) if snapshot.past else None
    change = branch.share - before if branch.share is not None and before is not None else None
    interval = "" if branch.low is None or branch.high is None else ends(branch.low, branch.high)
    head = line(
        mark(branch.verdict) if branch.expected else quiet(" "),
        " ",
        left(name(label), _LABEL),
        Span(right(percent(branch.share), _SHARE), branch.verdict if branch.verdict in {"warn", "bad"} else "strong"),
        quiet(right(interval, _INTERVAL + 1)),
        right(points(change), _CHANGE),
        "  ",
    )
    ranking = analysis.feature_importance.get(label, [])
    beside = leader and bool(ranking) and width >= _TAKEN + _LEADER + 14
    room = max(4, width - _TAKEN - (_LEADER + 2 if beside else 0))
    bar = branch_bar(branch, longest_share(analysis.branches.values()), room)
    end: Line = ()
    if beside:
        feature, score = ranking[0]
        end = line(" " * (room - width_of(bar) + 2), left(name(feature), _LEADER - 7), " ", number(score))
    return (*head, *bar, *end)


def _interval(branch: BranchShare, analysis: Analysis, width: int) -> Line:
    """The interval of a share, to be drawn below its bar."""
    drawn = interval_bar(branch, longest_share(analysis.branches.values()), max(4, width - _TAKEN))
    return line(" " * _TAKEN, quiet(drawn))


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
        (branch, feature, dead.cause_of(branch, feature))
        for branch, features in dead.branches.items()
        for feature in features
    ]


def _dead_lines(dead: DeadFeatures) -> list[Line]:
    total = "not looked for" if dead.total_count is None else f"{dead.total_count:,}"
    words = name(dead.reason or "") if dead.total_count is None else ""
    head = line(mark(dead.verdict), " ", left("dead features", 14), Span(total, "strong"), " ", quiet(words))
    found = [
        line("  ", left(f"  {name(branch)}/{name(feature)}", 30), " ", quiet(name(cause)))
        for branch, feature, cause in _causes(dead)
    ]
    return [head, *found]


def _attention(attention: Attention, snapshot: Snapshot, width: int) -> Line:
    label = left("attention", 14)
    if attention.stability is None and attention.entropy is None:
        return line("  ", label, quiet(name(attention.reason or "none")))
    heads = sum(map(len, attention.layers.values()))
    past = snapshot.past.trends.get("attention_stability", ()) if snapshot.past else ()
    return line(
        "  ",
        label,
        *("stability ", Span(number(attention.stability), "strong")),
        *(", entropy ", Span(number(attention.entropy), "strong")),
        quiet(f", {count(heads, 'head')} "),
        trend(past, min(20, max(0, width - 66)), 0.1),
    )
