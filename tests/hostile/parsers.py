"""Every parser that reads what others may have written: a whole file of its kind, and how it is read."""

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.torch import save as save_safetensors

from fxwatch.config import ConfigError, load_config, template
from fxwatch.daemon.jobs import Trouble, parse_answer
from fxwatch.daemon.parcel import JobError, Reader
from fxwatch.formats import dump_step, kind_of, recognise, step_in_name
from fxwatch.formats.arrays import array_shapes
from fxwatch.load import LoadError, read_content, read_dump, read_weights
from fxwatch.records.alerts import AlertState
from fxwatch.records.history import HistoryLine
from fxwatch.records.ledger import Generation, LedgerLine
from fxwatch.report.stored import read_heat
from fxwatch.store.layout import Run, Store, StoreError
from fxwatch.store.lines import last_line, parse_line, read_lines
from fxwatch.store.read import read_analysis, read_status
from fxwatch.store.shares import ShareIndex
from fxwatch.sync.outbox import outbox_file, read_outbox
from fxwatch.terminal import clean
from fxwatch.tui.read.inside import _array
from tests.policies import GuideLike
from tests.tui.examples import START, analysis, daemon


class Parser(NamedTuple):
    """Seeds to change, the file's name, how it is read, and what it may raise."""

    seeds: Callable[[], list[bytes]]
    file: str
    read: Callable[[Path], object]
    may_raise: tuple[type[Exception], ...] = ()


class Inner(NamedTuple):
    """An archive whose member is changed, so that its checksum holds."""

    archive: bytes
    member: str

    def around(self, content: bytes) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(self.archive)) as old, zipfile.ZipFile(out, "w") as new:
            for name in old.namelist():
                new.writestr(name, content if name == self.member else old.read(name))
        return out.getvalue()


def _torch(*, new: bool = True) -> bytes:
    out = io.BytesIO()
    held = {"model_state_dict": GuideLike(2, 2, 2).state_dict(), "global_step": 3, "args": {"lr": 0.1, "x": [1, (2,)]}}
    torch.save(held, out, _use_new_zipfile_serialization=new)
    return out.getvalue()


def _npz() -> bytes:
    out = io.BytesIO()
    np.savez(
        out, hf=np.zeros((4, 2, 3), np.float32), action=np.zeros(4), step="7", feature_names='{"hf": ["a", "b", "c"]}'
    )
    return out.getvalue()


def _sb3() -> bytes:
    inner, out = io.BytesIO(), io.BytesIO()
    torch.save(GuideLike(2, 2, 2).state_dict(), inner)
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("policy.pth", inner.getvalue())
        archive.writestr("data", json.dumps({"num_timesteps": 3, "action_space": {":type:": "x", ":serialized:": "y"}}))
    return out.getvalue()


def _heat() -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, **{"heat/hf": np.zeros((3, 2))})  # type: ignore[arg-type]
    return out.getvalue()


def _weights(path: Path) -> object:
    return read_weights(read_content(path))


def _dump(path: Path) -> object:
    return dump_step(path), read_dump(read_content(path), {})


def _index(path: Path) -> object:
    return [
        (one.layout, one.shares["seq"].tolist(), one.details["seq"].tolist())
        for one in ShareIndex(path.parent).layouts()
    ]


def _rows() -> list[bytes]:
    import tempfile

    from tests.hostile.test_forged_results import stored

    with tempfile.TemporaryDirectory() as home:
        _, files = stored(Path(home))
        return [files["rows"].read_bytes()]


def _ledger() -> list[bytes]:
    generation = Generation(device=1, inode=2, size=3, mtime_ns=4, ctime_ns=5)
    line = LedgerLine(seq=0, at="2026", path="a.pt", state="ready", generation=generation, step=3)
    return [line.model_dump_json().encode() + b"\n" + line.model_dump_json().encode() + b"\n"]


def _lines(kind: Any) -> Callable[[Path], object]:
    return lambda path: (list(read_lines(path, kind)), last_line(path, kind), parse_line(path.read_bytes(), kind))


def _shapes(path: Path) -> object:
    with path.open("rb") as file:
        return array_shapes(file)


def _named(path: Path) -> object:
    name = path.read_bytes().decode("utf-8", "surrogateescape").replace("/", "_")
    return kind_of(name), step_in_name(name), clean(name)


def _analysis() -> list[bytes]:
    return [analysis(100, "default", START).model_dump_json().encode()]


