"""A daemon in this process, of which the test turns the clock, with a quick explainer, that dies at any write."""

import hashlib
import io
import json
import os
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self
from unittest import mock

import numpy as np

from fxwatch.config import Config
from fxwatch.daemon.jobs import (
    Answer,
    DrawJob,
    Drawn,
    Duplicate,
    Explained,
    ExplainJob,
    Job,
    ReportJob,
    Trouble,
    parse_job,
)
from fxwatch.daemon.parcel import ARRAYS, PAGE, PROBE, RUN_HTML, RUN_PAGE, Answered, Files, Parcel
from fxwatch.daemon.pressure import Machine, Pressure
from fxwatch.daemon.service import Daemon
from fxwatch.formats.recognise import open_regular
from fxwatch.load import LoadError, read_content
from fxwatch.records.analysis import Analysis
from fxwatch.records.ledger import LedgerLine
from fxwatch.records.status import DaemonStatus
from fxwatch.store.layout import Store, analysis_id
from fxwatch.store.lines import parse_line, read_lines
from fxwatch.store.lock import held
from fxwatch.store.read import read_history, read_status
from tests.analyses import analysis
from tests.daemon.faults import Faults, Killed
from tests.watch.bench import Clock, Liar, Told

if TYPE_CHECKING:
    import time_machine

