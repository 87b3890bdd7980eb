"""A job that goes wrong costs itself alone, and no process outlives the daemon."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from multiprocessing import forkserver, util
from pathlib import Path
from typing import Any

import psutil
import pytest

from fxwatch.daemon import cage
from fxwatch.daemon import pool as pool_module
from fxwatch.daemon.jobs import Trouble, parse_answer
from fxwatch.daemon.parcel import ARRAYS, LARGEST, JobError
from fxwatch.daemon.places import _answer
from fxwatch.daemon.pool import ProcessPerJob, _waited_for_a_processor
from fxwatch.records.settings import ModelSettings
from tests.daemon import jobs_gone_wrong as jobs
from tests.project import environ, eventually


@pytest.fixture
def stages() -> list[str]:
    return []


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The only folder that workers may write."""
    (tmp_path / "own").mkdir()
    return tmp_path / "own"


@pytest.fixture
def pool(stages: list[str], own: Path) -> Iterator[ProcessPerJob]:
    def hear(_args: tuple[Any, ...], name: str) -> None:
        stages.append(name)

    made = ProcessPerJob(2, 1, ModelSettings(), own, hear)
    yield made
    made.end()


def test_a_job_answers_and_tells_its_stages(pool: ProcessPerJob, stages: list[str]) -> None:
    assert pool.submit(jobs.shout, "hello").result(60) == "HELLO"
    assert stages == ["shouting"]


@pytest.mark.parametrize(
    ("job", "argument", "words"),
    [
        (jobs.die, str(int(signal.SIGKILL)), r"ended by SIGKILL \(out of memory\?\)"),
        (jobs.die, str(int(signal.SIGSEGV)), "ended by SIGSEGV"),
        (jobs.read_what_is_cut_off, "file", "ended by SIGBUS"),
        (jobs.leave, "0", "exit code 0 and no answer"),
        (jobs.fail, "", "exit code 1 and no answer"),
        (jobs.eat_memory, "", "exit code 1 and no answer"),
        (jobs.fork_for_ever, "", "exit code 1 and no answer"),
        (jobs.answer_too_much, "", "said more than 16 MB"),
        (jobs.flood_stages, "", "said more than 16 MB"),
        (jobs.send_a_wrong_name, "", r"sent a file that nobody asked for: '../../evil 1'"),
        (jobs.send_too_large_a_file, "", "sent arrays.npz of 97 MB, and at most 96 are taken"),
        (jobs.send_more_than_told, "", "said more than 16 MB"),
        (jobs.send_half, "", "exit code 0 and no answer"),
        (jobs.hang, "pid", "took longer"),
        (jobs.hang_in_c, "pid", "took longer"),
        (jobs.answer_half, "pid", "took longer"),
    ],
)
def test_a_job_gone_wrong_says_how_and_costs_itself_alone(
    pool: ProcessPerJob, own: Path, monkeypatch: pytest.MonkeyPatch, job: Any, argument: str, words: str
) -> None:
    pool.submit(jobs.shout, "warm").result(60)
    memory = 3 << 30 if job in {jobs.answer_too_much, jobs.send_too_large_a_file} else 256 << 20
    monkeypatch.setattr(pool_module, "memory_of_each", lambda *_: memory)
    if words == "took longer":
        monkeypatch.setattr(pool_module, "DEADLINE", 1.0)
    before = psutil.Process().memory_info().rss
    bad = pool.submit(job, str(own / argument) if argument.isalpha() else argument)
    beside = pool.submit(jobs.shout, "beside")
    with pytest.raises(JobError, match=words):
        bad.result(60)
    assert beside.result(60) == "BESIDE"
    assert pool.submit(jobs.shout, "after").result(60) == "AFTER"
    assert psutil.Process().memory_info().rss - before < 100 << 20
    if argument == "pid":
        assert not psutil.pid_exists(int((own / "pid").read_text()))


def test_a_large_file_is_kept_on_disk_and_not_in_memory(pool: ProcessPerJob) -> None:
    before = psutil.Process().memory_info().rss
    answered = pool.submit(jobs.send_largest, "").result(60)
    assert psutil.Process().memory_info().rss - before < 16 << 20
    file = answered.files[ARRAYS]
    assert file.seek(0, os.SEEK_END) == LARGEST[ARRAYS]
    file.close()


