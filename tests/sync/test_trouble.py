"""Whatever breaks, nothing is lost, nothing comes twice, and nothing is left behind."""

import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from fxwatch import exit_codes
from tests.project import command, eventually
from tests.sync.backend import Backend
from tests.sync.results import Results, records, rows

OFFLINE = {"WANDB_MODE": "offline"}


def sync_with_little_room(results: Results, room: int, **more: str) -> subprocess.CompletedProcess[str]:
    """`fxwatch sync` where no file can become longer than `room` bytes, as on a disk that is full."""
    return subprocess.run(
        command("sync", str(results.watched)),
        env=results.environment(**more),
        cwd=results.home,
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)),
    )


@pytest.mark.parametrize("room", [3_000, 30_000])
def test_a_disk_that_is_full_while_an_offline_file_is_written(results: Results, room: int) -> None:
    results.add(range(1, 11))
    results.add(range(11, 13), verdict="bad")
    full = sync_with_little_room(results, room, **OFFLINE)
    assert full.returncode == exit_codes.FAILURE
    assert full.stderr.count("\n") == 1, full.stderr
    assert full.stderr.startswith("fxwatch: run exp: 12 analyses wait for W&B: ")
    assert "wandb sync" not in full.stdout
    assert results.files() == []  # a torn file would be sent, too, and all in it twice
    assert "\nW&B: 12 analyses of exp wait: " in results.status()
    assert results.sync(**OFFLINE)[1].splitlines()[0] == "exp: 12 analyses sent"
    [file] = results.files()
    assert [row["fxwatch/step"] for row in rows(file)] == list(range(1, 13))
    assert sum(record["type"] == "alert" for record in records(file)) == 1
    assert "W&B:" not in results.status()


def test_a_disk_that_is_full_while_all_is_sent(results: Results, backend: Backend) -> None:
    results.add(range(1, 11))
    full = sync_with_little_room(results, 3_000, WANDB_BASE_URL=backend.url)
    assert full.stderr.count("\n") == (full.returncode != 0)
    assert results.sync(WANDB_BASE_URL=backend.url)[0] == exit_codes.OK
    assert results.arrived(backend, "fxwatch/step") == list(range(1, 11))


def test_a_network_that_goes_away_for_a_while(results: Results, backend: Backend) -> None:
    results.add(range(25))
    process = results.start(WANDB_BASE_URL=backend.url)
    eventually(lambda: any(backend.rows.values()) or process.poll() is not None, 30)
    backend.refuse = 503
    threading.Timer(1.0, lambda: setattr(backend, "refuse", None)).start()
    _, errors = process.communicate(timeout=90)
    assert (process.returncode, errors) == (exit_codes.OK, "")
    assert results.arrived(backend) == list(range(25))


def test_a_server_that_never_takes_the_end_is_given_up_in_words(results: Results, backend: Backend) -> None:
    results.add(range(25))
    process = results.start(WANDB_BASE_URL=backend.url, WANDB_FINISH_TIMEOUT="3")
    eventually(lambda: any(backend.rows.values()) or process.poll() is not None, 30)
    children = psutil.Process(process.pid).children(recursive=True)
    backend.refuse = 503
    _, errors = process.communicate(timeout=60)
    assert process.returncode == exit_codes.FAILURE
    assert errors.count("\n") == 1, errors
    assert errors.startswith("fxwatch: run exp: 25 analyses wait for W&B: ")
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    backend.refuse = None
    assert results.sync(WANDB_BASE_URL=backend.url)[0] == exit_codes.OK
    assert results.arrived(backend) == list(range(25))


def test_nothing_is_left_behind_also_where_a_sync_was_killed(results: Results, backend: Backend) -> None:
    elsewhere = results.home / "tmp"
    elsewhere.mkdir()
    results.add(range(25))
    process = results.start(WANDB_BASE_URL=backend.url, TMPDIR=str(elsewhere))
    eventually(lambda: any(backend.rows.values()), 30)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    passing = results.store.root / "wandb" / "passing"
    assert list(passing.iterdir())  # what was killed cannot tidy up
    assert results.leaks() == []
    assert results.sync(WANDB_BASE_URL=backend.url, TMPDIR=str(elsewhere))[0] == exit_codes.OK
    assert results.sync(**OFFLINE, TMPDIR=str(elsewhere))[0] == exit_codes.OK
    assert not passing.exists()
    assert list(elsewhere.iterdir()) == []
    assert sorted(path.name for path in results.store.root.iterdir()) == [
        ".fxwatch-store", "runs", "sync", "sync.lock", "wandb",
    ]  # fmt: skip
    assert list((results.store.root / "wandb").iterdir()) == []


