"""`fxwatch compare`: two checkpoints, two stored analyses, two decisions."""

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from fxwatch import exit_codes
from fxwatch.commands.nearest_dump import nearest_dump
from fxwatch.store.layout import AnalysisFolder
from tests.analyses import analysis
from tests.policies import GuideLike
from tests.project import CONFIG, Evil, Project, environ


def refused(project: Project, *arguments: str) -> tuple[int, str]:
    """The exit code of a comparison that cannot be made, and the one sentence that says why."""
    done = project.run("compare", *arguments)
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.returncode, done.stderr


def stored(folder: Path, found: Any) -> str:
    folder.mkdir(parents=True)
    AnalysisFolder(folder).json.write_text(found.model_dump_json())
    return str(folder)


def test_two_checkpoints_over_the_newest_dump_beside_them(project: Project) -> None:
    """The second model reads its portfolio's last feature 40 times as strongly, and that is what has moved."""
    project.states("states_1.npz")
    project.states("states_2.npz", seed=1)
    project.checkpoint("model_100.pt", seed=0)
    other = torch.load(project.checkpoint("model_200.pt", seed=0), weights_only=True)
    other["model_state_dict"]["portfolio.weight"][:, 2] *= 40
    torch.save(other, project.outputs / "model_200.pt")
    done = project.ok(
        "compare", "outputs/model_100.pt", "outputs/model_200.pt", "--json", FXWATCH_ANALYSIS__MAX_STATES="32"
    )
    assert done.stderr.strip() == "fxwatch: over the states of outputs/states_2.npz"
    found = json.loads(done.stdout)
    assert (found["a"]["step"], found["b"]["step"]) == (100, 200)
    first = found["units"][0]
    assert (first["branch"], first["feature"], first["beyond"]) == ("portfolio", "portfolio_2", True)
    assert first["change"] > first["band"] > 0
    assert len(found["units"]) == 7
    assert found["null_low"] is not None
    assert not project.store.root.exists()


def test_two_decisions_of_one_policy(project: Project) -> None:
    project.states()
    checkpoint = project.checkpoint("model.pt")
    arguments = ["outputs/states.npz:0", "outputs/states.npz:5", "--checkpoint", "outputs/model.pt"]
    done = project.ok("compare", *arguments, "--json")
    found = json.loads(done.stdout)
    assert (found["state_a"], found["state_b"]) == ("outputs/states.npz:0", "outputs/states.npz:5")
    contributions = [value for part in found["contributions"].values() for value in part.values()]
    assert sum(contributions) == pytest.approx(found["value_a"] - found["value_b"], abs=1e-5)
    model = GuideLike()
    model.load_state_dict(torch.load(checkpoint, weights_only=True)["model_state_dict"])
    assert found["value_a"] - found["value_b"] == pytest.approx(_margin(model, project, found), abs=1e-5)
    said = project.run("compare", *arguments)
    lines = said.stdout.splitlines()
    assert lines[0] == f"A  outputs/states.npz:0: {found['action_a']}"
    branch, feature, value = found["key_discriminative_features"][0]
    assert lines[6].split() == [f"{branch}/{feature}", f"{value:+.4g}"]


def _margin(model: GuideLike, project: Project, found: dict[str, Any]) -> float:
    import numpy as np

    with np.load(project.outputs / "states.npz") as dump:
        states = {name: torch.as_tensor(dump[name][[0, 5]]) for name in ("hf", "portfolio")}
    with torch.no_grad():
        (logits, _), _ = model(states)
    names = ["HOLD", "BUY", "SELL"]
    assert [names[int(one)] for one in logits.argmax(1)] == [found["action_a"], found["action_b"]]
    chosen, other = (names.index(found[key]) for key in ("action_a", "action_b"))
    margin = logits[:, chosen] - (logits[:, other] if other != chosen else 0)
    return float(margin[0] - margin[1])


