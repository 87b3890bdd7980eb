"""Every recipe of docs/trainers.md: the real trainer trains, unmodified, and the daemon explains what it wrote."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch import nn

from fxwatch import exit_codes
from fxwatch.commands.analyze import job_of
from fxwatch.commands.doctor import doctor
from fxwatch.commands.nearest_dump import nearest_dump
from fxwatch.commands.prescription import TO_FILL_IN
from fxwatch.config import load_config
from fxwatch.daemon.explain_job import explain_files, open_files
from fxwatch.load import read_content, read_weights
from fxwatch.records.analysis import Analysis
from fxwatch.records.ledger import LedgerLine
from fxwatch.store.layout import Store
from fxwatch.store.lines import read_lines
from tests.project import ROOT, command, environ

DOC = (ROOT / "docs" / "trainers.md").read_text(encoding="utf-8")
QUICK = {"FXWATCH_ANALYSIS__MAX_STATES": "4", "FXWATCH_ANALYSIS__SECONDARY_METHODS": '["saliency"]'}


def _section(title: str) -> str:
    """The text below a heading."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", DOC, re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found[1]


class Recipes:
    """The recipes below a heading, trained and explained in a folder."""

    def __init__(self, folder: Path, title: str) -> None:
        scripts = []
        for block in re.findall(r"^```\w+\n(.*?)^```", _section(title), re.MULTILINE | re.DOTALL):
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
        self.folder, self.outputs = folder, folder / "outputs"
        self.store = Store.of(self.outputs, None)
        self.states = {line.path: line for line in read_lines(self.store.ledger, LedgerLine)}

    def factory(self, name: str) -> str:
        """The lines on it of the recipes' configuration, less `factory = `."""
        config = (self.folder / "config.toml").read_text(encoding="utf-8")
        found = re.search(rf'^factory = ("{name}"(?:\nfactory_args = .*)?)', config, re.MULTILINE)
        assert found is not None, name
        return found[1]

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


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Recipes:
    return Recipes(tmp_path_factory.mktemp("guide"), "The guide's own case")


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Recipes:
    return Recipes(tmp_path_factory.mktemp("others"), "Recipes for other libraries")


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


def test_the_guides_own_case(guide: Recipes) -> None:
    found = guide.analysis("momentum/latest.pt")
    assert (found["checkpoint"]["step"], found["checkpoint"]["update"]) == (256, 4)
    best = [path for path in guide.states if path.startswith("momentum/best_models/")]
    assert best
    assert {guide.states[path].run for path in best} == {"momentum"}
    assert all(guide.states[path].state == "done" for path in best)
    assert found["states"]["branches"] == {"hf": [8, 4], "mf": [6, 3], "lf": [4, 3], "portfolio": [2, 3]}
    assert set(found["units"]["portfolio"]) == {"position_pnl_percent", "cash_ratio", "position_hold_time"}
    assert found["branches"]["portfolio"]["expected"] is not None
    assert {"HOLD", "BUY", "SELL"} & set(found["decisions"])
    assert found["attention"] is not None
    assert all(method["status"] == "ok" for method in found["methods"].values()), found["methods"]
    spans = guide.spans("momentum")
    assert spans[-1]["update"] == 4
    assert sum(span["steps"] for span in spans) == 16
    assert spans[-1]["scalars"]["global_step"] == 256
    assert set(spans[0]["attention"]) == {f"encoders.{name}.attention" for name in ("hf", "mf", "lf", "portfolio")}


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


def test_a_program_of_torch_export_is_explained_by_its_weights_so_also_what_needs_hooks(own: Recipes) -> None:
    found = own.analysis("export/policy.pt2")
    assert (found["checkpoint"]["format"], found["checkpoint"]["step"]) == ("export", 256)
    assert {method["status"] for method in found["methods"].values()} == {"ok"}
    assert set(found["attention"]["layers"]) == {f"branches.{name}.transformer.self_attn" for name in found["branches"]}
    assert found["gradient_flow"]["layer_gradients"].keys() >= {"fusion", "action_type"}


