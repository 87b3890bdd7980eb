"""What a `.wandb` file holds: whether ours is whole, as wandb itself does not say when a disk was full while it wrote;
and whether the trainer's run is open to other writers.

It is a log in LevelDB's format: a header, then blocks with frames of checksum, length and kind, and in these the
records, of which the last one says that the run has ended. Read as `wandb sync` reads it.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.message import DecodeError
from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]  # made when it is imported

from fxwatch.store.bounded import open_regular

_HEADER = 7
_HEAD = 1 << 20
_BLOCK = 32 * 1024
_FRAME = struct.Struct("<IHB")
_WHOLE, _FIRST, _LAST = 1, 2, 4


def is_whole(file: Path, rows: int) -> bool:
    """Whether it holds so many rows, and the end behind them. Raises OSError."""
    found, kind = 0, None
    for record in _records(file.read_bytes()):
        kind = record.WhichOneof("record_type")
        found += kind == "history"
    return found == rows and kind == "exit"


def is_shared(file: Path) -> bool:
    """Whether it is of a run in shared mode. Raises OSError."""
    with open_regular(file) as opened:
        head = opened.read(_HEAD)
    return any(record.run.telemetry.feature.shared_mode for record in _records(head) if record.HasField("run"))


def _records(data: bytes) -> Iterator[Record]:
    """The records up to the first one that is torn, or is none."""
    at, parts = _HEADER, b""
    while at + _FRAME.size <= len(data):
        if _BLOCK - at % _BLOCK < _FRAME.size:  # no frame begins in the rest of a block
            at += _BLOCK - at % _BLOCK
            continue
        _, length, kind = _FRAME.unpack_from(data, at)
        at += _FRAME.size
        body = data[at : at + length]
        at += length
        if len(body) < length:
            return
        parts = body if kind in {_WHOLE, _FIRST} else parts + body
        if kind in {_WHOLE, _LAST}:
            try:
                yield Record.FromString(parts)
            except DecodeError:
                return
