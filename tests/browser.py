"""Real Chromium, for tests of what is shown in a browser."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--mute-audio",
]


def chromium() -> str:
    """The program; without it the test is skipped, and in CI it fails."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        words = "there is no Chromium; type `apt-get install chromium`"
        if os.environ.get("CI"):
            pytest.fail(words)
        pytest.skip(words)
    return found


def screenshot(address: str, file: Path, width: int = 1300, height: int = 1000) -> Path:
    """A picture of a page."""
    _run(address, file.parent, f"--screenshot={file}", f"--window-size={width},{height}")
    assert file.exists()
    return file


def dom(address: str, home: Path) -> str:
    """A page after all of its scripts have run, where it has any."""
    return _run(address, home, "--dump-dom", "--virtual-time-budget=2000")


def _run(address: str, home: Path, *arguments: str) -> str:
    with _profile(home) as profile:
        done = subprocess.run(
            [chromium(), *_FLAGS, f"--user-data-dir={profile}", *arguments, address],
            capture_output=True,
            text=True,
            check=True,
            timeout=90,
        )
    return done.stdout


@contextmanager
def _profile(home: Path) -> Iterator[Path]:
    profile = home / "profile"
    try:
        yield profile
    finally:
        shutil.rmtree(profile, ignore_errors=True)
