"""A server that answers as W&B's does, on loopback: it keeps what runs have sent, and tells a run that resumes."""

import gzip
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

ENTITY = {"name": "me", "id": "RQ=="}


class Backend:
    """The server, as a context manager."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[int, dict[str, Any]]] = {}
        self.summaries: dict[str, dict[str, Any]] = {}
        self.configs: dict[str, str] = {}
        self.groups: dict[str, str] = {}
        self.alerts: list[dict[str, Any]] = []
        self.artifacts: list[dict[str, Any]] = []
        self.uploads: list[str] = []
        self.operations: list[str] = []
        self.keys: set[str] = set()
        self.refuse: int | None = None
        self.garbage = False
        self.lock = threading.Lock()
        backend = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                self._send({})

            def do_PUT(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                backend.uploads.append(self.path)
                self._send({})

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("content-length", 0)))
                if self.headers.get("content-encoding") == "gzip":
                    raw = gzip.decompress(raw)
                backend.keys.add(self.headers.get("authorization", ""))
                sent = json.loads(raw or b"{}")
                with backend.lock:
                    if self.path.endswith("/file_stream"):
                        self._send(backend.stream(self.path, sent))
                    else:
                        self._send(backend.answer(sent, self.headers["host"]))

            def _send(self, found: dict[str, Any]) -> None:
                body = b"<html>hello</html>" if backend.garbage else json.dumps(found).encode()
                self.send_response(backend.refuse or 200)
                self.send_header("content-type", "text/html" if backend.garbage else "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: Any) -> None:
                """A client that has gone is not our trouble."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def history(self, run: str) -> list[dict[str, Any]]:
        """The rows of a run, as they stand."""
        return [row for _, row in sorted(self.rows.get(run, {}).items())]

    def stream(self, path: str, sent: dict[str, Any]) -> dict[str, Any]:
        run = path.split("/")[-2]
        files = sent.get("files") or {}
        if history := files.get("wandb-history.jsonl"):
            for number, line in enumerate(history["content"], history["offset"]):
                self.rows.setdefault(run, {})[number] = json.loads(line)
        if summary := files.get("wandb-summary.json"):
            self.summaries[run] = json.loads(summary["content"][-1])
        return {"exitcode": None, "limits": {}}

    def answer(self, sent: dict[str, Any], host: str) -> dict[str, Any]:
        variables = sent.get("variables") or {}
        found = re.search(r"(?:query|mutation)\s+(\w+)", sent["query"])
        name = found[1] if found else ""
        self.operations.append(name)
        return {"data": self._data(name, variables, host)}

    def _data(self, name: str, sent: dict[str, Any], host: str) -> dict[str, Any]:
        project = {"name": sent.get("project") or "p", "entity": ENTITY}
        if name == "UpsertBucket":
            run = sent["name"]
            self.configs[run] = sent.get("config") or self.configs.get(run, "{}")
            self.groups[run] = sent.get("groupName") or self.groups.get(run, "")
            bucket = {
                "id": run, "name": run, "displayName": run, "description": "", "config": "{}", "sweepName": None,
                "project": project, "historyLineCount": len(self.rows.get(run, {})),
            }  # fmt: skip
            return {"upsertBucket": {"bucket": bucket, "inserted": run not in self.rows}}
        if name == "RunResumeStatus":
            return {"model": {"id": "x", "name": "p", "entity": ENTITY, "bucket": self._resumed(sent["name"])}}
        if name == "CreateRunFiles":
            files = [{"name": file, "uploadUrl": f"http://{host}/up/{file}"} for file in sent["files"]]
            return {"createRunFiles": {"runID": "r", "uploadHeaders": [], "files": files}}
        if name == "Viewer":
            viewer = {"id": "u", "name": "me", "username": "me", "email": "", "admin": False, "entity": "me"}
            return {"viewer": {**viewer, "flags": "{}", "teams": {"edges": []}}}
        if name == "ArtifactType":
            return {"project": None}
        if name == "CreateArtifact":
            self.artifacts.append(sent)
            found: dict[str, Any] = {"id": "QQ==", "digest": sent.get("digest"), "state": "COMMITTED", "aliases": []}
            return {"createArtifact": {"artifact": {**found, "artifactSequence": {"id": "S", "latestArtifact": None}}}}
        if name == "NotifyScriptableRunAlert":
            self.alerts.append(sent)
            return {"notifyScriptableRunAlert": {"success": True}}
        return {}

    def _resumed(self, run: str) -> dict[str, Any] | None:
        rows = self.history(run)
        if not rows:
            return None
        return {
            "id": run, "name": run, "displayName": run, "historyLineCount": len(rows), "eventsLineCount": 0,
            "logLineCount": 0, "historyTail": json.dumps([json.dumps(rows[-1])]), "eventsTail": "[]",
            "summaryMetrics": json.dumps(self.summaries.get(run, {})), "config": "{}", "tags": [],
            "wandbConfig": json.dumps({"t": 1}),
        }  # fmt: skip
