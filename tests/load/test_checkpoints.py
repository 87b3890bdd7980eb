"""Checkpoints of every format that is read, and what is never loaded."""

import argparse
import errno
import json
import os
import pickle
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from fxwatch.formats.recognise import open_regular
from fxwatch.load import LoadError, load_policy, read_content, read_weights
from fxwatch.load.factory import put_weights
from fxwatch.records.settings import ModelSettings
from tests.daemon.harness import ReadInParts
from tests.policies import GuideLike
from tests.project import Evil


def weights(path: Path, key: str = "auto", safe_globals: Sequence[str] = ()) -> Any:
    return read_weights(read_content(path), ModelSettings(state_dict_key=key, safe_globals=list(safe_globals)))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        *(
            (lambda state, key=key: {key: state, "optimizer_state_dict": {"lr": 0.1}, "epoch": 3})
            for key in (
                "model_state_dict",
                "state_dict",
                "model",
                "policy",
                "policy_state_dict",
                "network",
                "actor_critic",
            )
        ),
        lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
        lambda state: {f"_orig_mod.{name}": tensor for name, tensor in state.items()},
        lambda state: {"model": {f"module._orig_mod.{name}": tensor for name, tensor in state.items()}},
        lambda state: {
            "state_dict": {f"model.{name}": tensor for name, tensor in state.items()} | {"loss.w": torch.ones(1)}
        },
    ],
)
def test_weights_are_found_wherever_trainers_put_them(tmp_path: Path, wrap: Any) -> None:
    model, other = GuideLike(), GuideLike()
    torch.save(wrap(model.state_dict()), tmp_path / "a.pt")
    put_weights(other, weights(tmp_path / "a.pt").state)
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), other.state_dict().values(), strict=True))


def test_the_old_file_format_of_torch_is_read(tmp_path: Path) -> None:
    torch.save(GuideLike().state_dict(), tmp_path / "a.pt", _use_new_zipfile_serialization=False)
    content = read_content(tmp_path / "a.pt")
    assert content.format == "torch-legacy"
    assert "hf.weight" in read_weights(content).state


def test_safetensors_are_read_with_their_metadata(tmp_path: Path) -> None:
    save_file(GuideLike().state_dict(), tmp_path / "a.safetensors", {"global_step": "1200"})
    found = weights(tmp_path / "a.safetensors")
    assert found.step == 1200
    assert "hf.weight" in found.state


@pytest.mark.parametrize(
    ("counters", "name", "step", "update"),
    [
        ({"global_step": 12}, "a_99.pt", 12, None),
        ({"global_step_counter": 7, "global_update_counter": 2}, "a.pt", 7, 2),
        ({"num_timesteps": torch.tensor(64)}, "a.pt", 64, None),
        ({"update": 5}, "a.pt", 5, 5),
        ({"epoch": 4, "best_reward": 1.5}, "a.pt", 4, None),
        ({}, "model_2025-06-03_step=640.pt", 640, None),
        ({"global_step": "soon", "step": float("nan")}, "a-3.pt", 3, None),
        ({"global_step": True}, "a.pt", None, None),
    ],
)
def test_the_step_is_the_trainers_own_counter_else_the_names(
    tmp_path: Path, counters: dict[str, Any], name: str, step: int | None, update: int | None
) -> None:
    torch.save({"model_state_dict": GuideLike().state_dict(), **counters}, tmp_path / name)
    found = weights(tmp_path / name)
    assert (found.step, found.update) == (step, update)


def test_a_state_dict_can_be_named_by_its_path(tmp_path: Path) -> None:
    torch.save({"agent": {"brain": GuideLike().state_dict()}, "x": 1}, tmp_path / "a.pt")
    assert "hf.weight" in weights(tmp_path / "a.pt", "agent.brain").state
    with pytest.raises(LoadError, match=r"leads to no state dict; at the top are agent, x"):
        weights(tmp_path / "a.pt", "agent.heart")
    with pytest.raises(LoadError, match=r"set \[model\] state_dict_key = 'agent.brain'$"):
        weights(tmp_path / "a.pt")
    torch.save({}, tmp_path / "b.pt")
    with pytest.raises(LoadError, match="holds no state dict; at the top are no keys at all"):
        weights(tmp_path / "b.pt")


