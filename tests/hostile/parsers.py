"""Every parser that reads what others may have written: a whole file of its kind, and how it is read."""

import io
import json
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.torch import save as save_safetensors
from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]  # made when it is imported

from fxwatch.config import ConfigError, load_config, template
from fxwatch.daemon.alarm import _noted
from fxwatch.daemon.jobs import Trouble, parse_answer
from fxwatch.daemon.parcel import JobError, Reader
from fxwatch.daemon.past import _previous
from fxwatch.formats import dump_step, kind_of, recognise, step_in_name
from fxwatch.formats.arrays import array_shapes
from fxwatch.load import LoadError, read_content, read_dump, read_probe, read_weights
from fxwatch.mounts import network
from fxwatch.records.alerts import AlertState
from fxwatch.records.history import HistoryLine
from fxwatch.records.ledger import Generation, LedgerLine
from fxwatch.records.recorded import read_recorded
from fxwatch.records.thresholds import Thresholds
from fxwatch.records.training import TrainingLine, merged, thinned, troubles
from fxwatch.report.stored import read_heat
from fxwatch.store.layout import Run, Store, StoreError
from fxwatch.store.ledger import Ledger
from fxwatch.store.lines import as_line, last_line, parse_line, read_lines
from fxwatch.store.lock import _died_here, _words
from fxwatch.store.read import read_analysis, read_status
from fxwatch.store.shares import ShareIndex
from fxwatch.store.tail import Tail
from fxwatch.store.training import TrainingWriter, read_training, training_at
from fxwatch.store.write import RunWriter
from fxwatch.sync.outbox import outbox_file, read_outbox
from fxwatch.sync.wandb_file import is_shared, is_whole
from fxwatch.terminal import clean
from fxwatch.tui.read.inside import _array
from fxwatch.tui.read.training import TrainingReader, training_of
from fxwatch.tui.remembered import Remembered, recall
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


def _export() -> bytes:
    out = io.BytesIO()
    torch.export.save(torch.export.export(torch.nn.Linear(2, 2), (torch.zeros(1, 2),)), out)
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


def _recorded() -> list[bytes]:
    """As the recorder writes it."""
    span = {"norm": [0.1, 0.2, 0.3], "mean": 0.1, "weight_ratio": 0.01, "nonfinite": 0}
    line = {
        "session": "a",
        "kind": "span",
        "line": 1,
        "at": 1.7e9,
        "step": 100,
        "optimizer_step": 10,
        "update": 1,
        "steps": 10,
        "layers": {"net.0": span, "net.2": span},
        "attention": {"a": {"entropy": [0.5], "stability": [None]}},
        "scalars": {"loss": 0.5},
    }
    most = {**span, "norm": [-1e38, 1e38, 1e38], "nonfinite": 2**63 - 1}
    more = {**line, "line": 2, "step": 200, "optimizer_step": 20, "steps": 2**63 - 1, "layers": {"net.0": most}}
    return [b"".join(json.dumps(one).encode() + b"\n" for one in ({"session": "a", "kind": "begin"}, line, more))]


def _carried(path: Path) -> object:
    """As the daemon does, from the recorder's file to the store; what it wrote there is read again by all readers."""
    run = Run("default", path.parent / "run")
    tail, found, more = Tail(path), [], True
    while more:
        piece = tail.read()
        more = piece.more
        found += [read for place, raw in enumerate(piece.lines) if (read := read_recorded(raw, place)) is not None]
    run.training.unlink(missing_ok=True)
    writer = TrainingWriter(run)
    try:
        new = writer.carry(found, 1)
    finally:
        writer.close()
    assert list(read_lines(run.training, TrainingLine)) == new, "what was written cannot be read again"
    both = [merged(one, two) for one, two in pairwise(new)]
    assert all(parse_line(as_line(line), TrainingLine) is not None for line in both), "what is merged cannot be read"
    return _shown(run, new)


def _training() -> list[bytes]:
    lines = [found.line for raw in _recorded()[0].splitlines(keepends=True) if (found := read_recorded(raw, 0))]
    return [b"".join(as_line(line) for line in lines if line is not None)]


def _known(path: Path) -> object:
    run = Run("default", path.parent)
    return _shown(run, read_training(run)), training_at(run, "2026-01-01T00:00:00+00:00")


def _shown(run: Run, lines: list[TrainingLine]) -> object:
    limits = Thresholds().gradient
    return TrainingReader()(run), [troubles(line, limits) for line in lines], training_of(thinned(lines))


