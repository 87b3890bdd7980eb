"""The monitor needs nothing that computes, and knows no part of the house but records and the store."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tui.examples import fill

HEAVY = ("torch", "captum", "wandb", "matplotlib", "numpy", "scipy", "safetensors", "stable_baselines3")
ROOT = Path(__file__).parents[2]


def loaded(program: str, *arguments: str) -> list[str]:
    code = f"import sys\n{program}\nprint([m for m in {(*HEAVY, 'textual')} if m in sys.modules], file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True, cwd=ROOT, timeout=60
    )
    return list(ast.literal_eval(done.stderr.strip().splitlines()[-1]))


def test_the_monitor_is_light() -> None:
    assert loaded("import fxwatch.tui.app") == ["textual"]


@pytest.mark.parametrize("as_json", [True, False])
def test_status_is_lighter(tmp_path: Path, as_json: bool) -> None:  # noqa: FBT001 - a parameter of pytest's
    fill(tmp_path, range(100, 300, 100))
    program = (
        "from pathlib import Path\nfrom fxwatch.commands.status import status\n"
        f"status(Path(sys.argv[1]), None, as_json={as_json}, fail_on=None)"
    )
    assert loaded(program, str(tmp_path)) == []


def test_help_needs_no_configuration() -> None:
    program = (
        "import sys\nfrom fxwatch.cli import main\nsys.argv = ['fxwatch', '--help']\n"
        "try: main()\nexcept SystemExit: print('pydantic' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert "daemon" in done.stdout
    assert done.stderr.strip() == "False"


def test_the_view_knows_no_screen_and_no_files() -> None:
    for path in (ROOT / "fxwatch/tui/view").glob("*.py"):
        names = {
            alias.name if isinstance(node, ast.Import) else str(node.module)
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        pure = ("view", "snapshot", "actions", "times")
        own = ("fxwatch.records", "fxwatch.terminal", "rich.cells", *(f"fxwatch.tui.{part}" for part in pure))
        others = {name for name in names if not name.startswith(own)}
        assert others <= {"collections.abc", "datetime", "itertools", "math", "shlex", "typing"}, path
