import io
import logging
import os
import struct
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.image import imread
from matplotlib.patches import FancyBboxPatch
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from fxwatch.records.thresholds import AtMost, Thresholds
from fxwatch.report.png import HEIGHT, WIDTH, compose, draw, places
from fxwatch.report.sheet import Sheet
from tests.report.samples import SAMPLES, Sample, analysis_of, heats_of, history_of

TOUCH = 0.5


@pytest.fixture(params=SAMPLES, scope="module")
def sample(request: pytest.FixtureRequest) -> Sample:
    return SAMPLES[request.param]()


@pytest.fixture(scope="module")
def sheet(sample: Sample) -> Sheet:
    return compose(*sample)


@pytest.fixture(scope="module")
def png(sample: Sample) -> bytes:
    return draw(*sample)


def texts_of(sheet: Sheet) -> list[tuple[Text, Bbox]]:
    found = sheet.figure.findobj(lambda artist: isinstance(artist, Text) and bool(artist.get_text()))
    return [(text, text.get_window_extent()) for text in found if isinstance(text, Text)]


def words_of(sheet: Sheet, panel: str) -> str:
    return "\n".join(text.get_text() for text, _ in texts_of(sheet) if text.get_gid() == panel)


def page(name: str) -> Sheet:
    return compose(*SAMPLES[name]())


def test_it_is_a_png_of_the_expected_size(png: bytes) -> None:
    pixels = imread(io.BytesIO(png))
    assert pixels.shape[:2] == (HEIGHT, WIDTH)
    assert len(png) < 600_000


def test_it_says_nothing_of_when_and_by_what_it_was_made(png: bytes) -> None:
    kinds, at = [], 8
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        kinds.append(kind)
        at += 12 + length
    assert set(kinds) <= {b"IHDR", b"pHYs", b"IDAT", b"IEND"}


def test_every_panel_shows_something_below_its_title(sample: Sample, sheet: Sheet, png: bytes) -> None:
    pixels = imread(io.BytesIO(png))
    for name, box in places(sample.analysis, sheet.ruler).items():
        top = round(box.top) + (0 if name in {"header", "findings"} else 36)
        part = pixels[top : round(box.bottom), round(box.left) : round(box.right), :3]
        assert float((part < 0.97).any(-1).mean()) > 0.01, name


def test_every_text_lies_inside_its_panel(sample: Sample, sheet: Sheet) -> None:
    boxes = places(sample.analysis, sheet.ruler)
    for text, extent in texts_of(sheet):
        box = boxes[text.get_gid() or ""]
        top, bottom = HEIGHT - extent.y1, HEIGHT - extent.y0
        assert extent.x0 >= box.left - 2, text.get_text()
        assert extent.x1 <= box.right + 2, text.get_text()
        assert top >= box.top - 6, text.get_text()
        assert bottom <= box.bottom + 6, text.get_text()


def none_overlaps(sheet: Sheet) -> None:
    for (one, here), (other, there) in combinations(texts_of(sheet), 2):
        across = min(here.x1, there.x1) - max(here.x0, there.x0)
        down = min(here.y1, there.y1) - max(here.y0, there.y0)
        assert across <= TOUCH or down <= TOUCH, (one.get_text(), other.get_text())


def test_no_text_overlaps_another(sheet: Sheet) -> None:
    none_overlaps(sheet)


def test_no_mark_of_a_verdict_covers_a_text(sheet: Sheet) -> None:
    chips = [patch.get_window_extent() for patch in sheet.figure.findobj(FancyBboxPatch)]
    for text, extent in texts_of(sheet):
        for chip in chips:
            inside = chip.x0 <= extent.x0 and extent.x1 <= chip.x1
            apart = extent.x1 <= chip.x0 or chip.x1 <= extent.x0 or extent.y1 <= chip.y0 or chip.y1 <= extent.y0
            assert inside or apart, text.get_text()


def test_no_text_is_read_as_math(sheet: Sheet) -> None:
    for text, _ in texts_of(sheet):
        assert not text.get_parse_math()
        assert not text.get_usetex()


