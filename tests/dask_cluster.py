"""A dask cluster on this machine, as processes, over TLS."""

import datetime as dt
import ipaddress
import os
import socket
import subprocess
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fxwatch.config import ClusterSettings


def certificate(folder: Path) -> dict[str, str]:
    """A certificate for 127.0.0.1 that is its own authority: files by their keys in [cluster]."""
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

    def __init__(self, folder: Path, workers: int = 2) -> None:
        self.files = certificate(folder)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"tls://127.0.0.1:{self.port}"
        self.folder = folder
        self.workers: list[subprocess.Popen[bytes]] = []
        self.start_scheduler()
        for _ in range(workers):
            self.start_worker()

    def start_scheduler(self) -> None:
        """Again at the same address where it was killed."""
        self.scheduler = self._program(
            "dask_scheduler", "--protocol", "tls", "--host", "127.0.0.1", "--port", str(self.port)
        )

    def start_worker(self) -> None:
        """One more."""
        self.workers.append(self._program("dask_worker", self.address, "--nthreads", "1", "--no-nanny"))

    def settings(self) -> ClusterSettings:
        """How the daemon reaches it."""
        return ClusterSettings(scheduler=self.address, **self.files)

    def end(self) -> None:
        """End all of it."""
        for process in [*self.workers, self.scheduler]:
            process.kill()
            process.wait()

    def _program(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        tls = ["--tls-ca-file", self.files["ca"], "--tls-cert", self.files["certificate"]]
        command = [sys.executable, "-m", f"distributed.cli.{name}", *words, *tls, "--tls-key", self.files["key"]]
        here = os.environ | {"TMPDIR": str(self.folder)}
        return subprocess.Popen([*command, "--no-dashboard"], cwd=self.folder, env=here, stderr=subprocess.DEVNULL)
