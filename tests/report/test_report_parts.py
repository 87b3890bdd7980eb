"""The rules that the page is made of, without a page."""

import math
import unicodedata
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some_

from fxwatch.records.thresholds import AtLeast, AtMost, Between, Limit, Thresholds
from fxwatch.report.gauge import wanted, zones
from fxwatch.report.layer_axis import layer_axis
from fxwatch.report.layers import Group, grouped, labels, short
from fxwatch.report.lettering import Ruler, printable
from fxwatch.report.palette import MARKS, agreement, diverging
from fxwatch.report.panels.header import shared_out
from fxwatch.report.ranking import branches_of, dead_in_words
from fxwatch.report.scale import Scale, decades, round_steps
from fxwatch.report.sheet import Sheet
from fxwatch.report.words import count, estimate, moment, named, number, percent, some
from tests.report.samples import SAMPLES, layers_of

RULER = Sheet(100, 100).ruler


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.5263, "0.526"), (15.9, "15.9"), (1e-7, "1e−7"), (-0.2, "−0.2"), (1e3, "1e3"), (0.0, "0"), (2.5e-9, "2.5e−9")],
)
def test_numbers(value: float, said: str) -> None:
    assert number(value) == said


@pytest.mark.parametrize(
    ("value", "error", "said"),
    [
        (0.5256, 0.0767, ("0.53", "± 0.08")),
        (0.19196, 0.0078, ("0.192", "± 0.008")),
        (0.0629, 0.00122, ("0.0629", "± 0.0012")),
        (0.98, 0.3, ("0.98", "± 0.30")),
        (31.4, 1.2, ("31.4", "± 1.2")),
        (0.97, None, ("0.97", "")),
        (0.97, 0.0, ("0.97", "")),
        (1e12, 1e11, ("1e12", "± 1e11")),
    ],
)
def test_a_value_ends_where_its_error_begins(value: float, error: float | None, said: tuple[str, str]) -> None:
    assert estimate(value, error) == said


@pytest.mark.parametrize(
    ("share", "said"), [(0.42, "42%"), (0.06, "6.0%"), (0.0, "0%"), (0.0004, "<0.1%"), (1.0, "100%"), (0.0999, "10.0%")]
)
def test_shares(share: float, said: str) -> None:
    assert percent(share) == said


def test_other_words() -> None:
    assert count(1, "state") == "1 state"
    assert count(1200, "analysis", "analyses") == "1,200 analyses"
    assert some(["a", "b", "c"], 2) == "a, b and 1 more"
    assert named(" ") == "(no name)"
    assert moment("2026-11-22T09:09:17.072+01:00") == "2026-11-22 08:09 UTC"
    assert moment("yesterday") == "yesterday"
    assert moment("") == "unknown"


@given(some_.text(max_size=60))
def test_any_name_can_be_drawn(name: str) -> None:
    shown = printable(name)
    assert all(unicodedata.category(letter) not in {"Cc", "Cf", "Cs", "Co", "Cn"} for letter in shown)
    assert printable(shown) == shown


@given(some_.text(max_size=80), some_.floats(20, 400))
@settings(deadline=None)
def test_a_fitted_name_has_room(name: str, width: float) -> None:
    assert RULER.width(RULER.fit(name, width)) <= width


@given(some_.text(max_size=200), some_.floats(60, 400), some_.integers(1, 4))
@settings(deadline=None)
def test_wrapped_lines_have_room(words: str, width: float, lines: int) -> None:
    wrapped = RULER.wrap(words, width, lines)
    assert len(wrapped) <= lines
    assert all(RULER.width(line, 16) <= width for line in wrapped)


def test_a_long_name_keeps_both_its_ends() -> None:
    shown = RULER.fit("average_" + "x" * 200 + "_range", 150)
    assert shown.startswith("aver")
    assert shown.endswith("range")
    assert "…" in shown


def test_a_letter_that_no_font_has_is_shown_as_its_escape() -> None:
    assert printable("a\U000e0041b") == "a\\U000e0041b"
    assert printable("e\u0301\u0301\u0301") == "\xe9\u0301\\u0301"