def _index_of_shards() -> list[bytes]:
    return [
        json.dumps({"metadata": {"total_size": 1}, "weight_map": {"a": "b.safetensors", "c": "d.safetensors"}}).encode()
    ]


PARSERS: dict[str, Parser] = {
    "torch": Parser(lambda: [_torch()], "a.pt", _weights, (LoadError,)),
    "torch-legacy": Parser(lambda: [_torch(new=False), pickle.dumps({"a": 1})], "a.pth", _weights, (LoadError,)),
    "sb3": Parser(lambda: [_sb3()], "a.zip", _weights, (LoadError,)),
    "safetensors": Parser(
        lambda: [save_safetensors(GuideLike(2, 2, 2).state_dict(), {"step": "3"})],
        "a.safetensors",
        _weights,
        (LoadError,),
    ),
    "shards": Parser(_index_of_shards, "a.safetensors.index.json", _weights, (LoadError,)),
    "npz": Parser(lambda: [_npz()], "states.npz", _dump, (LoadError,)),
    "states": Parser(
        lambda: [save_safetensors({"hf": torch.zeros(3, 2, 2)}, {"step": "3", "feature_names": '{"hf": ["a", "b"]}'})],
        "states.safetensors",
        _dump,
        (LoadError,),
    ),
    "recognise": Parser(lambda: [_torch(), _npz(), _sb3(), b"PK\x03\x04", b"\x80\x04"], "a.pt", recognise),
    "names": Parser(
        lambda: [b"epoch=3-step=1200.ckpt", b"m_2025-06-03_142233.pt", b"checkpoint-00012.pt"], "n", _named
    ),
    "ledger": Parser(_ledger, "ledger.jsonl", _lines(LedgerLine)),
    "history": Parser(
        lambda: [HistoryLine.of(analysis(100, "default", START), 0).model_dump_json().encode() + b"\n"],
        "history.jsonl",
        _lines(HistoryLine),
    ),
    "status": Parser(
        lambda: [daemon(START).model_dump_json().encode()], "status.json", lambda path: read_status(Store(path.parent))
    ),
    "analysis": Parser(_analysis, "analysis.json", read_analysis, (StoreError,)),
    "config": Parser(lambda: [template().encode()], "config.toml", load_config, (ConfigError,)),
    "index": Parser(_rows, "a.rows", _index, (ValueError, OSError)),
    "heat": Parser(lambda: [_heat()], "arrays.npz", read_heat),
    "array": Parser(
        lambda: [_heat()],
        "arrays.npz",
        lambda path: _array(Run("default", path.parent.parent), path.parent.name, "heat/hf"),
    ),
    "answer": Parser(
        lambda: [Trouble(outcome="failed", reason="x").model_dump_json().encode()],
        "answer",
        lambda path: parse_answer(path.read_text("utf-8", "replace")),
        (ValueError,),
    ),
    "parcel": Parser(
        lambda: [b"sreading\nfarrays.npz 3\nabcfprobe.safetensors 0\nr{}\n"],
        "pipe",
        lambda path: Reader(lambda _: None).take(path.read_bytes()),
        (JobError,),
    ),
    "shapes": Parser(lambda: [_heat()], "arrays.npz", _shapes, (ValueError,)),
    "alerts": Parser(
        lambda: [AlertState().model_dump_json().encode()],
        "alerts.json",
        lambda path: AlertState.model_validate_json(path.read_bytes()),
        (ValueError,),
    ),
    "outbox": Parser(
        lambda: [b'{"id": "a", "group": "b", "sent": 3, "filed": 1, "files": 1}'],
        "sync/default.json",
        lambda path: read_outbox(Store(path.parent.parent), Run("default", path.parent)),
    ),
}
INSIDE: dict[str, Callable[[], Inner]] = {
    "torch": lambda: _member(_torch(), "data.pkl"),
    "sb3": lambda: _member(_sb3(), "data"),
    "npz": lambda: _member(_npz(), "hf.npy"),
    "heat": lambda: _member(_heat(), "heat/hf.npy"),
    "array": lambda: _member(_heat(), "heat/hf.npy"),
    "shapes": lambda: _member(_heat(), "heat/hf.npy"),
}


def _member(archive: bytes, end: str) -> Inner:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return Inner(archive, next(name for name in opened.namelist() if name.endswith(end)))


assert outbox_file(Store(Path("s")), Run("default", Path("r"))) == Path("s/sync/default.json")
