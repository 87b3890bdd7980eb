"""The recorder: what it writes is what happened, and training is as it was without it."""

import ast
import copy
import io
import json
import math
import os
import pickle
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import fxwatch.recorder
from fxwatch.attribution.attention import attention, attention_maps
from fxwatch.attribution.policy import Meter
from fxwatch.load import load_policy, read_content, read_dump, read_weights
from fxwatch.recorder import Recorder
from fxwatch.records.recorded import read_recorded
from fxwatch.records.settings import ModelSettings
from tests.policies import GuideLike, SmallTransformer
from tests.project import ROOT, environ

SOURCE = ROOT / "fxwatch" / "recorder.py"
FEATURES = {"hf": ["velocity", "volume", "spread", "delta"], "portfolio": ["pnl", "cash", "held"]}


@pytest.fixture(autouse=True)
def _a_line_an_update(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fxwatch.recorder, "_SECONDS_BETWEEN_LINES", 0.0)


def ppo(model: Any, optimizer: torch.optim.Optimizer, updates: int, seen: list[Any] | None = None) -> None:
    """Acts without gradients, then learns in four steps from what it saw."""
    generator = torch.Generator().manual_seed(7)
    for _ in range(updates):
        rollout = []
        for _ in range(5):
            states = {
                "hf": torch.randn(3, 6, 4, generator=generator),
                "portfolio": torch.randn(3, 2, 3, generator=generator),
            }
            with torch.no_grad():
                model(states)
            rollout.append(states)
        batch = {name: torch.cat([states[name] for states in rollout]) for name in rollout[0]}
        if seen is not None:
            seen.append(batch)
        for _ in range(4):
            (logits, _), value = model(batch)
            loss = logits.square().mean() + value.square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def fresh() -> tuple[GuideLike, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = GuideLike()
    return model, torch.optim.Adam(model.parameters(), 1e-4)


def lines(folder: Path, kind: str = "span") -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (folder / "training.jsonl").read_text().splitlines()]
    return [line for line in found if line["kind"] == kind]


def test_training_is_bit_for_bit_as_without_it(tmp_path: Path) -> None:
    states, alone = [], []
    for recorded in (True, False):
        model, optimizer = fresh()
        recorder = Recorder(model, optimizer, tmp_path, every=2, weights=True) if recorded else None
        ppo(model, optimizer, 6)
        states.append({name: value.clone() for name, value in model.state_dict().items()})
        alone.append(torch.rand(3))
        if recorder is not None:
            recorder.close()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert torch.equal(alone[0], alone[1])


def test_every_layers_gradient_at_every_step_is_measured(tmp_path: Path) -> None:
    model, optimizer = fresh()
    expected: list[dict[str, list[float]]] = []

    def independent(*_: object) -> None:
        row = {}
        for name, layer in model.named_children():
            own = list(layer.parameters())
            if own[0].grad is not None:
                flat = torch.cat([p.grad.flatten() for p in own if p.grad is not None])
                weights = torch.cat([p.detach().flatten() for p in own])
                row[name] = [float(flat.norm()), float(flat.abs().mean()), float(flat.norm() / weights.norm())]
        expected.append(row)

    optimizer.register_step_post_hook(independent)
    with Recorder(model, optimizer, tmp_path, every=3) as recorder:
        ppo(model, optimizer, 4)
    assert recorder.updates == 4
    spans = lines(tmp_path)
    assert [(span["update"], span["optimizer_step"], span["steps"]) for span in spans] == [
        (1, 4, 4),
        (2, 8, 4),
        (3, 12, 4),
        (4, 16, 4),
    ]
    assert "action_size" not in spans[0]["layers"]  # its loss has no gradient
    for place, span in enumerate(spans):
        steps = expected[4 * place : 4 * place + 4]
        for name, found in span["layers"].items():
            norms = [step[name][0] for step in steps]
            assert found["norm"] == pytest.approx([min(norms), sum(norms) / 4, max(norms)], rel=1e-4)
            assert found["mean"] == pytest.approx(sum(step[name][1] for step in steps) / 4, rel=1e-4)
            # of the weights as they were at most 15 steps before
            assert found["weight_ratio"] == pytest.approx(sum(step[name][2] for step in steps) / 4, rel=2e-2)


