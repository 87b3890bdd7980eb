"""The README's own commands, in its own order, as a newcomer types them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from fxwatch.store.layout import Store
from tests.project import ROOT, environ

README = (ROOT / "README.md").read_text(encoding="utf-8")
TYPED_BY_CI = {"make demo", "make test"}


def section(title: str) -> str:
    """The text below a heading, to the next one."""
    found = re.search(rf"^##+ {re.escape(title)}\n(.*?)(?=^##+ |\Z)", README, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def follow(text: str, folder: Path) -> list[str]:
    """Write each file that a section shows, and type each command; returns what was typed."""
    typed = []
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        if language == "sh":
            for line in block.strip().splitlines():
                done = subprocess.run(  # noqa: S602 - it is the README's own line
                    line.replace("python ", f"{sys.executable} "),
                    shell=True,
                    cwd=folder,
                    env=environ(PATH=path),
                    capture_output=True,
                    text=True,
                    check=False,
                )
                assert done.returncode == 0, (line, done.stdout, done.stderr)
                typed.append(line)
        else:
            name = re.match(r"# (\S+)\n", block)
            assert name is not None, block
            (folder / name[1]).write_text(block, encoding="utf-8")
    return typed


def newest(folder: Path) -> dict[str, object]:
    run = Store.of(folder / "outputs", None).run("default")
    last = json.loads(run.history.read_text().splitlines()[-1])
    found: dict[str, object] = json.loads(run.analysis(last["id"]).json.read_text())
    assert run.png.exists()
    return found


def test_a_plain_torch_trainer(tmp_path: Path) -> None:
    typed = follow(section("A plain torch trainer"), tmp_path)
    assert typed == ["python train.py", "fxwatch daemon outputs/ --once", "fxwatch status", "fxwatch tui"]
    found = newest(tmp_path)
    assert found["checkpoint"]["step"] == 40  # type: ignore[index]
    assert "position_pnl_percent" in found["units"]["portfolio"]  # type: ignore[index]
    assert {"HOLD", "BUY", "SELL"} & set(found["decisions"])  # type: ignore[call-overload]


def test_stable_baselines3_without_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "outputs").mkdir()
    follow(section("Stable-Baselines3"), tmp_path)
    found = newest(tmp_path)
    assert found["checkpoint"]["format"] == "sb3"  # type: ignore[index]
    assert found["states"]["branches"] == {"observation": [1, 4]}  # type: ignore[index]


def test_the_two_commands_are_the_makefiles() -> None:
    commands = set(re.findall(r"^make \w+$", README, re.MULTILINE))
    assert commands == TYPED_BY_CI
    targets = (ROOT / "Makefile").read_text()
    assert all(f"\n{command.split()[1]}:" in targets for command in commands)


def test_every_command_of_the_table_exists() -> None:
    for name in set(re.findall(r"^\| `fxwatch (\w+)", README, re.MULTILINE)):
        done = subprocess.run(
            [sys.executable, "-m", "fxwatch", name, "--help"],
            env=environ(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, name


def test_every_link_leads_to_a_file() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
