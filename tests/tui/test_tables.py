"""Tables: sorted, filtered, with a row that stays chosen, and never wider or taller than their room."""

from hypothesis import given
from hypothesis import strategies as st

from fxwatch.tui.view.table import (
    Bar,
    Column,
    Row,
    Table,
    Trend,
    Way,
    arranged,
    chosen,
    fitting,
    in_words,
    moved,
    new_below,
    sorted_next,
    table_lines,
)
from fxwatch.tui.view.text import Span, plain, width_of

COLUMNS = (
    Column("name", 8, most=12, text=True),
    Column("value", 6),
    Column("", 4, 2, most=8, text=True),
    Column("reason", 6, 1, most=30, text=True),
)


def table(count: int = 5, *, tail: bool = False) -> Table:
    def row(place: int) -> Row:
        value = None if place == 2 else float(place * 7 % 5)
        cells = (Span(f"name {place}"), Span(str(value)), Bar(place / 10), Span(f"because of {place} " * (place % 3)))
        return Row((str(place),), cells, (f"name {place}", value, None, None))

    return Table(COLUMNS, [row(place) for place in range(count)], tail=tail)


def names(rows: list[Row]) -> list[str]:
    return [row.key[0] for row in rows]


def test_sorting_puts_what_has_no_value_last_both_ways() -> None:
    assert names(arranged(table(), Way())) == ["0", "1", "2", "3", "4"]
    assert names(arranged(table(), Way(sort=1))) == ["0", "3", "1", "4", "2"]
    assert names(arranged(table(), Way(sort=1, falling=True))) == ["4", "1", "3", "0", "2"]
    assert names(arranged(table(), Way(sort=9))) == ["0", "1", "2", "3", "4"]


def test_the_next_column_to_sort_by() -> None:
    way = sorted_next(table(), Way())
    assert (way.sort, way.falling) == (0, False)
    way = sorted_next(table(), way)
    assert (way.sort, way.falling) == (1, True)
    assert sorted_next(table(), way).sort is None


def test_all_words_of_the_filter_must_be_held() -> None:
    assert names(arranged(table(), Way(filter="NAME of 4"))) == ["4"]
    assert "nothing holds these words" in plain(table_lines(table(), Way(filter="zzz"), 60, 9, 0).lines)


def test_the_chosen_row_stays_chosen_when_rows_are_sorted_and_come() -> None:
    way = moved(table(), Way(), 3)
    assert way.chosen == ("3",)
    assert chosen(table(), arranged(table(), way._replace(sort=1)), way) == 1
    assert moved(table(), way, -99).chosen == ("0",)
    assert moved(table(0), Way(), 1) == Way()


def test_a_log_is_followed_until_one_looks_up_and_again_from_its_end() -> None:
    log = table(tail=True)
    assert table_lines(log, Way(), 60, 3, 0).first == 3
    way = moved(log, Way(), -1)
    assert way.chosen == ("3",)
    assert new_below(table(9, tail=True), way) == 5
    assert moved(log, way, 99) == Way()
    assert new_below(log, Way()) == 0


def test_columns_leave_in_the_order_of_their_rank() -> None:
    assert [place for place, _ in fitting(COLUMNS, 40)] == [0, 1, 2, 3]
    assert [place for place, _ in fitting(COLUMNS, 26)] == [0, 1, 3]
    assert [place for place, _ in fitting(COLUMNS, 20)] == [0, 1]


def test_long_words_wrap_where_that_is_wished() -> None:
    cut = plain(table_lines(table(3), Way(), 40, 20, 0).lines)
    whole = plain(table_lines(table(3), Way(wrap=True), 40, 20, 0).lines)
    assert cut.count("because") < whole.count("because") == 3


def test_in_words() -> None:
    assert in_words(table(2)) == ["name name 0, value 0.0", "name name 1, value 2.0, reason because of 1"]


@given(
    st.builds(table, st.integers(0, 30), tail=st.booleans()),
    st.builds(
        Way,
        sort=st.none() | st.integers(-9, 9),
        falling=st.booleans(),
        filter=st.sampled_from(["", "name 1", "because"]),
        wrap=st.booleans(),
        chosen=st.tuples(st.integers(0, 29).map(str)),
    ),
    st.integers(0, 40),
    st.integers(30, 120),
    st.integers(2, 12),
)
def test_the_chosen_row_is_always_drawn(one: Table, way: Way, top: int, width: int, height: int) -> None:
    window = table_lines(one, way, width, height, top)
    rows = arranged(one, way)
    assert 1 <= len(window.lines) <= height
    assert all(width_of(line) <= width for line in window.lines)
    assert plain(window.lines).count("▸") == min(1, len(rows))
    assert not rows or window.first <= chosen(one, rows, way) < window.end
    hidden = len(rows) - (window.end - window.first)
    assert not rows or not hidden or way.wrap or len(window.lines) == height


def test_bars_and_trends_are_as_wide_as_their_columns() -> None:
    cells = (Span("a"), Span("b"), Bar(2.0), Trend((0.1, None, 0.9), 0.1))
    one = Table(COLUMNS, [Row(("a",), cells, ("a", "b", None, None))])
    for width in range(20, 90):
        assert all(width_of(line) <= width for line in table_lines(one, Way(), width, 5, 0).lines)
