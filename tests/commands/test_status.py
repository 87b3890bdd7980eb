"""`fxwatch status`: the verdict for scripts and screen readers; `fxwatch tui` without a terminal says the same."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from fxwatch import exit_codes
from fxwatch.commands.status import status
from fxwatch.commands.tui import tui
from fxwatch.records.base import Verdict
from fxwatch.records.ledger import LedgerLine
from fxwatch.records.status import DaemonStatus
from fxwatch.store.layout import Store
from tests.tui.examples import SICK, START, beat, fill, note

NAN_LAYERS = {"policy.a": 1e-9, "policy.b": 1.0}


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three runs: ok, warn and bad."""
    monkeypatch.chdir(tmp_path)
    folder = Path("outputs")
    fill(folder, range(100, 300, 100), "good")
    fill(folder, range(100, 400, 100), "sick", shares=SICK)
    beat(fill(folder, range(100, 200, 100), "worst", norms=NAN_LAYERS), time.time(), waiting=2)
    return folder


def as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert status(folder, None, as_json=True, fail_on=None) == exit_codes.OK
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_in_words(watched: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(watched, None, as_json=False, fail_on=None) == exit_codes.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Health: BAD - run worst: 1 layer")
    assert "gradient norm below 1e-07" in lines[0]
    assert lines[1].startswith("Heartbeat: daemon watching, seen <15 s ago, ")
    assert "2 waiting" in lines[1]
    assert [line.split()[1] for line in lines if line.startswith("Run ")] == ["worst:", "sick:", "good:"]
    text = "\n".join(lines)
    assert "gradient norm below 1e-07: policy.a, since step 100" in text
    assert "    to do: reduce model depth; increase learning rate" in text
    assert "  Consensus: 0.840 ± 0.012, ok, min 0.723, std 0.089, agreement score 0.750" in text
    assert "  Branch hf: 70.0 %, expected 15 to 35 %, warn" in text
    assert "\x1b" not in text


def test_as_json(watched: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(watched, capsys)
    assert (found["schema_version"], found["verdict"]) == (1, "bad")
    assert found["watching"] == str(watched.absolute())
    assert (found["daemon"]["state"], found["daemon"]["alive"], found["daemon"]["pid"]) == ("watching", True, 4711)
    heartbeat = DaemonStatus.model_fields.keys() - {"schema_version", "runs"}
    assert found["daemon"].keys() == heartbeat | {"alive"}
    assert list(found["runs"]) == ["worst", "sick", "good"]
    sick = found["runs"]["sick"]
    assert {key: sick[key] for key in ("verdict", "step", "analyses", "latest")} == {
        "verdict": "warn",
        "step": 300,
        "analyses": 3,
        "latest": "step-000000300-0a1b2c3d",
    }
    assert sick["findings"][0]["metric"] == "branches.hf"
    assert sick["metrics"]["branches"]["hf"] == 0.7
    assert sick["metrics"]["consensus"] == 0.84


@pytest.mark.parametrize(
    ("run", "level", "code"),
    [
        ("good", "bad", exit_codes.OK),
        ("good", "unknown", exit_codes.OK),
        ("sick", "bad", exit_codes.OK),
        ("sick", "warn", exit_codes.UNHEALTHY),
        ("sick", "unknown", exit_codes.UNHEALTHY),
        ("worst", "bad", exit_codes.UNHEALTHY),
        (None, "warn", exit_codes.OK),
        (None, "unknown", exit_codes.UNHEALTHY),
    ],
)
@pytest.mark.usefixtures("store")
def test_exit_codes_by_level(tmp_path: Path, run: str | None, level: Verdict, code: int) -> None:
    if run is not None:
        parts: dict[str, Any] = {"good": {}, "sick": {"shares": SICK}, "worst": {"norms": NAN_LAYERS}}[run]
        fill(tmp_path, range(100, 200, 100), **parts)
    assert status(tmp_path, None, as_json=False, fail_on=level) == code


def test_no_folder_and_no_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(tmp_path / "none", None, as_json=False, fail_on=None) == exit_codes.NOTHING
    assert "there is no folder" in capsys.readouterr().err
    assert status(tmp_path, None, as_json=True, fail_on="bad") == exit_codes.NOTHING
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert f"`fxwatch daemon {tmp_path}`" in err


def test_a_daemon_without_results_is_unknown_and_fine(
    tmp_path: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    found = as_json(tmp_path, capsys)
    assert (found["verdict"], found["runs"], found["daemon"]["state"]) == ("unknown", {}, "never")
    beat(store, START)
    found = as_json(tmp_path, capsys)
    assert (found["daemon"]["state"], found["daemon"]["alive"]) == ("silent", False)
    assert status(tmp_path, None, as_json=False, fail_on=None) == exit_codes.OK
    assert "Health: UNKNOWN - no analysis yet" in capsys.readouterr().out


def test_what_was_not_explained_is_told_with_its_reason(
    tmp_path: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    reasons = {"a.zip": "it would run code", "b.zip": "no such layer", "c.zip": "", "d.zip": "cut\x1b[31m short"}
    note(
        store,
        *(
            LedgerLine(seq=seq, at="2026-11-22T08:00:00+00:00", path=path, state="failed", reason=why)
            for seq, (path, why) in enumerate(reasons.items())
        ),
    )
    assert status(tmp_path, None, as_json=False, fail_on=None) == exit_codes.OK
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Not explained: ")]
    assert told[0].startswith("Not explained: d.zip, failed: cut")
    assert "\x1b" not in told[0]
    assert told[1:] == [
        "Not explained: c.zip, failed",
        "Not explained: b.zip, failed: no such layer",
        "Not explained: 1 more of late; the monitor's log tells of each",
    ]


def test_a_newer_schema_is_not_ok(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = fill(tmp_path, range(100, 200, 100))
    path = next(store.run("default").analyses()).json
    path.write_text('{"schema_version": 9}')
    found = as_json(tmp_path, capsys)
    assert found["verdict"] == "unknown"
    assert "newer fxwatch" in found["runs"]["default"]["trouble"]


def test_the_folder_of_the_configuration(watched: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("config.toml").write_text('[watch]\ndir = "outputs"\n[store]\ndir = "outputs/fxwatch"\n')
    assert status(None, None, as_json=False, fail_on="bad") == exit_codes.UNHEALTHY
    assert "Run worst" in capsys.readouterr().out


def test_the_monitor_without_a_terminal_prints_the_status(watched: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tui(watched, None) == exit_codes.OK
    assert capsys.readouterr().out.startswith("Health: BAD - ")
    assert tui(Path("nowhere"), None) == exit_codes.NOTHING
