"""What a file is and whether it is whole, by its structure. Nothing is unpickled and no tensor is read.

A truncated file and one that is still being written are the same bytes: both are `incomplete`, and only time tells them
apart. A structure that has no end mark (an old-style torch file) counts as whole and is tried.
"""

import errno
import json
import os
import re
import stat
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from fxwatch.formats.adapters import adapter_for
from fxwatch.formats.archive import BombError, open_archive
from fxwatch.formats.shards import INDEX_SUFFIX, LARGEST_INDEX, shards_of

MAY_PASS = {errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
"""Errors that are no fault of the file that could not be opened: a server is away, or this machine has no more."""

Format = Literal["torch", "torch-legacy", "sb3", "export", "safetensors", "safetensors-shards", "npz", "adapted"]

_MAX_SAFETENSORS_HEADER = 100_000_000
_LARGEST_HEADER_READ = 10_000_000
"""Of the header of a safetensors file: that of 50,000 tensors is smaller."""
_TORCH_LEGACY_MAGIC = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
_PICKLE = b"\x80"
_ZIP = b"PK\x03\x04"
_SAVE_STATE_DICT = "save torch.save(model.state_dict(), path) instead"
_WHERE_TRAINED = "which could run code; convert it where it was trained:"
_NO_END = "the end of the archive is missing: truncated, or still being written"
_DISTRIBUTED = (
    f"a torch.distributed.checkpoint, whose .metadata is a pickle, {_WHERE_TRAINED} "
    "from torch.distributed.checkpoint.format_utils import dcp_to_torch_save; "
    'dcp_to_torch_save(folder, "model.pt")'
)
_REFUSED_BY_NAME = {
    ".distcp": _DISTRIBUTED,
    ".metadata": _DISTRIBUTED,
    "_state.pkl": f"an RLlib checkpoint of pickles, {_WHERE_TRAINED} "
    'module = algorithm.get_module(); torch.save(module.state_dict(), "model.pt")',
    "vecnormalize.pkl": "a pickle of VecNormalize, which could run code; its statistics are not needed where the "
    "observations are dumped as the policy sees them, as fxwatch.recorder does",
}
"""What is refused, with the reason and the way out, by the end of its name, less digits and `steps`."""


@dataclass(frozen=True, slots=True)
class Recognition:
    """What a file is (None: nothing that fxwatch reads), and where it is not to be read, the state and the reason."""

    format: Format | None
    trouble: Literal["incomplete", "refused", "unsupported"] | None = None
    reason: str = ""


def open_regular(path: str | os.PathLike[str]) -> IO[bytes]:
    """Open a regular file for reading, never following a final link and never waiting for a pipe.

    Raises OSError; for a folder, pipe, socket or device an OSError that says so.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(f"{os.fspath(path)} is not a regular file")
    return os.fdopen(handle, "rb")


def recognise(path: str | os.PathLike[str]) -> Recognition:
    """Recognise a file by its structure. Raises OSError where it cannot be opened."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(32)
        if size == 0:
            return Recognition(None, "incomplete", "the file is empty")
        name = Path(path).name.lower()
        plain = re.sub(r"_\d+_steps", "", name)
        if reason := next((reason for end, reason in _REFUSED_BY_NAME.items() if plain.endswith(end)), None):
            return Recognition(None, "refused", reason)
        if adapter_for(Path(path).suffix) is not None:
            return Recognition("adapted")
        if name.endswith(INDEX_SUFFIX):
            return _recognise_shards(path, head + file.read(LARGEST_INDEX))
        if head.startswith(_ZIP[: len(head)]):
            return _recognise_zip(file)
        if head.startswith(_PICKLE) and not _may_be_safetensors(head):
            return _recognise_pickle(head)
        return recognise_safetensors(file)


def _recognise_shards(path: str | os.PathLike[str], raw: bytes) -> Recognition:
    try:
        shards = shards_of(path, raw)
    except ValueError as error:
        return Recognition(None, "unsupported", str(error))
    for shard in shards:
        try:
            found = recognise(shard)
        except FileNotFoundError:
            found = Recognition(None, "incomplete", "not there yet")
        if found.format != "safetensors":
            return Recognition(None, found.trouble or "unsupported", f"{shard.name}: {found.reason or found.format}")
    return Recognition("safetensors-shards")


def _recognise_zip(file: IO[bytes]) -> Recognition:
    try:
        if not zipfile.is_zipfile(file):
            return Recognition(None, "incomplete", _NO_END)
        with open_archive(file) as archive:
            members = archive.namelist()
            first = min((member.header_offset for member in archive.infolist()), default=0)
    except BombError as error:
        return Recognition(None, "refused", str(error))
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
        return Recognition(None, "incomplete", f"the archive's directory cannot be read ({error})")
    if first > 0:  # what was found is the end of an archive inside this one
        return Recognition(None, "incomplete", _NO_END)
    return _by_members(members)


def _by_members(members: list[str]) -> Recognition:
    names = set(members)
    tails = {name.split("/", 1)[-1] for name in members}
    if {"data", "policy.pth"} <= names:
        return Recognition("sb3")
    if "constants.pkl" in tails and any(tail.startswith("code/") for tail in tails):
        return Recognition(None, "unsupported", f"a TorchScript archive; {_SAVE_STATE_DICT}")
    if any(re.fullmatch(r"data/weights/\w+_weights_config\.json", tail) for tail in tails):
        return Recognition("export")
    if {"archive_format", "serialized_exported_program.json"} & tails:
        return Recognition(None, "unsupported", f"a torch.export archive without plain weights; {_SAVE_STATE_DICT}")
    if "data.pkl" in tails:
        return Recognition("torch")
    if members and all(name.endswith(".npy") for name in members):
        return Recognition("npz")
    return Recognition(
        None, "unsupported", "a zip archive, but neither a torch checkpoint nor a Stable-Baselines3 model"
    )


def _recognise_pickle(head: bytes) -> Recognition:
    if _TORCH_LEGACY_MAGIC in head:
        return Recognition("torch-legacy")
    return Recognition(None, "refused", f"a bare pickle could run code and is never loaded; {_SAVE_STATE_DICT}")


def _may_be_safetensors(head: bytes) -> bool:
    """A header of 128 more than a multiple of 256 bytes begins as a pickle does; its length is not that of a pickle."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= _MAX_SAFETENSORS_HEADER


def recognise_safetensors(file: IO[bytes]) -> Recognition:
    """Recognise a safetensors file, or what may be none, by its header."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(32)
    length = int.from_bytes(head[:8], "little")
    if size < 9:
        return Recognition(None, "incomplete", f"{size} bytes: truncated, or still being written")
    if not _may_be_safetensors(head):
        return Recognition(None, "unsupported", "not a checkpoint or dump that fxwatch knows")
    if length > _LARGEST_HEADER_READ:
        return Recognition(None, "refused", f"its header claims {length:,} bytes, more than that of any model")
    file.seek(8)
    raw = file.read(length)
    if len(raw) < length:
        return Recognition(None, "incomplete", "the header is cut off: truncated, or still being written")
    try:
        header = json.loads(raw)
        ends = [int(entry["data_offsets"][1]) for name, entry in header.items() if name != "__metadata__"]
        expected = 8 + length + max(ends, default=0)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError, RecursionError):
        return Recognition(None, "unsupported", "it begins like a safetensors file, but its header cannot be read")
    if size < expected:
        return Recognition(None, "incomplete", f"{size} of {expected} bytes: truncated, or still being written")
    return Recognition("safetensors")