TEMPLATE = analysis()
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1" + b"\0\0\0\0IEND\xaeB`\x82"


def npz(**arrays: Any) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


NPZ = npz(**{"heat/hf": np.zeros((3, 2))})
AT_EASE = Pressure(100.0, Machine(Path("/nowhere")))
"""Of a machine that has nothing else to do, whatever this one has."""


def whole(number: int, size: int = 4) -> bytes:
    """A checkpoint of this content, complete."""
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    return len(header).to_bytes(8, "little") + header + number.to_bytes(size, "little")


class WorkerKilled(BaseException):
    """In the midst of its job."""


class Quiet:
    """A narrator whom one may ask what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def analysed(self, _: Analysis) -> None:
        pass

    def progress(self, what: str, done: int, total: int) -> None:
        pass


class Explainer:
    """Reads what a worker reads, and sends what it sends, without a model. A job ends when the test says so, or, with
    `prompt`, when it is given. `meanwhile` is called with the path of each file of which a part was read.
    """

    def __init__(self, meanwhile: Callable[[Path], None]) -> None:
        self.jobs: list[tuple[Future[Answered], Job]] = []
        self.prompt = False
        self._meanwhile = meanwhile
        self._made: dict[Future[Answered], Parcel] = {}

    def warm_up(self) -> None:
        pass

    def submit(self, _: Callable[..., Any], /, *args: Any, **__: Any) -> Future[Any]:
        future: Future[Answered] = Future()
        self.jobs.append((future, parse_job(args[0])))
        if self.prompt:
            self.finish()
        return future

    def work(self) -> None:
        """Do the jobs; what they came to is not told yet."""
        with mock.patch("fxwatch.load.content.open_regular", self._open):
            for future, job in self.jobs:
                if future not in self._made:
                    answer, files = done(job)
                    self._made[future] = Parcel(answer.model_dump_json(), files)

    def finish(self) -> None:
        self.work()
        jobs, self.jobs = self.jobs, []
        for future, _ in jobs:
            future.set_result(self._made.pop(future))

    def end(self) -> None:
        self.jobs.clear()

    def _open(self, path: str | os.PathLike[str]) -> Any:
        return ReadInParts(open_regular(path), lambda: self._meanwhile(Path(path)))


class ReadInParts:
    """A file of which all but the last two bytes are read before something happens."""

    def __init__(self, file: IO[bytes], meanwhile: Callable[[], object]) -> None:
        self._file, self._meanwhile = file, meanwhile

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def fileno(self) -> int:
        return self._file.fileno()

    def read(self) -> bytes:
        size = os.fstat(self.fileno()).st_size
        first = os.pread(self.fileno(), size - 2, 0)
        self._meanwhile()
        return first + os.pread(self.fileno(), 1 << 20, len(first))


def done(job: Job) -> tuple[Answer, Files]:
    try:
        return explained(job) if isinstance(job, ExplainJob) else drawn(job)
    except WorkerKilled:
        return Trouble(outcome="failed", reason="its worker was killed", crashed=True), {}


def explained(job: ExplainJob) -> tuple[Answer, Files]:
    """As `run_explain`, with an analysis that was made before."""
    run = Store(Path(job.store)).run(job.run)
    try:
        content = read_content(job.checkpoint)
    except LoadError as error:
        return Trouble(outcome=error.outcome, reason=str(error)), {}
    try:
        states = read_content(job.states)
    except LoadError as error:
        return Trouble(outcome=error.outcome, reason=str(error), culprit="states"), {}
    digest = hashlib.sha256(f"{content.sha256} {states.sha256}".encode()).hexdigest()
    if (before := run.analysis(analysis_id(None, digest))).json.exists():
        return Duplicate(analysis=before.folder.name), {}
    checkpoint = TEMPLATE.checkpoint.model_copy(
        update={"path": job.checkpoint_name, "sha256": content.sha256, "step": None}
    )
    made = TEMPLATE.model_copy(
        update={
            "id": analysis_id(None, digest),
            "run": job.run,
            "created_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "checkpoint": checkpoint,
            "states": TEMPLATE.states.model_copy(update={"sha256": states.sha256}),
            "late": job.late,
        }
    )
    files = {ARRAYS: io.BytesIO(NPZ)} | ({} if run.probe.exists() else {PROBE: io.BytesIO(whole(0))})
    return Explained(analysis=made, arrays={"heat/hf": (3, 2)}), files


def drawn(job: DrawJob | ReportJob) -> tuple[Answer, Files]:
    if isinstance(job, ReportJob):
        return Drawn(), {RUN_PAGE: io.BytesIO(PNG), RUN_HTML: io.BytesIO(b"<!doctype html></html>")}
    return Drawn(), {PAGE: io.BytesIO(PNG)}


class Life:
    """A watched folder, and one daemon after another that watches it. `source`: who tells it of changes; `slow`: jobs
    do not come to an end by themselves. `meanwhile` is called with the next file of which a part was read. `wall`: the
    clock on the wall, where it goes with that which the test turns.
    """

    def __init__(self, root: Path, *, lying: bool = False, store: Path | None = None) -> None:
        self.root, self.clock, self.faults, self.narrator = root, Clock(), Faults(), Quiet()
        root.mkdir(exist_ok=True)
        self.store = Store.of(root, str(store) if store is not None else None)
        self.source = Liar(0) if lying else Told()
        self.explainer, self.slow = Explainer(self._read_in_part), False
        self.meanwhile: Callable[[Path], None] | None = None
        self.wall: time_machine.Traveller | None = None
        self._daemon: Daemon | None = None
        self._stack = ExitStack()

    def start(self) -> None:
        """A daemon begins. Raises what it raises, Killed among it."""
        self.store.create()
        self._stack = ExitStack()
        self.explainer = Explainer(self._read_in_part)
        lock = self._stack.enter_context(held(self.store.lock))
        told = mock.patch("fxwatch.daemon.service.Hints", return_value=self.source)
        eased = mock.patch("fxwatch.daemon.service.Pressure", return_value=AT_EASE)
        with told, eased, self.faults.between():
            self._daemon = Daemon(
                self.root.absolute(),
                Config(),
                self.store,
                lock,
                self.narrator,  # type: ignore[arg-type]
                once=False,
                pool=self.explainer,
                clock=self.clock,
            )

    def stop(self, *, patient: bool = True) -> None:
        """It is told to end, as by SIGTERM; what it does then is soon done, or, with no patience, never."""
        if self._daemon is not None:
            with mock.patch("fxwatch.daemon.service.PATIENCE_AT_THE_END", 0.0), suppress(Killed), self.faults.between():
                self.explainer.prompt = patient
                if patient:
                    self.explainer.finish()
                self._daemon.end()
        self._dead()

    def stop_as_in_earnest(self) -> None:
        """The same, with all the patience that a daemon has."""
        assert self._daemon is not None
        self._daemon.end()
        self._dead()

    def go(self, seconds: float) -> None:
        """Time goes by. What kills the daemon, a removed store among it, is followed by another one."""
        until = self.clock.now + seconds
        while self.clock.now < until:
            try:
                self._turn()
            except Killed:
                self._dead()
                self.faults.again()
            self.sleep(0.01 if self._daemon is None else min(max(0.01, self._daemon.seconds_to_next()), 600))

    def sleep(self, seconds: float) -> None:
        """Time goes by, in which the daemon does not run, as after SIGSTOP."""
        self.clock.now += seconds
        if self.wall is not None:
            self.wall.shift(seconds)

    def settle(self) -> None:
        """Let everything come to an end that can, and what does not become whole be given up."""
        self.slow = False
        self.go(20)
        self.sleep(600)
        self.go(60)
        until = self.clock.now + 20_000
        while self.status().backlog or self.status().waiting or self.status().running:
            self.go(20)
            assert self.clock.now < until

    def _turn(self) -> None:
        if self._daemon is None:
            if not self.root.is_dir():
                self.sleep(1)
                return
            try:
                self.start()
            except OSError:  # its disk is full: `fxwatch daemon` waits, too
                self._dead()
                self.sleep(2)
                return
        daemon = self._daemon
        assert daemon is not None
        if not (self.store.root / "lock").exists():
            daemon.displaced = True
            self.stop()
            return
        with self.faults.between():
            daemon.turn()
            if not self.slow:
                self.explainer.finish()
            daemon.turn()

    def work(self) -> None:
        """What is asked of workers is done, and not told yet."""
        try:
            with self.faults.between():
                self.explainer.work()
        except Killed:
            self._dead()
            self.faults.again()

    def _read_in_part(self, path: Path) -> None:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile(path)

    def kill(self) -> None:
        """As by SIGKILL, between two calls."""
        self._dead()

    def _dead(self) -> None:
        if self._daemon is not None:
            self._daemon._lookout.end()
        self._daemon = None
        self.explainer.end()
        self._stack.close()

    def ledger(self) -> dict[str, LedgerLine]:
        return {line.path: line for line in read_lines(self.store.ledger, LedgerLine)}

    def status(self) -> DaemonStatus:
        found = read_status(self.store)
        assert found is not None
        return found

    def analysed(self) -> set[str]:
        """The SHA-256 of all that was analysed."""
        found = [json.loads(one.json.read_text()) for run in self.store.runs() for one in run.analyses()]
        return {one[of]["sha256"] for one in found for of in ("checkpoint", "states")}

    def check(self) -> None:
        """What must hold whenever nothing happens any more."""
        ledger = self.ledger()
        for run in self.store.runs():
            lines = read_history(run)
            ids = [line.id for line in lines]
            assert [line.seq for line in lines] == list(range(len(lines))), "the history has gaps"
            assert len(set(ids)) == len(ids), "an analysis is in the history twice"
            there = {folder.folder.name for folder in run.analyses()}
            assert set(ids) == there, "the history and the analyses are not the same"
            origins = [
                (found["checkpoint"]["sha256"], found["states"]["sha256"])
                for found in (json.loads(folder.json.read_text()) for folder in run.analyses())
            ]
            assert len(set(origins)) == len(origins), "a content was analysed twice"
            assert all(run.analysis(name).arrays.exists() for name in ids), "an analysis has no arrays"
        for path in (path for path in self.root.rglob("*.safetensors") if not path.is_symlink()):
            name = path.relative_to(self.root).as_posix()
            if self.store.root in path.parents:
                continue
            if path.name.startswith((".", "states")) or not path.is_file():
                continue
            assert name in ledger, f"{name} was never seen"
            line = ledger[name]
            status = path.stat()
            assert line.generation is not None
            assert (line.generation.inode, line.generation.ctime_ns) == (status.st_ino, status.st_ctime_ns), (
                f"a change of {name} was not seen"
            )
            content = path.read_bytes()
            if len(content) < 8 or len(content) < len(whole(0)):
                assert line.state == "incomplete", f"{name} is {line.state}, and incomplete"
                continue
            assert line.state == "done", f"{name} is {line.state}, and not done"
            assert line.analysis is not None
            of = self.store.run(line.run).analysis(line.analysis).json
            assert of.exists(), f"there is no analysis of {name}"
            made = json.loads(of.read_text())
            assert made["checkpoint"]["sha256"] == hashlib.sha256(content).hexdigest(), f"{name} is another one"
        assert not list(self.store.root.rglob(".fxw-*.tmp")), "half-written files were left"
        assert not list(self.store.root.rglob("*.damaged-*")), "lines were damaged"
        assert all(parse_line(raw, LedgerLine) for raw in self.store.ledger.read_bytes().splitlines(keepends=True))
