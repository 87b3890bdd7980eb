"""The pages for people, followed as they follow them: each file that a page shows is written, each command typed."""

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

from tests.project import ROOT, environ

PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").glob("*.md"))),
]

NOT_TYPED = {
    "make demo": "opens the monitor until `q`; tests/commands/test_demo.py runs the same without it",
    "make test": "is what runs this",
    ". .venv/bin/activate": "the environment of the tests is at hand already",
    "pip install .": "tests/load/test_adapters.py types it without a network",
    "pip install 'fxwatch[distributed]'": "needs a network",
}
"""Commands on lines of their own that no test types, by how they begin, and why."""

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@cache
def text_of(page: str) -> str:
    """A page."""
    return (ROOT / page).read_text(encoding="utf-8")


def section(page: str, title: str) -> str:
    """The text below a heading of a page, to the next one of its rank or above."""
    found = re.search(rf"^(##+) {re.escape(title)}\n(.*?)(?=^## |^\1 |\Z)", text_of(page), re.MULTILINE | re.DOTALL)
    assert found is not None, (page, title)
    return found[2]


def files(text: str) -> dict[str, str]:
    """The files that a text shows, by the names in their first lines."""
    blocks = [block for language, block in _BLOCK.findall(text) if language not in {"sh", "text"}]
    named = [(re.match(r"# (\S+\.\w+)\n", block), block) for block in blocks]
    return {name[1]: block for name, block in named if name is not None}


def commands(text: str) -> list[str]:
    """The commands on lines of their own in a text."""
    return [line for language, block in _BLOCK.findall(text) if language == "sh" for line in block.splitlines()]


def typed(line: str, folder: Path) -> None:
    """Type a command in a folder. Fails where it does."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(  # noqa: S602 - it is a page's own line
        line, shell=True, cwd=folder, env=environ(PATH=path), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (line, done.stdout, done.stderr)


def follow(text: str, folder: Path) -> list[str]:
    """Write each file that a text shows, and type each command, in its own order; returns what was typed."""
    told = []
    for language, block in _BLOCK.findall(text):
        for name, content in files(f"```{language}\n{block}```").items():
            (folder / name).write_text(content, encoding="utf-8")
        for line in commands(f"```{language}\n{block}```"):
            if line not in NOT_TYPED:
                typed(line, folder)
                told.append(line)
    return told