def test_a_damaged_file_is_told_from_a_sick_model(tmp_path: Path) -> None:
    torch.save({"model": GuideLike().state_dict()}, tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as archive:
        first = next(member for member in archive.infolist() if member.filename.endswith("data/0"))
    content = bytearray((tmp_path / "a.pt").read_bytes())
    header = first.header_offset
    lengths = (int.from_bytes(content[header + place : header + place + 2], "little") for place in (26, 28))
    content[header + 30 + sum(lengths)] ^= 0x40  # the first byte of the tensor
    (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises(LoadError, match=r"it is damaged: the checksum of a/data/0 does not match"):
        weights(tmp_path / "a.pt")


def test_a_file_without_checksums_is_read(tmp_path: Path) -> None:
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"model": GuideLike().state_dict()}, tmp_path / "a.pt")
    finally:
        torch.serialization.set_crc32_options(True)
    assert "hf.weight" in weights(tmp_path / "a.pt").state


@pytest.mark.parametrize("kind", ["zip", "legacy", "pickle", "sb3", "module", "namespace", "numpy"])
def test_nothing_is_ever_run(tmp_path: Path, kind: str) -> None:
    canary, file = tmp_path / "canary", tmp_path / "evil.pt"
    state = GuideLike().state_dict()
    if kind == "zip":
        torch.save({"model_state_dict": state, "x": Evil(canary)}, file)
    elif kind == "legacy":
        torch.save({"x": Evil(canary)}, file, _use_new_zipfile_serialization=False)
    elif kind == "pickle":
        file.write_bytes(pickle.dumps(Evil(canary)))
    elif kind == "sb3":
        torch.save({"x": Evil(canary)}, tmp_path / "policy.pth")
        with zipfile.ZipFile(file, "w") as archive:
            archive.write(tmp_path / "policy.pth", "policy.pth")
            archive.writestr("data", "{}")
    elif kind == "module":
        torch.save(nn.Linear(2, 2), file)
    elif kind == "namespace":
        torch.save({"model": state, "args": argparse.Namespace(lr=1)}, file)
    else:
        torch.save({"model": state, "best": np.float64(1)}, file)
    with pytest.raises(LoadError) as caught:
        weights(file)
    assert caught.value.outcome == "refused"
    words = {"numpy": "numpy values (numpy", "namespace": '[model] safe_globals = ["argparse.Namespace"]'}
    assert words.get(kind, "never loaded") in str(caught.value)
    assert ("safe_globals" in str(caught.value)) == (kind in words)
    assert "\x1b" not in str(caught.value)
    assert "weights_only=False" not in str(caught.value)
    assert not canary.exists()
    if kind in {"zip", "legacy"}:
        assert "posix.system" in str(caught.value)
        with file.open("rb") as opened:  # the control: plain unpickling would have run it
            torch.load(opened, weights_only=False)
        assert canary.exists()