@pytest.mark.parametrize("bias", [True, False])
def test_the_smallest_model_is_left_as_it_is(tmp_path: Path, *, bias: bool) -> None:
    model = nn.Linear(2, 1, bias=bias)
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    before = copy.deepcopy(model.state_dict())
    with Recorder(model, optimizer, tmp_path):
        model(torch.ones(1, 2)).sum().backward()
        optimizer.step()
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert model.weight.grad is not None
    assert model.weight.grad.tolist() == [[1, 1]]


def test_gradients_that_a_closure_makes_are_those_of_their_own_step(tmp_path: Path) -> None:
    model = nn.Linear(1, 1, bias=False)
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    with Recorder(model, optimizer, tmp_path, every=1):
        for scale in (1.0, 3.0):

            def closure(scale: float = scale) -> float:
                optimizer.zero_grad()
                loss = scale * model(torch.ones(1, 1)).sum()
                loss.backward()
                return float(loss)

            optimizer.step(closure)
    assert [span["layers"]["model"]["norm"][1] for span in lines(tmp_path)] == pytest.approx([1, 3])


def test_large_and_half_precise_models_are_measured_the_same_way(tmp_path: Path) -> None:
    model = nn.Linear(4, 3).to(torch.bfloat16)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with Recorder(model, optimizer, tmp_path, every=None):
        model(torch.ones(2, 4, dtype=torch.bfloat16)).sum().backward()
        optimizer.step()
    (span,) = lines(tmp_path)
    assert span["layers"]["model"]["norm"][1] == pytest.approx(math.sqrt(15) * 2, rel=1e-2)
    assert span["layers"]["model"]["mean"] == pytest.approx(2, rel=1e-2)


@pytest.mark.parametrize("wrapped", [nn.DataParallel, lambda model: torch.compile(model, backend="eager")])
def test_layers_have_the_names_of_the_model_that_was_wrapped(tmp_path: Path, wrapped: Any) -> None:
    model, alone = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.Linear(3, 1))), nn.Linear(2, 1)
    for one, names in ((model, ["0", "1.0"]), (alone, ["model"])):
        optimizer = torch.optim.SGD(one.parameters(), 0.0)
        with Recorder(wrapped(one), optimizer, tmp_path / names[0]):
            one(torch.ones(1, 2)).sum().backward()
            optimizer.step()
        assert [list(span["layers"]) for span in lines(tmp_path / names[0])] == [names]


class Shapes(nn.Module):
    """Of one shape but for their lengths, or not, of lengths that are even, or not, and a layer without a gradient."""

    def __init__(self, *, scalar: bool) -> None:
        super().__init__()
        self.image, self.wide, self.narrow = nn.Conv1d(3, 5, 3), nn.Linear(15, 32), nn.Linear(32, 7)
        self.norm, self.unused = nn.LayerNorm(32), nn.Linear(32, 9)
        self.scale = nn.Parameter(torch.tensor(2.0)) if scalar else 2.0

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.narrow(self.norm(self.wide(self.image(x).flatten(1)))) * self.scale
        return found


@pytest.mark.filterwarnings("ignore:Using backward")
@pytest.mark.parametrize("size", [1.0, 1e25])
@pytest.mark.parametrize("scalar", [True, False])
@pytest.mark.parametrize("differentiated", [True, False])
def test_parameters_of_any_shape_are_measured_by_layer(
    tmp_path: Path, size: float, *, scalar: bool, differentiated: bool
) -> None:
    torch.manual_seed(0)
    model = Shapes(scalar=scalar)
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    with Recorder(model, optimizer, tmp_path, every=1):
        (size * model(torch.randn(4, 3, 5)).sum()).backward(create_graph=differentiated)
        optimizer.step()
    (found,) = [span["layers"] for span in lines(tmp_path)]
    assert list(found) == [*(["model"] if scalar else []), "image", "wide", "narrow", "norm"]
    if size > 1:
        assert {layer["nonfinite"] for layer in found.values()} == {1}
        return
    for name, layer in found.items():
        owner = model if name == "model" else model.get_submodule(name)
        own = torch.cat([one.grad.flatten() for one in owner.parameters(recurse=False) if one.grad is not None])
        assert layer["norm"] == pytest.approx([float(own.norm())] * 3, rel=1e-4)
        assert layer["mean"] == pytest.approx(float(own.abs().mean()), rel=1e-4)


