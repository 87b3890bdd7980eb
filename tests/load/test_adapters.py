"""Packages that bring formats of their own, by entry points: CONTRIBUTING.md's, and those that are broken."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from fxwatch import exit_codes
from tests.docs import files, section
from tests.project import Project, environ

BROKEN = """
import some_reader.of_more
"""
ODD = """
def raises(data): raise KeyError("what is that")
def leaves(data): raise SystemExit(3)
def forgets(data): pass
def turns(data): return 1, {}
def goes_back(data):
    import torch
    return {"weight": torch.ones(1)}, -5
not_callable = 3
"""
SENTENCES = {
    "raises": "failed: KeyError: 'what is that'",
    "leaves": "failed: SystemExit: 3",
    "forgets": "has to return (state dict, step or None), and returned a NoneType",
    "turns": "has to return (state dict, step or None), and returned (int, dict)",
    "goes_back": "returned the step -5; steps are counted from 0",
    "not_callable": "failed: TypeError: 'int' object is not callable",
    "nowhere": "failed: AttributeError: module 'odd' has no attribute 'nowhere'",
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "project")
    made.states()
    return made


def installed(site: Path, name: str, entry_points: str, **modules: str) -> str:
    """A package as an installer leaves it, in a folder for PYTHONPATH."""
    about = site / f"{name}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[fxwatch.adapters]\n{entry_points}\n")
    for module, code in modules.items():
        (site / f"{module}.py").write_text(code)
    return path_with(site)


def path_with(site: Path) -> str:
    return f"{environ()['PYTHONPATH']}{os.pathsep}{site}"


def as_npw(checkpoint: Path, at: int) -> Path:
    """The weights of a checkpoint in a format that fxwatch does not know."""
    state = torch.load(checkpoint, weights_only=True)["model_state_dict"]
    path = checkpoint.with_suffix(".npw")
    with path.open("wb") as file:
        np.savez(file, at=np.array(at), **{key: value.numpy() for key, value in state.items()})
    checkpoint.unlink()
    return path


def test_the_package_of_the_guide_is_installed_and_used(tmp_path: Path, project: Project) -> None:
    source, site = tmp_path / "source", tmp_path / "site"
    source.mkdir()
    for name, content in files(section("CONTRIBUTING.md", "Add a checkpoint format in a package of your own")).items():
        (source / name).write_text(content, encoding="utf-8")
    offline = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(site))
    subprocess.run([sys.executable, "-m", "pip", "install", *offline, "."], cwd=source, check=True)
    path = path_with(site)
    whole = as_npw(project.checkpoint("model.pt"), at=77)
    (project.outputs / "torn.npw").write_bytes(whole.read_bytes()[:1000])

    told = project.ok("doctor", "outputs/model.npw", PYTHONPATH=path)
    assert "model.npw: a checkpoint for the adapter fxwatch_npw:read of fxwatch-npw 1.0" in told.stdout
    project.ok("daemon", "--once", PYTHONPATH=path)
    (found,) = project.analyses()
    assert (found["checkpoint"]["format"], found["checkpoint"]["step"]) == ("adapted", 77)
    assert project.ledger()["model.npw"].state == "done"
    torn = project.ledger()["torn.npw"]
    assert (torn.state, torn.reason) == (
        "failed",
        "the adapter fxwatch_npw:read failed: BadZipFile: File is not a zip file",
    )


def test_one_that_is_broken_costs_its_own_files_a_sentence_each(tmp_path: Path, project: Project) -> None:
    entries = "\n".join([*(f"{name} = odd:{name}" for name in SENTENCES), "lacks = broken:read"])
    path = installed(tmp_path / "site", "odd", entries, odd=ODD, broken=BROKEN)
    for name in [*SENTENCES, "lacks"]:
        (project.outputs / f"model.{name}").write_text(name)
    project.checkpoint("model_1.pt", global_step=1)
    done = project.ok("daemon", "--once", PYTHONPATH=path)
    assert "Traceback" not in done.stderr
    reasons = {path: line.reason for path, line in project.ledger().items() if line.state == "failed"}
    assert reasons == {
        **{f"model.{name}": f"the adapter odd:{name} {words}" for name, words in SENTENCES.items()},
        "model.lacks": "the adapter broken:read failed: ModuleNotFoundError: No module named 'some_reader'; "
        "install it where fxwatch runs: pip install some-reader",
    }
    assert [found["checkpoint"]["step"] for found in project.analyses()] == [1]


def test_one_that_cannot_be_used_is_passed_over_and_said(tmp_path: Path, project: Project) -> None:
    site = tmp_path / "site"
    installed(site, "greedy", "pt = odd:raises")
    installed(site, "vague", "npw = read *.npw, please")
    installed(site, "a", "abc = odd:raises")
    path = installed(site, "b", "abc = odd:leaves", odd=ODD)
    project.checkpoint("model_1.pt")
    done = project.ok("daemon", "--once", PYTHONPATH=path)
    told = project.ok("doctor", "outputs", PYTHONPATH=path)
    for stderr in (done.stderr, told.stderr):
        assert "fxwatch: the adapter odd:raises of greedy 1.0 is passed over: fxwatch reads *.pt by itself" in stderr
        assert "of vague 1.0 is passed over: that is not the place of a function, as in my_package:read" in stderr
        assert re.search(r"of [ab] 1\.0 is passed over: \*\.abc is read by that of [ab] 1\.0", stderr)
        assert stderr.count("passed over") == 3
        assert "Traceback" not in stderr


def test_without_the_package_it_is_no_checkpoint(tmp_path: Path) -> None:
    project = Project(tmp_path)
    (project.outputs / "model.npw").write_bytes(b"PK")
    assert project.run("daemon", "--once").returncode == exit_codes.NOTHING
    with pytest.raises(KeyError):
        project.ledger()["model.npw"]
