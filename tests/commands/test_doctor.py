"""`fxwatch doctor`: what it says of a file is true, and the configuration that it prints makes it work."""

import dataclasses
import json
import pickle
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from fxwatch import exit_codes
from fxwatch.commands.doctor import doctor
from tests.load.test_sb3 import FLAT, saved
from tests.policies import HF_AND_PORTFOLIO, ByKeyword, GuideLike, random_states
from tests.project import Evil, Project


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def asked(path: Path, capsys: pytest.CaptureFixture[str], config: Path | None = None) -> tuple[int, str]:
    code = doctor(path, None, config)
    return code, capsys.readouterr().out


def dump(folder: Path) -> None:
    np.savez(folder / "states.npz", **random_states(HF_AND_PORTFOLIO).branches)  # type: ignore[arg-type]


def test_a_whole_project_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = Project(tmp_path)
    project.states()
    path = project.checkpoint(global_step=100)
    done = project.ok("doctor", str(path))
    assert "model_100.pt: a checkpoint of torch.save" in done.stdout
    assert "it holds 10 tensors of" in done.stdout
    assert "step 100; no optimizer's state" in done.stdout
    assert "branch hf: 32 × 6 × 4, features" in done.stdout
    assert "it can be explained as it is" in done.stdout


def test_the_printed_configuration_makes_it_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"agent": {"brain": ByKeyword().state_dict(), "memory": {"size": 3}}, "lr": 0.1}, tmp_path / "a.pt")
    dump(tmp_path)
    code, out = -1, ""
    config = tmp_path / "config.toml"
    for _ in range(3):
        code, out = asked(tmp_path / "a.pt", capsys, config if config.exists() else None)
        if code == exit_codes.OK:
            break
        config.write_text(
            out.split("# config.toml\n")[1].replace("my_project.models:build", "tests.policies:ByKeyword")
        )
    assert code == exit_codes.OK, out
    said = config.read_text().splitlines()
    assert 'state_dict_key = "agent.brain"' in said
    assert 'call = "kwargs"' in said


@dataclasses.dataclass
class Answer:
    value: Tensor
    logits: Tensor


class ValueFirst(GuideLike):
    """Returns what no structure tells: fields of an object, of which the first is the value."""

    def forward(self, states: dict[str, Tensor]) -> Answer:  # type: ignore[override]
        (logits, _), value = super().forward(states)
        return Answer(value, logits)


def test_outputs_in_odd_places_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(ValueFirst().state_dict(), tmp_path / "a.pt")
    dump(tmp_path)
    config = tmp_path / "c.toml"
    config.write_text('[model]\nfactory = "tests.commands.test_doctor:ValueFirst"\n')
    code, out = asked(tmp_path / "a.pt", capsys, config)
    assert code == exit_codes.USAGE
    assert "it can be explained in another way: forward returned a Answer" in out
    config.write_text(out.split("# config.toml\n")[1])
    assert tomllib.loads(config.read_text())["model"]["outputs"] == {"action_type": "logits", "value": "value"}
    assert asked(tmp_path / "a.pt", capsys, config)[0] == exit_codes.OK


def test_the_settings_of_its_own_run_and_the_branches_that_are_configured_are_heeded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "outputs" / "mine"
    folder.mkdir(parents=True)
    torch.save(ByKeyword().state_dict(), folder / "a.pt")
    branches = random_states(HF_AND_PORTFOLIO).branches
    flat = np.concatenate([branch.reshape(len(branch), -1) for branch in branches.values()], axis=1)
    np.savez(folder / "states.npz", observation=flat)
    config, at, inputs = tmp_path / "c.toml", 0, ""
    for name, branch in branches.items():
        width = branch[0].size
        names = [f"{name} {place}" for place in range(branch.shape[-1])]
        inputs += f'[runs.mine.inputs."{name}"]\ncolumns = [{at}, {at + width}]\nfeatures = {json.dumps(names)}\n'
        at += width
    config.write_text(f'[runs.mine.model]\nfactory = "tests.policies:ByKeyword"\n{inputs}')
    code, out = asked(folder / "a.pt", capsys, config)
    assert code == exit_codes.USAGE, out
    prescribed = out.split("# config.toml\n")[1]
    assert prescribed == '[runs.mine.model]\nfactory = "tests.policies:ByKeyword"\ncall = "kwargs"\n'
    config.write_text(prescribed + inputs)
    assert asked(folder / "a.pt", capsys, config)[0] == exit_codes.OK