@pytest.mark.parametrize("keep", [0.0, 0.01, 0.5, 0.99])
@pytest.mark.parametrize("name", ["a.pt", "a.safetensors"])
def test_a_truncated_file_is_incomplete_and_never_malicious(tmp_path: Path, name: str, keep: float) -> None:
    if name == "a.pt":
        torch.save(GuideLike().state_dict(), tmp_path / name)
    else:
        save_file(GuideLike().state_dict(), tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(LoadError) as caught:
        read_content(tmp_path / name)
    assert caught.value.outcome == "incomplete"


def test_what_is_no_checkpoint_is_unsupported_in_words(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_text("hello, this is no checkpoint")
    with pytest.raises(LoadError, match="not a checkpoint or dump that fxwatch knows"):
        read_content(tmp_path / "a.pt")
    (tmp_path / "d.pt").mkdir()
    with pytest.raises(LoadError, match="not a regular file"):
        read_content(tmp_path / "d.pt")
    os.mkfifo(tmp_path / "f.pt")
    with pytest.raises(LoadError, match="not a regular file"):
        read_content(tmp_path / "f.pt")
    with pytest.raises(LoadError, match="gone"):
        read_content(tmp_path / "g.pt")


def test_a_file_that_may_not_be_read_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(GuideLike().state_dict(), tmp_path / "a.pt")

    def refuse(*_: Any, **__: Any) -> int:  # whoever runs the tests may be root, who may read everything
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(LoadError, match="permission denied; make the file readable") as caught:
        read_content(tmp_path / "a.pt")
    assert caught.value.outcome == "refused"


@pytest.mark.parametrize(
    ("number", "outcome"), [(errno.ESTALE, "put_off"), (errno.EMFILE, "put_off"), (errno.EIO, "unsupported")]
)
def test_a_file_is_not_to_blame_for_what_may_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, outcome: str
) -> None:
    torch.save(GuideLike().state_dict(), tmp_path / "a.pt")

    def fail(*_: Any, **__: Any) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(LoadError, match=f"cannot be read: {os.strerror(number)}") as caught:
        read_content(tmp_path / "a.pt")
    assert caught.value.outcome == outcome


def test_weights_that_do_not_fit_say_which(tmp_path: Path) -> None:
    state = GuideLike().state_dict()
    del state["value.bias"]
    with pytest.raises(LoadError, match=r"missing 1 \(value.bias\)"):
        put_weights(GuideLike(), state)
    with pytest.raises(LoadError, match=r"hf.weight is \(8, 4\) in the file and \(8, 6\) in the model"):
        put_weights(GuideLike(hf=6), GuideLike().state_dict())
    with pytest.raises(LoadError, match=r"unexpected 1 \(extra\)"):
        put_weights(GuideLike(), {**GuideLike().state_dict(), "extra": torch.ones(1)})


@pytest.mark.parametrize(
    ("factory", "words"),
    [
        (None, "set \\[model\\] factory"),
        ("tests.policies:Nothing", "has no attribute 'Nothing'"),
        ("tests.policies:GuideLke", "has no attribute 'GuideLke'; did you mean GuideLike\\?"),
        ("tests.policies", 'it is a module, so say what in it builds the model, as in "tests.policies:build"'),
        ("no_such_module:build", "No module named 'no_such_module'"),
        ("tests.policies:random_states", "missing 1 required positional argument"),
        ("tests.policies:HF_AND_PORTFOLIO", "not callable"),
        ("collections:OrderedDict", "returned a OrderedDict, not an nn.Module"),
    ],
)
def test_a_factory_that_does_not_work_is_named(tmp_path: Path, factory: str | None, words: str) -> None:
    torch.save(GuideLike().state_dict(), tmp_path / "a.pt")
    with pytest.raises(LoadError, match=words) as caught:
        load_policy(weights(tmp_path / "a.pt"), ModelSettings(factory=factory))
    assert caught.value.config


def test_a_model_in_half_precision_is_explained_in_single(tmp_path: Path) -> None:
    torch.save(GuideLike().to(torch.bfloat16).state_dict(), tmp_path / "a.pt")
    found = load_policy(weights(tmp_path / "a.pt"), ModelSettings(factory="tests.policies:GuideLike"))
    assert {parameter.dtype for parameter in found.model.parameters()} == {torch.float32}
    assert not any(parameter.requires_grad for parameter in found.model.parameters())
    assert not found.model.training


def test_lazy_layers_are_told(tmp_path: Path) -> None:
    torch.save({"model": {"weight": torch.zeros(2, 2), "bias": torch.zeros(2)}}, tmp_path / "a.pt")
    with pytest.raises(LoadError, match=r"the model has lazy layers, .*: 2 \(weight, bias\)"):
        put_weights(nn.LazyLinear(2), weights(tmp_path / "a.pt").state)


class Tied(nn.Module):
    """Two names for one tensor, of which safetensors files keep but one."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
        self.last.weight = self.first.weight


def test_tied_weights_come_back_under_both_names() -> None:
    saved, model = Tied(), Tied()
    put_weights(model, {"first.weight": saved.first.weight.detach()})
    assert torch.equal(model.last.weight, saved.first.weight)
    with pytest.raises(LoadError, match="missing 1"):
        put_weights(nn.Sequential(nn.Linear(3, 3)), {"0.weight": torch.zeros(3, 3)})


def test_shards_are_read_together_and_none_may_lack(tmp_path: Path) -> None:
    state = GuideLike().state_dict()
    names = sorted(state)
    parts = {"a-00001-of-00002.safetensors": names[:5], "a-00002-of-00002.safetensors": names[5:]}
    for file, held in parts.items():
        save_file({name: state[name] for name in held}, tmp_path / file)
    index = tmp_path / "a.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {name: file for file, held in parts.items() for name in held}}))
    content = read_content(index)
    assert all(torch.equal(read_weights(content).state[name], state[name]) for name in names)
    save_file({name: state[name] + 1 for name in names[5:]}, tmp_path / "a-00002-of-00002.safetensors")
    assert read_content(index).sha256 != content.sha256
    (tmp_path / "a-00002-of-00002.safetensors").write_bytes(b"")
    with pytest.raises(LoadError, match=r"a-00002-of-00002\.safetensors: the file is empty") as caught:
        read_content(index)
    assert caught.value.outcome == "incomplete"
    (tmp_path / "a-00002-of-00002.safetensors").unlink()
    with pytest.raises(LoadError, match=r"a-00002-of-00002\.safetensors: not there yet") as caught:
        read_content(index)
    assert caught.value.outcome == "incomplete"
    (tmp_path / "a-00002-of-00002.safetensors").symlink_to("/dev/zero")
    with pytest.raises(LoadError):
        read_content(index)


def test_shards_of_two_times_are_never_taken_for_one_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"a-{number:05d}-of-00003.safetensors" for number in (1, 2, 3)]
    for name in names:
        save_file({name: torch.zeros(3)}, tmp_path / name)
    index = tmp_path / "a.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {name: name for name in names}}))

    def saved_anew(path: Path) -> None:
        if path.name == names[1]:
            for name in names[::2]:  # one was read already, and one was not
                save_file({name: torch.ones(3)}, tmp_path / name)

    monkeypatch.setattr(
        "fxwatch.load.content.open_regular",
        lambda name: ReadInParts(open_regular(name), lambda: saved_anew(Path(name))),
    )
    with pytest.raises(LoadError, match="written to while it was read") as caught:
        read_content(index)
    assert caught.value.outcome == "incomplete"


def written_over(path: Path) -> None:
    """In place, with the same size and times."""
    before = path.stat()
    with path.open("r+b") as file:
        file.write(bytes(8))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replaced(path: Path) -> None:
    other = path.with_name("other.pt")
    other.write_bytes(path.read_bytes())
    other.replace(path)


def cut_off(path: Path) -> None:
    os.truncate(path, 100)


@pytest.mark.parametrize("change", [written_over, replaced, cut_off])
def test_what_changes_while_it_is_read_is_read_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    path = tmp_path / "a.pt"
    torch.save({"w": torch.zeros(3)}, path)
    monkeypatch.setattr(
        "fxwatch.load.content.open_regular", lambda name: ReadInParts(open_regular(name), lambda: change(Path(name)))
    )
    with pytest.raises(LoadError, match="written to while it was read") as caught:
        read_content(path)
    assert caught.value.outcome == "incomplete"