def test_a_scale_ends_at_its_ends() -> None:
    scale = Scale(0, 10, 100, 200)
    assert [scale(value) for value in (-1, 0, 5, 10, 99)] == [100, 100, 150, 200, 200]
    assert Scale(3, 3, 100, 200)(3) == 150


@pytest.mark.parametrize(
    ("high", "most", "steps"),
    [(0.6, 4, [0, 0.2, 0.4, 0.6]), (0.1, 2, [0, 0.05, 0.1]), (1, 4, [0, 0.25, 0.5, 0.75, 1]), (0, 4, [0])],
)
def test_an_axis_has_round_steps(high: float, most: int, steps: list[float]) -> None:
    assert round_steps(high, most) == pytest.approx(steps)


@given(some_.floats(1e-9, 1e9), some_.integers(2, 9))
def test_an_axis_has_no_more_steps_than_asked(high: float, most: int) -> None:
    steps = round_steps(high, most)
    assert 2 <= len(steps) <= most + 1
    assert steps[-1] <= high * (1 + 1e-6)


@given(some_.floats(-320, 300), some_.floats(0.5, 600), some_.integers(1, 9))
def test_a_logarithmic_axis_has_few_decades(low: float, span: float, most: int) -> None:
    found = decades(low, low + span, most)
    assert len(found) <= most + 1
    assert all(low - 1 <= exponent <= low + span + 1 for exponent in found)


@pytest.mark.parametrize(
    ("limit", "verdicts", "words"),
    [
        (Thresholds().consensus, ["bad", "warn", "ok"], "≥ 0.7"),
        (Thresholds().infidelity, ["ok", "warn", "bad"], "≤ 0.05"),
        (Thresholds().sparsity, ["warn", "ok", "warn"], "0.1–0.6"),
        (Thresholds().concentration, ["warn", "ok", "bad"], "0.05–0.5"),
        (Between(), ["ok"], "any"),
        (Between(low=0.3), ["warn", "ok"], "≥ 0.3"),
        (Between(bad_high=0.95), ["ok", "bad"], "≤ 0.95"),
        (AtLeast(ok=0.0, bad=0.0), ["ok"], "≥ 0"),
        (AtMost(ok=0.0, bad=0.0), ["bad"], "≤ 0"),
        (AtLeast(ok=5, bad=2), ["bad", "warn", "ok"], "≥ 5"),
    ],
)
def test_a_limit_is_zones_from_nought(limit: Limit, verdicts: list[str], words: str) -> None:
    found = zones(limit)
    assert [zone.verdict for zone in found] == verdicts
    assert found[0].low == 0
    assert found[-1].high == limit.axis()[1]
    assert wanted(limit) == words


def test_colours_are_symmetric_and_what_is_missing_is_grey() -> None:
    colours = diverging(np.array([[-9.0, -1.0, 0.0, 1.0, 9.0, math.nan]]), 1.0)
    assert (colours[0, 0] == colours[0, 1]).all()
    assert (colours[0, 3] == colours[0, 4]).all()
    assert tuple(colours[0, 2]) == (247, 247, 247, 255)
    assert tuple(colours[0, 5]) == (217, 217, 217, 255)
    assert (diverging(np.zeros((2, 2)), 0.0)[..., :3] == 247).all(axis=None)


def test_marks_differ_without_their_colours() -> None:
    assert len({mark.symbol for mark in MARKS.values()}) == 4
    assert len({mark.word for mark in MARKS.values()}) == 4


@pytest.mark.parametrize("colour", [agreement(value / 50) for value in range(-50, 51)])
def test_cells_are_legible(colour: tuple[str, str]) -> None:
    assert contrast(*colour) >= 3.5