def test_dumps_hold_real_observations_and_snapshots_the_weights(tmp_path: Path) -> None:
    model, optimizer = fresh()
    seen: list[Any] = []
    recorder = Recorder(model, optimizer, tmp_path / "run", every=2, features=FEATURES, weights=True)
    for update in range(1, 4):
        ppo(model, optimizer, 1, seen)
        recorder.log({"global_step": update * 15, "policy_loss": torch.tensor(0.5, requires_grad=True), "kl": math.nan})
    recorder.close()
    dump = read_dump(read_content(tmp_path / "run" / "states.safetensors"), {})
    assert dump.states.step == 45
    assert dump.states.features == FEATURES
    assert list(dump.states.branches) == ["hf", "portfolio"]
    everything = torch.cat([batch["portfolio"] for batch in seen]).flatten(1).tolist()
    assert dump.states.count == 45  # 15 since the dump at the end of the second update, and older ones
    assert all(row in everything for row in torch.as_tensor(dump.states.branches["portfolio"]).flatten(1).tolist())
    names = sorted(path.name for path in (tmp_path / "run").glob("recorded-*"))
    assert names == ["recorded-step-000000030.safetensors", "recorded-step-000000045.safetensors"]
    weights = read_weights(read_content(tmp_path / "run" / "recorded-step-000000045.safetensors"))
    assert (weights.step, weights.update) == (45, 3)
    assert all(torch.equal(weights.state[name], value) for name, value in model.state_dict().items())
    load_policy(weights, ModelSettings(factory="tests.policies:GuideLike"))
    span = lines(tmp_path / "run")[-1]
    assert span["scalars"] == {"global_step": 45.0, "policy_loss": 0.5, "kl": None}
    assert span["step"] == 45


def test_a_quick_loop_writes_few_lines_and_misses_no_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fxwatch.recorder, "_SECONDS_BETWEEN_LINES", 1000.0)
    model, optimizer = fresh()
    with Recorder(model, optimizer, tmp_path, every=20):
        ppo(model, optimizer, 100)
    spans = lines(tmp_path)
    assert len(spans) <= 8
    assert sum(span["steps"] for span in spans) == 400


