"""A job that goes wrong costs itself alone."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from fxwatch.daemon import pool as pool_module
from fxwatch.daemon import stage
from fxwatch.daemon.pool import JobError, ProcessPerJob
from fxwatch.records.settings import ModelSettings


def shout(text: str) -> str:
    stage.enter("shouting")
    sys.stdout.write("this must not reach the daemon's stdout")
    return text.upper()


def die(number: str) -> str:
    os.kill(os.getpid(), int(number))
    return "alive"


def leave(code: str) -> str:
    os._exit(int(code))


def fail(_text: str) -> str:
    raise RuntimeError(object())


def hang(path: str) -> str:
    Path(path).write_text(str(os.getpid()))
    time.sleep(600)
    return ""


@pytest.fixture
def stages() -> list[str]:
    return []


@pytest.fixture
def pool(stages: list[str]) -> Iterator[ProcessPerJob]:
    def hear(_args: tuple[Any, ...], name: str) -> None:
        stages.append(name)

    made = ProcessPerJob(2, 1, ModelSettings(), hear)
    yield made
    made.end()


def test_a_job_answers_and_tells_its_stages(pool: ProcessPerJob, stages: list[str]) -> None:
    assert pool.submit(shout, "hello").result(60) == "HELLO"
    assert stages == ["shouting"]


@pytest.mark.parametrize(
    ("job", "argument", "words"),
    [
        (die, str(int(signal.SIGKILL)), "ended by SIGKILL \\(out of memory\\?\\)"),
        (die, str(int(signal.SIGSEGV)), "ended by SIGSEGV"),
        (die, str(int(signal.SIGBUS)), "ended by SIGBUS"),
        (leave, "0", "exit code 0 and no answer"),
        (fail, "", "exit code 1 and no answer"),
    ],
)
def test_a_job_that_dies_says_how_and_the_next_one_runs(
    pool: ProcessPerJob, job: Any, argument: str, words: str
) -> None:
    with pytest.raises(JobError, match=words):
        pool.submit(job, argument).result(60)
    assert pool.submit(shout, "still here").result(60) == "STILL HERE"


def test_a_job_that_hangs_is_ended_at_its_deadline(
    pool: ProcessPerJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool.submit(shout, "warm").result(60)
    monkeypatch.setattr(pool_module, "DEADLINE", 1.0)
    with pytest.raises(JobError, match="took longer"):
        pool.submit(hang, str(tmp_path / "pid")).result(60)
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


def test_no_job_outlives_the_pool(stages: list[str], tmp_path: Path) -> None:
    pool = ProcessPerJob(1, 1, ModelSettings(), lambda _args, _stage: None)
    future = pool.submit(hang, str(tmp_path / "pid"))
    until = time.monotonic() + 60
    while not (tmp_path / "pid").exists() and time.monotonic() < until:
        time.sleep(0.05)
    pool.end()
    with pytest.raises(JobError):
        future.result(10)
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))
