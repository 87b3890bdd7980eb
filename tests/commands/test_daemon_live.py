"""`fxwatch daemon`, as a process that watches while a trainer writes."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from fxwatch import exit_codes
from fxwatch.records.lines import COMPLETED
from tests.project import Project, eventually


@pytest.fixture
def daemon(project: Project) -> Iterator[subprocess.Popen[str]]:
    process = project.start("daemon")
    eventually(project.store.status.exists)
    yield process
    process.kill()
    process.communicate()


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=20)
    return process.returncode, output, errors


def status(project: Project) -> dict[str, object]:
    found: dict[str, object] = json.loads(project.store.status.read_text())
    return found


def test_it_follows_a_trainer(project: Project, daemon: subprocess.Popen[str]) -> None:
    assert status(project)["mode"] == "events"
    project.checkpoint("exp/model_1.pt", global_step=1)  # before there are states: it waits
    eventually(lambda: project.ledger().get("exp/model_1.pt") and project.ledger()["exp/model_1.pt"].state == "ready")
    eventually(lambda: "run exp has no dump of states" in str(status(project)["last_trouble"]))
    project.states("exp/states.npz")
    eventually(lambda: len(project.analyses("exp")) == 1)
    eventually(lambda: status(project)["last_trouble"] is None)
    temporary = project.checkpoint("exp/writing.tmp.pt", seed=1, global_step=2)
    temporary.rename(project.outputs / "exp" / "latest.pt")  # a rename has no close event
    eventually(lambda: len(project.analyses("exp")) == 2)
    project.checkpoint("exp/latest.pt", seed=2, global_step=3)  # overwritten in place
    eventually(lambda: len(project.analyses("exp")) == 3)
    project.states("exp/states.npz", seed=7)  # a newer dump
    eventually(lambda: len(project.analyses("exp")) == 4)
    assert [found["checkpoint"]["step"] for found in project.analyses("exp")] == [1, 2, 3, 3]
    eventually(project.store.run("exp").png.exists)
    code, output, errors = finish(daemon)
    assert code == exit_codes.OK
    assert output.count(COMPLETED) == 4
    assert "exp/model_1.pt waits: run exp has no dump of states" in errors
    assert "Traceback" not in errors
    assert status(project)["state"] == "stopped"


def test_a_checkpoint_written_slowly_is_taken_when_it_is_whole(project: Project, daemon: subprocess.Popen[str]) -> None:
    project.states()
    whole = project.checkpoint("ready.pt").read_bytes()
    slow = project.outputs / "slow.pt"
    with slow.open("wb") as file:
        for start in range(0, len(whole), len(whole) // 5):
            file.write(whole[start : start + len(whole) // 5])
            file.flush()
            time.sleep(0.4)
    eventually(lambda: "slow.pt" in project.ledger() and project.ledger()["slow.pt"].state == "done")
    states = [
        line["state"]
        for line in map(json.loads, project.store.ledger.read_text().splitlines())
        if line["path"] == "slow.pt"
    ]
    assert set(states) <= {"seen", "settling", "ready", "running", "done"}


def test_it_goes_on_when_nobody_reads_what_it_says(project: Project, daemon: subprocess.Popen[str]) -> None:
    assert daemon.stdout is not None
    daemon.stdout.close()
    project.states()
    for step in (1, 2, 3):
        project.checkpoint(f"model_{step}.pt", seed=step, global_step=step)
    eventually(lambda: len(project.analyses()) == 3)
    daemon.send_signal(signal.SIGTERM)
    assert daemon.stderr is not None
    errors = daemon.stderr.read()
    assert daemon.wait(20) == exit_codes.OK
    assert errors.count("standard output cannot be written (Broken pipe)") == 1
    assert "Traceback" not in errors


WAITING = "waiting until that is over"


def test_a_folder_that_is_removed_and_made_again_is_watched_anew(
    project: Project, daemon: subprocess.Popen[str]
) -> None:
    project.states()
    project.checkpoint("model_1.pt", global_step=1)
    eventually(lambda: len(project.analyses()) == 1)
    while project.outputs.exists():  # as the daemon may write while it goes
        shutil.rmtree(project.outputs, ignore_errors=True)
    assert daemon.stderr is not None
    errors = "".join(iter(daemon.stderr.readline, f"fxwatch: there is no folder {project.outputs}; {WAITING}\n"))
    project.outputs.mkdir()
    project.states(seed=1)
    project.checkpoint("model_2.pt", seed=2, global_step=2)
    eventually(lambda: project.store.exists() and len(project.analyses()) == 1)
    assert project.analyses()[0]["checkpoint"]["step"] == 2
    assert set(project.ledger()) == {"states.npz", "model_2.pt"}
    code, _, rest = finish(daemon)
    assert code == exit_codes.OK
    assert "was removed or replaced; beginning anew" in errors
    errors += rest
    assert "Traceback" not in errors


def test_a_second_daemon_is_refused_and_told_who_holds_the_folder(
    project: Project, daemon: subprocess.Popen[str]
) -> None:
    second = project.run("daemon", "--once")
    assert second.returncode == exit_codes.LOCKED
    assert re.search(rf"is watched already by process {daemon.pid} on ", second.stderr)


def test_killed_at_any_time_it_goes_on_where_it_was_and_leaves_no_orphan(project: Project) -> None:
    project.states()
    for step in range(4):
        project.checkpoint(f"model_{step}.pt", seed=step, global_step=step)
    first = project.start("daemon")
    eventually(lambda: len(project.analyses()) >= 1)
    children = psutil.Process(first.pid).children(recursive=True)
    first.kill()
    first.communicate()
    eventually(lambda: not [child for child in children if child.is_running() and child.status() != "zombie"], 15)
    second = project.start("daemon")
    eventually(lambda: len(project.analyses()) == 4)
    assert finish(second)[0] == exit_codes.OK
    assert sorted(found["checkpoint"]["step"] for found in project.analyses()) == [0, 1, 2, 3]


SLOW = """
import time
from tests.policies import GuideLike

