"""`fxwatch analyze`: one analysis without a daemon."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fxwatch import exit_codes
from tests.policies import HF_AND_PORTFOLIO
from tests.project import CONFIG, Evil, Project


def test_it_prints_the_guides_lines_or_json_and_keeps_what_is_asked_for(project: Project) -> None:
    project.checkpoint("model.pt", global_step=7)
    project.states()
    said = project.ok("analyze", "outputs/model.pt", "--states", "outputs/states.npz")
    assert said.stdout.splitlines()[0] == "🔍 Captum attribution analysis completed - feature importance updated"
    found = project.run(
        "analyze", "outputs/model.pt", "--states", "outputs/states.npz", "--json", "--output", "results"
    )
    analysis = json.loads(found.stdout)
    assert analysis["checkpoint"]["step"] == 7
    assert json.loads((project.folder / "results" / "analysis.json").read_text()) == analysis
    assert (project.folder / "results" / "feature_importance_analysis.png").read_bytes().startswith(b"\x89PNG")
    assert not project.store.root.exists()


@pytest.mark.parametrize("call", ["kwargs", "args", "concat"])
def test_models_are_called_as_the_config_says(tmp_path: Path, call: str) -> None:
    project = Project(tmp_path, CONFIG.replace("[analysis]", f'call = "{call}"\n[analysis]'))
    model = {"concat": "OneTensor", "args": "ByKeyword", "kwargs": "ByKeyword"}[call]
    arguments = "width=30" if call == "concat" else ""
    (tmp_path / "my_model.py").write_text(
        f"from tests.policies import {model}\ndef build(): return {model}({arguments})\n"
    )
    from tests import policies

    built = policies.OneTensor(30) if call == "concat" else policies.ByKeyword()
    import torch

    torch.save(built.state_dict(), project.outputs / "model.pt")
    project.states()
    done = project.ok("analyze", "outputs/model.pt", "--states", "outputs/states.npz", "--json")
    assert json.loads(done.stdout)["target"]["config"] == "action_type"


@pytest.mark.parametrize("said", [None, "true"])
def test_statistics_in_a_dump_that_does_not_say_whether_they_were_used_are_a_warning(
    project: Project, said: str | None
) -> None:
    project.checkpoint("model.pt")
    _, features = HF_AND_PORTFOLIO["hf"]
    statistics: dict[str, Any] = {"mean/hf": np.ones(features), "var/hf": np.ones(features)}
    project.states(**statistics, normalised=None if said is None else np.array(said))
    found = json.loads(project.ok("analyze", "outputs/model.pt", "--states", "outputs/states.npz", "--json").stdout)
    told = [finding["message"] for finding in found["health"]["findings"] if finding["metric"] == "normalisation"]
    assert len(told) == (said is None)
    assert all("inputs may be unnormalised: the dump holds statistics" in message for message in told)


def test_exit_codes(project: Project) -> None:
    project.states()
    good = project.checkpoint("model.pt")

    def code(checkpoint: str, *more: str, states: str = "outputs/states.npz", **environment: str) -> int:
        done = project.run("analyze", checkpoint, "--states", states, *more, **environment)
        assert done.returncode == exit_codes.OK or len(done.stderr.strip().splitlines()) == 1, done.stderr
        return done.returncode

    (project.outputs / "evil.pt").write_bytes(pickle.dumps(Evil(project.folder / "canary")))
    (project.outputs / "cut.pt").write_bytes(good.read_bytes()[:-50])
    assert code("outputs/evil.pt") == exit_codes.REFUSED
    assert not (project.folder / "canary").exists()
    assert code("outputs/cut.pt") == exit_codes.FAILURE
    assert code("outputs/none.pt") == exit_codes.NOTHING
    assert code("outputs/model.pt", states="outputs/none.npz") == exit_codes.NOTHING
    assert code("outputs/model.pt", FXWATCH_MODEL__FACTORY="nowhere:build") == exit_codes.USAGE
    assert code("outputs/model.pt", FXWATCH_ANALYSIS__TARGET="nothing") == exit_codes.FAILURE
    (project.folder / "config.toml").write_text(CONFIG + "max_state = 3\n")
    unknown = project.run("analyze", "outputs/model.pt", "--states", "outputs/states.npz")
    assert unknown.returncode == exit_codes.USAGE
    assert "config.toml:9: unknown key analysis.max_state; did you mean max_states?" in unknown.stderr


def test_fail_on_is_for_scripts(project: Project) -> None:
    project.states()
    project.checkpoint("model.pt")
    worst = project.run(
        "analyze", "outputs/model.pt", "--states", "outputs/states.npz", "--json", "--fail-on", "unknown"
    )
    verdict = json.loads(worst.stdout)["health"]["verdict"]
    assert worst.returncode == (exit_codes.OK if verdict == "ok" else exit_codes.UNHEALTHY)


def test_a_time_in_seconds_is_named_and_not_called_constant(project: Project) -> None:
    project.checkpoint("model.pt")
    with np.load(project.states()) as archive:
        arrays = dict(archive)
    arrays["hf"] = arrays["hf"].astype(np.float64)
    arrays["hf"][..., 0] = 1.7e9 + 10 * arrays["hf"][..., 0]
    np.savez(project.folder / "outputs" / "seconds.npz", **arrays)
    analysis = json.loads(
        project.run("analyze", "outputs/model.pt", "--states", "outputs/seconds.npz", "--json").stdout
    )
    (said,) = [one["message"] for one in analysis["health"]["findings"] if one["metric"] == "precision"]
    assert said.startswith("1 feature has values too large for single precision")
    assert "constant_input" not in analysis["dead_features"]["causes"]["hf"].values()
