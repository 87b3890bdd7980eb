"""Numbers, ages and strings from files."""

from hypothesis import given
from hypothesis import strategies as st

from fxwatch.tui.view.text import cells, crop, ending, joined, left, line, plain, right, spread, title, wrapped
from fxwatch.tui.view.words import age, count, duration, ends, moment, number, points, whole
from tests.tui.examples import START

ANY_TEXT = st.text(st.characters(exclude_characters="\n"), max_size=60)


def test_numbers() -> None:
    shown = {
        None: "–", 0.0: "0", 0.8474: "0.847", -0.25: "-0.250", 12.345: "12.35", 123.45: "123.5", 12345.0: "12345",
        1e-7: "1e-7", -3.2e9: "-3e+9", 1e300: "1e+300",
    }  # fmt: skip
    assert {value: number(value) for value in shown} == shown


def test_ages_are_coarse() -> None:
    assert len({age(seconds) for seconds in range(3600)}) == 9
    assert age(5) == "<15 s"
    assert age(3 * 3600 + 59) == "3 h"
    assert age(5 * 86400) == "5 d"


def test_other_words() -> None:
    assert points(0.0123) == "+1.2"
    assert points(-0.00001) == "±0.0"
    assert points(None) == ""
    assert whole(252420) == "252,420"
    assert (ends(0.396, 0.4741), ends(0.998, 1.0), ends(1.0, 1.0)) == ("39.6–47.4", "99.8–100", "100–100")
    assert (count(1, "layer"), count(2, "analysis", "analyses")) == ("1 layer", "2 analyses")
    assert (duration(2.31), duration(90), duration(600), duration(9000)) == ("2.3 s", "90 s", "10 min", "2 h")
    assert moment(START, START + 60) == "08:00 UTC"
    assert moment(START, START + 86400) == "2026-11-22 08:00 UTC"
    assert moment(1e300, START) == "an unknown time"


@given(ANY_TEXT, st.integers(0, 50))
def test_columns_have_their_width(text: str, width: int) -> None:
    assert cells(left(text, width)) == width
    assert cells(right(text, width)) == width
    assert cells(ending(text, width)) == width
    assert sum(cells(piece.text) for piece in crop(line(text, " ", text), width)) <= width


@given(ANY_TEXT, st.integers(2, 50))
def test_wrapping_keeps_all_words_and_the_width(text: str, width: int) -> None:
    lines = wrapped(text, width)
    assert all(cells(part) <= width for part in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_lines_of_parts() -> None:
    assert plain([joined(["a", "b", "cccc"], 9)]) == "a · b"
    assert plain([spread(line("left"), line("right"), 12)]) == "left   right"
    assert plain([spread(line("left"), line("right"), 10)]) == "left"
    assert plain([title("Warnings", 20, "5", "3")]) == "5 Warnings ─────── 3"
    assert plain([title("Warnings", 12, "5", "a long note")]) == "5 Warnings ─"