def test_wandb_takes_an_offline_run_whole(results: Results, backend: Backend) -> None:
    results.add(range(1, 4))
    results.sync(**OFFLINE)
    folders = (results.store.root / "wandb").glob("offline-run-*")
    subprocess.run(
        [str(Path(sys.executable).parent / "wandb"), "sync", *map(str, folders)],
        env=results.environment(WANDB_BASE_URL=backend.url, WANDB_DATA_DIR=str(results.home / "data")),
        cwd=results.home,
        check=True,
        capture_output=True,
        timeout=60,
    )
    [found] = backend.rows
    assert [row["fxwatch/step"] for row in backend.history(found)] == [1, 2, 3]
    assert backend.groups[found] == "exp"
    kinds = [one["input"]["artifactTypeName"] for one in backend.artifacts]
    assert kinds.count("attribution") == 3
    assert sum("media/table" in path for path in backend.uploads) == 3


TRAINER = """
import sys, wandb
settings = wandb.Settings(mode=sys.argv[1], silent=True, console="off", x_transaction_log_flush_interval=0.5)
run = wandb.init(id="trainer7", dir="outputs", project="fxwatch", settings=settings)
run.log({"loss": 0.5})
print("begun", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("mode", ["online", "shared"])
def test_the_trainers_own_run_only_where_it_is_open_to_others(results: Results, backend: Backend, mode: str) -> None:
    (results.home / "config.toml").write_text('[wandb]\nmode = "shared"\n')
    results.add([10, 20], verdict="bad")
    alone = results.sync(WANDB_BASE_URL=backend.url)
    assert "shared mode needs the trainer's folder wandb/ among its outputs, or above them" in alone[2]
    trainer = subprocess.Popen(
        [sys.executable, "-c", TRAINER, mode],
        env=results.environment(WANDB_BASE_URL=backend.url, WANDB_DATA_DIR=str(results.home / "data")),
        cwd=results.home,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert trainer.stdout is not None
    assert trainer.stdout.readline() == "begun\n"
    [file] = (results.watched / "wandb").glob("run-*/run-trainer7.wandb")
    eventually(lambda: file.stat().st_size > 7, 30)
    code, _, errors = results.sync(WANDB_BASE_URL=backend.url)
    trainer.kill()
    trainer.communicate()
    if mode == "online":
        assert code == exit_codes.FAILURE
        assert errors.count("\n") == 1
        assert "the trainer's run trainer7 is not in shared mode" in errors
        return
    assert (code, errors) == (exit_codes.OK, "")
    assert "fxwatch/step" in {name for row in backend.history("trainer7") for name in row}
    assert [alert["runName"] for alert in backend.alerts] == ["trainer7"]
    assert results.leaks() == []


def test_shared_mode_must_be_asked_for(results: Results) -> None:
    results.add([1])
    code, _, errors = results.sync(WANDB_MODE="shared")
    assert code == exit_codes.USAGE
    assert errors.count("\n") == 1
    assert 'say [wandb] mode = "shared"' in errors


def test_what_cannot_be_read_is_said_and_what_is_of_a_newer_fxwatch_waits_for_one(results: Results) -> None:
    results.add([1, 2, 3])
    ids = [f"step-{step:09d}-1a2b3c4d" for step in (1, 2, 3)]
    results.run().analysis(ids[0]).json.write_text("{")
    newer = results.run().analysis(ids[1]).json
    before = newer.read_text()
    newer.write_text(before.replace('"schema_version": 1', '"schema_version": 2'))
    code, output, errors = results.sync(**OFFLINE)
    assert (code, output) == (exit_codes.FAILURE, "")
    assert errors.splitlines()[0].startswith(f"fxwatch: not sent: {results.run().analysis(ids[0]).json} is not an")
    assert "3 analyses wait for W&B: " in errors.splitlines()[1]
    assert "was written by a newer fxwatch (schema 2, this one knows 1); update fxwatch to read it" in errors
    newer.write_text(before)
    code, output, errors = results.sync(**OFFLINE)
    assert (code, output.splitlines()[0], errors.count("\n")) == (exit_codes.OK, "exp: 2 analyses sent", 1)
    assert [row["fxwatch/step"] for row in rows(results.files()[0])] == [2, 3]
