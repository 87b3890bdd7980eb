"""Every command in README.md, CONTRIBUTING.md and docs/ is run by a test, or it is listed why not."""

import importlib
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer.main

from benchmarks import growth
from fxwatch.cli import app
from tests import test_benchmarks
from tests.docs import NOT_TYPED, PAGES, commands, files, follow, text_of, typed
from tests.machine import program
from tests.project import ROOT
from tests.tui.examples import beat, fill

TYPED_BY = {
    "README.md": "tests/test_readme.py",
    "docs/cluster.md": "tests/daemon/test_cluster.py",
    "docs/monitor.md": "tests/tui/test_docs.py",
    "docs/notebook.md": "tests/notebook/test_docs.py",
    "docs/results.md": "tests/test_docs_results.py",
    "docs/reliability.md": "tests/test_docs.py",
}
"""Which test writes the files of a page, types its commands, and fails where one is left out."""
RUN_BY = {"docs/trainers.md": "tests/trainers/test_recipes.py", "CONTRIBUTING.md": "tests/load/test_adapters.py"}
"""Which test runs the programs of a page that has no commands."""

WRITTEN = [page for page in PAGES if page != "docs/reference.md"]  # which is what the program prints


def inline(page: str) -> list[list[str]]:
    """The commands of a page, those within sentences and tables among them, in words."""
    spans = re.findall(
        r"`((?:fxwatch|make|python|pytest) [^`\n]+)`", re.sub(r"```.*?```", "", text_of(page), flags=re.DOTALL)
    )
    return [one.split() for one in [*spans, *commands(text_of(page))]]


@pytest.mark.parametrize("page", WRITTEN)
def test_a_page_with_commands_or_programs_is_followed(page: str) -> None:
    programs = [name for name in files(text_of(page)) if name.endswith(".py")]
    if set(commands(text_of(page))) - NOT_TYPED.keys():
        assert Path(page).name in (ROOT / TYPED_BY[page]).read_text(encoding="utf-8")
    elif programs:
        assert Path(page).name in (ROOT / RUN_BY[page]).read_text(encoding="utf-8")


def test_what_is_not_typed_still_stands_somewhere() -> None:
    assert NOT_TYPED.keys() <= {line for page in WRITTEN for line in commands(text_of(page))}


def test_the_service_of_reliability(tmp_path: Path) -> None:
    program("systemd-analyze")
    (tmp_path / "outputs").mkdir()
    told = follow(text_of("docs/reliability.md"), tmp_path)
    assert [line.split()[0] for line in told] == ["fxwatch", "systemd-analyze"]


@pytest.mark.parametrize("page", WRITTEN)
def test_every_command_within_a_sentence_is_one(page: str) -> None:
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for name, *words in inline(page):
        if name == "make":
            assert words[0] in targets, words
        elif name == "pytest":
            assert all((ROOT / word).exists() for word in words if "/" in word), words
        elif name == "fxwatch":
            accepted(words)
        elif words[:1] == ["-m"] and words[1].startswith("benchmarks."):
            module = words[1].removeprefix("benchmarks.")
            assert module in {*test_benchmarks.SHORT, *test_benchmarks.LONG}, module
        elif words[:1] == ["-m"]:
            assert find_spec(words[1]), words
        elif name == "python":
            assert (ROOT / words[0]).exists() or words[0] in files(text_of(page)), words


def accepted(words: list[str]) -> None:
    """Whether a command of ours and all its options exist."""
    command: Any = typer.main.get_command(app)
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        assert words[0] in command.commands, words
        command = command.commands[words.pop(0)]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    asked = {word.strip("[]") for word in words if word.strip("[").startswith("-")}
    assert asked <= known | {"--help"}, words


def test_every_table_of_settings_is_taken(tmp_path: Path) -> None:
    """What a page shows of config.toml, beside those that its own test writes."""
    for page in WRITTEN:
        for block in re.findall(r"^```toml\n(.*?)^```", text_of(page), re.MULTILINE | re.DOTALL):
            if not block.startswith("# pyproject.toml"):
                (tmp_path / "settings.toml").write_text(block, encoding="utf-8")
                typed("fxwatch config validate --config settings.toml", tmp_path)


def test_every_link_of_every_page_leads_to_a_file() -> None:
    for page in PAGES:
        prose = re.sub(r"^```.*?^```", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", prose):
            assert ((ROOT / page).parent / target).exists(), (page, target)


def test_there_is_no_picture_but_those_that_are_drawn_below() -> None:
    shown = {target for page in PAGES for target in re.findall(r"!\[[^]]*\]\(([^)]+)\)", text_of(page))}
    assert shown == {"docs/monitor.svg", "growth.svg"}


def test_the_picture_of_growth_has_a_curve_for_everything_that_grows(tmp_path: Path) -> None:
    found = [(one, [growth.Cost(0.001 * size) for size in one.sizes]) for one in growth.AXES]
    growth.draw(found, tmp_path / "growth.svg")
    drawn = (tmp_path / "growth.svg").read_text(encoding="utf-8")
    for one in growth.AXES:
        assert one.name.partition(": ")[0] in drawn


def test_the_picture_of_the_monitor_is_drawn_by_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    draw_pictures = importlib.import_module("draw_pictures")
    monkeypatch.setattr(draw_pictures, "PICTURE", tmp_path / "monitor.svg")
    beat(fill(tmp_path / "outputs", range(100, 400, 100)))
    monkeypatch.setattr(sys, "argv", ["draw_pictures.py", str(tmp_path / "outputs")])
    draw_pictures.main()
    drawn = (tmp_path / "monitor.svg").read_text(encoding="utf-8")
    assert drawn.startswith("<svg")
    assert "price_velocity" in drawn
    assert "font-face" not in drawn
