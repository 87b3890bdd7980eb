"""What a worker made comes back with its answer: whole, bounded, looked at, and written by the daemon alone."""

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from fxwatch.config import load_config
from fxwatch.daemon import cage
from fxwatch.daemon.artefacts import check
from fxwatch.daemon.jobs import Drawn, Explained, ExplainJob, do_job, parse_answer
from fxwatch.daemon.parcel import (
    ARRAYS,
    LARGEST,
    PAGE,
    PROBE,
    RUN_HTML,
    RUN_PAGE,
    Files,
    JobError,
    Parcel,
    Reader,
    tell,
    tell_stage,
)
from fxwatch.daemon.pool import ProcessPerJob
from fxwatch.formats.arrays import array_shapes
from fxwatch.store.layout import MARK
from fxwatch.store.read import read_history
from tests.daemon import harness
from tests.daemon.harness import NPZ, PNG, Life, npz, whole
from tests.daemon.test_life import write
from tests.project import CONFIG, Project

HTML = b"<!doctype html>\n<html></html>\n"


def told(answer: str | Parcel, folder: Path) -> bytes:
    """What goes over the pipe."""
    handle = os.open(folder / "pipe", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    tell_stage(handle, "reading")
    tell(handle, answer)
    os.close(handle)
    return (folder / "pipe").read_bytes()


@pytest.mark.parametrize("length", [1, 7, 1 << 16, 1 << 22])
def test_it_arrives_whole_in_pieces_of_any_length(tmp_path: Path, length: int) -> None:
    large = os.urandom(3 << 20 if length > 7 else 3000) + b"\nr{}\n"
    sent = Parcel("{}\nü", {ARRAYS: io.BytesIO(large), PROBE: io.BytesIO(b""), PAGE: io.BytesIO(b"s\nf\nr\n")})
    stages: list[str] = []
    reader, data = Reader(stages.append), told(sent, tmp_path)
    *before, arrived = [reader.take(data[start : start + length]) for start in range(0, len(data), length)]
    assert set(before) <= {None}
    assert isinstance(arrived, Parcel)
    assert (arrived.text, stages) == ("{} ü", ["reading"])
    for name, file in arrived.files.items():
        file.seek(0)
        assert file.read() == sent.files[name].getvalue()  # type: ignore[attr-defined]
        file.close()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"f../../evil 3", "nobody asked for"),
        (b"fanalysis.json 3", "nobody asked for"),
        (b"farrays.npz", "nobody asked for"),
        (b"farrays.npz -3", "nobody asked for"),
        (b"farrays.npz " + b"9" * 10_000, "nobody asked for"),
        (b"farrays.npz 0\nfarrays.npz 0", "nobody asked for"),
        (b"farrays.npz %d" % (LARGEST[ARRAYS] + (1 << 20)), "sent arrays.npz of 97 MB, and at most 96 are taken"),
        (b"x" * (17 << 20), "said more than 16 MB"),
    ],
)
def test_what_nobody_asked_for_or_is_too_much_is_not_taken(line: bytes, words: str) -> None:
    with pytest.raises(JobError, match=words):
        Reader(lambda _: None).take(line + b"\n")


def test_what_is_cut_off_is_no_answer(tmp_path: Path) -> None:
    data = told(Parcel("{}", {ARRAYS: io.BytesIO(NPZ)}), tmp_path)
    for length in range(len(data)):
        assert Reader(lambda _: None).take(data[:length]) is None


def forged_header(header: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("heat/hf.npy", b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header + bytes(48))
    return out.getvalue()


PICKLES = npz(**{"heat/hf": np.array([{}], dtype=object)})
BAD: list[tuple[str, dict[str, bytes]]] = [
    ("holds other things than numbers", {ARRAYS: PICKLES}),
    ("holds other things than numbers", {ARRAYS: npz(**{"heat/hf": np.array([["a"]])})}),
    ("other names or shapes", {ARRAYS: npz(**{"heat/hf": np.zeros((3, 3))})}),
    ("other names or shapes", {ARRAYS: npz(**{"heat/hf": np.zeros((3, 2)), "more": np.zeros(1)})}),
    ("other names or shapes", {ARRAYS: npz()}),
    ("no archive of arrays", {ARRAYS: NPZ[:-10]}),
    ("no archive of arrays", {ARRAYS: b""}),
    ("is not as long as it says", {ARRAYS: forged_header(b"{'descr': '<f8', 'shape': (3, 200000)}")}),
    ("has no shape", {ARRAYS: forged_header(b"{'descr': '<f8', 'shape': (-3, -2)}")}),
    ("no archive of arrays", {ARRAYS: forged_header(b"[" * 5000)}),
    ("no archive of arrays", {ARRAYS: forged_header(b"__import__('os').abort()")}),
    ("no whole safetensors file", {ARRAYS: NPZ, PROBE: b"\x80\x04K\x01."}),
    ("no whole safetensors file", {ARRAYS: NPZ, PROBE: whole(3)[:-1]}),
    ("it brought no file", {}),
    ("it brought feature_importance_analysis.png", {PAGE: PNG}),
    ("it brought arrays.npz, report.html", {ARRAYS: NPZ, RUN_HTML: HTML}),
]


@pytest.mark.parametrize(("words", "files"), BAD)
def test_files_that_are_not_what_they_must_be_cost_that_job_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, files: dict[str, bytes]
) -> None:
    life = Life(tmp_path / "outputs")
    write(life, "exp/states.safetensors", whole(100))
    write(life, "exp/model_1.safetensors", whole(1))
    honest = harness.explained

    def forging(job: ExplainJob) -> tuple[Any, Files]:
        return honest(job)[0], {name: io.BytesIO(content) for name, content in files.items()}

    with monkeypatch.context() as patched:
        patched.setattr(harness, "explained", forging)
        life.go(5)
    line = life.ledger()["exp/model_1.safetensors"]
    assert (line.state, words in line.reason) == ("failed", True), line.reason
    assert list(life.store.runs_folder.rglob("*")) == []
    write(life, "exp/model_2.safetensors", whole(2))
    life.go(5)
    assert life.ledger()["exp/model_2.safetensors"].state == "done"
    assert len(read_history(life.store.run("exp"))) == 1
    life.kill()