def test_two_stored_analyses_need_no_torch(project: Project) -> None:
    a, b = stored(project.folder / "a", analysis(100)), stored(project.folder / "b", analysis(200, digest="2b"))
    code = (
        "import sys\nfrom fxwatch.cli import app\n"
        f"try: app(['compare', {a!r}, {b + '/analysis.json'!r}])\nexcept SystemExit as end: assert not end.code\n"
        "assert not {'torch', 'captum'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project.folder, env=environ(), capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert lines[0] == "A  model_100.pt, step 100, run default, 32 states: OK (step-000000100-1a2b3c4d)"
    assert lines[1].startswith("B  model_200.pt, step 200")
    assert "moved beyond the noise: none" in done.stdout


def test_what_cannot_be_compared_is_said_in_one_sentence(project: Project) -> None:
    """None of these gets as far as torch."""
    project.states()
    project.checkpoint("model.pt")
    a = stored(project.folder / "a", analysis(100))
    model, states = "outputs/model.pt", "outputs/states.npz"
    assert refused(project, model, "outputs/none.pt") == (
        exit_codes.NOTHING,
        "fxwatch: outputs/none.pt does not exist\n",
    )
    assert refused(project, model, model, "--states", "none.npz")[0] == exit_codes.NOTHING
    assert refused(project, a, model)[0] == exit_codes.USAGE
    assert refused(project, a, a, "--states", states)[0] == exit_codes.USAGE
    assert refused(project, a, str(project.folder))[0] == exit_codes.NOTHING
    code, sentence = refused(project, f"{states}:0", f"{states}:1")
    assert code == exit_codes.USAGE
    assert "--checkpoint" in sentence
    assert refused(project, states, f"{states}:1", "--checkpoint", model)[0] == exit_codes.USAGE
    assert refused(project, f"{states}:-1", f"{states}:1", "--checkpoint", model)[0] == exit_codes.USAGE
    assert refused(project, f"{states}:0", "none.npz:1", "--checkpoint", model)[0] == exit_codes.NOTHING
    both = ("--checkpoint", model, "--states", states)
    assert refused(project, f"{states}:0", f"{states}:1", *both)[0] == exit_codes.USAGE
    (project.folder / "a" / "analysis.json").write_text("{")
    assert refused(project, a, a)[0] == exit_codes.FAILURE
    (project.folder / "config.toml").write_text(CONFIG + "max_state = 3\n")
    assert refused(project, model, model)[0] == exit_codes.USAGE


def test_files_that_cannot_be_opened_keep_their_exit_codes(project: Project) -> None:
    project.states()
    good = project.checkpoint("model.pt")
    (project.outputs / "evil.pt").write_bytes(pickle.dumps(Evil(project.folder / "canary")))
    (project.outputs / "cut.pt").write_bytes(good.read_bytes()[:-50])
    states = ("--states", "outputs/states.npz")
    code, sentence = refused(project, "outputs/evil.pt", "outputs/model.pt", *states)
    assert code == exit_codes.REFUSED
    assert sentence.startswith("fxwatch: outputs/evil.pt is refused: ")
    assert not (project.folder / "canary").exists()
    rows = ("outputs/states.npz:0", "outputs/states.npz:32")
    code, sentence = refused(project, *rows, "--checkpoint", "outputs/model.pt")
    assert code == exit_codes.FAILURE
    assert "outputs/states.npz failed: it has no row 32: its 32 states are numbered from 0" in sentence
    code, sentence = refused(project, *rows[:1] * 2, "--checkpoint", "outputs/cut.pt")
    assert code == exit_codes.FAILURE
    assert sentence.startswith("fxwatch: outputs/cut.pt ")


def test_the_nearest_dump_is_beside_the_checkpoint_or_above_it(tmp_path: Path) -> None:
    def touch(name: str) -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")
        return file

    checkpoint = touch("outputs/run/checkpoints/model_5.pt")
    touch("states_9.npz")  # three folders up is another project's
    assert nearest_dump(checkpoint) is None
    far = touch("outputs/states_1.npz")
    assert _same(nearest_dump(checkpoint), far)
    near = touch("outputs/run/states/states_2.npz")
    touch("outputs/run/states/other.npz")
    assert _same(nearest_dump(checkpoint), near)
    newest = touch("outputs/run/dumps/states_10.safetensors")
    assert _same(nearest_dump(checkpoint), newest)


def _same(found: Path | None, wanted: Path) -> bool:
    return found is not None and found.resolve() == wanted.resolve()
