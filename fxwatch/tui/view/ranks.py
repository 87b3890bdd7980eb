"""The place of the leading features by each method, with those marked of which methods disagree."""

from collections.abc import Sequence

from fxwatch.records.analysis import Analysis
from fxwatch.records.ranks import FeatureRanks, outlying
from fxwatch.tui.view.text import BLANK, Line, Span, ending, line, mark, name, paragraph, quiet, right
from fxwatch.tui.view.words import count

_LABEL, _WIDEST_LABEL, _CELL = 24, 44, 9
_WORDS = (
    "place by method among {units}; ! disagrees: in the lower half, or nowhere (–), "
    "where another method has the feature in the first quarter"
)


def rank_table(analysis: Analysis, methods: Sequence[str], width: int) -> list[Line]:
    """A row a feature, a column a method, numbered as in the table of agreement."""
    ranks = analysis.consensus.ranks
    if not ranks or not methods:
        return []
    words = _WORDS.format(units=count(units_of(analysis), "feature"))
    cell = max(5, min(_CELL, (width - _LABEL - 2) // len(methods)))
    label = max(_LABEL, min(_WIDEST_LABEL, width - 2 - cell * len(methods)))
    found = [BLANK, *paragraph(words, width)]
    numbers = (quiet(right(f"[{place}]", cell)) for place in range(1, len(methods) + 1))
    found.append(line(" " * (label + 2), *numbers))
    return found + [_row(one, analysis, methods, (label, cell)) for one in ranks]


def units_of(analysis: Analysis) -> int:
    """How many features there are in all branches."""
    return sum(map(len, analysis.units.values()))


def _row(one: FeatureRanks, analysis: Analysis, methods: Sequence[str], widths: tuple[int, int]) -> Line:
    label, cell = widths
    against = outlying(one, methods, units_of(analysis))
    cells = []
    for method in methods:
        place = one.ranks.get(method)
        words = "–" if place is None else str(place)
        cells.append(Span(right(f"! {words}", cell), "warn") if method in against else Span(right(words, cell)))
    head = mark("warn") if against else Span(" ")
    return line(head, " ", ending(f"{name(one.branch, 40)} {name(one.feature, 80)}", label), *cells)
