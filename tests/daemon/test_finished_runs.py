"""A finished run costs nothing: what was analysed and carried is not opened again, and many cost no more than few."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from tests.daemon.harness import Life, whole

_HOUR = 3600.0
_PATIENCE = 50
_listening: list[list[str]] = []


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _listening and isinstance(arguments[0], str | bytes | os.PathLike):
        _listening[-1].append(os.fsdecode(arguments[0]))


sys.addaudithook(_note)  # the only way to see every file that is opened, by whatever function


def opened(folder: Path, runs: int) -> tuple[list[str], list[str], list[str]]:
    """The files that a daemon opens soon after it has analysed all runs, and another one at its start and in
    the hour after that.
    """
    life = Life(folder)
    for run in range(runs):
        here = folder / f"run-{run}"
        here.mkdir()
        (here / "model_1.safetensors").write_bytes(whole(run + 1))
        (here / "states.safetensors").write_bytes(whole(100 + run))
        line = {"kind": "span", "session": "a", "line": 1, "step": 1, "steps": 1, "optimizer_step": 1}
        layers = {"layers": {"head": {"norm": [1, 1, 1], "mean": 1, "weight_ratio": 1}}}
        (here / "training.jsonl").write_text(json.dumps({**line, **layers}) + "\n")
    for _ in range(_PATIENCE):
        life.go(120)
        lines = [life.ledger().get(f"run-{run}/model_1.safetensors") for run in range(runs)]
        if all(line is not None and line.state == "done" for line in lines):
            break
    life.go(120)
    after = _opened_within(life, _HOUR / 6)
    life.stop()
    assert len([*life.store.runs_folder.glob("run-*/training.jsonl")]) == runs
    at_start: list[str] = []
    for _ in range(_PATIENCE):  # the folder is looked through in a thread, which takes its own time
        _listening.append([])
        life.go(120)
        at_start += _listening[-1]
        if not [path for path in _listening.pop() if "/run-" in path]:
            break
    in_the_hour = _opened_within(life, _HOUR)
    life.stop()
    return after, at_start, in_the_hour


def _opened_within(life: Life, seconds: float) -> list[str]:
    _listening.append([])
    life.go(seconds)
    return [path for path in _listening.pop() if path.startswith(str(life.root))]


def test_a_finished_run_is_not_opened_and_many_cost_no_more_than_few(tmp_path: Path) -> None:
    (few_after, few_at_start, few), (many_after, many_at_start, many) = (opened(tmp_path / str(runs), runs) for runs in (2, 12))
    again = {Path(path).name for path in few_at_start + many_at_start if "/fxwatch/" not in path}
    assert "training.jsonl" not in again  # checkpoints and dumps may be asked once whether they are whole
    assert few, "the heartbeat at least is written"
    assert not [path for path in few_after + many_after + few + many if "/run-" in path]
    assert len(many) <= len(few) + 1  # a heartbeat may fall on the edge of the hour
