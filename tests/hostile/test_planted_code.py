"""Nothing is ever run that stands in a file; a careless program would run it."""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from fxwatch import exit_codes
from fxwatch.load import LoadError, read_content, read_dump, read_weights
from tests.hostile.corpus import CORPUS, plant
from tests.policies import GuideLike
from tests.project import CONFIG, Project, environ


def test_no_file_of_the_corpus_is_run_and_each_would_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    canaries = plant(tmp_path / "planted")
    outcomes, said = {}, list[str]()
    for one in CORPUS:
        path = tmp_path / "planted" / one.file
        try:
            content = read_content(path)
            read_dump(content, {}) if content.format == "npz" else read_weights(content)
            outcomes[one.file] = "read"
        except LoadError as error:
            outcomes[one.file] = error.outcome
            said.append(str(error))
    assert outcomes == {one.file: one.outcome for one in CORPUS}
    assert [text for text in said if any(word in text for word in ("weights_only", "\x1b", "safe_globals"))] == []
    assert [name for name, canary in canaries.items() if canary.exists()] == []
    controls = {one.file: one.control for one in CORPUS if one.control}
    code = "import warnings; warnings.simplefilter('ignore')\n" + "".join(
        f"try:\n    {control.format(path=str(tmp_path / 'planted' / file))}\nexcept Exception: pass\n"
        for file, control in controls.items()
    )
    subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "canaries", check=True, env=environ(), capture_output=True
    )
    assert [file for file in controls if not canaries[file].exists()] == []


def test_a_daemon_among_them_goes_on(tmp_path: Path) -> None:
    project = Project(tmp_path)
    canaries = plant(project.outputs / "planted")
    project.checkpoint()
    project.states()
    done = project.run("daemon", "--once", TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD="1")
    assert done.returncode == exit_codes.OK, done.stderr
    assert "Traceback" not in done.stderr
    states = {Path(path).name: line.state for path, line in project.ledger().items()}
    assert states["model_100.pt"] == "done"
    for one in CORPUS:
        if one.file.endswith((".pt", ".pth", ".ckpt", ".safetensors", ".distcp", "weights.zip", "optimizer.zip")):
            assert states[one.file] == one.outcome, one.file
    assert not [name for name, canary in canaries.items() if canary.exists()]


def test_nothing_is_imported_from_where_it_stands(tmp_path: Path) -> None:
    """The daemon is started in the watched folder itself, in which everything that it imports is planted."""
    project = Project(tmp_path, CONFIG.replace("[model]", '[model]\npath = ["."]'))
    project.checkpoint()
    project.states()
    canary = tmp_path / "canary"
    names = ("torch", "numpy", "captum", "json", "multiprocessing", "sitecustomize", "usercustomize", "conftest")
    for name in (*names, "fxwatch", "my_model", "pydantic", "matplotlib", "wandb", "encodings"):
        (project.outputs / f"{name}.py").write_text(f"open({str(canary)!r}, 'w')\n")
    (project.outputs / "my_model_package").mkdir()
    (project.outputs / "my_model_package" / "__init__.py").write_text(f"open({str(canary)!r}, 'w')\n")
    for name in ("config.toml", "fxwatch.toml", ".fxwatch.toml"):
        (project.outputs / name).write_text('[model]\nfactory = "my_model_package:build"\n')
    entry = tmp_path / "fxwatch-command.py"  # as the installed command is: its own folder comes first, not the current
    entry.write_text("from fxwatch.cli import main\n\nif __name__ == '__main__':\n    main()\n")
    (tmp_path / "away").mkdir()
    entry = entry.rename(tmp_path / "away" / entry.name)
    config = str(tmp_path / "config.toml")
    command = [sys.executable, str(entry), "daemon", ".", "--once", "--config", config]
    done = subprocess.run(command, cwd=project.outputs, env=environ(), capture_output=True, text=True, check=False)
    assert done.returncode == exit_codes.OK, done.stderr
    assert len(project.analyses()) == 1
    assert not canary.exists()
    control = [sys.executable, "-c", "import torch"]
    subprocess.run(control, cwd=project.outputs, env=environ(), check=False)
    assert canary.exists()


def test_what_else_a_checkpoint_may_hold_is_for_the_user_to_say_and_never_for_the_folder(tmp_path: Path) -> None:
    project = Project(tmp_path)
    torch.save(
        {"model": GuideLike().state_dict(), "args": argparse.Namespace(lr=1), "best": np.float64(2)},
        project.outputs / "model_5.pt",
    )
    project.states()
    refused = project.run("daemon", "--once")
    assert "[model] safe_globals = " in refused.stderr
    listed = refused.stderr.split("safe_globals = ")[1].split("]")[0] + "]"
    allowing = CONFIG.replace("[model]", f"[model]\nsafe_globals = {listed}")
    (project.outputs / "inside.toml").write_text(allowing)
    inside = project.run("daemon", "--once", "--config", str(project.outputs / "inside.toml"))
    assert inside.returncode == exit_codes.USAGE
    assert "model.safe_globals is not taken from a file inside the watched folder" in inside.stderr
    (tmp_path / "config.toml").write_text(allowing)
    allowed = project.run("daemon", "--once")
    assert allowed.returncode == exit_codes.OK, allowed.stderr
    assert project.ledger()["model_5.pt"].state == "done"


def test_an_old_torch_loads_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "a.pt")
    monkeypatch.setattr(torch, "__version__", "2.9.1")
    with pytest.raises(LoadError, match=r"torch 2\.9\.1 has known holes .* install torch 2\.11 or newer"):
        read_weights(read_content(tmp_path / "a.pt"))
