"""The page on loopback: nobody without the token, from another page or under another name; and a monitor that works."""

import asyncio
import io
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import psutil
import pytest
from aiohttp import ClientSession, WSServerHandshakeError
from PIL import Image

from fxwatch import exit_codes
from fxwatch.report.run_report import write_run_report
from fxwatch.store.layout import Store
from tests.browser import Tab, browser
from tests.project import command, environ, eventually
from tests.sync.results import records
from tests.tui.examples import beat, fill

HOSTILE = "run<script>x"


def is_monitor(process: psutil.Process) -> bool:
    """Whether it is one, and still alive."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE and "tui" in process.cmdline()
    except psutil.Error:  # it ended while it was looked at
        return False


class Served:
    """A server of a folder with two runs."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self.watched = home / "outputs"
        self.store = Store.of(self.watched, None)
        fill(self.watched, range(1000, 4000, 1000))
        fill(self.watched, range(100, 300, 100), run=HOSTILE)
        beat(self.store)
        self.process = subprocess.Popen(
            command("serve", str(self.watched), "--port", "0", *arguments),
            env=environ(),
            cwd=home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        assert self.address, self.process.communicate()[1]
        self.base = self.address.partition("/?")[0]
        self.token = self.address.partition("token=")[2]

    def monitors(self) -> list[psutil.Process]:
        """Monitors that run for tabs."""
        return [child for child in psutil.Process(self.process.pid).children(recursive=True) if is_monitor(child)]

    def end(self) -> tuple[int, str]:
        """End it as a user does."""
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=20)
        return self.process.returncode, errors


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    server = Served(tmp_path)
    yield server
    if server.process.poll() is None:
        server.process.kill()
        server.process.communicate()


