"""Real Chromium, for tests of what is shown in a browser."""

import asyncio
import base64
import re
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse

from tests.machine import program

_FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--mute-audio",
]


def _chromium() -> str:
    return program("chromium", "chromium-browser", "google-chrome")


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
            [
                _chromium(),
                *_FLAGS,
                f"--user-data-dir={profile}",
                *arguments,
                address,
            ],
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


class NotNowError(Exception):
    """A tab could not do it just now."""


class Tab:
    """A tab of a running Chromium, driven by its own protocol."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self._socket = socket
        self._count = 0

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Do something."""
        self._count += 1
        number = self._count
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            answer = await self._socket.receive_json(timeout=30)
            if answer.get("id") == number:
                if "error" in answer:
                    raise NotNowError(answer["error"]["message"])
                found: dict[str, Any] = answer["result"]
                return found

    async def run(self, script: str) -> Any:
        """What a script gives."""
        answer = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        return answer["result"].get("value")

    async def picture(self) -> bytes:
        """What is to be seen, as a PNG."""
        return base64.b64decode((await self.call("Page.captureScreenshot", format="png"))["data"])

    async def key(self, text: str) -> None:
        """Press a key."""
        await self.call("Input.dispatchKeyEvent", type="keyDown", text=text, key=text)
        await self.call("Input.dispatchKeyEvent", type="keyUp", key=text)

    async def eventually(self, script: str, seconds: float = 30) -> Any:
        """What a script gives once that is true, in a page that may be on its way to another."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with suppress(NotNowError):
                if found := await self.run(script):
                    return found
            await asyncio.sleep(0.1)
        pytest.fail(f"it did not happen in time: {script}")


class Browser:
    """A running Chromium."""

    def __init__(self, address: str, session: ClientSession) -> None:
        self._address, self._session = address, session

    async def tab(self, address: str) -> Tab:
        """Open a tab."""
        async with self._session.put(f"{self._address}/json/new?{quote(address, safe='')}") as answer:
            found = await answer.json(content_type=None)
        tab = Tab(await self._session.ws_connect(found["webSocketDebuggerUrl"], max_msg_size=0))
        blank = "location.href === 'about:blank'" if address == "about:blank" else "location.href !== 'about:blank'"
        await tab.eventually(f"{blank} && document.readyState === 'complete'")
        return tab

    async def close(self, tab: Tab) -> None:
        """Close a tab."""
        await tab.call("Page.close")


@asynccontextmanager
async def browser(home: Path, width: int = 1300, height: int = 800) -> AsyncIterator[Browser]:
    """Start Chromium, and end it."""
    with _profile(home) as profile:
        process = await asyncio.create_subprocess_exec(
            _chromium(), *_FLAGS, "--remote-debugging-port=0", f"--window-size={width},{height}",
            f"--user-data-dir={profile}", "about:blank", stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stderr is not None
        try:
            while not (found := re.search(rb"listening on ws://([\d.:]+)/", await process.stderr.readline())):
                assert process.returncode is None
            async with ClientSession() as session:
                yield Browser(f"http://{found[1].decode()}", session)
        finally:
            process.terminate()
            await process.communicate()
