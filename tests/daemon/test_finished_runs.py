"""A finished run costs nothing: an hour beside many of them opens no file of theirs, and no more than beside few."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from tests.daemon.harness import Life, whole

_HOUR = 3600.0
_listening: list[list[str]] = []


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _listening and isinstance(arguments[0], str | bytes | os.PathLike):
        _listening[-1].append(os.fsdecode(arguments[0]))


sys.addaudithook(_note)  # the only way to see every file that is opened, by whatever function


def opened_in_an_hour(folder: Path, runs: int) -> list[str]:
    """The files that a daemon opens in an hour, when all runs have been analysed before it began."""
    life = Life(folder)
    for run in range(runs):
        here = folder / f"run-{run}"
        here.mkdir()
        (here / "model_1.safetensors").write_bytes(whole(run + 1))
        (here / "states.safetensors").write_bytes(whole(100 + run))
        line = {"kind": "span", "session": "a", "line": 1, "step": 1, "steps": 1, "optimizer_step": 1}
        layers = {"layers": {"head": {"norm": [1, 1, 1], "mean": 1, "weight_ratio": 1}}}
        (here / "training.jsonl").write_text(json.dumps({**line, **layers}) + "\n")
    life.go(120)
    life.stop()
    assert all(life.ledger()[f"run-{run}/model_1.safetensors"].state == "done" for run in range(runs))
    assert len([*life.store.runs_folder.glob("run-*/training.jsonl")]) == runs
    life.go(120)
    _listening.append([])
    life.go(_HOUR)
    opened = _listening.pop()
    life.stop()
    return [path for path in opened if path.startswith(str(folder))]


def test_a_finished_run_is_not_opened_and_many_cost_no_more_than_few(tmp_path: Path) -> None:
    few, many = (opened_in_an_hour(tmp_path / str(runs), runs) for runs in (2, 12))
    assert few, "the heartbeat at least is written"
    assert not [path for path in few + many if "/run-" in path]
    assert len(many) <= len(few) + 1  # a heartbeat may fall on the edge of the hour
