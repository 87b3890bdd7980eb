"""The server: textual-serve's, which runs a monitor for each tab that is open, behind our guard and with our page."""

import asyncio
import logging
import shlex
import signal
import socket
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web
from textual_serve.server import Server

from fxwatch.serve.guard import Guard
from fxwatch.serve.results import Results

_HOME = Path(__file__).parent
_LARGEST_TERMINAL = 1000
_FOR_A_PLACE = 3.0


class MonitorServer(Server):
    """Serves a command's screen at `/`, and results beside it; at most `sessions` screens at a time."""

    def __init__(self, command: Sequence[str], port: int, guard: Guard, results: Results, sessions: int) -> None:
        super().__init__(
            f"exec {shlex.join(command)}", host="127.0.0.1", port=port, title="fxwatch", templates_path=_HOME / "page"
        )
        self._guard, self._results = guard, results
        self._places = asyncio.Semaphore(sessions)

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(self._guard.middleware)
        app.add_routes(self._results.routes())
        app.router.add_static("/page", _HOME / "page")
        return app

    async def handle_index(self, request: web.Request) -> web.Response:
        """The page with the terminal."""
        text = (_HOME / "page" / "index.html").read_text(encoding="utf-8")
        return web.Response(text=text.replace("WEBSOCKET", f"ws://{request.host}/ws"), content_type="text/html")

    async def handle_websocket(self, request: web.Request) -> web.StreamResponse:  # type: ignore[override]
        """A screen, as long as the tab is open."""
        sizes = [request.query.get(name, "80") for name in ("width", "height")]
        if not all(size.isascii() and size.isdecimal() and int(size) <= _LARGEST_TERMINAL for size in sizes):
            return web.Response(status=400, text="no terminal is as large as this\n")
        try:
            async with asyncio.timeout(_FOR_A_PLACE):  # the monitor of a page that is loaded anew has yet to end
                await self._places.acquire()
        except TimeoutError:
            return web.Response(status=503, text="too many tabs are open\n")
        try:
            return await super().handle_websocket(request)
        finally:
            self._places.release()

    async def on_startup(self, _app: web.Application) -> None:
        """Nothing to say: the command has said it."""

    def run(self, listening: socket.socket) -> None:
        """Serve on a socket until SIGTERM or SIGINT; then end all screens."""
        for name in ("textual-serve", "aiohttp"):  # requests that make no sense are not the user's trouble
            logging.getLogger(name).setLevel(logging.CRITICAL)
        asyncio.run(self._run(listening))

    async def _run(self, listening: socket.socket) -> None:
        ending = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ending.set)
        runner = web.AppRunner(await self._make_app(), access_log=None, shutdown_timeout=2.0)
        await runner.setup()
        try:
            await web.SockSite(runner, listening).start()
            await ending.wait()
        finally:
            await runner.cleanup()


def listen(port: int) -> socket.socket:
    """A socket on this machine's own address alone. Raises OSError where the port is taken."""
    found = socket.socket()
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(("127.0.0.1", port))
        found.listen()
    except OSError:
        found.close()
        raise
    return found