def test_waiting_for_a_processor_is_no_hang(pool: ProcessPerJob, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How long it waited the test says; that this is what the kernel says the next test shows."""
    pool.submit(jobs.shout, "warm").result(60)
    monkeypatch.setattr(pool_module, "DEADLINE", 0.5)
    monkeypatch.setattr(pool_module, "_waited_for_a_processor", lambda _: 60.0)
    waiting = pool.submit(jobs.wait_for_a_file, str(own / "go"))
    time.sleep(1)  # past the deadline
    (own / "go").touch()
    assert waiting.result(60) == "gone on"


def test_how_long_a_process_has_waited_for_a_processor_is_known() -> None:
    one = min(os.sched_getaffinity(0))
    crowd = f"import os; os.sched_setaffinity(0, {{{one}}})\nwhile True: pass"
    busy = [subprocess.Popen([sys.executable, "-c", crowd]) for _ in range(3)]
    idle = subprocess.Popen(["sleep", "60"])
    try:
        eventually(lambda: _waited_for_a_processor(busy[0]) > 0.2, 20)  # type: ignore[arg-type]
        assert _waited_for_a_processor(idle) < 0.1  # type: ignore[arg-type]
    finally:
        for process in (*busy, idle):
            process.kill()
            process.wait()
    assert _waited_for_a_processor(idle) == 0  # type: ignore[arg-type]


@pytest.mark.parametrize("job", [jobs.flood_stdout, jobs.flood_stderr])
def test_a_flood_of_output_is_cut_and_cleaned(pool: ProcessPerJob, capfd: pytest.CaptureFixture[str], job: Any) -> None:
    assert pool.submit(job, "").result(60) == "done"
    output, errors = capfd.readouterr()
    assert output == ""
    assert len(errors) < 50_000
    assert "\x1b" not in errors
    if job is jobs.flood_stderr:
        assert "bytes more to stderr, which are left out" in errors
        assert "999 \\x1b]52;c;evil\\x07" in errors


def test_no_job_outlives_the_pool(own: Path) -> None:
    pool = ProcessPerJob(1, 1, ModelSettings(), own, lambda _args, _stage: None)
    future = pool.submit(jobs.hang, str(own / "pid"))
    eventually((own / "pid").exists)
    pool.end()
    with pytest.raises(JobError):
        future.result(10)
    assert not psutil.pid_exists(int((own / "pid").read_text()))


def test_a_server_that_is_killed_takes_its_workers_along_and_is_started_anew(pool: ProcessPerJob, own: Path) -> None:
    future = pool.submit(jobs.hang_in_c, str(own / "pid"))
    worker = psutil.Process(int(eventually(lambda: (own / "pid").exists() and (own / "pid").read_text())))
    os.kill(forkserver._forkserver._forkserver_pid, signal.SIGKILL)  # type: ignore[attr-defined]
    with pytest.raises(JobError, match="no answer"):
        future.result(30)
    eventually(lambda: _ended(worker), 10)
    assert pool.submit(jobs.shout, "again").result(60) == "AGAIN"


def test_a_server_whose_folder_was_cleaned_away_is_started_anew(pool: ProcessPerJob) -> None:
    assert pool.submit(jobs.shout, "before").result(60) == "BEFORE"
    shutil.rmtree(util.get_temp_dir())
    assert pool.submit(jobs.shout, "after").result(60) == "AFTER"


@pytest.mark.parametrize(
    ("missing", "place", "job"),
    [
        pytest.param(errno.EMFILE, "multiprocessing.process.BaseProcess.start", jobs.shout, id="handles"),
        pytest.param(errno.ENOSPC, "tempfile.TemporaryFile", jobs.send_largest, id="room for a file"),
    ],
)
def test_where_the_machine_has_no_more_the_checkpoint_is_not_to_blame(
    pool: ProcessPerJob, monkeypatch: pytest.MonkeyPatch, missing: int, place: str, job: Callable[[str], Any]
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(missing, os.strerror(missing))

    with monkeypatch.context() as patched:
        patched.setattr(place, refuse)
        future = pool.submit(job, "before")
        wait([future], 60)
    found = _answer(future)
    assert isinstance(found, Trouble)
    assert (found.outcome, found.crashed) == ("put_off", False)
    assert os.strerror(missing) in found.reason
    assert pool.submit(jobs.shout, "after").result(60) == "AFTER"


SHORT = Path("/tmp")  # noqa: S108 - where sockets are when TMPDIR is too deep
HANGING = """
import sys
from pathlib import Path
from fxwatch.daemon.pool import ProcessPerJob
from fxwatch.records.settings import ModelSettings
from tests.daemon.jobs_gone_wrong import hang_in_c

if __name__ == "__main__":
    own = Path(sys.argv[1])
    ProcessPerJob(1, 1, ModelSettings(), own, lambda *_: None).submit(hang_in_c, str(own / "pid")).result()
"""


SHORT_LIVED = """
import sys
from multiprocessing import forkserver
from pathlib import Path
from fxwatch.daemon.pool import ProcessPerJob
from fxwatch.records.settings import ModelSettings

if __name__ == "__main__":
    pool = ProcessPerJob(1, 1, ModelSettings(), Path(sys.argv[1]), lambda *_: None)
    pool.warm_up()
    print(forkserver._forkserver._forkserver_pid, flush=True)
    sys.stdin.read()
    pool.end()
"""


@pytest.mark.parametrize("name", ["t", "deep" * 25])
def test_nothing_of_a_daemon_that_is_killed_is_left(own: Path, tmp_path: Path, name: str) -> None:
    top = Path(tempfile.mkdtemp(prefix="t"))
    folder = top / name
    folder.mkdir()
    before = set(SHORT.glob("pymp-*"))
    (tmp_path / "hanging.py").write_text(HANGING)
    command = [sys.executable, str(tmp_path / "hanging.py"), str(own)]
    process = subprocess.Popen(command, env=environ(TMPDIR=str(folder)))
    eventually((own / "pid").exists, 150)
    children = psutil.Process(process.pid).children(recursive=True)
    assert int(eventually((own / "pid").read_text)) in {child.pid for child in children}
    made = [*folder.glob("pymp-*"), *set(SHORT.glob("pymp-*")) - before]
    assert made
    process.kill()
    process.wait()
    eventually(lambda: all(map(_ended, children)), 10)
    eventually(lambda: not any(path.exists() for path in made), 10)
    assert not list(folder.glob("pymp-*"))
    shutil.rmtree(top)


def test_a_worker_can_write_its_own_folder_and_do_nothing_to_anybody(
    pool: ProcessPerJob, own: Path, tmp_path: Path
) -> None:
    if cage.missing():
        pytest.skip(str(cage.missing()))
    (tmp_path / "pid").write_text(str(os.getpid()))
    before = (tmp_path / "pid").stat()[:7], (tmp_path / "pid").stat()[8:10]
    found = json.loads(pool.submit(jobs.attempts, str(tmp_path)).result(60))
    assert len(found) > 20
    assert [name for name, outcome in found.items() if outcome != "PermissionError"] == []
    assert pool.submit(jobs.inside, str(own)).result(60) == str(1 << 20)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own", "pid"]
    assert ((tmp_path / "pid").stat()[:7], (tmp_path / "pid").stat()[8:10]) == before
    control = json.loads(_without_walls(jobs.attempts, tmp_path))
    assert {name for name, outcome in control.items() if outcome == "DONE"} > {"program", "overwrite", "unix socket"}


def _without_walls(job: Callable[[str], str], folder: Path) -> str:
    """The same attempts in a process of its own without a cage: the control, on a victim of its own."""
    victim = subprocess.Popen(["sleep", "60"])
    (folder / "pid").write_text(str(victim.pid))
    code = f"from tests.daemon.jobs_gone_wrong import {job.__name__} as job; print(job({str(folder)!r}))"
    try:
        return subprocess.run(
            [sys.executable, "-c", code], env=environ(), capture_output=True, text=True, check=True
        ).stdout
    finally:
        victim.kill()
        victim.wait()


def test_a_worker_stands_back_and_knows_nothing(pool: ProcessPerJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY_TOKEN", "chirp")
    if forkserver._forkserver._forkserver_pid is not None:  # type: ignore[attr-defined]
        os.kill(forkserver._forkserver._forkserver_pid, signal.SIGKILL)  # type: ignore[attr-defined]
        time.sleep(0.2)
    told = pool.submit(jobs.told, "").result(60)
    handles, session, nice, scheduler, disk, privileges, points, rest = told.split(" ", 7)
    assert int(handles) == 5  # three streams, its pipe, and the folder that it lists
    assert (nice, privileges, points) == ("19", "1", "900")
    assert session == ("19" if Path("/proc/self/autogroup").exists() else "none")
    assert (int(scheduler), int(disk)) == (os.SCHED_IDLE, psutil.IOPRIO_CLASS_IDLE)
    assert "chirp" not in rest
    assert "'CUDA_VISIBLE_DEVICES': ''" in rest
    assert "'OMP_NUM_THREADS': '1'" in rest


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "null",
        "\x80\x04K\x01.",
        '{"kind": "explained"}',
        '{"kind": "duplicate", "analysis": "../../../etc/passwd"}',
        '{"kind": "trouble", "outcome": "done", "reason": ""}',
        "[" * 100_000,
    ],
)
def test_an_answer_is_believed_only_where_it_makes_sense(answer: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - pydantic's words
        parse_answer(answer)


def test_an_ordinary_end_leaves_no_folder(tmp_path: Path) -> None:
    assert Path(util.get_temp_dir()).name.startswith("pymp-")
    code = HANGING.replace(".submit(hang_in_c", ".submit(str.upper, 'x').result(60); sys.exit(); print(hang_in_c")
    (tmp_path / "tmp").mkdir()
    (tmp_path / "ending.py").write_text(code)
    command = [sys.executable, str(tmp_path / "ending.py"), str(tmp_path)]
    subprocess.run(command, env=environ(TMPDIR=str(tmp_path / "tmp")), timeout=60, check=False)
    eventually(lambda: not list((tmp_path / "tmp").glob("pymp-*")), 10)


def test_a_server_that_still_imports_ends_with_its_daemon(own: Path, tmp_path: Path) -> None:
    (tmp_path / "short.py").write_text(SHORT_LIVED)
    command = [sys.executable, str(tmp_path / "short.py"), str(own)]
    with subprocess.Popen(command, env=environ(), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        server = psutil.Process(int(process.stdout.readline()))
        process.stdin.close()
        assert process.wait(60) == 0
    eventually(lambda: _ended(server), 1)


def _ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
