"""A forged folder of results: readers say what is wrong, wait for nothing, and show nothing of what lies elsewhere."""

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest

from fxwatch.commands.export import export
from fxwatch.commands.report import report
from fxwatch.commands.status import status
from fxwatch.commands.tui import tui
from fxwatch.store.layout import Store, StoreError
from fxwatch.store.read import read_analysis, read_status
from tests.tui.examples import beat, fill

SECRET = "do-not-show-me-0123456789"  # noqa: S105
DEEP = b"[" * 200_000


def pipe(path: Path) -> None:
    os.mkfifo(path)


def endless_link(path: Path) -> None:
    path.symlink_to("/dev/zero")


def link_elsewhere(path: Path) -> None:
    secret = path.parent / "elsewhere"
    secret.write_text(json.dumps({"id": SECRET, "state": SECRET}) + "\n")
    path.symlink_to(secret)


def folder(path: Path) -> None:
    path.mkdir()


def endless_line(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def wrong_types(path: Path) -> None:
    path.write_text('{"schema_version": "x", "id": 3, "seq": -1, "units": [], "runs": 7, "at": {}}\n')


FORGERIES: list[Callable[[Path], object]] = [
    pipe,
    endless_link,
    link_elsewhere,
    folder,
    endless_line,
    wrong_types,
    lambda path: path.write_bytes(DEEP),
    lambda path: path.write_bytes(bytes(range(256)) * 100),
    lambda path: path.write_bytes(b"PK\x03\x04" + bytes(500)),
    lambda path: path.write_text('{"schema_version": 1e400, "seq": 1' + "0" * 5000 + "}\n"),
]
READERS: dict[str, Callable[[Path], int]] = {
    "status": lambda watched: status(watched, None, as_json=False, fail_on=None),
    "tui": lambda watched: tui(watched, None, once=True),
    "export": lambda watched: export(watched, None, "csv", "features", watched.parent / "out.csv"),
    "report": lambda watched: report(watched, None, html=False),
    "page": lambda watched: report(watched, None, html=True),
}


def stored(home: Path) -> tuple[Store, dict[str, Path]]:
    """A store with two analyses, and its files by what they are."""
    store = fill(home / "outputs", range(100, 300, 100))
    beat(store)
    run = store.run("default")
    newest = max(run.analyses(), key=lambda one: one.folder.name)
    np.savez(newest.arrays, **{"heat/hf": np.zeros((5, 3))})  # type: ignore[arg-type]
    (store.root / "sync").mkdir()
    rows, details = next(run.shares.glob("*.rows")), next(run.shares.glob("*.details"))
    files = {"status": store.status, "ledger": store.ledger, "history": run.history, "analysis": newest.json}
    more = {"arrays": newest.arrays, "rows": rows, "details": details, "outbox": store.root / "sync" / "default.json"}
    return store, {**files, **more}


@pytest.mark.parametrize(
    ("reader", "target"),
    [
        *(("status", target) for target in ("status", "ledger", "history", "analysis", "rows", "outbox")),
        *(("tui", target) for target in ("status", "ledger", "history", "analysis", "arrays", "rows")),
        *(("export", target) for target in ("history", "analysis", "rows", "details")),
        *(("report", target) for target in ("history", "analysis", "arrays")),
        *(("page", target) for target in ("history", "analysis")),
    ],
)
def test_no_reader_crashes_waits_or_leads_elsewhere(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, reader: str, target: str
) -> None:
    monkeypatch.chdir(tmp_path)
    before = psutil.Process().memory_info().rss
    for number, forge in enumerate(FORGERIES):
        store, files = stored(tmp_path / str(number))
        files[target].unlink(missing_ok=True)
        forge(files[target])
        began = time.process_time()
        try:
            READERS[reader](store.root.parent)
        except (StoreError, OSError) as error:  # which `fxwatch` says in one sentence
            assert SECRET not in str(error)  # noqa: PT017
        output, errors = capfd.readouterr()
        assert SECRET not in output + errors
        assert "Traceback" not in errors
        assert time.process_time() - began < 5, (number, reader, target)
    assert psutil.Process().memory_info().rss - before < 400 << 20


@pytest.mark.parametrize("reader", READERS)
def test_what_names_an_analysis_leads_out_of_no_run(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, reader: str
) -> None:
    monkeypatch.chdir(tmp_path)
    store, files = stored(tmp_path / "home")
    elsewhere = files["analysis"].parent.rename(tmp_path / "elsewhere")
    told = files["analysis"].name
    (elsewhere / told).write_text((elsewhere / told).read_text().replace("ppo_200_steps.zip", SECRET))
    assert SECRET in (elsewhere / told).read_text()
    for name in (str(elsewhere), os.path.relpath(elsewhere, store.run("default").folder)):
        lines = [json.loads(line) for line in files["history"].read_text().splitlines()]
        lines[-1] = {key: value for key, value in lines[-1].items() if key != "crc"} | {"id": name}
        files["history"].write_text("".join(json.dumps(line) + "\n" for line in lines))
        status = json.loads(files["status"].read_text())
        status["runs"] = {"default": {**status["runs"].get("default", {}), "latest": name}}
        files["status"].write_text(json.dumps(status))
        with suppress(StoreError, OSError):
            READERS[reader](store.root.parent)
        output, errors = capfd.readouterr()
        assert SECRET not in output + errors
        assert SECRET not in "".join(path.read_text() for path in tmp_path.rglob("*.csv"))
        assert SECRET not in "".join(path.read_text() for path in tmp_path.rglob("*.html"))
        assert not list(elsewhere.glob("*.png"))


def test_results_of_the_future_and_of_nobody_are_said(tmp_path: Path) -> None:
    store, files = stored(tmp_path)
    whole = json.loads(files["analysis"].read_text())
    files["analysis"].write_text(json.dumps({**whole, "schema_version": 99}))
    with pytest.raises(StoreError, match="newer fxwatch"):
        read_analysis(files["analysis"])
    files["analysis"].write_bytes(b" " * (17 << 20))
    with pytest.raises(StoreError, match="larger than 16 MB"):
        read_analysis(files["analysis"])
    files["status"].write_bytes(b" " * (5 << 20))
    assert read_status(store) is None
