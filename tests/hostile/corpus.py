"""Files that run a program where they are opened as their authors hope. The program leaves a canary."""

import base64
import builtins
import functools
import importlib
import io
import json
import os
import pickle
import re
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cloudpickle
import numpy as np
import torch
from torch import nn

from tests.policies import GuideLike


class Planted(NamedTuple):
    """A hostile file: how it is made, what becomes of it, and how a careless program would open it, if there is one."""

    file: str
    make: Callable[[Path, Path], None]
    outcome: str
    control: str | None = None


class Call:
    """Calls a function where it is unpickled."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def touch(canary: Path) -> Call:
    return Call(os.system, f"touch {canary}")


GADGETS: dict[str, Callable[[Path], Call]] = {
    "system": touch,
    "eval": lambda canary: Call(builtins.eval, f"open({str(canary)!r}, 'w')"),
    "exec": lambda canary: Call(builtins.exec, f"open({str(canary)!r}, 'w')"),
    "popen": lambda canary: Call(subprocess.Popen, ["touch", str(canary)]),
    "open": lambda canary: Call(open, str(canary), "w"),
    "partial": lambda canary: Call(functools.partial(os.system, f"touch {canary}")),
    "import": lambda canary: Call(importlib.import_module, _module_beside(canary)),
    "torch.load": lambda canary: Call(functools.partial(torch.load, _evil_beside(canary), weights_only=False)),
}


def _module_beside(canary: Path) -> str:
    """A module that the control can import, as it runs in that folder."""
    name = f"planted_{canary.name.replace('-', '_').replace('.', '_')}"
    (canary.parent / f"{name}.py").write_text(f"open({str(canary)!r}, 'w')\n")
    return name


def _evil_beside(canary: Path) -> str:
    path = canary.with_suffix(".inner")
    torch.save(touch(canary), path)
    return str(path)


def in_zip(gadget: str) -> Callable[[Path, Path], None]:
    return lambda path, canary: torch.save(
        {"model_state_dict": GuideLike().state_dict(), "x": GADGETS[gadget](canary)}, path
    )


def deep(path: Path, canary: Path) -> None:
    torch.save({"a": [{"b": ({"c": touch(canary)},)}], "model": GuideLike().state_dict()}, path)


def legacy(path: Path, canary: Path) -> None:
    torch.save({"x": touch(canary)}, path, _use_new_zipfile_serialization=False)


def bare(protocol: int) -> Callable[[Path, Path], None]:
    return lambda path, canary: _write(path, pickle.dumps(touch(canary), protocol))


def tar(path: Path, canary: Path) -> None:
    with tarfile.open(path, "w") as archive:
        for name in ("storages", "tensors", "pickle"):
            content = pickle.dumps(touch(canary))
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def script(path: Path, canary: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", pickle.dumps(touch(canary)))
        archive.writestr("a/constants.pkl", pickle.dumps(touch(canary)))
        archive.writestr("a/code/__torch__.py", f"open({str(canary)!r}, 'w')")


def module(path: Path, _canary: Path) -> None:
    torch.save(nn.Linear(2, 2), path)


def objects_in_npz(path: Path, canary: Path) -> None:
    np.savez(path, hf=np.array([touch(canary)], dtype=object))


def export(change: Callable[[dict[str, bytes], Path], None]) -> Callable[[Path, Path], None]:
    """A program of torch.export in which something was changed."""

    def make(path: Path, canary: Path) -> None:
        torch.export.save(torch.export.export(nn.Linear(2, 2), (torch.zeros(3, 2),), dynamic_shapes=_ANY_COUNT), path)
        with zipfile.ZipFile(path) as archive:
            members = {name.split("/", 1)[1]: archive.read(name) for name in archive.namelist()}
        change(members, canary)
        _zip(path, {f"a/{name}": content for name, content in members.items()})

    return make


def _shape_in_words(members: dict[str, bytes], canary: Path) -> None:
    """The size of a dynamic shape is text, which is evaluated."""
    program = members["models/model.json"].decode()
    code = json.dumps(f"__import__('os').system('touch {canary}')")
    members["models/model.json"] = re.sub(r'"expr_str": "[^"]*"', f'"expr_str": {code}', program).encode()


def _pickled_weight(members: dict[str, bytes], canary: Path) -> None:
    listed = json.loads(members["data/weights/model_weights_config.json"])
    one = listed["config"]["weight"]
    one["use_pickle"] = True
    members["data/weights/model_weights_config.json"] = json.dumps(listed).encode()
    members[f"data/weights/{one['path_name']}"] = _saved(canary)


def _samples(members: dict[str, bytes], canary: Path) -> None:
    """The inputs with which the program was made, which torch tries with weights_only first, and then without."""
    members["data/sample_inputs/model.pt"] = _saved(canary)


def _saved(canary: Path) -> bytes:
    out = io.BytesIO()
    torch.save({"x": touch(canary)}, out)
    return out.getvalue()


def sb3(path: Path, canary: Path) -> None:
    """A whole model, one of whose fields calls."""
    import gymnasium
    from stable_baselines3 import PPO

    PPO("MlpPolicy", gymnasium.make("CartPole-v1"), device="cpu", n_steps=8, batch_size=8).save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    fields = json.loads(members["data"])
    fields["clip_range"][":serialized:"] = base64.b64encode(cloudpickle.dumps(touch(canary))).decode()
    members["data"] = json.dumps(fields).encode()
    _zip(path, members)


def sb3_weights(path: Path, canary: Path) -> None:
    _zip(path, {"policy.pth": _saved(canary), "data": b"{}"})


def sb3_optimizer(path: Path, canary: Path) -> None:
    weights = io.BytesIO()
    torch.save(GuideLike().state_dict(), weights)
    members = {"policy.pth": weights.getvalue(), "policy.optimizer.pth": _saved(canary), "data": b"{}"}
    _zip(path, members)


def _zip(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


_ANY_COUNT = ({0: torch.export.Dim("count")},)
_EXPORT = "import torch; torch.export.load({path!r})"
_TORCH = "import torch; torch.load({path!r}, weights_only=False)"
_PICKLE = "import pickle; pickle.load(open({path!r}, 'rb'))"
CORPUS = [
    *(Planted(f"{name}.pt", in_zip(name), "refused", _TORCH) for name in GADGETS),
    Planted("deep.ckpt", deep, "refused", _TORCH),
    Planted("legacy.pth", legacy, "refused", _TORCH),
    *(Planted(f"bare-{protocol}.pt", bare(protocol), "unsupported", _PICKLE) for protocol in (0, 1)),
    *(Planted(f"bare-{protocol}.pt", bare(protocol), "refused", _PICKLE) for protocol in (2, 3, 4, 5)),
    Planted("bare.npz", bare(4), "refused", _PICKLE),
    Planted("bare.safetensors", bare(4), "refused", _PICKLE),
    Planted("bare.zip", bare(4), "refused", _PICKLE),
    Planted("tar.pt", tar, "unsupported"),
    Planted("script.pt", script, "unsupported"),
    Planted("shape.pt2", export(_shape_in_words), "read", _EXPORT),
    Planted("samples.pt2", export(_samples), "read", _EXPORT),
    Planted("pickled.pt2", export(_pickled_weight), "refused", _EXPORT),
    Planted("module.pt", module, "refused"),
    Planted("objects.npz", objects_in_npz, "refused", "import numpy; numpy.load({path!r}, allow_pickle=True)['hf']"),
    Planted("sb3.zip", sb3, "read", "from stable_baselines3 import PPO; PPO.load({path!r}, device='cpu')"),
    Planted("sb3-weights.zip", sb3_weights, "refused"),
    Planted("sb3-optimizer.zip", sb3_optimizer, "refused"),
    Planted("__0_0.distcp", bare(4), "refused", _PICKLE),
    Planted("vecnormalize.pkl", bare(4), "refused", _PICKLE),
    Planted("replay_buffer_100_steps.pkl", bare(4), "refused", _PICKLE),
]


def plant(folder: Path) -> dict[str, Path]:
    """Make them all in a folder. Returns the canary of each by its file."""
    canaries = folder.parent / "canaries"
    canaries.mkdir(exist_ok=True)
    folder.mkdir(exist_ok=True)
    found = {one.file: canaries / one.file for one in CORPUS}
    for one in CORPUS:
        one.make(folder / one.file, found[one.file])
    return found