def test_states_dumped_by_hand(own: Recipes) -> None:
    found = own.analysis("by-hand/model.pt")
    assert found["states"]["branches"] == {"hf": [8, 4], "mf": [6, 3], "lf": [4, 3], "portfolio": [2, 3]}
    assert "bollinger_position" in found["units"]["mf"]
    assert not (own.outputs / "by-hand" / "training.jsonl").exists()


@pytest.mark.parametrize(
    ("path", "step"),
    [
        ("skrl/checkpoints/agent_128.pt", 128),
        ("CartPole-v1__ppo__1/ppo_192_steps.cleanrl_model", 192),
        ("tianshou/policy_state_dict_epoch_2.pt", 128),
        ("torchrl/policy.pt", 192),
    ],
)
def test_other_libraries(others: Recipes, path: str, step: int) -> None:
    """All but Tianshou's are of the library itself: its newest cannot be installed beside the pandas of the tests."""
    found = others.analysis(path)
    assert found["checkpoint"]["step"] == step
    assert set(found["units"]["observation"]) == {"position", "velocity", "angle", "angular_velocity"}
    run = others.states[path].run
    assert sum(span["steps"] for span in others.spans(run)) > 0
    dump = load_file(others.outputs / run / "states.safetensors")
    assert dump["observation"].shape[1:] == (4,)
    assert np.ptp(dump["observation"], axis=0).min() > 0


class Kind(NamedTuple):
    """A checkpoint of a recipe, and what its user fills in."""

    recipes: str
    path: str
    factory: str = ""


KINDS = [
    Kind("sb3", "ppo/rl_model_256_steps.zip"),
    Kind("sb3", "maskable/last.zip"),
    Kind("sb3", "recurrent/last.zip"),
    Kind("guide", "momentum/latest.pt", "momentum_model:MultiBranchTransformer"),
    *(
        Kind("own", path, "my_model:Policy")
        for path in (
            "lightning/epoch=1-step=8.ckpt",
            "transformers/checkpoint-8/model.safetensors",
            "accelerate/checkpoints/checkpoint_0/model.safetensors",
            "accelerate/final/checkpoint-4/model.safetensors.index.json",
            "export/policy.pt2",
            "by-hand/model.pt",
        )
    ),
    Kind("others", "skrl/checkpoints/agent_128.pt", "agent:Skrl"),
    Kind("others", "CartPole-v1__ppo__1/ppo_192_steps.cleanrl_model", "agent:CleanRL"),
    Kind("others", "tianshou/policy_state_dict_epoch_2.pt", "agent:Tianshou"),
    Kind("others", "torchrl/policy.pt", "agent:network"),
]


CARTPOLE = '{"observation": ["position", "velocity", "angle", "angular_velocity"]}'