def test_letters_are_large_enough_to_be_halved(sheet: Sheet) -> None:
    chip_symbols = {"✓", "!", "✗", "?"}
    sizes = [text.get_fontsize() for text, _ in texts_of(sheet) if text.get_text() not in chip_symbols]
    assert all(isinstance(size, float) and size >= 16 for size in sizes)


def test_the_same_analysis_gives_the_same_bytes(sample: Sample, png: bytes) -> None:
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(draw, *sample).result() == png


@pytest.mark.parametrize("name", SAMPLES)
def test_nothing_is_said_on_the_side(name: str, caplog: pytest.LogCaptureFixture) -> None:
    with warnings.catch_warnings(), caplog.at_level(logging.INFO):
        warnings.simplefilter("error")
        draw(*SAMPLES[name]())
    assert not caplog.records


def test_the_users_own_matplotlib_settings_change_nothing() -> None:
    sample = SAMPLES["hostile"]()
    plain = draw(*sample)
    theirs: dict[Any, Any] = {
        "text.usetex": True,
        "font.family": "serif",
        "lines.linewidth": 9,
        "axes.unicode_minus": False,
    }
    with mpl.rc_context({**theirs, "figure.dpi": 33, "savefig.dpi": 500, "text.parse_math": True, "font.size": 40}):
        before = dict(mpl.rcParams)
        assert draw(*sample) == plain
        assert dict(mpl.rcParams) == before


def test_another_process_gives_the_same_bytes() -> None:
    program = (
        "import sys; from tests.report.samples import SAMPLES; from fxwatch.report.png import draw; "
        "sys.stdout.buffer.write(draw(*SAMPLES['all_bad']()))"
    )
    pages = [
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            check=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]
    assert pages[0] == pages[1] == draw(*SAMPLES["all_bad"]())