async def test_nobody_comes_in_without_the_token_or_from_elsewhere(served: Served) -> None:
    bearer = {"Authorization": f"Bearer {served.token}"}
    host = urlsplit(served.base).netloc
    tries = [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Cookie": f"fxwatch-{host.rpartition(':')[2]}=wrong"}, 401),
        (bearer, 200),
        ({**bearer, "Origin": served.base}, 200),
        ({**bearer, "Origin": "http://evil.example"}, 403),
        ({**bearer, "Origin": "null"}, 403),
        ({**bearer, "Origin": "http://127.0.0.1:1"}, 403),  # what another user of this machine serves
        ({**bearer, "Host": "evil.example"}, 403),
        ({**bearer, "Host": f"evil.example:{host.rpartition(':')[2]}"}, 403),
        ({**bearer, "Host": "localhost"}, 403),
    ]
    async with ClientSession() as session:
        for path in ("/", "/report", "/api/v1/runs", "/metrics", "/static/js/textual.js", "/page/page.js", "/png"):
            for headers, expected in tries:
                async with session.get(served.base + path, headers=headers) as answer:
                    assert answer.status == expected or (path == "/png" and answer.status == 404), (path, headers)
                    assert answer.headers["X-Content-Type-Options"] == "nosniff"
                    assert answer.headers["X-Frame-Options"] == "DENY"
                    assert "default-src 'none'; script-src 'self';" in answer.headers["Content-Security-Policy"]
        for headers, expected in tries:
            try:
                async with session.ws_connect(f"{served.base}/ws", headers=headers):
                    assert expected == 200, headers
            except WSServerHandshakeError as error:
                assert error.status == expected, headers  # noqa: PT017
        async with session.get(f"{served.base}/?token=wrong", allow_redirects=False) as answer:
            assert (answer.status, answer.headers.get("Set-Cookie")) == (401, None)
        for address in (f"{served.base}/", served.address):
            async with session.post(address, headers=bearer, allow_redirects=False) as answer:
                assert answer.status == 405
        async with session.get(f"{served.base}//evil.example/?token={served.token}", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/evil.example/")
            cookie = answer.headers["Set-Cookie"]
            assert "HttpOnly" in cookie
            assert "SameSite=Strict" in cookie


def test_it_listens_to_this_machine_alone(served: Served) -> None:
    processes = [psutil.Process(served.process.pid), *psutil.Process(served.process.pid).children(recursive=True)]
    found = [one.laddr.ip for process in processes for one in process.net_connections() if one.status == "LISTEN"]
    assert found == ["127.0.0.1"]


def test_bytes_that_are_no_text_are_refused_and_make_no_noise(served: Served) -> None:
    port = int(served.base.rpartition(":")[2])
    host = f"Host: localhost:{port}\r\n".encode()
    for head, expected in (
        (host + b"Authorization: Bearer \xff\xfe\r\n", b"401"),
        (host + b"Cookie: fxwatch-%d=\xff\r\n" % port, b"401"),
        (b"", b"400"),
    ):
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n" + head + b"\r\n")
            assert connection.recv(4096).split()[1] == expected, head
    assert served.end() == (exit_codes.OK, served_says(served))


async def test_json_metrics_and_report_read_only_what_is_there(served: Served) -> None:
    async with ClientSession(headers={"Authorization": f"Bearer {served.token}"}) as session:

        async def get(path: str, **query: str) -> tuple[int, str]:
            async with session.get(served.base + path, params=query) as answer:
                return answer.status, await answer.text()

        runs = json.loads((await get("/api/v1/runs"))[1])["runs"]
        assert [(one["run"], one["newest"]["step"]) for one in runs] == [("default", 3000), (HOSTILE, 200)]
        history = json.loads((await get("/api/v1/history", run="default", after="0"))[1])["history"]
        assert [line["step"] for line in history] == [2000, 3000]
        analysis = json.loads((await get("/api/v1/analysis", run="default"))[1])
        assert analysis["checkpoint"]["step"] == 3000
        assert json.loads((await get("/api/v1/status"))[1])["daemon"]["pid"] == 4711
        for query in ({"run": "../.."}, {"run": "default", "id": "../../.."}, {"run": "none"}, {}):
            status, text = await get("/api/v1/analysis", **query)
            assert (status, text.count("\n")) == (404, 1), query
        assert (await get("/api/v1/history", run="default", after="x"))[0] == 400
        assert (await get("/history.png", run="default")) == (404, "there is no picture of it yet\n")
        write_run_report(served.store.run("default"))
        write_run_report(served.store.run(HOSTILE))
        for query in ({"run": "default"}, {}):  # without a name, the run with the newest analysis
            async with session.get(f"{served.base}/history.png", params=query) as answer:
                assert (answer.status, answer.content_type) == (200, "image/png")
        assert (await get("/nothing"))[0] == 404
        for folder in ("/static", "/static/", "/static/js", "/static/css/", "/page", "/page/"):
            assert (await get(folder))[0] in {403, 404}, folder  # no folder is listed
        metrics = (await get("/metrics"))[1]
        assert 'fxwatch_consensus{run="default"} 0.84' in metrics
        assert f'fxwatch_verdict{{run="{HOSTILE}"}}' in metrics
        status, page = await get("/report")
        assert status == 200
        assert "<h1>" in page
        assert "<script>x" not in page


async def test_a_browser_shows_the_monitor_keys_work_and_tabs_are_apart(served: Served, tmp_path: Path) -> None:
    seen: list[int] = []
    async with browser(tmp_path) as chromium:
        first = await chromium.tab(served.address)
        await first.eventually("document.body.classList.contains('-first-byte')")
        assert await first.run("location.search") == ""  # the token is not left in the address
        before = await settled(first)
        pixels = np.asarray(Image.open(io.BytesIO(before)).convert("RGB"))
        (tmp_path / "monitor.png").write_bytes(before)
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20  # letters, charts, verdicts
        second = await chromium.tab(f"{served.base}/")
        await second.eventually("document.body.classList.contains('-first-byte')")
        assert len(served.monitors()) == 2
        await first.run("document.querySelector('textarea')?.focus()")
        await first.key("?")
        assert await changed(first, before)
        await first.run("location.reload()")
        await asyncio.sleep(0.5)
        await first.eventually("document.body.classList.contains('-first-byte')")
        await second.run("document.querySelector('textarea')?.focus()")
        await second.key("q")
        await second.eventually("document.body.classList.contains('-closed')")
        stranger = await chromium.tab("about:blank")
        seen.append(await stranger.run(STRANGER % served.base))
        eventually(lambda: len(served.monitors()) == 1)
    assert seen == [1]
    eventually(lambda: served.monitors() == [])
    assert served.end() == (exit_codes.OK, served_says(served))


STRANGER = """new Promise(done => {
    const socket = new WebSocket('%s/ws'.replace('http', 'ws'));
    socket.onopen = () => done(0);
    socket.onerror = () => done(1);
})"""


def served_says(served: Served) -> str:
    port = served.base.rpartition(":")[2]
    return f"fxwatch: serving {served.watched}; from elsewhere: ssh -L {port}:localhost:{port} HOST; Ctrl-C ends it\n"


async def settled(tab: Tab) -> bytes:
    """A picture that is the same twice."""
    last = b""
    for _ in range(60):
        await asyncio.sleep(0.3)
        found = await tab.picture()
        if found == last:
            return found
        last = found
    pytest.fail("the screen is never at rest")


async def changed(tab: Tab, before: bytes) -> bool:
    """Whether the picture becomes another one."""
    for _ in range(50):
        if await tab.picture() != before:
            return True
        await asyncio.sleep(0.1)
    return False


async def test_only_so_many_tabs(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[serve]\nsessions = 1\n")
    served = Served(tmp_path)
    bearer = {"Authorization": f"Bearer {served.token}"}
    async with ClientSession() as session, session.ws_connect(f"{served.base}/ws", headers=bearer):
        with pytest.raises(WSServerHandshakeError, match="503"):
            await session.ws_connect(f"{served.base}/ws", headers=bearer)
    async with browser(tmp_path) as chromium:
        tab = await chromium.tab(served.address)
        shows = "!window.left && document.body.classList.contains('-first-byte')"
        for _ in range(2):  # a page that is loaded anew gets the place that it had
            await tab.eventually(shows)
            await tab.run("window.left = true; location.reload()")
        await tab.eventually(shows)
        other = await chromium.tab(f"{served.base}/")
        await other.eventually("document.body.classList.contains('-closed')")
        shown = await other.run("document.body.innerText")
        assert "There is no room for one more monitor: close another tab, or raise [serve] sessions." in shown
        assert "The session has ended" not in shown
    served.end()


async def test_no_monitor_outlives_its_server(served: Served) -> None:
    bearer = {"Authorization": f"Bearer {served.token}"}
    async with ClientSession() as session, session.ws_connect(f"{served.base}/ws", headers=bearer) as socket:
        await socket.receive(timeout=30)
        monitors = served.monitors()
        assert monitors
        served.process.kill()
        served.process.communicate()
    eventually(lambda: not any(map(is_monitor, monitors)), 15)


def test_what_is_wrong_is_one_sentence(served: Served, tmp_path: Path) -> None:
    def say(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            command("serve", *arguments),
            cwd=tmp_path,
            env=environ(),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return done.returncode, done.stderr

    port = served.base.rpartition(":")[2]
    code, errors = say(str(served.watched), "--port", port)
    assert (code, errors) == (
        exit_codes.FAILURE,
        f"fxwatch: port {port} cannot be served (Address already in use); choose another one with --port\n",
    )
    assert say(str(tmp_path / "none"))[0] == exit_codes.NOTHING
    (tmp_path / "token").write_text("short")
    (tmp_path / "c.toml").write_text(f'[serve]\ntoken_file = "{tmp_path / "token"}"\n')
    code, errors = say(str(served.watched), "--config", str(tmp_path / "c.toml"))
    assert code == exit_codes.USAGE
    assert "must hold one word of at least 16 plain characters" in errors


def test_the_trainers_own_wandb_run_can_fetch_the_numbers(served: Served, tmp_path: Path) -> None:
    code = f"""
import time, wandb
run = wandb.init(mode="offline", dir={str(tmp_path)!r}, settings=wandb.Settings(
    silent=True, x_stats_sampling_interval=0.5,
    x_stats_open_metrics_endpoints={{"fxwatch": "{served.base}/metrics"}},
    x_stats_open_metrics_http_headers={{"Authorization": "Bearer {served.token}"}},
))
time.sleep(3)
run.finish()
"""
    places = {f"WANDB_{kind}_DIR": str(tmp_path / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
    subprocess.run(
        [sys.executable, "-c", code], env={**environ(), **places}, check=True, capture_output=True, timeout=60
    )
    [file] = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
    assert any("fxwatch_consensus" in json.dumps(record) for record in records(file) if record["type"] == "stats")
