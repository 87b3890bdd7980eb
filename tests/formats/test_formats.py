"""What files are by their names and bytes, without opening them for real."""

import io
import json
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from safetensors.numpy import save as save_safetensors

from fxwatch.formats import dump_step, kind_of, recognise, step_in_name

STEPS = {
    "ppo_1000_steps.zip": 1000, "epoch=3-step=1200.ckpt": 1200, "checkpoint-500/model.safetensors": 500,
    "checkpoint_7/pytorch_model.bin": 7, "checkpoint-12.pt": 12, "best_model_v7.pt": 7, "model-12.pt": 12,
    "agent_4000.pt": 4000, "step-000100.pt": 100, "states-512.safetensors": 512, "PPO_100k_3.zip": 3,
    "run_2025-06-03_v3.pt": 3, "m_20250603-12.pt": 12, "ckpt_step=20240601.pt": 20240601,
    "latest.pt": None, "checkpoint.pt": None, "seed_3/model.pt": None, "2025/model.pt": None,
    "model_2025-06-03.pt": None, "model_20250603.pt": None, "model_03-06-2025.pt": None,
    "m_20250603_142233.pt": None, "checkpoint_2025-06-03_142233.pt": None,
    f"a-{'9' * 18}.pt": 10**18 - 1, f"a-{'9' * 249}.pt": None,
}  # fmt: skip


@pytest.mark.parametrize(("name", "step"), STEPS.items())
def test_the_step_in_a_name_is_never_a_date(name: str, step: int | None) -> None:
    assert step_in_name(name) == step


KINDS: dict[str | None, list[str]] = {
    "checkpoint": [
        "a.pt", "a.PTH", "a.ckpt", "a.zip", "a.safetensors", "optimizer_free_policy.pt", "optimal.pt",
        "pytorch_model.bin", "model.safetensors.index.json", "policy.pt2", "__0_0.distcp",
    ],
    "states": ["states.safetensors", "states-12.npz", "States_a.npz"],
    None: [
        "states.pt", "other.npz", "vecnormalize.pkl", "a.pt.tmp", ".tmpAbc.safetensors", "tmp_a.pt", "a.tmp.pt",
        "a.pt.part", "a.pt~", "notes.txt", "optimizer.pt", "optimizer.bin", "scheduler.pt", "scaler.pt",
        "rng_state.pth", "rng_state_0.pth", "training_args.bin", "random_states_0.pkl", "custom_checkpoint_0.pkl",
        "sampler_3.pt", "model-00001-of-00002.safetensors", "config.json", "__1_0.distcp",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for kind, names in KINDS.items() for name in names])
def test_what_a_name_says(name: str, kind: str | None) -> None:
    assert kind_of(name) == kind


def torch_bytes(**options: bool) -> bytes:
    buffer = io.BytesIO()
    torch.save({"w": torch.zeros(50)}, buffer, **options)
    return buffer.getvalue()


