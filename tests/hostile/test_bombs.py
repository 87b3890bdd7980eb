"""What is small in a file and huge in memory is refused within a second, by what it declares."""

import io
import json
import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch

from fxwatch.formats import dump_step, recognise
from fxwatch.load import LoadError, read_content, read_dump, read_weights
from tests.policies import GuideLike


def npz(path: Path, **arrays: Any) -> None:
    np.savez_compressed(path, **arrays)


def claiming(shape: tuple[int, ...], kind: str = "<f4") -> bytes:
    """An .npy that has a header, and none of what that claims."""
    header = repr({"descr": kind, "fortran_order": False, "shape": shape}).encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


def npz_header(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("hf.npy", claiming((1 << 30, 1 << 30)))


def deflated(path: Path) -> None:
    npz(path, hf=np.zeros((75_000_000, 1), np.float32))


def deflated_torch(path: Path) -> None:
    inner = io.BytesIO()
    torch.save({"model": torch.zeros(75_000_000)}, inner)
    with zipfile.ZipFile(inner) as plain, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in plain.namelist():
            archive.writestr(name, plain.read(name))


def stride_nought(path: Path) -> None:
    torch.save({"hf.weight": torch.zeros(1).expand(1 << 36)}, path)


def meta(path: Path) -> None:
    torch.save({"hf.weight": torch.empty(1 << 36, device="meta")}, path)


def sparse(path: Path) -> None:
    torch.save({"w": torch.sparse_coo_tensor(torch.tensor([[0], [0]]), torch.ones(1), (1 << 30, 1 << 30))}, path)


def shared_lists(path: Path) -> None:
    nested: Any = [0]
    for _ in range(40):
        nested = [nested, nested]
    torch.save({"model": GuideLike().state_dict(), "x": nested}, path)


def shared_dictionaries(path: Path) -> None:
    nested: Any = {"x": 1}
    for _ in range(3):
        nested = {f"k{number}": nested for number in range(2000)}
    torch.save(nested, path)


def many_members(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(3000):
            archive.writestr(f"a/{number}{'x' * 6000}", b"")


def header(path: Path) -> None:
    with path.open("wb") as file:
        file.write((90_000_000).to_bytes(8, "little") + b'{"a')
        file.truncate(90_000_008)


def index(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def sparse_file(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.")
        file.truncate(1 << 43)


@pytest.mark.parametrize(
    ("name", "make", "outcome", "words"),
    [
        ("states.npz", npz_header, "refused", "claims 4,611,686,018,427,387,904 bytes, but only 128 are there"),
        ("states.npz", deflated, "refused", "declare 300,000"),
        ("a.pt", deflated_torch, "refused", "declare 300,000"),
        ("a.pt", stride_nought, "refused", "tensors claim 274,877,906,944 bytes, but only 4 are there"),
        ("a.pt", meta, "refused", "on meta"),
        ("a.pt", sparse, "refused", "torch.sparse_coo"),
        ("a.pt", shared_lists, "read", ""),
        ("a.pt", shared_dictionaries, "failed", "it holds no state dict; at the top are k0, k1"),
        ("a.zip", many_members, "refused", "more members than any checkpoint"),
        ("a.safetensors", header, "refused", "its header claims 90,000,000 bytes"),
        ("a.safetensors.index.json", index, "unsupported", "its index names no file of weights"),
        ("a.pt", sparse_file, "failed", "8,796,093,022,208 bytes are more than the memory that is left"),
    ],
)
def test_a_bomb_is_defused(tmp_path: Path, name: str, make: Callable[[Path], None], outcome: str, words: str) -> None:
    path = tmp_path / name
    make(path)
    process = psutil.Process()
    recognise(path)
    before, began = process.memory_info().rss, time.process_time()
    found, said = "read", ""
    try:
        content = read_content(path)
        read_dump(content, {}) if content.format == "npz" else read_weights(content)
    except LoadError as error:
        found, said = error.outcome, str(error)
    assert (found, words in said) == (outcome, True), said
    assert time.process_time() - began < 1
    assert process.memory_info().rss - before < 200 << 20
    assert len(said) < 500


@pytest.mark.parametrize(
    "member", [bytes(50_000_000), claiming((1 << 40,)), b"", b"\x93NUMPY\x03", claiming((), "<U9")]
)
def test_the_step_in_a_dump_is_never_dear(tmp_path: Path, member: bytes) -> None:
    path = tmp_path / "states-7.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("step.npy", member)
    began = time.process_time()
    assert dump_step(path) == 7
    assert time.process_time() - began < 0.1


def test_a_shard_index_leads_nowhere_else(tmp_path: Path) -> None:
    secret = tmp_path / "secret.safetensors"
    secret.write_bytes(b"secret")
    (tmp_path / "in").mkdir()
    for place in ("../secret.safetensors", str(secret), "..", "a/../../secret.safetensors", "", None, 3, ["x"]):
        path = tmp_path / "in" / "model.safetensors.index.json"
        path.write_text(json.dumps({"weight_map": {"a": place}}))
        with pytest.raises(LoadError, match="its index names"):
            read_content(path)


def test_a_folder_that_is_swapped_for_a_link_shows_nothing_of_what_lies_outside(tmp_path: Path) -> None:
    inside, outside, other = tmp_path / "in" / "run", tmp_path / "out", tmp_path / "in" / "run2"
    for folder, mark in ((inside, 1.0), (outside, 2.0)):
        folder.mkdir(parents=True)
        torch.save({"mark": torch.full((1,), mark)}, folder / "a.pt")
    link = tmp_path / "in" / "link"
    link.symlink_to(outside)
    pid = os.fork()
    if not pid:
        while True:  # until it is killed
            inside.rename(other)
            link.rename(inside)
            inside.rename(link)
            other.rename(inside)
    seen, refused = set(), 0
    try:
        for _ in range(10_000):
            try:
                seen.add(read_content(inside / "a.pt", str(tmp_path / "in")).sha256)
            except LoadError as error:
                refused += "out of the watched folder" in str(error)
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    assert len(seen) == 1
    assert refused > 0, "the swap was never met, and the test shows nothing"


def test_a_big_file_is_given_back_to_the_page_cache(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.save({"a": torch.ones(8 << 20)}, path)
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
        if not _cached(handle):
            pytest.skip("this file system has no page cache to look into")
        read_content(path)
        assert not _cached(handle)
    finally:
        os.close(handle)


def _cached(handle: int) -> bool:
    try:
        return bool(os.preadv(handle, [bytearray(4096)], 16 << 20, os.RWF_NOWAIT))
    except BlockingIOError:
        return False
