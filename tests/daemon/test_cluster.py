"""Analyses on a dask cluster: a real scheduler and two workers, over TLS, that are killed in the middle."""

import datetime as dt
import ipaddress
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fxwatch.config import ClusterSettings, ConfigError
from fxwatch.daemon import cluster as cluster_module
from fxwatch.daemon.cluster import Cluster
from fxwatch.daemon.pool import JobError
from fxwatch.records.settings import ModelSettings


def shout(text: str) -> str:
    return text.upper()


def die(number: str) -> str:
    os.kill(os.getpid(), int(number))
    return "alive"


def begin_and_wait(folder: str) -> str:
    """Leave a mark of the process and its parents, then wait for the word to go on."""
    Path(folder, f"try-{os.getpid()}").touch()
    while not Path(folder, "go").exists():
        time.sleep(0.05)
    return "done"


def certificate(folder: Path) -> dict[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    today = dt.datetime.now(dt.UTC)
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - dt.timedelta(days=1))
        .not_valid_after(today + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(here, critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "certificate.pem").write_bytes(made.public_bytes(encoding))
    (folder / "key.pem").write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))
    public = str(folder / "certificate.pem")
    return {"ca": public, "certificate": public, "key": str(folder / "key.pem")}


class Dask:
    """A scheduler and its workers, as processes."""

    def __init__(self, folder: Path) -> None:
        self.files = certificate(folder)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"tls://127.0.0.1:{self.port}"
        self._folder = folder
        self.workers: list[subprocess.Popen[bytes]] = []
        self.start_scheduler()
        for _ in range(2):
            self.start_worker()

    def start_scheduler(self) -> None:
        self.scheduler = self._program(
            "dask_scheduler", "--protocol", "tls", "--host", "127.0.0.1", "--port", str(self.port)
        )

    def start_worker(self) -> None:
        self.workers.append(self._program("dask_worker", self.address, "--nthreads", "1", "--no-nanny"))

    def settings(self) -> ClusterSettings:
        return ClusterSettings(scheduler=self.address, **self.files)

    def end(self) -> None:
        for process in [*self.workers, self.scheduler]:
            process.kill()
            process.wait()

    def _program(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        tls = ["--tls-ca-file", self.files["ca"], "--tls-cert", self.files["certificate"]]
        command = [sys.executable, "-m", f"distributed.cli.{name}", *words, *tls, "--tls-key", self.files["key"]]
        return subprocess.Popen([*command, "--no-dashboard"], cwd=self._folder, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dask]:
    made = Dask(tmp_path_factory.mktemp("dask"))
    yield made
    made.end()


@pytest.fixture
def cluster(dask: Dask) -> Iterator[Cluster]:
    made = Cluster(dask.settings(), 2, 1, ModelSettings(), lambda _args, _stage: None)
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
    return [int(path.name.removeprefix("try-")) for path in folder.glob("try-*")]


def test_jobs_run_on_the_cluster(cluster: Cluster) -> None:
    assert [cluster.submit(shout, word).result(90) for word in ("one", "two", "three")] == ["ONE", "TWO", "THREE"]


def test_a_job_that_crashes_says_how_and_its_worker_goes_on(cluster: Cluster, dask: Dask) -> None:
    with pytest.raises(JobError, match="ended by SIGSEGV"):
        cluster.submit(die, str(int(signal.SIGSEGV))).result(90)
    assert all(worker.poll() is None for worker in dask.workers)
    assert cluster.submit(shout, "still here").result(90) == "STILL HERE"


def test_a_killed_worker_costs_a_try_and_leaves_nothing_running(cluster: Cluster, dask: Dask, tmp_path: Path) -> None:
    future = cluster.submit(begin_and_wait, str(tmp_path))
    first = until(lambda: tries(tmp_path))[0]
    lost = worker_that_runs(first, dask)
    lost.kill()
    until(lambda: len(tries(tmp_path)) == 2)
    until(lambda: not psutil.pid_exists(first))
    (tmp_path / "go").touch()
    assert future.result(60) == "done"
    dask.workers.remove(lost)
    dask.start_worker()


def test_a_killed_scheduler_costs_a_try(
    cluster: Cluster, dask: Dask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "RETRY", 0.2)
    future = cluster.submit(begin_and_wait, str(tmp_path))
    until(lambda: tries(tmp_path))
    dask.scheduler.kill()
    dask.scheduler.wait()
    until(lambda: cluster.trouble)
    assert dask.address in str(cluster.trouble)
    while dask.workers:  # they end with their scheduler, though only after half a minute
        dask.workers.pop().kill()
    dask.start_scheduler()
    dask.start_worker()
    until(lambda: len(tries(tmp_path)) == 2)
    (tmp_path / "go").touch()
    assert future.result(60) == "done"
    assert cluster.trouble is None


def test_the_end_does_not_wait_for_a_cluster_that_is_not_there(dask: Dask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_module, "CONNECT", 1.0)
    nobody = dask.settings().model_copy(update={"scheduler": "tls://127.0.0.1:9"})
    cluster = Cluster(nobody, 1, 1, ModelSettings(), lambda _args, _stage: None)
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
        Cluster(ClusterSettings(), 1, 1, ModelSettings(), lambda _args, _stage: None)