def zip_bytes(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return buffer.getvalue()


def nested_bytes() -> bytes:
    """As Stable-Baselines3 writes: a torch archive, uncompressed, inside the archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("data", "{}")
        archive.writestr("policy.pth", torch_bytes())
        archive.writestr("system_info.txt", "linux")
    return buffer.getvalue()


def npz_bytes() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, hf=np.zeros((2, 3)))
    return buffer.getvalue()


WHOLE = {
    "torch": torch_bytes(),
    "torch-legacy": torch_bytes(_use_new_zipfile_serialization=False),
    "safetensors": save_safetensors({"w": np.zeros(50, np.float32)}),
    "npz": npz_bytes(),
    "sb3": nested_bytes(),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_a_whole_file_is_recognised_by_its_content_and_not_its_name(kind: str, tmp_path: Path) -> None:
    (tmp_path / "x.anything").write_bytes(WHOLE[kind])
    assert recognise(tmp_path / "x.anything").format == kind


def test_an_archive_that_says_it_spans_disks_is_incomplete(tmp_path: Path) -> None:
    """The reader of zips raises what its own question, whether it is one, does not speak of."""
    locator = b"PK\x06\x07" + struct.pack("<LQL", 0, 0, 2)
    (tmp_path / "x.pt").write_bytes(WHOLE["torch"][:-22] + locator + WHOLE["torch"][-22:])
    found = recognise(tmp_path / "x.pt")
    assert (found.trouble, "span multiple disks" in found.reason) == ("incomplete", True)


@pytest.mark.parametrize("kind", [kind for kind in WHOLE if kind != "torch-legacy"])
@given(keep=some.floats(0, 1, exclude_max=True))
def test_a_file_that_is_cut_off_is_incomplete(kind: str, tmp_path_factory: pytest.TempPathFactory, keep: float) -> None:
    path = tmp_path_factory.getbasetemp() / f"cut-{kind}"
    path.write_bytes(WHOLE[kind][: int(len(WHOLE[kind]) * keep)])
    found = recognise(path)
    assert found.format is None
    short = len(WHOLE[kind]) * keep < 9  # a few bytes may be the beginning of anything
    assert found.trouble == "incomplete" or (short and found.trouble == "unsupported")


@pytest.mark.parametrize(
    ("content", "trouble", "words"),
    [
        (b"", "incomplete", "empty"),
        (b"\x80\x04\x95hello", "refused", "pickle could run code"),
        (zip_bytes("m/code/a.py", "m/constants.pkl", "m/data.pkl"), "unsupported", "TorchScript"),
        (zip_bytes("p/archive_format", "p/data/aotinductor/model/a.so"), "unsupported", "torch.export"),
        (zip_bytes("serialized_exported_program.json", "version"), "unsupported", "torch.export"),
        (zip_bytes("readme.txt"), "unsupported", "neither a torch checkpoint"),
        (b"hello world, this is text", "unsupported", "not a checkpoint or dump"),
        ((2**63).to_bytes(8, "little") + b'{"a": 1}', "unsupported", "not a checkpoint or dump"),
        ((8).to_bytes(8, "little") + b'{"a": 1}', "unsupported", "header cannot be read"),
        ((9).to_bytes(8, "little") + b"{" + b"[" * 8, "unsupported", "header cannot be read"),
    ],
)
def test_what_is_not_read_says_why(tmp_path: Path, content: bytes, trouble: str, words: str) -> None:
    (tmp_path / "x").write_bytes(content)
    found = recognise(tmp_path / "x")
    assert (found.format, found.trouble) == (None, trouble)
    assert words in found.reason


@given(some.binary(max_size=200))
def test_no_bytes_can_crash_it(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(content)
    recognise(path)
    dump_step(path)


def test_links_and_pipes_are_not_opened(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(WHOLE["torch"])
    (tmp_path / "link").symlink_to(tmp_path / "target")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        with pytest.raises(OSError, match=r"symbolic links|not a regular file"):
            recognise(tmp_path / name)


@pytest.mark.parametrize("step", [np.array("640"), np.array(640), np.array(640, np.uint16)])
def test_the_step_of_a_dump_is_in_its_metadata(tmp_path: Path, step: np.ndarray) -> None:
    np.savez(tmp_path / "states-9.npz", hf=np.zeros(3), step=step)
    assert dump_step(tmp_path / "states-9.npz") == 640
    header = json.dumps({"__metadata__": {"step": "77"}}).encode()
    (tmp_path / "states-9.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    assert dump_step(tmp_path / "states-9.safetensors") == 77
    np.savez(tmp_path / "states-10.npz", hf=np.zeros(3))
    assert dump_step(tmp_path / "states-10.npz") == 10


def test_a_safetensors_file_whose_header_begins_like_a_pickle_is_none(tmp_path: Path) -> None:
    for name in range(300):
        data = save_safetensors({"x" * name: np.zeros(3, np.float32)})
        if data.startswith(b"\x80"):
            (tmp_path / "a.safetensors").write_bytes(data)
            assert recognise(tmp_path / "a.safetensors").format == "safetensors"
            break
    else:
        pytest.fail("no header was 128 bytes long, less multiples of 256")