@pytest.mark.parametrize(
    "page", [b"", PNG[:-1], b"GIF89a" + PNG, PNG.replace(b"\0\0\0\1", b"\0\1\0\0", 1), b"<!doctype html></html>"]
)
def test_a_page_that_is_none_is_not_written_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: bytes
) -> None:
    monkeypatch.setattr(harness, "drawn", lambda _: (Drawn(), {PAGE: io.BytesIO(page)}))
    life = Life(tmp_path / "outputs")
    write(life, "exp/states.safetensors", whole(100))
    write(life, "exp/model_1.safetensors", whole(1))
    life.go(30)
    assert life.ledger()["exp/model_1.safetensors"].state == "done"
    assert any("was not drawn: its worker's answer is not taken" in text for text in life.narrator.said)
    assert list(life.store.root.rglob("*.png")) == []
    life.kill()


def test_files_that_are_what_they_must_be_are_taken() -> None:
    explained = Explained(analysis=harness.TEMPLATE, arrays={"heat/hf": (3, 2)})
    check(explained, {ARRAYS: io.BytesIO(NPZ), PROBE: io.BytesIO(save({"hf": np.zeros((2, 3))}))})
    every = {"a": np.zeros((2, 0, 3), np.float16), "b/c": np.array(3), "d": np.zeros((2, 3), bool).T}
    assert array_shapes(io.BytesIO(npz(**every))) == {name: array.shape for name, array in every.items()}
    check(Drawn(), {PAGE: io.BytesIO(PNG)})
    check(Drawn(), {RUN_PAGE: io.BytesIO(PNG), RUN_HTML: io.BytesIO(HTML)})


WRITING_MODEL = """
import os
from pathlib import Path

from tests.policies import GuideLike

STORE = Path(__file__).with_name("outputs") / "fxwatch"
TRIED = {
    "new": lambda: (STORE / "planted").write_text("x"),
    "folder": lambda: (STORE / "folder").mkdir(),
    "ledger": lambda: (STORE / "ledger.jsonl").open("a").close(),
    "remove": lambda: (STORE / "lock").unlink(),
    "rename": lambda: (STORE / "status.json").rename(STORE / "other"),
    "temporary": lambda: Path("/tmp/planted-by-a-model").write_text("x"),
}


def build(**arguments):
    for name, attempt in TRIED.items():
        try:
            attempt()
        except PermissionError:
            continue
        raise RuntimeError(f"{name} was not refused")
    return GuideLike(**arguments)
"""


def test_the_kernel_refuses_a_model_to_write_into_the_store_and_its_analysis_arrives_whole(tmp_path: Path) -> None:
    if cage.missing():
        pytest.skip(str(cage.missing()))
    project = Project(tmp_path)
    (tmp_path / "my_model.py").write_text(WRITING_MODEL)
    project.states()
    project.checkpoint()
    done = project.run("daemon", "--once")
    assert done.returncode == 0, done.stderr
    run, (found,) = project.store.run("default"), project.analyses()
    folder = run.analysis(found["id"])
    assert all(path.stat().st_size > 0 for path in (folder.arrays, folder.png, run.png, run.probe))
    assert {path.name for path in project.store.root.iterdir()} == {"lock", "ledger.jsonl", "runs", "status.json", MARK}


def explain_job(project: Project) -> ExplainJob:
    """The job that a daemon would give for its only checkpoint."""
    checkpoint, states = project.checkpoint(), project.states()
    project.store.create()
    return ExplainJob(
        checkpoint=str(checkpoint),
        checkpoint_name=checkpoint.name,
        states=str(states),
        states_name=states.name,
        run="default",
        store=str(project.store.root),
        config=load_config(project.folder / "config.toml").config,
    )


def made_whole_and_nothing_written(project: Project, submit: Callable[..., Any]) -> None:
    """Do a job where no daemon is: the answer is whole, and of itself nothing has changed in the folder."""
    job = explain_job(project)
    before = tree(project.outputs)
    answered = submit(do_job, job.model_dump_json()).result(90)
    assert tree(project.outputs) == before
    assert set(answered.files) == {ARRAYS, PROBE}
    answer = parse_answer(answered.text)
    check(answer, answered.files)
    assert isinstance(answer, Explained)
    assert json.loads(answered.text)["arrays"] == {"heat/hf": [6, 4], "heat/portfolio": [2, 3], "probe": [8, 7]}


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in [folder, *folder.rglob("*")]}


def test_a_worker_leaves_nothing_behind(tmp_path: Path) -> None:
    project = Project(tmp_path, CONFIG)
    pool = ProcessPerJob(1, 1, explain_job(project).config.model, tmp_path / "scratch", lambda _args, _stage: None)
    made_whole_and_nothing_written(project, pool.submit)
    pool.end()
    assert list((tmp_path / "scratch").iterdir()) == []