def test_the_reservoir_is_even_over_what_was_seen(tmp_path: Path) -> None:
    model = nn.Linear(1, 1)
    recorder = Recorder(model, torch.optim.SGD(model.parameters(), 0.1), tmp_path)
    rows = np.zeros(0)
    for period in range(3):
        with torch.no_grad():
            for start in range(0, 20_000, 4):
                model(torch.arange(start, start + 4, dtype=torch.float32)[:, None] + 0.25 * period)
        recorder.dump()
        drawn = list(recorder._seen._older)
        rows = np.array([row["observation"][0] for row in drawn])
        assert len(set(rows)) == 64
        assert set(rows % 1) == {0.25 * period}
        assert [int((rows // 5000 == quarter).sum()) for quarter in range(4)] == pytest.approx([16] * 4, abs=4)
        assert [int((rows // 1 % 4 == place).sum()) for place in range(4)] == pytest.approx([16] * 4, abs=12)
    recorder.close()  # nothing was seen since the dump, which stays as it is
    kept = read_dump(read_content(tmp_path / "states.safetensors"), {}).states.branches["observation"][:, 0]
    assert sorted(kept) == sorted(rows)


def test_observations_are_copied_from_a_buffer_that_the_loop_uses_again(tmp_path: Path) -> None:
    model = nn.Linear(2, 1)
    buffer, states = torch.zeros(1, 2), {"hf": torch.zeros(1, 2)}
    with Recorder(model, torch.optim.SGD(model.parameters(), 0.1), tmp_path), torch.no_grad():
        for number in range(20):
            model(buffer.fill_(number))
    rows = read_dump(read_content(tmp_path / "states.safetensors"), {}).states.branches["observation"]
    assert sorted(rows[:, 0]) == list(range(20))
    guide = nn.Sequential(Branch())
    with Recorder(guide, torch.optim.SGD(model.parameters(), 0.1), tmp_path), torch.no_grad():
        for number in range(20):
            states["hf"].fill_(number)
            guide(states)
    rows = read_dump(read_content(tmp_path / "states.safetensors"), {}).states.branches["hf"]
    assert sorted(rows[:, 0]) == list(range(20))


class Branch(nn.Module):
    """Takes a dictionary."""

    def forward(self, states: dict[str, Tensor]) -> Tensor:
        return states["hf"]


def test_a_disk_that_hangs_never_holds_training_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hangs = threading.Event()
    monkeypatch.setattr(fxwatch.recorder._Writer, "line", lambda *_: hangs.wait(60))
    monkeypatch.setattr(fxwatch.recorder, "_PATIENCE_AT_THE_END", 0.2)
    model, optimizer = fresh()
    recorder = Recorder(model, optimizer, tmp_path, every=1, weights=True)
    began = time.monotonic()
    ppo(model, optimizer, 60)
    recorder.close()
    assert time.monotonic() - began < 30
    assert recorder.updates == 60
    assert recorder.writer._jobs.qsize() <= 17
    hangs.set()


def test_a_loop_that_never_acts_counts_its_steps(tmp_path: Path) -> None:
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with Recorder(model, optimizer, tmp_path, every=50) as recorder:
        for step in range(100):
            optimizer.zero_grad()
            model(torch.full((2, 3), float(step))).square().sum().backward()
            optimizer.step()
            with torch.no_grad():
                model(torch.full((2, 3), -1.0))  # its own check on other data: no observation to learn from
    assert recorder.updates == 100
    assert sum(span["steps"] for span in lines(tmp_path)) == 100
    rows = read_dump(read_content(tmp_path / "states.safetensors"), {}).states.branches["observation"]
    assert 0 <= rows.min() <= rows.max() <= 99
    assert (rows >= 49).mean() > 0.5


class Agent(nn.Module):
    """As single-file trainers have it: no forward of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.critic, self.actor = nn.Linear(4, 1), nn.Linear(4, 2)

    def act(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.actor(x), self.critic(x)


def test_a_model_without_a_forward_is_seen_by_its_parts(tmp_path: Path) -> None:
    agent = Agent()
    with Recorder(agent, torch.optim.SGD(agent.parameters(), 0.1), tmp_path), torch.no_grad():
        for number in range(10):
            agent.act(torch.full((1, 4), float(number)))
    rows = read_dump(read_content(tmp_path / "states.safetensors"), {}).states.branches["observation"]
    assert sorted(rows[:, 0].tolist()) == list(range(10))


class Inner(nn.Module):
    """A model that is never called itself."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def forward(self) -> None:
        raise NotImplementedError


def test_a_model_that_is_never_called_is_said_once_and_keeps_no_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = Inner()
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    with Recorder(model, optimizer, tmp_path) as recorder:
        for _ in range(600):
            model.layer(torch.ones(1, 1)).sum().backward()
            optimizer.step()
            assert len(recorder._gradients._steps) < 256
    assert sum(span["steps"] for span in lines(tmp_path)) == 600
    (record,) = caplog.records
    assert "give Recorder the module whose forward is called" in record.getMessage()


@pytest.mark.parametrize("call", ["args", "kwargs"])
def test_branches_keep_the_order_of_the_call(tmp_path: Path, call: str) -> None:
    model = SmallTransformer()
    hf, portfolio = torch.randn(3, 4, 5), torch.randn(3, 2, 3)
    with Recorder(model, torch.optim.SGD(model.parameters(), 0.1), tmp_path), torch.no_grad():
        model(hf, portfolio) if call == "args" else model(hf=hf, portfolio=portfolio)
    branches = read_dump(read_content(tmp_path / "states.safetensors"), {}).states.branches
    assert {name: array.shape for name, array in branches.items()} == {"hf": (3, 4, 5), "portfolio": (3, 2, 3)}
    assert list(branches) == ["hf", "portfolio"]


def test_attention_is_what_the_analysis_would_say_and_costs_no_random_number(tmp_path: Path) -> None:
    model = SmallTransformer().train()
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    inputs = (torch.randn(3, 4, 5), torch.randn(3, 2, 3))
    with Recorder(model, optimizer, tmp_path, every=None):
        for _ in range(3):
            model(*inputs)["action_type"].sum().backward()
            optimizer.step()
    torch.manual_seed(3)
    expected = attention(attention_maps(model.eval(), inputs, Meter()), None).layers["encoder.self_attn"]
    heads = [found for span in lines(tmp_path) for found in span["attention"].values()]
    assert heads[-1]["entropy"] == pytest.approx([head.entropy for head in expected], abs=1e-3)
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_attention_is_worked_out_once_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fxwatch.recorder, "_SECONDS_BETWEEN_LINES", 1000.0)
    read: list[str] = []
    original = fxwatch.recorder._Attention.read

    def noted(self: Any, name: str, *given: Any) -> None:
        read.append(name)
        original(self, name, *given)

    monkeypatch.setattr(fxwatch.recorder._Attention, "read", noted)
    model = SmallTransformer()
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    inputs = (torch.randn(3, 4, 5), torch.randn(3, 2, 3))
    with Recorder(model, optimizer, tmp_path):
        for _ in range(20):
            with torch.no_grad():
                model(*inputs)
            for _ in range(2):
                model(*inputs)["action_type"].sum().backward()
                optimizer.step()
    first, last = lines(tmp_path)
    assert (first["steps"], last["steps"]) == (2, 38)
    assert [list(line["attention"]) for line in (first, last)] == [["encoder.self_attn"]] * 2
    assert len(read) == 2


def test_attention_that_holds_still_is_stable(tmp_path: Path) -> None:
    model = SmallTransformer()
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    inputs = (torch.randn(3, 4, 5), torch.randn(3, 2, 3))
    with Recorder(model, optimizer, tmp_path):
        for _ in range(3):
            with torch.no_grad():
                model(*inputs)
            for _ in range(2):
                model(*inputs)["action_type"].sum().backward()
                optimizer.step()
    read = [span["attention"]["encoder.self_attn"] for span in lines(tmp_path) if span["attention"]]
    assert [heads.get("stability") for heads in read] == [
        None,
        pytest.approx([1, 1]),
        pytest.approx([1, 1]),
    ]


@pytest.mark.parametrize("trouble", ["no folder", "full disk"])
def test_what_cannot_be_written_is_one_warning_and_training_goes_on(tmp_path: Path, trouble: str) -> None:
    (tmp_path / "file").write_text("")
    folder = tmp_path / "run" if trouble == "full disk" else tmp_path / "file" / "run"
    code = f"""
import resource, signal, torch
from fxwatch.recorder import Recorder
from tests.recorder.test_recorder import fresh, ppo
if {trouble == "full disk"}:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (700, 700))
model, optimizer = fresh()
recorder = Recorder(model, optimizer, {str(folder)!r}, 1, weights=True)
ppo(model, optimizer, 5)
print("trained on")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ(), capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "trained on\n"
    assert done.stderr.count("recording in") == 1
    assert "Traceback" not in done.stderr
    if trouble == "full disk":
        text = (folder / "training.jsonl").read_text()
        assert text.endswith("\n")
        assert [json.loads(line)["kind"] for line in text.splitlines()] == ["start"]
        assert [path.name for path in folder.iterdir()] == ["training.jsonl"]


def test_names_that_do_not_fit_are_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = nn.Linear(4, 1)
    features = {"observation": ["a", "b"], "other": ["c"]}
    with Recorder(model, torch.optim.SGD(model.parameters(), 0.1), tmp_path, features=features), torch.no_grad():
        model(torch.randn(2, 4))
    (warning,) = [record.getMessage() for record in caplog.records]
    assert warning.endswith("ValueError: 2 names of features for 'observation' do not fit: observation has 4")
    assert read_dump(read_content(tmp_path / "states.safetensors"), {}).states.features == {
        "observation": [f"observation_{column}" for column in range(4)]
    }


def test_odd_inputs_and_odd_numbers_never_raise(tmp_path: Path) -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 2)

        def forward(self, *args: Any, **kwargs: Any) -> None:
            pass

    model = Odd()
    with Recorder(model, torch.optim.SGD(model.parameters(), 0.1), tmp_path) as recorder, torch.no_grad():
        for inputs in ((), ("text",), ({},), ({"a": None},), (torch.zeros(()),), (torch.zeros(2, 3, 4, 5),), (None, 1)):
            model(*inputs)
        model(torch.zeros(3), flag=True)
        recorder.log({"loss": "high", "reward": object(), "step": "soon"})
        recorder.log(None)
        recorder.close()
        recorder.close()


def test_a_copied_or_pickled_model_leaves_the_recorder_behind(tmp_path: Path) -> None:
    model, optimizer = fresh()
    with Recorder(model, optimizer, tmp_path) as recorder:
        for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            with torch.no_grad():
                other({"hf": torch.zeros(1, 6, 4), "portfolio": torch.zeros(1, 2, 3)})
        torch.save(model.state_dict(), io.BytesIO())
        assert recorder._seen.take() == []


def test_it_is_one_file_that_runs_in_a_bare_environment(tmp_path: Path) -> None:
    (tmp_path / "recorder.py").write_text(SOURCE.read_text(encoding="utf-8"), encoding="utf-8")
    code = """
import sys, torch
sys.modules.update(dict.fromkeys(["fxwatch", "safetensors", "pydantic"]))
from recorder import Recorder
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.Adam(model.parameters())
Recorder(model, optimizer, "run", weights=True)
for _ in range(30):
    with torch.no_grad():
        model(torch.randn(8, 3))
    model(torch.randn(8, 3)).sum().backward()
    optimizer.step()
"""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True, timeout=100)
    written = {path.name for path in (tmp_path / "run").iterdir()}  # closed by the end of the program
    assert {"training.jsonl", "states.safetensors", "recorded-step-000000030.safetensors"} <= written


def test_it_needs_python_3_9_and_nothing_but_numpy_and_torch() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tree = ast.parse(SOURCE.read_text(encoding="utf-8"), feature_version=(3, 9))
    named = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    named |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    roots = {name.split(".")[0] for name in named}
    assert roots - sys.stdlib_module_names == {"numpy", "torch"}
    keywords = {word.arg for node in ast.walk(tree) if isinstance(node, ast.Call) for word in node.keywords}
    assert not keywords & {"strict", "slots", "kw_only"}  # of zip and dataclass, from 3.10


def test_it_needs_no_newer_python_than_it_says() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from vermin import main; main()", "--no-tips", "-t=3.9-", fxwatch.recorder.__file__],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_an_optimizer_that_was_resumed_goes_on_counting(tmp_path: Path) -> None:
    model, optimizer = fresh()
    ppo(model, optimizer, 3)
    resumed = torch.optim.Adam(model.parameters(), 1e-4)
    with Recorder(model, resumed, tmp_path, every=1):
        resumed.load_state_dict(optimizer.state_dict())
        ppo(model, resumed, 1)
    assert [span["optimizer_step"] for span in lines(tmp_path)] == [16]
    spans = [read_recorded(raw, 0) for raw in (tmp_path / "training.jsonl").open("rb")]
    assert len({span.session for span in spans if span is not None}) == 1
    last = spans[-1]
    assert last is not None
    assert last.line is not None
    assert (last.line.number, last.line.optimizer_step) == (1, 16)


def test_steps_with_nan_are_counted_and_spoil_no_number(tmp_path: Path) -> None:
    model = nn.Linear(1, 1, bias=False)
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    with Recorder(model, optimizer, tmp_path, every=None):
        for scale in (1.0, math.nan, 3.0):
            optimizer.zero_grad()
            (scale * model(torch.ones(1, 1))).sum().backward()
            optimizer.step()
    layer = {name: span["layers"]["model"] for span in lines(tmp_path) for name in ("model",)}["model"]
    assert sum(span["layers"]["model"].get("nonfinite", 0) for span in lines(tmp_path)) == 1
    assert None not in layer["norm"]


def at_once(_: object, job: Callable[[], None], patience: float = 0) -> bool:
    job()
    return True


def test_the_file_of_a_long_training_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], time=time.time, time_ns=time.time_ns)
    monkeypatch.setattr(fxwatch.recorder, "time", clock)
    monkeypatch.setattr(fxwatch.recorder._Writer, "put", at_once)
    monkeypatch.setattr(fxwatch.recorder, "_SECONDS_BETWEEN_LINES", 5.0)
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    recorder = Recorder(model, optimizer, tmp_path, every=None)
    for _ in range(3000):
        now[0] += 30.0  # a day
        with torch.no_grad():
            model(torch.ones(1, 1))
        model(torch.ones(1, 1)).sum().backward()
        optimizer.step()
    monkeypatch.undo()
    recorder.close()
    spans = lines(tmp_path)
    assert len(spans) < 2500
    assert sum(span["steps"] for span in spans) == 3000
