"""Beside the daemon: alarms by the user's command, once each; and a courier that nothing waits for."""

import itertools
import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import tomli

from fxwatch.config import Config
from fxwatch.daemon.alarm import Alarm
from fxwatch.daemon.courier import ONLINE, Courier
from fxwatch.daemon.heralds import Heralds
from fxwatch.store.layout import Store
from fxwatch.store.write import RunWriter
from tests.analyses import analysis
from tests.daemon.rank import LAST, rank
from tests.project import CONFIG, ROOT, Project
from tests.sync.results import rows


def add(store: Store, *verdicts: str) -> None:
    writer = RunWriter(store.run("exp"))
    for verdict in verdicts:
        writer.commit(analysis(writer.count, "exp", verdict=verdict))  # type: ignore[arg-type]
    writer.close()


def writing(file: Path) -> list[str]:
    """A command that notes its arguments."""
    code = "import sys, json, pathlib; pathlib.Path(sys.argv[1]).open('a').write(json.dumps(sys.argv[2:]) + chr(10))"
    return [sys.executable, "-c", code, str(file), "{title}", "{text}"]


def told(file: Path) -> list[list[str]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_each_change_is_told_once_also_after_a_restart(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "told"
    said: list[str] = []
    add(store, "ok", "bad", "bad")
    for _ in range(2):
        Alarm(store, store.run("exp"), writing(file), 0, before=0).look(said.append)
    assert [title for title, _ in told(file)] == ["fxwatch exp: OK -> BAD at step 2"]
    alarm = Alarm(store, store.run("exp"), writing(file), 0, before=2)
    add(store, "ok")
    alarm.look(said.append)
    add(store, "ok")
    alarm.look(said.append)
    alarm.look(said.append)
    assert [title for title, _ in told(file)][1:] == ["fxwatch exp: BAD -> OK at step 4"]
    assert said == []


def test_what_was_found_before_there_was_an_alarm_is_not_told(store: Store, tmp_path: Path) -> None:
    add(store, "bad", "bad")
    alarm = Alarm(store, store.run("exp"), writing(tmp_path / "told"), 0, before=2)
    alarm.look(print)
    assert told(tmp_path / "told") == []
    add(store, "ok", "ok")
    alarm.look(print)
    assert [title for title, _ in told(tmp_path / "told")] == ["fxwatch exp: BAD -> OK at step 3"]


def test_an_alert_may_be_lost_where_all_is_killed_but_never_comes_twice(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    add(store, "bad", "bad")
    first = Alarm(store, store.run("exp"), ["any"], 0, before=0)
    with monkeypatch.context() as moment:
        moment.setattr("fxwatch.daemon.alarm.subprocess.run", killed)
        with pytest.raises(KeyboardInterrupt):
            first.look(print)
    Alarm(store, store.run("exp"), writing(tmp_path / "told"), 0, before=0).look(print)
    assert told(tmp_path / "told") == []


def test_an_alert_that_cannot_be_noted_is_told_when_it_can(store: Store, tmp_path: Path) -> None:
    add(store, "bad", "bad", "bad")
    alarm = Alarm(store, store.run("exp"), writing(tmp_path / "told"), 0, before=0)
    in_the_way = store.root / "alerts"
    in_the_way.touch()
    for _ in range(2):
        with pytest.raises(OSError, match="alerts"):
            alarm.look(print)
    assert told(tmp_path / "told") == []
    in_the_way.unlink()
    alarm.look(print)
    assert [title for title, _ in told(tmp_path / "told")] == ["fxwatch exp: OK -> BAD at step 1"]


def test_the_documented_line_of_apprise_reaches_a_chat(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    documented = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    block = documented.partition("# config.toml\n")[2].partition("```")[0]
    command = Config.model_validate(tomli.loads(block)).alerts.command
    assert command[0] == "apprise"
    heard: list[dict[str, str]] = []

    class Chat(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Chat) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        addresses = tmp_path / "apprise"
        addresses.write_text(f"json://127.0.0.1:{server.server_address[1]}\n")
        monkeypatch.setenv("APPRISE_CONFIG_PATH", str(addresses))
        monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
        add(store, "bad", "bad")
        said: list[str] = []
        Alarm(store, store.run("exp"), command, 0, before=0).look(said.append)
        server.shutdown()
    assert said == []
    assert [(one["title"], one["message"]) for one in heard] == [("fxwatch exp: OK -> BAD at step 1", "no finding")]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["/no/such/program"], "an alert was not told: /no/such/program: "),
        ([sys.executable, "-c", "import sys; sys.exit('no such chat')"], ": no such chat"),
    ],
)
def test_a_command_that_fails_is_said_in_one_sentence(store: Store, command: list[str], words: str) -> None:
    add(store, "bad", "bad")
    said: list[str] = []
    Alarm(store, store.run("exp"), command, 0, before=0).look(said.append)
    assert len(said) == 1
    assert words in said[0]


def test_a_delivery_waits_for_pictures_and_after_a_failure_longer_and_longer(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(store, "ok")
    said: list[str] = []
    courier = Courier(store, ["--no-such-option"], ONLINE, said.append)
    begun: list[float] = []
    now = 0.0
    begin = courier._begin

    def count() -> None:
        begun.append(now)
        begin()

    monkeypatch.setattr(courier, "_begin", count)
    while now < 500:
        courier.look(now, [store.run("exp")])
        if courier._process is not None:
            courier._process.wait()
        now += 1
    assert begun[0] == 120  # no picture came
    assert [later - earlier for earlier, later in itertools.pairwise(begun)] == pytest.approx([62, 122], abs=2)
    assert len(said) == 1  # the same trouble is said once
    png = store.run("exp").analysis("step-000000000-1a2b3c4d").png
    png.write_bytes(b"")
    assert courier._drawn([store.run("exp")])


def test_a_delivery_that_hangs_holds_nobody_up_and_is_cut_off_at_the_end(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(store, "ok")
    store.run("exp").analysis("step-000000000-1a2b3c4d").png.write_bytes(b"")
    hanging = tmp_path / "hanging"
    hanging.write_text("#!/bin/sh\nexec sleep 600\n")
    hanging.chmod(0o755)
    said: list[str] = []
    courier = Courier(store, [], ONLINE, said.append)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(hanging))
        courier.look(0.0, [store.run("exp")])
    process = courier._process
    assert process is not None
    assert rank(process.pid) == LAST
    began = time.monotonic()
    for now in range(1, 100):
        courier.look(now, [store.run("exp")])
    assert time.monotonic() - began < 1
    assert courier._process is process  # one at a time
    courier.end(100, 0.1)
    assert process.returncode == -signal.SIGKILL
    assert time.monotonic() - began < 2
    assert said == ["it gave no reason"]


def test_nothing_is_sent_unasked(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(store, "ok")
    monkeypatch.setattr("fxwatch.daemon.heralds.Courier", lambda *_: pytest.fail("it was not asked for"))
    with Heralds(tmp_path, Config(), None, store, pytest.fail, once=True):
        pass


def test_the_daemon_sends_and_tells(tmp_path: Path) -> None:
    file = tmp_path / "told"
    extra = f'[wandb]\nenabled = true\nmode = "offline"\n[alerts]\ncommand = {json.dumps(writing(file))}\n'
    limits = "[thresholds]\nconsensus = {ok = 1.0, bad = 0.999}\n"
    project = Project(tmp_path / "project", CONFIG + limits + extra)
    project.states()
    for step in (1, 2):
        project.checkpoint(f"model_{step}.pt", seed=step, global_step=step)
    done = project.run("daemon", "--once", WANDB_CACHE_DIR=str(tmp_path / "c"), WANDB_CONFIG_DIR=str(tmp_path / "d"))
    assert done.returncode == 0, done.stderr
    [run] = (project.store.root / "wandb").glob("offline-run-*/run-*.wandb")
    assert [row["fxwatch/step"] for row in rows(run)] == [1, 2]
    assert all("fxwatch/report.path" in row for row in rows(run))
    assert [title for title, _ in told(file)] == ["fxwatch default: OK -> BAD at step 2"]