def _mended_ledger(path: Path) -> None:
    kept = path.read_bytes()
    ledger = Ledger(path)
    ledger.note("b.pt", "seen", kind="checkpoint", run="default")
    ledger.close()
    again = Ledger(path)
    assert again.get("b.pt") is not None
    assert again.words is None, "what was mended is damaged"
    again.close()
    for beside in path.parent.glob(f"{path.name}.damaged-*"):
        assert beside.read_bytes() == kept
        beside.unlink()


def _mended_history(path: Path) -> None:
    RunWriter(Run("default", path.parent)).close()
    again = RunWriter(Run("default", path.parent))
    assert again.words is None, "what was mended is damaged"
    again.close()
    for beside in path.parent.glob(f"{path.name}.damaged-*"):
        beside.unlink()


def _probed() -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, **{"probe": np.zeros((3, 2)), "attention_probe/a": np.zeros((1, 2, 2))})  # type: ignore[arg-type]
    return out.getvalue()


def _wandb() -> list[bytes]:
    """A run in shared mode, of one row, that has ended."""
    began, row, ended = Record(), Record(), Record()
    began.run.run_id = "a"
    began.run.telemetry.feature.shared_mode = True
    row.history.step.num = 1
    ended.exit.exit_code = 0
    bodies = [one.SerializeToString() for one in (began, row, ended)]
    return [bytes(7) + b"".join(struct.pack("<IHB", zlib.crc32(body), len(body), 1) + body for body in bodies)]


PARSERS: dict[str, Parser] = {
    "torch": Parser(lambda: [_torch()], "a.pt", _weights, (LoadError,)),
    "torch-legacy": Parser(lambda: [_torch(new=False), pickle.dumps({"a": 1})], "a.pth", _weights, (LoadError,)),
    "sb3": Parser(lambda: [_sb3()], "a.zip", _weights, (LoadError,)),
    "export": Parser(lambda: [_export()], "a.pt2", _weights, (LoadError,)),
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
    "alerts": Parser(lambda: [AlertState().model_dump_json().encode()], "alerts.json", _noted),
    "recorded": Parser(_recorded, "training.jsonl", _carried),
    "training": Parser(_training, "training.jsonl", _known),
    "mended-ledger": Parser(_ledger, "ledger.jsonl", _mended_ledger, (StoreError,)),
    "mended-history": Parser(
        lambda: [as_line(HistoryLine.of(analysis(100, "default", START), 0))],
        "history.jsonl",
        _mended_history,
        (StoreError,),
    ),
    "lock": Parser(
        lambda: [b'{"pid": 1, "host": "a", "since": "2026", "boot": "b"}'],
        "lock",
        lambda path: (_words(path.read_bytes()), _died_here(path.read_bytes())),
    ),
    "probe": Parser(
        lambda: [save_safetensors({"hf": torch.zeros(3, 2, 2)}, {"feature_names": '{"hf": ["a", "b"]}'})],
        "probe.safetensors",
        read_probe,
    ),
    "previous": Parser(
        lambda: [_probed()],
        "arrays.npz",
        lambda path: _previous(
            Run("default", path.parent.parent),
            analysis(100, "default", START).model_copy(update={"id": path.parent.name}),
        ),
    ),
    "wandb": Parser(_wandb, "run.wandb", lambda path: (is_shared(path), is_whole(path, 1)), (OSError,)),
    "remembered": Parser(
        lambda: [Remembered(runs={"/a": "b"}).model_dump_json().encode()],
        "monitor.json",
        lambda path: recall(path.parent),
    ),
    "mounts": Parser(
        lambda: [b"36 35 98:0 /mnt1 / rw,noatime master:1 - nfs4 /dev/root rw\n37 36 0:1 / /a\\040b rw - ext4 x rw\n"],
        "mountinfo",
        lambda path: network(path.parent, path),
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
    "export": lambda: _member(_export(), "archive/data/weights/model_weights_config.json"),
    "npz": lambda: _member(_npz(), "hf.npy"),
    "heat": lambda: _member(_heat(), "heat/hf.npy"),
    "array": lambda: _member(_heat(), "heat/hf.npy"),
    "shapes": lambda: _member(_heat(), "heat/hf.npy"),
    "previous": lambda: _member(_probed(), "probe.npy"),
}


def _member(archive: bytes, end: str) -> Inner:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return Inner(archive, next(name for name in opened.namelist() if name.endswith(end)))


assert outbox_file(Store(Path("s")), Run("default", Path("r"))) == Path("s/sync/default.json")
