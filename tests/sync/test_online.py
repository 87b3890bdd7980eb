"""Online, to a server on loopback: each analysis arrives once, whatever breaks in between."""

import os
import signal

import psutil
import pytest

from fxwatch import exit_codes
from tests.project import eventually
from tests.sync.backend import Backend
from tests.sync.results import Results


def test_a_round_trip_and_another(results: Results, backend: Backend) -> None:
    results.add([100, 50])
    code, output, errors = results.sync(WANDB_BASE_URL=backend.url)
    assert (code, output, errors) == (exit_codes.OK, "exp: 2 analyses sent\n", "")
    results.add([150], verdict="bad")
    results.add([160], verdict="bad")
    results.sync(WANDB_BASE_URL=backend.url)
    outbox = results.outbox()
    assert outbox is not None
    assert [row["fxwatch/step"] for row in backend.history(outbox.id)] == [100, 50, 150, 160]
    assert backend.groups[outbox.id] == "exp"
    assert outbox.sent_at is not None
    assert [(alert["severity"], alert["title"]) for alert in backend.alerts] == [
        ("ERROR", "fxwatch exp: OK -> BAD at step 160")
    ]
    assert any("media/images/fxwatch/report" in path for path in backend.uploads)
    assert any("media/table/fxwatch/features" in path for path in backend.uploads)
    assert results.leaks() == []


def test_a_lost_note_doubles_nothing(results: Results, backend: Backend) -> None:
    results.add(range(3))
    results.sync(WANDB_BASE_URL=backend.url)
    (results.store.root / "sync" / "exp.json").unlink()
    results.add([3])
    assert results.sync(WANDB_BASE_URL=backend.url)[0] == exit_codes.OK
    assert results.arrived(backend) == [0, 1, 2, 3]
    sent = [one["input"]["artifactTypeName"] for one in backend.artifacts]
    assert sent.count("attribution") == 4


@pytest.mark.parametrize("victim", ["all", "wandb-core"])
def test_what_is_killed_loses_and_doubles_nothing(results: Results, backend: Backend, victim: str) -> None:
    results.add(range(25))
    process = results.start(WANDB_BASE_URL=backend.url)
    eventually(lambda: len(results.arrived(backend)) >= 3 or process.poll() is not None, 30)
    assert process.poll() is None, "it was too quick to be killed"
    if victim == "all":
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    else:
        children = psutil.Process(process.pid).children(recursive=True)
        [core] = [child for child in children if "wandb-core" in child.name()]
        core.kill()
        _, errors = process.communicate(timeout=60)
        assert process.returncode == exit_codes.FAILURE
        assert "Traceback" not in errors, errors
        assert "25 analyses wait for W&B" in errors
    assert len(results.arrived(backend)) < 25
    assert results.sync(WANDB_BASE_URL=backend.url)[0] == exit_codes.OK
    assert results.arrived(backend) == list(range(25))


def test_without_a_key_it_says_what_to_do(results: Results) -> None:
    results.add([1])
    code, _, errors = results.sync(WANDB_API_KEY="")
    assert code == exit_codes.FAILURE
    assert errors == (
        "fxwatch: W&B needs a key: type `wandb login`, set WANDB_API_KEY, "
        'or write files for later with [wandb] mode = "offline"\n'
    )


@pytest.mark.parametrize("trouble", ["wrong key", "wrong project", "garbage", "no server"])
def test_trouble_is_one_sentence_and_what_waits_is_sent_later(results: Results, backend: Backend, trouble: str) -> None:
    results.add([1])
    backend.refuse = {"wrong key": 401, "wrong project": 404}.get(trouble)
    backend.garbage = trouble == "garbage"
    url = "http://127.0.0.1:9" if trouble == "no server" else backend.url
    code, _, errors = results.sync(WANDB_BASE_URL=url, WANDB_INIT_TIMEOUT="2")
    assert code == exit_codes.FAILURE
    assert errors.count("\n") == 1, errors
    assert errors.startswith("fxwatch: run exp: 1 analyses wait for W&B: ")
    assert results.leaks() == []
    assert "\nW&B: 1 analyses of exp wait: " in results.status()
    backend.refuse, backend.garbage = None, False
    assert results.sync(WANDB_BASE_URL=backend.url)[0] == exit_codes.OK
    assert results.arrived(backend) == [0]
