"""What the store holds, as answers: JSON, pictures, the HTML report. Names in addresses choose among what is there."""

import asyncio
import json
from pathlib import Path
from typing import Any

from aiohttp import web

from fxwatch.records.history import HistoryLine
from fxwatch.serve.metrics import exposition
from fxwatch.store.bounded import read_regular
from fxwatch.store.layout import AnalysisFolder, Run, Store, StoreError
from fxwatch.store.lines import lines_since, read_lines
from fxwatch.store.read import newest_line, read_analysis, read_status

_SCHEMA_VERSION = 1
_MOST_LINES = 1_000
_LARGEST_PICTURE = 64 << 20


class Results:
    """Handlers of requests. What is slow happens in threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._page: tuple[list[tuple[str, str]], str] | None = None
        self._drawing = asyncio.Lock()

    def routes(self) -> list[web.RouteDef]:
        """Where they are."""
        return [
            web.get("/report", self.report),
            web.get("/metrics", self.metrics),
            web.get("/api/v1/status", self.status),
            web.get("/api/v1/runs", self.runs),
            web.get("/api/v1/history", self.history),
            web.get("/api/v1/analysis", self.analysis),
            web.get("/png", self.png),
            web.get("/history.png", self.history_png),
        ]

    async def status(self, _request: web.Request) -> web.Response:
        """The daemon's heartbeat."""
        found = await asyncio.to_thread(read_status, self._store)
        return _json({"daemon": found.model_dump(mode="json") if found else None})

    async def runs(self, _request: web.Request) -> web.Response:
        """All runs, each with the line of its newest analysis."""
        newest = await asyncio.to_thread(self._newest)
        return _json({"runs": [{"run": run.name, "newest": line.model_dump(mode="json")} for run, line in newest]})

    async def history(self, request: web.Request) -> web.Response:
        """`?run=NAME&after=SEQ`: at most a thousand lines of a run, oldest first."""
        run = await self._run(request)
        after = _whole(request.query.get("after", "-1"))
        lines = await asyncio.to_thread(_lines_after, run, after)
        return _json({"run": run.name, "history": [line.model_dump(mode="json") for line in lines]})

    async def analysis(self, request: web.Request) -> web.Response:
        """`?run=NAME&id=ID`: an analysis; without `id` the newest."""
        folder = await self._folder(request)
        try:
            found = await asyncio.to_thread(read_analysis, folder.json)
        except StoreError as error:
            raise web.HTTPNotFound(reason="there is no such analysis, or it cannot be read") from error
        return _json(found.model_dump(mode="json"))

    async def png(self, request: web.Request) -> web.Response:
        """`?run=NAME&id=ID`: the picture of an analysis; without `id` the newest, without `run` the newest of all."""
        return await _picture((await self._folder(request, pick=True)).png)

    async def history_png(self, request: web.Request) -> web.Response:
        """`?run=NAME`: the picture of a run as a whole; without `run` the one with the newest analysis."""
        return await _picture((await self._run(request, pick=True)).history_png)

    async def metrics(self, _request: web.Request) -> web.Response:
        """All headline numbers, for Prometheus, or for the W&B run of the trainer."""
        newest = await asyncio.to_thread(self._newest)
        text = exposition([(run.name, line) for run, line in newest])
        return web.Response(body=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def report(self, _request: web.Request) -> web.Response:
        """The HTML report; drawn when there is something new."""
        newest = await asyncio.to_thread(self._newest)
        if not newest:
            raise web.HTTPNotFound(reason="there is no analysis yet")
        wanted = [(run.name, line.id) for run, line in newest]
        async with self._drawing:
            if self._page is None or self._page[0] != wanted:
                self._page = wanted, await asyncio.to_thread(self._draw, newest)
        return web.Response(text=self._page[1], content_type="text/html")

    def _draw(self, newest: list[tuple[Run, HistoryLine]]) -> str:
        from fxwatch.report.html.stored import stored_page

        try:
            return stored_page([(run, line.id) for run, line in newest])
        except StoreError as error:
            raise web.HTTPNotFound(reason="an analysis cannot be read") from error

    def _newest(self) -> list[tuple[Run, HistoryLine]]:
        found = [(run, newest_line(run)) for run in self._store.runs()]
        return [(run, line) for run, line in found if line is not None]

    async def _run(self, request: web.Request, *, pick: bool = False) -> Run:
        """The run that is named; where none is, the only one, or, with `pick`, that of the newest analysis."""
        newest = await asyncio.to_thread(self._newest)
        wanted = request.query.get("run")
        found = [(line.created_at, run) for run, line in newest if wanted in {None, run.name}]
        if not found or (len(found) > 1 and not pick):
            raise web.HTTPNotFound(reason="there is no such run; /api/v1/runs lists them")
        return max(found, key=lambda one: one[0])[1]

    async def _folder(self, request: web.Request, *, pick: bool = False) -> AnalysisFolder:
        run = await self._run(request, pick=pick)
        wanted = request.query.get("id")
        found = await asyncio.to_thread(_chosen, run, wanted)
        if found is None:
            raise web.HTTPNotFound(reason="there is no such analysis; /api/v1/history lists them")
        return run.analysis(found)


async def _picture(file: Path) -> web.Response:
    try:
        data = await asyncio.to_thread(read_regular, file, _LARGEST_PICTURE)
    except OSError as error:
        raise web.HTTPNotFound(reason="there is no picture of it yet") from error
    return web.Response(body=data, content_type="image/png")


def _chosen(run: Run, wanted: str | None) -> str | None:
    """The id of the newest analysis, or the one that is wanted, where the history has it."""
    if wanted is None:
        newest = newest_line(run)
        return newest.id if newest is not None else None
    return next((line.id for line in read_lines(run.history, HistoryLine) if line.id == wanted), None)


def _lines_after(run: Run, seq: int) -> list[HistoryLine]:
    return lines_since(run.history, HistoryLine, lambda line: line.seq <= seq)[:_MOST_LINES]


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise web.HTTPBadRequest(reason="after must be a whole number") from None


def _json(value: dict[str, Any]) -> web.Response:
    """In ASCII: names may hold anything."""
    text = json.dumps({"schema_version": _SCHEMA_VERSION, **value}, allow_nan=False)
    return web.Response(text=text, content_type="application/json")
