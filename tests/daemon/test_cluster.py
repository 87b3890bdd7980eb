"""Analyses on a dask cluster: a real scheduler and two workers, over TLS, that are killed in the middle."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from fxwatch.config import ClusterSettings, Config, ConfigError, DaemonSettings
from fxwatch.daemon import cluster as cluster_module
from fxwatch.daemon.cluster import Cluster
from fxwatch.daemon.parcel import JobError
from tests.daemon.test_parcel import made_whole_and_nothing_written
from tests.dask_cluster import Dask
from tests.project import CONFIG, ROOT, Project

TELLING_MODEL = """
import os
import tempfile
from pathlib import Path

import psutil

from tests.policies import GuideLike


def build(**arguments):
    parents = " ".join(str(process.pid) for process in psutil.Process().parents())
    Path(tempfile.gettempdir(), f"built-by-{os.getpid()}").write_text(parents)  # all that it may write to
    return GuideLike(**arguments)
"""


def shout(text: str) -> str:
    return text.upper()


def die(number: str) -> str:
    os.kill(os.getpid(), int(number))
    return "alive"


def begin_and_wait(folder: str) -> str:
    """Hold a file open, by which the process is known, and wait for the word to go on."""
    with Path(folder, "held").open(encoding="utf-8"):
        while not Path(folder, "go").exists():
            time.sleep(0.05)
    return "done"


def cluster_of(settings: ClusterSettings, workers: int) -> Cluster:
    config = Config(cluster=settings, daemon=DaemonSettings(executor="dask", workers=workers))
    return Cluster(config, lambda _args, _stage: None)


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dask]:
    made = Dask(tmp_path_factory.mktemp("dask"))
    yield made
    made.end()


@pytest.fixture
def cluster(dask: Dask) -> Iterator[Cluster]:
    made = cluster_of(dask.settings(), 2)
    yield made
    made.end()


def until(true: Callable[[], Any], seconds: float = 60.0) -> Any:
    ends = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < ends
        time.sleep(0.05)
    return found


def worker_that_runs(pid: int, dask: Dask) -> subprocess.Popen[bytes]:
    parents = [process.pid for process in psutil.Process(pid).parents()]
    return next(worker for worker in dask.workers if worker.pid in parents)


def tries(folder: Path) -> list[int]:
    """The processes that have begun, and not ended."""
    held = str(folder / "held")
    return [pid for pid in psutil.pids() if held in files_of(pid)]


def files_of(pid: int) -> list[str]:
    with suppress(psutil.Error, OSError):
        return [file.path for file in psutil.Process(pid).open_files()]
    return []


def test_jobs_run_on_the_cluster(cluster: Cluster) -> None:
    assert [cluster.submit(shout, word).result(90) for word in ("one", "two", "three")] == ["ONE", "TWO", "THREE"]


def test_a_job_that_crashes_says_how_and_its_worker_goes_on(cluster: Cluster, dask: Dask) -> None:
    with pytest.raises(JobError, match="ended by SIGSEGV"):
        cluster.submit(die, str(int(signal.SIGSEGV))).result(90)
    assert all(worker.poll() is None for worker in dask.workers)
    assert cluster.submit(shout, "still here").result(90) == "STILL HERE"


def test_a_killed_worker_costs_a_try_and_leaves_nothing_running(cluster: Cluster, dask: Dask, tmp_path: Path) -> None:
    (tmp_path / "held").touch()
    future = cluster.submit(begin_and_wait, str(tmp_path))
    first = until(lambda: tries(tmp_path))[0]
    lost = worker_that_runs(first, dask)
    lost.kill()
    until(lambda: set(tries(tmp_path)) - {first})
    until(lambda: not psutil.pid_exists(first))
    (tmp_path / "go").touch()
    assert future.result(60) == "done"
    dask.workers.remove(lost)
    dask.start_worker()


def test_a_killed_scheduler_costs_a_try(
    cluster: Cluster, dask: Dask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "RETRY", 0.2)
    (tmp_path / "held").touch()
    future = cluster.submit(begin_and_wait, str(tmp_path))
    first = until(lambda: tries(tmp_path))[0]
    dask.scheduler.kill()
    dask.scheduler.wait()
    until(lambda: cluster.trouble)
    assert dask.address in str(cluster.trouble)
    while dask.workers:  # they end with their scheduler, though only after half a minute
        dask.workers.pop().kill()
    dask.start_scheduler()
    dask.start_worker()
    until(lambda: set(tries(tmp_path)) - {first})
    (tmp_path / "go").touch()
    assert future.result(60) == "done"
    assert cluster.trouble is None


def test_what_is_wrong_with_the_cluster_itself_is_said_and_ends_nothing(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(cluster_module, "at_outpost", lambda *_: 1 / 0)
        with pytest.raises(JobError, match=r"the cluster cannot do it \(division by zero\)"):
            cluster.submit(shout, "hello").result(90)
    assert cluster.submit(shout, "hello").result(90) == "HELLO"


def test_the_end_does_not_wait_for_a_cluster_that_is_not_there(dask: Dask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_module, "CONNECT", 1.0)
    nobody = dask.settings().model_copy(update={"scheduler": "tls://127.0.0.1:9"})
    cluster = cluster_of(nobody, 1)
    future = cluster.submit(shout, "hello")
    begun = time.monotonic()
    cluster.end()
    assert time.monotonic() - begun < 5
    with pytest.raises(JobError, match="the daemon ended"):
        future.result(0)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"scheduler": "tcp://10.0.0.5:8786"}, "use tls://"),
        ({"scheduler": "tls://10.0.0.5:8786", "ca": "a.pem"}, "all of ca, certificate and key"),
        ({"scheduler": "10.0.0.5:8786"}, "no address"),
    ],
)
def test_an_address_that_is_not_safe_is_refused(settings: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ClusterSettings.model_validate(settings)


def test_a_cluster_needs_an_address() -> None:
    with pytest.raises(ConfigError, match="needs the address of a scheduler"):
        cluster_of(ClusterSettings(), 1)


def test_a_daemon_explains_on_it_and_commits_by_itself(dask: Dask, tmp_path: Path) -> None:
    lines = [f'{name} = "{value}"' for name, value in dask.settings().model_dump().items()]
    cluster = "\n".join(["[daemon]", 'executor = "dask"', "workers = 2", "[cluster]", *lines])
    project = Project(tmp_path, CONFIG + cluster)
    (tmp_path / "my_model.py").write_text(TELLING_MODEL)
    project.states()
    for step in (1, 2, 3):
        project.checkpoint(f"model_{step}.pt", seed=step, global_step=step)
    done = project.run("daemon", "--once")
    assert done.returncode == 0, done.stderr
    assert {found["checkpoint"]["step"] for found in project.analyses()} == {1, 2, 3}
    parents = [set(map(int, told.read_text().split())) for told in dask.folder.glob("pymp-*/scratch/built-by-*")]
    assert len(parents) == 3
    assert all(above & {worker.pid for worker in dask.workers} for above in parents)


def test_it_sends_back_what_it_made_and_writes_nothing(cluster: Cluster, tmp_path: Path) -> None:
    made_whole_and_nothing_written(Project(tmp_path), cluster.submit)


def test_the_commands_of_its_page(tmp_path: Path) -> None:
    """docs/cluster.md, as it stands: certificate, scheduler, workers and configuration."""
    text = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    commands = re.findall(r"```sh\n(.*?)\n```", text, re.DOTALL)
    config = re.findall(r"```toml\n(.*?)\n```", text, re.DOTALL)[0]
    assert [command.split()[0] for command in commands] == ["pip", "openssl", "dask", "dask"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    project = Project(tmp_path, CONFIG + config.replace("8786", port))
    project.states()
    project.checkpoint("model_1.pt", global_step=1)
    subprocess.run(shlex.split(commands[1]), cwd=tmp_path, check=True, capture_output=True)
    began = [
        subprocess.Popen(
            [sys.executable, "-m", *shlex.split(command.replace("8786", port))], cwd=tmp_path, stderr=subprocess.DEVNULL
        )
        for command in commands[2:]
    ]
    try:
        done = project.run("daemon", "--once")
    finally:
        for process in began:
            process.terminate()
            process.wait(30)
    assert done.returncode == 0, done.stderr
    assert len(project.analyses()) == 1