@pytest.mark.parametrize("mark", MARKS.values())
def test_chips_are_legible(mark: tuple[str, str, str, str, str]) -> None:
    _, _, fill, ink, line = mark
    assert contrast(fill, ink) >= 4.5
    assert contrast(line, "#ffffff") >= 3


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours (WCAG 2.1)."""
    dark, light = sorted(luminance(colour) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_columns_share_their_room() -> None:
    assert shared_out([10, 20], 50) == [20, 30]
    assert shared_out([10, 100, 100], 110) == [10, 50, 50]
    assert sum(shared_out([300, 200, 100], 300)) == pytest.approx(300)


def test_the_dead_are_told_by_cause() -> None:
    branch = next(b for b in branches_of(SAMPLES["guide"]().analysis) if b.name == "mf")
    assert not {ranked.name for ranked in branch.living} & {name for names in branch.dead.values() for name in names}
    assert dead_in_words(branch, 2).endswith("(low importance for long) and 1 more")


def test_the_living_stand_best_first_and_know_their_column() -> None:
    analysis = SAMPLES["guide"]().analysis
    for branch in branches_of(analysis):
        shares = [ranked.unit.share for ranked in branch.living]
        assert shares == sorted(shares, reverse=True)
        assert all(list(analysis.units[branch.name])[ranked.column] == ranked.name for ranked in branch.living)


def test_layers_are_split_as_finely_as_there_is_room() -> None:
    names = ["p.enc.hf.a", "p.enc.hf.b", "p.enc.mf.a", "p.enc.mf.b", "p.head"]
    assert labels(grouped(names, lambda found: len(found) <= 1)) == ["p"]
    assert labels(grouped(names, lambda found: len(found) <= 2)) == ["enc", "head"]
    assert labels(grouped(names, lambda found: len(found) <= 3)) == ["hf", "mf", "head"]
    assert labels(grouped(names, lambda _: True)) == ["hf.a", "hf.b", "mf.a", "mf.b", "head"]


def test_branches_of_the_same_build_are_split_alike() -> None:
    names = [f"enc.{branch}.{part}" for branch in ("hf", "mf") for part in ("in", "mid", "out")]
    assert labels(grouped(names, lambda found: len(found) <= 5)) == ["hf", "mf"]


def test_layers_that_run_again_make_a_group_of_their_own() -> None:
    names = ["m.a.x", "m.b.x", "m.a.y"]
    groups = grouped(names, lambda found: len(found) <= 3)
    assert [group.first for group in groups] == [0, 1, 2]
    assert all(isinstance(group, Group) for group in groups)


def test_a_number_alone_names_no_layer() -> None:
    assert labels(grouped(["net.0", "net.2"], lambda _: True)) == ["net.0", "net.2"]
    assert short("p.enc.layers.0.norm", ["p.enc.layers.0.norm", "p.dec.layers.1.norm"]) == "layers.0.norm"
    assert short("p.enc.hf.norm", ["p.enc.hf.norm", "p.dec.hf.norm"]) == "enc.hf.norm"
    assert short("model", ["model"]) == "model"


@pytest.mark.parametrize("width", [200, 640, 1200])
@pytest.mark.parametrize(
    "names",
    [
        layers_of({"hf": (1, 1), "mf": (1, 1)}),
        [f"layer{i}" for i in range(90)],
        [f"a.{'long_name_' * 9}{i % 7}.{i}" for i in range(300)],
        ["x"],
        ["", ".", "..", "a.", ".a"],
    ],
)
def test_layers_stand_in_order_and_their_names_apart(names: list[str], width: int) -> None:
    axis = layer_axis(names, 50, 50 + width, RULER)
    places = [axis.x[name] for name in names]
    assert places == sorted(places)
    assert places[0] >= 50
    assert places[-1] <= 50 + width
    for row in (0, 1):
        texts = [(label.start, label.start + RULER.width(label.words, 16)) for label in axis.labels if label.row == row]
        assert all(end <= start for (_, end), (start, _) in pairwise(texts))
        assert all(start >= 49 and end <= 51 + width for start, end in texts)


def test_a_ruler_measures_bold_letters_wider() -> None:
    assert isinstance(RULER, Ruler)
    assert RULER.width("consensus", bold=True) > RULER.width("consensus")
