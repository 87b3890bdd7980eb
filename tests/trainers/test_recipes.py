"""Every recipe of docs/trainers.md: the real trainer trains, unmodified, and the daemon explains what it wrote."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fxwatch.records.ledger import LedgerLine
from fxwatch.store.layout import Store
from fxwatch.store.lines import read_lines
from tests.project import ROOT, command, environ

DOC = (ROOT / "docs" / "trainers.md").read_text(encoding="utf-8")
QUICK = {"FXWATCH_ANALYSIS__MAX_STATES": "4", "FXWATCH_ANALYSIS__SECONDARY_METHODS": '["saliency"]'}


class Recipes:
    """The recipes below a heading, trained and explained in a folder."""

    def __init__(self, folder: Path, title: str) -> None:
        found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", DOC, re.MULTILINE | re.DOTALL)
        assert found is not None
        scripts = []
        for block in re.findall(r"^```\w+\n(.*?)^```", found[1], re.MULTILINE | re.DOTALL):
            name = block.splitlines()[0].removeprefix("# ")
            (folder / name).write_text(block, encoding="utf-8")
            scripts += [name] if name.startswith("train") else []
        environment = environ(PYTHONPATH=f"{ROOT}{os.pathsep}{folder}", OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1")
        for script in scripts:
            done = subprocess.run(
                [sys.executable, script],
                cwd=folder, env=environment, capture_output=True, text=True, timeout=200, check=False,
            )  # fmt: skip
            assert done.returncode == 0, (script, done.stderr[-3000:])
            assert "recording in" not in done.stderr, done.stderr
        done = subprocess.run(
            command("daemon", "outputs", "--once"),
            cwd=folder, env=environ(**QUICK), capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        self.outputs = folder / "outputs"
        self.store = Store.of(self.outputs, None)
        self.states = {line.path: line for line in read_lines(self.store.ledger, LedgerLine)}

    def analysis(self, path: str) -> dict[str, Any]:
        line = self.states[path]
        assert line.state == "done", line.reason
        found: dict[str, Any] = json.loads(self.store.run(line.run).analysis(line.analysis or "").json.read_text())
        return found

    def spans(self, run: str) -> list[dict[str, Any]]:
        lines = (self.outputs / run / "training.jsonl").read_text().splitlines()
        return [found for line in lines if (found := json.loads(line))["kind"] == "span"]


@pytest.fixture(scope="module")
def sb3(tmp_path_factory: pytest.TempPathFactory) -> Recipes:
    return Recipes(tmp_path_factory.mktemp("sb3"), "Recipes")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Recipes:
    return Recipes(tmp_path_factory.mktemp("own"), "Recipes for a model of your own")


def test_sb3_with_vecnormalize(sb3: Recipes) -> None:
    found = sb3.analysis("ppo/rl_model_256_steps.zip")
    assert (found["checkpoint"]["format"], found["checkpoint"]["step"]) == ("sb3", 256)
    assert set(found["units"]["observation"]) == {"position", "velocity", "angle", "angular_velocity"}
    assert not [path for path in sb3.states if path.endswith(".pkl")]
    last = sb3.spans("ppo")[-1]
    assert (last["step"], last["update"]) == (256, 2)
    assert sum(span["steps"] for span in sb3.spans("ppo")) == 8
    assert "train/value_loss" in last["scalars"]
    assert set(last["layers"]) == {
        *(f"mlp_extractor.{net}_net.{layer}" for net in ("policy", "value") for layer in (0, 2)),
        "action_net",
        "value_net",
    }
    from safetensors.numpy import load_file

    dump = load_file(sb3.outputs / "ppo" / "states.safetensors")
    assert abs(dump["observation"].std() - 1) < 0.5  # as the policy saw them: normalised
    assert dump["mean/observation"].shape == dump["var/observation"].shape == (4,)


@pytest.mark.parametrize(("name", "step"), [("maskable", 128), ("recurrent", 64)])
def test_sb3_contrib(sb3: Recipes, name: str, step: int) -> None:
    found = sb3.analysis(f"{name}/last.zip")
    assert found["checkpoint"]["step"] == step
    assert found["states"]["branches"] == {"observation": [1, 4]}
    if name == "recurrent":
        assert {"lstm_actor", "lstm_critic"} <= set(found["gradient_flow"]["layer_gradients"])


def test_the_guides_own_loop(own: Recipes) -> None:
    found = own.analysis("momentum/latest.pt")
    assert (found["checkpoint"]["step"], found["checkpoint"]["update"]) == (256, 4)
    assert found["run"] == own.states["momentum/best_models/best_model_v1.pt"].run == "momentum"
    assert set(found["branches"]) == {"hf", "mf", "lf", "portfolio"}
    assert "position_pnl_percent" in found["units"]["portfolio"]
    spans = own.spans("momentum")
    assert spans[-1]["update"] == 4
    assert sum(span["steps"] for span in spans) == 16
    assert spans[-1]["scalars"]["global_step"] == 256
    assert set(spans[0]["attention"]) == {
        f"branches.{name}.transformer.self_attn" for name in ("hf", "mf", "lf", "portfolio")
    }


def test_lightning(own: Recipes) -> None:
    found = own.analysis("lightning/epoch=1-step=8.ckpt")
    assert found["checkpoint"]["step"] == 8
    assert "ema_cross" in found["units"]["mf"]
    assert sum(span["steps"] for span in own.spans("lightning")) == 8
    assert "loss" in own.spans("lightning")[-1]["scalars"]


def test_transformers(own: Recipes) -> None:
    found = own.analysis("transformers/checkpoint-8/model.safetensors")
    assert found["checkpoint"]["step"] == 8
    assert found["run"] == "transformers"
    beside = {path.name for path in (own.outputs / "transformers" / "checkpoint-8").iterdir()}
    assert {"optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin"} <= beside
    seen = {path.rsplit("/", 1)[-1] for path in own.states if path.startswith("transformers/")}
    assert seen == {"model.safetensors", "states.safetensors"}


def test_accelerate_whole_and_in_shards(own: Recipes) -> None:
    found = own.analysis("accelerate/checkpoints/checkpoint_0/model.safetensors")
    assert "resistance_strength" in found["units"]["lf"]
    shards = own.analysis("accelerate/final/checkpoint-4/model.safetensors.index.json")
    assert (shards["checkpoint"]["format"], shards["checkpoint"]["step"]) == ("safetensors-shards", 4)
    names = [path.name for path in (own.outputs / "accelerate" / "final" / "checkpoint-4").glob("*.safetensors")]
    assert len(names) > 1
    assert not [path for path in own.states if "-of-" in path]