def test_a_default_policy_of_sb3_needs_nothing_but_states(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from gymnasium import spaces

    saved(tmp_path / "m.zip", FLAT, spaces.Discrete(2))
    code, out = asked(tmp_path / "m.zip", capsys)
    assert code == exit_codes.USAGE
    assert "the policy is built and the weights are in it" in out
    assert "with observation (N, 10)" in out
    np.savez(tmp_path / "states.npz", observation=np.zeros((3, 10), np.float32))
    assert asked(tmp_path / "m.zip", capsys)[0] == exit_codes.OK


def test_what_is_refused_says_why_and_how_to_convert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from torch.distributed.checkpoint.state_dict_saver import save

    save(GuideLike().state_dict(), checkpoint_id=tmp_path / "dcp", no_dist=True)
    (tmp_path / "module_state.pkl").write_bytes(pickle.dumps(Evil(tmp_path / "canary")))
    (tmp_path / "rl_model_vecnormalize_64_steps.pkl").write_bytes(pickle.dumps(Evil(tmp_path / "canary")))
    (tmp_path / "agent.pt").write_bytes(pickle.dumps(Evil(tmp_path / "canary")))
    torch.save({"model": GuideLike().state_dict(), "x": Evil(tmp_path / "canary")}, tmp_path / "m.pt")
    for path, words in {
        next((tmp_path / "dcp").glob("*.distcp")): 'dcp_to_torch_save(folder, "model.pt")',
        tmp_path / "dcp" / ".metadata": 'dcp_to_torch_save(folder, "model.pt")',
        tmp_path / "module_state.pkl": "module = algorithm.get_module()",
        tmp_path / "rl_model_vecnormalize_64_steps.pkl": "as fxwatch.recorder does",
        tmp_path / "agent.pt": "torch.save(model.state_dict(), path)",
        tmp_path / "m.pt": "posix.system",
    }.items():
        code, out = asked(path, capsys)
        assert (code, out.count(words)) == (exit_codes.REFUSED, 1), (path, out)
        assert "\x1b" not in out
    assert not (tmp_path / "canary").exists()


def test_the_conversion_of_a_distributed_checkpoint_works(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from torch.distributed.checkpoint.format_utils import dcp_to_torch_save
    from torch.distributed.checkpoint.state_dict_saver import save

    save(GuideLike().state_dict(), checkpoint_id=tmp_path / "dcp", no_dist=True)
    dcp_to_torch_save(tmp_path / "dcp", tmp_path / "model.pt")
    dump(tmp_path)
    (tmp_path / "c.toml").write_text('[model]\nfactory = "tests.policies:GuideLike"\n')
    assert asked(tmp_path / "model.pt", capsys, tmp_path / "c.toml")[0] == exit_codes.OK


@pytest.mark.parametrize(
    ("name", "content", "code", "words"),
    [
        ("cut.pt", b"PK\x03\x04", exit_codes.FAILURE, "incomplete: "),
        ("empty.pt", b"", exit_codes.FAILURE, "the file is empty"),
        ("notes.txt", b"these are notes, and no weights", exit_codes.FAILURE, "not a checkpoint or dump"),
        (
            "model.safetensors.index.json",
            b'{"weight_map": {"a": "../x.safetensors"}}',
            1,
            "no safetensors file beside it",
        ),
        ("model.safetensors.index.json", b'{"weight_map": {"a": "x.safetensors"}}', 1, "not there yet"),
        ("model.safetensors.index.json", b'{"weight_map": []}', 1, "its index names no file of weights"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes, code: int, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    found, out = asked(tmp_path / name, capsys)
    assert (found, words in out) == (code, True), out


def test_a_folder_is_told_file_by_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "checkpoint-500"
    folder.mkdir()
    save_file(GuideLike().state_dict(), folder / "model.safetensors")
    torch.save({}, folder / "optimizer.pt")
    dump(tmp_path)
    (tmp_path / "c.toml").write_text('[model]\nfactory = "tests.policies:GuideLike"\n')
    code, out = asked(tmp_path, capsys, tmp_path / "c.toml")
    assert code == exit_codes.OK, out
    assert "checkpoint-500/model.safetensors: a checkpoint in safetensors" in out
    assert "states.npz: a dump of states" in out
    assert "step 500 (by its name)" in out
    assert "optimizer.pt" not in out
    code, out = asked(folder / "optimizer.pt", capsys)
    assert "by its name it is no checkpoint" in out
    (tmp_path / "empty").mkdir()
    assert asked(tmp_path / "empty", capsys)[0] == exit_codes.NOTHING
    assert asked(tmp_path / "nothing", capsys)[0] == exit_codes.NOTHING
    assert doctor(folder / "model.safetensors", tmp_path / "nothing.npz", None) == exit_codes.NOTHING
