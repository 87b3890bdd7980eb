"""A package that brings a format of its own, by an entry point."""

import textwrap
from pathlib import Path

import pytest

from fxwatch import exit_codes
from tests.project import Project, environ

PACKAGE = """
import io, numpy, torch

def read(data):
    with numpy.load(io.BytesIO(data), allow_pickle=False) as arrays:
        if "odd" in arrays.files:
            raise KeyError("what is that")
        if "more" in arrays.files:
            import some_reader.of_more
        state = {name: torch.from_numpy(arrays[name]) for name in arrays.files if name != "at"}
        return state, int(arrays["at"])
"""


def test_a_file_of_its_format_is_explained(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    site = tmp_path / "site"
    (site / "npw-1.0.dist-info").mkdir(parents=True)
    (site / "npw_package.py").write_text(PACKAGE)
    (site / "npw-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: npw\nVersion: 1.0\n")
    (site / "npw-1.0.dist-info" / "entry_points.txt").write_text("[fxwatch.adapters]\nnpw = npw_package:read\n")
    project.states()
    source = project.checkpoint("a.pt")
    code = f"""
    import numpy, torch
    state = torch.load({str(source)!r})["model_state_dict"]
    for name, more in (("model", {{}}), ("bad", {{"odd": 1}}), ("more", {{"more": 1}})):
        with open({str(project.outputs)!r} + f"/{{name}}.npw", "wb") as file:
            numpy.savez(file, at=77, **more, **{{key: value.numpy() for key, value in state.items()}})
    """
    exec(textwrap.dedent(code), {})  # noqa: S102 - ours
    source.unlink()
    path = f"{environ()['PYTHONPATH']}:{site}"
    done = project.run("daemon", "--once", PYTHONPATH=path)
    assert done.returncode == exit_codes.OK, done.stderr
    ledger = project.ledger()
    assert ledger["model.npw"].state == "done", ledger["model.npw"].reason
    assert project.analyses()[0]["checkpoint"]["step"] == 77
    assert project.analyses()[0]["checkpoint"]["format"] == "adapted"
    assert ledger["bad.npw"].reason == "the adapter npw_package:read failed: KeyError: 'what is that'"
    assert "; install it where fxwatch runs: pip install some-reader" in (ledger["more.npw"].reason or "")


def test_without_the_package_it_is_no_checkpoint(tmp_path: Path) -> None:
    project = Project(tmp_path)
    (project.outputs / "model.npw").write_bytes(b"PK")
    assert project.run("daemon", "--once").returncode == exit_codes.NOTHING
    with pytest.raises(KeyError):
        project.ledger()["model.npw"]