def build(**arguments):
    time.sleep(60)
    return GuideLike(**arguments)
"""


@pytest.mark.parametrize("signals", [1, 2])
def test_an_end_during_an_analysis_takes_less_than_20_seconds_and_a_second_signal_does_not_wait(
    project: Project, signals: int
) -> None:
    (project.folder / "my_model.py").write_text(SLOW)
    project.states()
    project.checkpoint()
    process = project.start("daemon")
    eventually(lambda: (line := project.ledger().get("model_100.pt")) and line.state == "running")
    began = time.monotonic()
    try:
        for _ in range(signals):
            process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
        process.wait(timeout=20)
        took = time.monotonic() - began
    finally:
        process.kill()
        process.communicate()
    assert took < (20 if signals == 1 else 4)
    assert process.returncode == (exit_codes.OK if signals == 1 else exit_codes.FAILURE)
    line = project.ledger()["model_100.pt"]
    if signals == 1:
        assert (line.state, line.reason) == ("ready", "interrupted; explained at the next start")
        assert status(project)["state"] == "stopped"
    (project.folder / "my_model.py").write_text(SLOW.replace("60", "0"))
    assert project.run("daemon", "--once").returncode == exit_codes.OK
    assert len(project.analyses()) == 1


def test_without_handles_it_says_so_and_goes_on_when_there_are_some(
    project: Project, daemon: subprocess.Popen[str]
) -> None:
    project.states()
    eventually(lambda: "states.npz" in project.ledger())
    process = psutil.Process(daemon.pid)
    _, hard = process.rlimit(psutil.RLIMIT_NOFILE)
    process.rlimit(psutil.RLIMIT_NOFILE, (3, hard))
    project.checkpoint()
    eventually(lambda: "Too many open files" in getattr(project.ledger().get("model_100.pt"), "reason", ""))
    process.rlimit(psutil.RLIMIT_NOFILE, (hard, hard))
    eventually(lambda: len(project.analyses()) == 1)
    assert project.ledger()["model_100.pt"].state == "done"
    assert finish(daemon)[0] == exit_codes.OK


def test_its_own_process_is_small_and_has_no_torch(project: Project, daemon: subprocess.Popen[str]) -> None:
    project.states()
    project.checkpoint()
    eventually(lambda: len(project.analyses()) == 1)
    process = psutil.Process(daemon.pid)
    assert process.memory_info().rss < 120 * 1024 * 1024
    maps = Path(f"/proc/{daemon.pid}/maps").read_text()
    assert "libtorch" not in maps
    assert not [c for c in process.net_connections() if c.status == psutil.CONN_LISTEN]


def test_nothing_is_changed_in_what_training_wrote(project: Project) -> None:
    project.states()
    project.checkpoint()

    def trained() -> dict[str, tuple[int, bytes]]:
        files = [
            path for path in project.outputs.rglob("*") if path.is_file() and project.store.root not in path.parents
        ]
        return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}

    before = trained()
    project.run("daemon", "--once")
    assert trained() == before


def test_a_progress_bar_is_shown_where_stderr_is_a_terminal(project: Project) -> None:
    project.states()
    project.checkpoint()
    master, slave = os.openpty()
    from tests.project import command, environ

    process = subprocess.Popen(
        command("daemon", "--once"),
        cwd=project.folder,
        env=environ(TERM="xterm-256color"),
        stdout=subprocess.PIPE,
        stderr=slave,
    )
    os.close(slave)
    seen = b""
    while True:
        try:
            chunk = os.read(master, 4096)
        except OSError:
            break
        if not chunk:
            break
        seen += chunk
    assert process.stdout is not None
    assert COMPLETED.encode() in process.stdout.read()
    assert process.wait() == exit_codes.OK
    assert b"model_100.pt" in seen
    assert "━".encode() in seen
