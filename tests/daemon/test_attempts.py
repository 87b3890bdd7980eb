"""A run that begins anew in the same folder, through the daemon: neither drift nor dead history over the restart."""

import json
import os
from pathlib import Path

from tests.project import CONFIG, Project

CONFIG_OF_LONG_MEMORY = CONFIG + 'dead_min_history = 2\nsecondary_methods = ["saliency"]\n'


def trained(project: Project, *steps: int, began: float, seed: int) -> None:
    for place, step in enumerate(steps):
        path = project.checkpoint(f"model_{step}.pt", seed=seed + place, global_step=step)
        os.utime(path, (began + place, began + place))


def test_a_restart_in_the_same_folder_is_told_apart_and_a_resumed_run_goes_on(tmp_path: Path) -> None:
    project = Project(tmp_path, CONFIG_OF_LONG_MEMORY)
    project.states()
    trained(project, 100, 200, 300, began=1_700_000_000, seed=0)
    project.run("daemon", "--once")
    trained(project, 400, began=1_700_000_100, seed=10)  # resumed
    project.run("daemon", "--once")
    trained(project, 100, 200, began=1_700_000_200, seed=20)  # from the beginning, over the old files
    done = project.run("daemon", "--once")
    assert "training began anew: its step fell from 400 to 100; this is attempt 2" in done.stderr
    found = project.analyses()
    assert [one["checkpoint"]["step"] for one in found] == [100, 200, 300, 400, 100, 200]
    assert [one["attempt"] for one in found] == [1, 1, 1, 1, 2, 2]
    assert [one["stability"]["previous"] is None for one in found] == [True, False, False, False, True, False]
    assert found[5]["stability"]["previous"] == found[4]["id"]
    assert all(one["in_a_row"] == 1 for one in found[4]["health"]["findings"])

    project.states(seed=5)  # the highest step is still that of the attempt before
    project.run("daemon", "--once")
    again = project.analyses()[6:]
    assert all((one["attempt"] == 1) == (one["checkpoint"]["step"] > 200) for one in again)
    assert all(one["stability"]["previous"] != found[5]["id"] for one in again if one["attempt"] == 1)

    words = project.run("status")
    told = json.loads(project.run("status", "--json").stdout)["runs"]["default"]["attempt"]
    assert ("attempt 2" in words.stdout) == (told == 2)


def test_dead_history_does_not_reach_over_a_restart(tmp_path: Path) -> None:
    project = Project(tmp_path, CONFIG_OF_LONG_MEMORY)
    project.states()
    trained(project, 100, 200, 300, began=1_700_000_000, seed=0)
    project.run("daemon", "--once")
    project.checkpoint("model_100.pt", seed=0, global_step=100, note=1)  # the very weights of before
    project.run("daemon", "--once")
    before, after = project.analyses()[0], project.analyses()[-1]
    assert after["attempt"] == 2
    assert after["dead_features"] == before["dead_features"]  # judged as a first one, without a history