def test_it_needs_neither_torch_nor_a_terminal_nor_a_network() -> None:
    program = (
        "import sys, fxwatch.report.stored, fxwatch.commands.report; "
        "print(sorted({'torch', 'textual', 'wandb', 'captum', 'matplotlib.pyplot'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert found.stdout.strip() == "[]"


def test_it_is_quick() -> None:
    sample = SAMPLES["guide"]()
    draw(*sample)
    took = []
    for _ in range(3):
        began = time.thread_time()
        draw(*sample)
        took.append(time.thread_time() - began)
    assert min(took) < 1.5


SAID: dict[str, tuple[str, str, list[str]]] = {
    "what was explained": ("guide", "header", [
        "✗ BAD", "default", "step 252,420", "ppo_252420_steps.zip", "2026-11-22 08:09 UTC", "32 states of",
        "the logit of the action in the dump (action_type)", "8 real states of the same dump",
    ]),
    "findings in words with their step and first remedy": ("guide", "findings", [
        "infidelity 0.526 is above 0.1", "since step 512", "new at this step",
        "→ do not cut features by these rankings alone",
    ]),
    "how many findings have no room": ("all_bad", "findings", [
        "and 7 more (3 BAD, 4 WARN): gradient_flow.vanishing",
    ]),
    "that a healthy analysis is well": ("well", "findings", ["All is well"]),
    "that a verdict is unknown": ("empty", "findings", ["UNKNOWN"]),
    "that the first analysis has no history": ("small", "history", ["first analysis: no history yet"]),
    "why there is no attention": ("small", "quality", ["no attention: the model has no nn.MultiheadAttention"]),
    "a reason without room in its line below": ("small", "quality", [
        "unknown, see below", "no stability: no previous analysis on the same probe states",
    ]),
    "that many features are cut": ("guide", "features", ["30 steps × 43 features · top 11"]),
    "why features are dead": ("guide", "features", [
        "dead: price_velocity (constant input)", "(low importance for long)",
    ]),
    "what is missing of a branch, in its place": ("partial", "features", [
        "portfolio", "no living feature", "lf", "no importance was stored", "macro", "no table of",
    ]),
    "which limits lie off the axis": ("guide", "gradients", [
        "exploding above 1e3 ↑ off the axis", "vanishing below 1e−7 ↓ off the axis",
    ]),
    "what is wrong with gradients": ("all_bad", "gradients", [
        "1 NaN or Inf: hf.extra", "3 exploding ◆", "4 vanishing ▼", "2 zero ✖", "1 unused", "2 sharp drops ■",
    ]),
    "which methods have no vote and why": ("guide", "consensus", [
        "deep lift ⊘", "no vote for deep lift: its rules cover this model only in part",
    ]),
    "which methods share a vote": ("crowded", "consensus", ["IG, GS, DL agree above 0.98 and share one vote"]),
    "which features have no room": ("crowded", "features", ["branch_10"]),
    "which branches have no room": ("crowded", "shares", ["branch_10"]),
    "a history without growing steps by number": ("crowded", "history", ["last 500 analyses", "analysis 300"]),
}  # fmt: skip


@pytest.mark.parametrize("what", SAID)
def test_it_says(what: str) -> None:
    name, panel, said = SAID[what]
    words = words_of(page(name), panel)
    assert [one for one in said if one not in words and one not in words.replace("\n", " ")] == []


def test_what_is_not_so_is_not_said() -> None:
    assert "All is well" not in words_of(page("empty"), "findings")
    assert "off the axis" not in words_of(page("all_bad"), "gradients")


@pytest.mark.parametrize("panel", ["features", "shares", "quality", "gradients", "consensus"])
def test_a_panel_without_numbers_says_why(panel: str) -> None:
    assert "NaN or Inf" in words_of(page("nothing"), panel).replace("\n", " ")


@pytest.mark.parametrize("panel", ["features", "shares", "quality", "gradients", "consensus", "history"])
def test_a_panel_of_an_empty_analysis_says_that_there_is_nothing(panel: str) -> None:
    assert "no " in words_of(page("empty"), panel)


def test_a_heatmap_that_was_not_stored_is_missed() -> None:
    analysis, _, history = SAMPLES["guide"]()
    words = words_of(compose(analysis, {}, history), "features").replace("\n", " ")
    assert words.count("no heatmap: none was stored for this branch") == 4


def test_a_heatmap_of_other_features_is_not_shown() -> None:
    shapes = {"hf": (4, 3)}
    analysis = analysis_of(shapes)
    words = words_of(compose(analysis, heats_of({"hf": (4, 5)}, 0), []), "features").replace("\n", " ")
    assert "no heatmap: what was stored has 5 features, not 3" in words


def test_limits_are_those_that_judged_the_analysis() -> None:
    analysis, arrays, history = SAMPLES["well"]()
    strict = Thresholds(infidelity=AtMost(ok=0.03, bad=0.2))
    judged = analysis.model_copy(update={"thresholds": strict})
    assert "≤ 0.03" in words_of(compose(judged, arrays, history), "quality")


def test_hostile_names_are_shown_as_text() -> None:
    sheet = page("hostile")
    words = "\n".join(text.get_text() for text, _ in texts_of(sheet))
    assert r"$\frac{1}{0}$ $x^{$" in words
    assert r"line\nbreak\ttab\x00\x1b[31mred" in words
    assert r"\u202etxt.gpj\u2066" in words
    assert "(no name)" in words
    assert "\u202e" not in words
    assert "\x1b" not in words


@pytest.mark.parametrize("branches", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("findings", [0, 9])
def test_any_number_of_branches_has_room(branches: int, findings: int) -> None:
    noise = np.random.default_rng(branches)
    shapes = {f"branch{i}": (int(noise.integers(1, 70)), int(noise.integers(1, 50))) for i in range(branches)}
    analysis = analysis_of(shapes, branches)
    bad = SAMPLES["all_bad"]().analysis.health.findings[:findings]
    analysis = analysis.model_copy(update={"health": analysis.health.model_copy(update={"findings": bad})})
    sheet = compose(analysis, heats_of(shapes, 1), history_of(analysis, 9))
    test_every_text_lies_inside_its_panel(Sample(analysis, {}, []), sheet)
    none_overlaps(sheet)
