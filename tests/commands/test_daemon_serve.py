"""`fxwatch daemon --serve`: one command, and the page is there as long as the daemon is."""

import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from fxwatch import exit_codes
from fxwatch.daemon.page import has_local_display
from tests.project import CONFIG, Project, command, environ, eventually


def start(project: Project) -> subprocess.Popen[str]:
    own = {name: value for name, value in environ().items() if name not in {"DISPLAY", "WAYLAND_DISPLAY"}}
    return subprocess.Popen(
        command("daemon", "--serve"),
        cwd=project.folder,
        env=own,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_the_page_lives_and_ends_with_the_daemon(tmp_path: Path, end: signal.Signals) -> None:
    project = Project(tmp_path, f"{CONFIG}\n[serve]\nport = 0\n")
    daemon = start(project)
    assert daemon.stdout is not None
    address = daemon.stdout.readline().strip()
    assert address.startswith("http://localhost:")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(address.partition("?")[0], timeout=10)  # noqa: S310
    children = psutil.Process(daemon.pid).children(recursive=True)
    assert any("serve" in child.cmdline() for child in children)
    daemon.send_signal(end)
    daemon.communicate(timeout=20)
    eventually(lambda: not any(child.is_running() and child.status() != "zombie" for child in children), 15)


def test_once_has_no_page(tmp_path: Path) -> None:
    done = Project(tmp_path).run("daemon", "--once", "--serve")
    assert done.returncode == exit_codes.USAGE
    assert "type `fxwatch serve` to look at the results" in done.stderr


@pytest.mark.parametrize(
    ("variables", "local"),
    [([], False), (["DISPLAY"], True), (["WAYLAND_DISPLAY"], True), (["DISPLAY", "SSH_CONNECTION"], False)],
)
def test_a_browser_opens_only_before_the_eyes_of_the_user(variables: list[str], *, local: bool) -> None:
    assert has_local_display(variables) == local
