"""The HTML report: whole, self-contained, deaf to hostile names, and legible in a real browser."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fxwatch import exit_codes
from fxwatch.report.html.definitions import DEFINITIONS
from fxwatch.report.html.page import Part, page
from fxwatch.store.layout import Store
from fxwatch.store.write import RunWriter
from tests import analyses
from tests.browser import browser, dom, screenshot
from tests.project import ROOT, Project
from tests.report import samples
from tests.report.test_run_report import past

SAMPLES = [
    samples.guide,
    samples.small,
    samples.nothing,
    samples.empty,
    samples.all_bad,
    samples.hostile,
    samples.extreme,
]
NOW = "2026-11-22T08:10:00+00:00"


def html(*made: samples.Sample) -> str:
    return page([Part(*one, past(one)) for one in made], NOW)


class _Elements(HTMLParser):
    """All elements with their attributes, and all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.__name__)
def test_it_needs_no_other_file_and_runs_nothing(sample: Callable[[], samples.Sample]) -> None:
    found = _Elements(html(sample()))
    assert {tag for tag, _ in found.found} <= {
        "html", "head", "meta", "title", "style", "body", "header", "nav", "main", "section", "article", "footer", "p",
        "ul", "ol", "li", "a", "span", "h1", "h2", "h3", "h4", "dl", "div", "dt", "dd", "figure", "img", "table",
        "caption", "thead", "tbody", "tr", "th", "td", "details", "summary",
    }  # fmt: skip
    for _, attributes in found.found:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        assert (attributes.get("src") or "data:image/png;base64,").startswith("data:image/png;base64,")
        assert (attributes.get("href") or "#").startswith("#")
    assert "url(" not in found.text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", found.text)


def test_it_says_what_is_wrong_why_and_what_to_do_and_how_numbers_are_defined() -> None:
    sample = samples.guide()
    text = _Elements(html(sample)).text
    for finding in sample.analysis.health.findings:
        for words in (finding.message, *finding.causes, *finding.remedies):
            assert words in text
    for branch, ranking in sample.analysis.feature_importance.items():
        assert branch in text
        assert all(feature in text for feature, _ in ranking)
    assert "dead: constant input" in text
    assert all(layer in text for layer in sample.analysis.gradient_flow.layer_gradients)
    assert all(one.what in text for one in DEFINITIONS)
    assert "its rules cover this model only in part" in text


def test_definitions_are_those_of_the_documentation() -> None:
    documented = (ROOT / "docs" / "numbers.md").read_text(encoding="utf-8").replace("\\|", "|")
    for one in DEFINITIONS:
        assert f"| {one.name} | {one.what} | {one.well} |" in documented


def test_many_runs_stand_on_one_page_the_worst_first(tmp_path: Path) -> None:
    store = Store.of(tmp_path / "outputs", None)
    (tmp_path / "outputs").mkdir()
    store.create()
    for run, verdict in (("a", "ok"), ("b", "bad")):
        writer = RunWriter(store.run(run))
        writer.commit(analyses.analysis(100, run, verdict=verdict))  # type: ignore[arg-type]
        writer.close()
    project = Project(tmp_path / "project")
    done = project.ok("report", str(tmp_path / "outputs"), "--html")
    file = Path(done.stdout.strip())
    assert file == store.root / "report.html"
    text = file.read_text()
    assert text.index('<h1><span class="chip bad">') < text.index('<h1><span class="chip ok">')
    store.run("a").analysis("step-000000100-1a2b3c4d").json.write_text("{")
    damaged = project.run("report", str(tmp_path / "outputs"), "--html")
    assert damaged.returncode == exit_codes.FAILURE
    assert damaged.stderr.count("\n") == 1
    assert "is not an analysis of fxwatch's" in damaged.stderr


def test_a_browser_shows_it_and_executes_no_name(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    hostile = samples.small()
    name, script = "<img src=x onerror=\"document.title='pwned'\">", "<script>document.title='pwned'</script>$x$[red]"
    units = {name: dict.fromkeys([name, script], hostile.analysis.units["obs"]["pole_angle"])}
    importance = {name: [(name, 0.8), (script, 0.6)]}
    analysis = hostile.analysis.model_copy(update={"run": script, "units": units, "feature_importance": importance})
    file.write_text(html(samples.guide(), hostile._replace(analysis=analysis)), encoding="utf-8")
    shown = dom(f"file://{file}", tmp_path)
    assert "<title>fxwatch: BAD</title>" in shown
    assert "&lt;script&gt;document.title='pwned'&lt;/script&gt;$x$[red]" in shown
    pixels = np.asarray(Image.open(screenshot(f"file://{file}", tmp_path / "page.png")).convert("RGB"))
    assert pixels.shape[:2] == (1000, 1300)
    badge = (pixels == (0xA4, 0x20, 0x0A)).all(-1)
    assert badge.sum() > 500  # the chip that says BAD
    assert (pixels == 255).all(-1).mean() > 0.5


async def test_a_narrow_window_need_not_be_moved_sideways_and_no_number_is_broken(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(html(samples.guide(), samples.hostile()), encoding="utf-8")
    async with browser(tmp_path, width=500, height=900) as chromium:
        tab = await chromium.tab(f"file://{file}")
        assert await tab.run("document.documentElement.scrollWidth <= innerWidth")
        assert await tab.run(BROKEN_NUMBERS) == [0, True]


BROKEN_NUMBERS = """(() => {
    const cells = [...document.querySelectorAll('td.number')].filter(cell => cell.checkVisibility());
    const tall = cell => {
        const range = document.createRange();
        range.selectNodeContents(cell);
        return new Set([...range.getClientRects()].map(one => Math.round(one.bottom / 8))).size > 2;
    };
    return [cells.filter(tall).length, cells.length > 100];
})()"""