def explained(checkpoint: Path, states: Path, config: Path) -> Analysis:
    """What `fxwatch analyze` finds."""
    job = job_of(checkpoint, states, load_config(config).config)
    return explain_files(job, open_files(job), None, lambda stage: None).analysis


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.path)
def test_what_the_doctor_prints_makes_it_work(
    kind: Kind,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its lines are taken as they are, less the one thing that no file can tell; and then it says that all is well."""
    recipes: Recipes = request.getfixturevalue(kind.recipes)
    monkeypatch.chdir(recipes.folder)
    for name, value in QUICK.items():
        monkeypatch.setenv(name, value)
    path, config = recipes.outputs / kind.path, recipes.folder / "prescribed.toml"
    config.write_text("")
    filled_in, code, out = 0, -1, ""
    for _ in range(3):
        capsys.readouterr()
        code = doctor(path, None, config)
        out = capsys.readouterr().out
        if code == exit_codes.OK:
            break
        _, prescribed = out.split("# config.toml\n")
        tomllib.loads(prescribed)
        filled_in += TO_FILL_IN in prescribed
        config.write_text(prescribed.replace(f'"{TO_FILL_IN}"', recipes.factory(kind.factory)))
    assert code == exit_codes.OK, out
    assert filled_in == bool(kind.factory)
    states = nearest_dump(path)
    assert states is not None
    found = explained(path, states, config)
    assert found.methods["integrated_gradients"].status == "ok"
    assert max(unit.share for unit in next(iter(found.units.values())).values()) > 0


def test_a_dump_beside_a_vecnormalize_pickle_that_does_not_say_it_is_normalised_is_doubted(
    sb3: Recipes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in QUICK.items():
        monkeypatch.setenv(name, value)
    folder, config = sb3.outputs / "ppo", tmp_path / "c.toml"
    config.write_text("")
    (pickle,) = folder.glob("*vecnormalize_256_steps.pkl")
    assert doctor(pickle, None, None) == exit_codes.REFUSED
    assert "its statistics are not needed where the observations are dumped as the policy sees them" in (
        capsys.readouterr().out
    )
    dumped = load_file(folder / "states.safetensors")
    mean, var = dumped["mean/observation"], dumped["var/observation"]
    raw = dumped["observation"] * np.sqrt(var + 1e-8) + mean
    checkpoint = folder / "rl_model_256_steps.zip"

    def health(**arrays: Any) -> tuple[list[str], Analysis]:
        np.savez(tmp_path / "states.npz", feature_names=CARTPOLE, **arrays)
        found = explained(checkpoint, tmp_path / "states.npz", config)
        return [one.message for one in found.health.findings if one.metric == "normalisation"], found

    told, doubted = health(observation=raw)
    assert "inputs may be unnormalised: rl_model_vecnormalize_" in told[0]
    assert doubted.health.verdict in {"warn", "bad"}
    silent, told_so = health(observation=raw, normalised="false", **{"mean/observation": mean, "var/observation": var})
    assert silent == []
    recorded = explained(checkpoint, folder / "states.safetensors", config)
    assert [one for one in recorded.health.findings if one.metric == "normalisation"] == []
    for name, unit in recorded.units["observation"].items():  # the statistics of the dump do what VecNormalize did
        assert abs(told_so.units["observation"][name].share - unit.share) < 0.01, name


def test_every_block_of_the_page_is_a_recipe_that_is_run_here() -> None:
    """Nothing on the page is code that no test takes from it, but the fragment for a run of its own."""
    titles = ("Recipes", "The guide's own case", "Recipes for a model of your own", "Recipes for other libraries")
    run = "".join(_section(title) for title in titles)
    blocks = re.findall(r"^```\w+\n(.*?)^```", DOC, re.MULTILINE | re.DOTALL)
    left = [block.splitlines()[0] for block in blocks if block not in run]
    assert left == ['[runs."momentum/seed-1".model]']
    tables = re.search(r"^## What works\n(.*?)^Left alone", DOC, re.MULTILINE | re.DOTALL)
    assert tables is not None
    for trainer in re.findall(r"^### (.*)$", _section("Recipes for other libraries"), re.MULTILINE):
        assert f"| {trainer} |" in tables[1], trainer


@pytest.mark.parametrize("file", ["torch.distributed.checkpoint", "RLlib", "a pickled model", "TorchScript"])
def test_the_lines_that_convert_what_is_refused_make_a_file_that_is_read(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they stand in the table, with RLlib's algorithm replaced by one that gives its module."""
    from torch.distributed.checkpoint.state_dict_saver import save

    monkeypatch.chdir(tmp_path)
    model = nn.Linear(3, 2)
    save(model.state_dict(), checkpoint_id=tmp_path / "folder", no_dist=True)
    row = re.search(rf"^\| {re.escape(file)}.*?\| (.*) \|$", DOC, re.MULTILINE)
    assert row is not None
    known = {"torch": torch, "folder": "folder", "model": model, "algorithm": SimpleNamespace(get_module=lambda: model)}
    for line in re.findall(r"`([^`]+)`", row[1]):
        exec(line, known)  # noqa: S102 - of our own page
    found = read_weights(read_content("model.pt")).state
    assert {name: tensor.tolist() for name, tensor in found.items()} == {
        name: tensor.tolist() for name, tensor in model.state_dict().items()
    }
