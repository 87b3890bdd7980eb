"""`fxwatch daemon --once`, as a process, over what training left."""

import json
import os
import pickle
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fxwatch import exit_codes
from fxwatch.records.lines import COMPLETED
from tests.policies import HF_AND_PORTFOLIO, GuideLike, random_states
from tests.project import CONFIG, Evil, Project, command, environ


def test_what_is_complete_is_explained_and_written_as_the_contract_says(project: Project) -> None:
    project.states()
    project.checkpoint("model_100.pt", global_step=100)
    project.checkpoint("model_200.pt", seed=1, global_step=200)
    done = project.ok("daemon", "outputs", "--once")
    assert done.stdout.count(COMPLETED) == 2
    assert re.search(r"^(⚠️ )?Attribution consensus: 0\.\d{3}$", done.stdout, re.MULTILINE)
    assert "2 analysed of 2 checkpoints" in done.stderr

    first, second = project.analyses()
    folder = project.store.run("default").analysis(second["id"])
    assert re.fullmatch(r"step-000000200-[0-9a-f]{8}", second["id"])
    assert {path.name for path in folder.folder.iterdir()} == {
        "analysis.json",
        "arrays.npz",
        "feature_importance_analysis.png",
    }
    assert project.store.run("default").png.read_bytes() == folder.png.read_bytes()
    with np.load(folder.arrays) as arrays:
        assert {name: arrays[name].shape for name in arrays.files} == {
            "heat/hf": (6, 4),
            "heat/portfolio": (2, 3),
            "probe": (8, 7),
        }
    assert second["schema_version"] == 1
    assert second["checkpoint"] == {
        "path": "model_200.pt",
        "sha256": second["checkpoint"]["sha256"],
        "format": "torch",
        "step": 200,
        "update": None,
        "written_at": second["checkpoint"]["written_at"],
    }
    assert second["states"]["count"] == 8
    assert second["states"]["branches"] == {"hf": [6, 4], "portfolio": [2, 3]}
    assert sum(unit["share"] for branch in second["units"].values() for unit in branch.values()) == pytest.approx(1)
    assert second["stability"]["previous"] == first["id"]
    assert second["branches"]["portfolio"]["expected"] == {"low": 0.4, "high": 0.6}
    assert set(second["decisions"]) <= {"HOLD", "BUY", "SELL", *(f"action_size {size}" for size in range(4))}
    assert second["attention"]["reason"] == "the model has no nn.MultiheadAttention"
    assert second["cost"]["forwards"] > 0
    assert second["cost"]["peak_rss_bytes"] > 0
    assert second["methods"]["deep_lift"]["status"] in {"ok", "degenerate", "failed"}
    assert {path: line.state for path, line in project.ledger().items()} == {
        "states.npz": "ready",
        "model_100.pt": "done",
        "model_200.pt": "done",
    }
    assert project.ledger()["model_200.pt"].analysis == second["id"]
    status = json.loads(project.store.status.read_text())
    assert status["state"] == "stopped"
    assert status["runs"]["default"]["latest"] == second["id"]


def test_the_same_is_never_analysed_twice_and_what_is_new_is(project: Project) -> None:
    project.states()
    project.checkpoint("latest.pt")
    assert project.run("daemon", "--once").returncode == exit_codes.OK  # outputs is the default
    again = project.run("daemon", "--once")
    assert again.returncode == exit_codes.OK
    assert "0 analysed of 1 checkpoints" in again.stderr
    assert again.stdout == ""
    os.utime(project.outputs / "latest.pt")  # touched, not changed
    project.run("daemon", "--once")
    (project.outputs / "latest.pt").rename(project.outputs / "best.pt")
    (project.outputs / "copy.pt").write_bytes((project.outputs / "best.pt").read_bytes())
    assert "0 analysed of 2 checkpoints" in project.run("daemon", "--once").stderr
    (found,) = project.analyses()
    for name in ("latest.pt", "best.pt", "copy.pt"):
        assert (project.ledger()[name].state, project.ledger()[name].analysis) == ("done", found["id"])
    project.checkpoint("latest.pt", seed=1)
    project.run("daemon", "--once")
    assert len(project.analyses()) == 2
    project.states(seed=5)
    project.run("daemon", "--once")
    assert len(project.analyses()) == 3
    assert [found["id"][:9] for found in project.analyses()] == ["step-none"] * 3


def test_reports_that_an_earlier_daemon_did_not_draw_are_drawn(project: Project) -> None:
    project.states()
    for step in (100, 200):
        project.checkpoint(f"model_{step}.pt", seed=step, global_step=step)
    assert project.run("daemon", "outputs", "--once").returncode == exit_codes.OK
    run = project.store.run("default")
    pages = [run.analysis(found["id"]).png for found in project.analyses()]
    newest = pages[1].read_bytes()
    for page in (*pages, run.png):
        page.unlink()
    assert project.run("daemon", "outputs", "--once").returncode == exit_codes.OK
    assert len(project.analyses()) == 2
    assert pages[0].exists()
    assert pages[1].read_bytes() == run.png.read_bytes() == newest


def test_a_new_recipe_is_a_new_analysis(project: Project) -> None:
    project.states()
    project.checkpoint()
    project.run("daemon", "--once")
    project.run("daemon", "--once", FXWATCH_ANALYSIS__BASELINE_TYPE="zero")
    assert [found["target"]["baseline"] for found in project.analyses()] == ["8 real states of the same dump", "nought"]


def test_output_that_cannot_be_written_costs_no_analysis(project: Project) -> None:
    project.states()
    project.checkpoint()
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(  # noqa: PLW1510
            command("daemon", "outputs", "--once"),
            cwd=project.folder,
            env=environ(PYTHONIOENCODING="ascii"),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == exit_codes.OK, done.stderr
    assert "standard output cannot be written (No space left on device)" in done.stderr
    assert "1 analysed of 1 checkpoints" in done.stderr
    assert len(project.analyses()) == 1


def test_every_bad_input_is_one_sentence_and_a_state_and_the_others_go_on(project: Project) -> None:
    whole = project.checkpoint("good/model_1.pt").read_bytes()
    project.states("good/states.npz")
    (project.outputs / "good" / "cut_2.pt").write_bytes(whole[:-100])
    (project.outputs / "good" / "evil_3.pt").write_bytes(pickle.dumps(Evil(project.folder / "canary")))
    torch.save({"x": Evil(project.folder / "canary")}, project.outputs / "good" / "evil_4.pt")
    torch.save({"model_state_dict": {"odd": torch.zeros(3)}}, project.outputs / "good" / "odd_5.pt")
    (project.outputs / "good" / "text_6.pt").write_text("these are no weights")
    project.checkpoint("shapes/model_1.pt")
    project.states("shapes/states.npz", hf=np.zeros((32, 6, 9), np.float32))
    project.checkpoint("nan/model_1.pt")
    broken = random_states(HF_AND_PORTFOLIO).branches["hf"].copy()
    broken[3, 0, 2] = np.nan
    project.states("nan/states.npz", hf=broken)
    project.checkpoint("void/model_1.pt")
    project.states("void/states.npz", hf=broken * np.nan)
    project.checkpoint("names/model_1.pt")
    project.states("names/states.npz", feature_names='{"hf": ["price_velocity"]}')
    project.checkpoint("alone/model_1.pt")
    done = project.ok("daemon", "--once")
    states = {path: (line.state, line.reason) for path, line in project.ledger().items()}
    expected = {
        "good/model_1.pt": ("done", ""),
        "good/cut_2.pt": ("incomplete", "truncated, or still being written"),
        "good/evil_3.pt": ("refused", "a bare pickle could run code"),
        "good/evil_4.pt": ("refused", "posix.system"),
        "good/odd_5.pt": ("failed", "the weights do not fit the model: missing 10"),
        "good/text_6.pt": ("unsupported", "not a checkpoint"),
        "shapes/model_1.pt": ("failed", "the model cannot answer the dumped states (hf (6, 9), portfolio (2, 3))"),
        "nan/model_1.pt": ("done", ""),
        "nan/states.npz": ("ready", "1 of 32 dumped states are left out"),
        "void/model_1.pt": ("failed", "none of its 32 states is finite"),
        "names/model_1.pt": ("failed", "branch hf has 4 features, but 1 names are given for it"),
        "alone/model_1.pt": ("ready", ""),
    }
    for path, (state, words) in expected.items():
        assert states[path][0] == state, (path, states[path])
        assert words in states[path][1]
        if words:
            sentences = [line for line in done.stderr.splitlines() if path in line]
            assert len(sentences) == 1, (path, done.stderr)
            assert words.split(" (")[0] in sentences[0]
    assert "alone/model_1.pt waits: run alone has no dump of states" in done.stderr
    assert not (project.folder / "canary").exists()
    assert "Traceback" not in done.stderr
    nan = project.analyses("nan")[0]
    assert nan["states"]["left_out"] == 1
    assert "hf/hf_2 is NaN" in next(f["message"] for f in nan["health"]["findings"] if f["metric"] == "states")
    assert sorted(run.name for run in project.store.runs()) == ["good", "nan"]


def test_weights_that_are_allocated_and_were_never_written_explain_themselves(project: Project) -> None:
    project.states()
    path = project.outputs / "model_1.safetensors"
    save_file(GuideLike().state_dict(), path)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(8 + int.from_bytes(file.read(8), "little"))  # all but the header is nought
        file.truncate(size)
    done = project.run("daemon", "--once")
    assert done.returncode == exit_codes.OK, done.stderr
    (found,) = project.analyses()
    assert found["health"]["verdict"] == "bad"
    metrics = {finding["metric"] for finding in found["health"]["findings"]}
    assert {"gradient_flow.zero", "dead_features"} <= metrics


def test_an_analysis_that_was_damaged_is_made_again_and_one_of_a_newer_fxwatch_is_left_as_it_is(
    project: Project,
) -> None:
    project.states()
    project.checkpoint()
    project.ok("daemon", "--once")
    [made] = project.store.run("default").analyses()
    whole = json.loads(made.json.read_text())
    made.json.write_text("{")
    assert "1 analysed of 1 checkpoints" in project.ok("daemon", "--once").stderr
    again = json.loads(made.json.read_text())
    assert {**again, "created_at": 0, "cost": 0, "methods": 0} == {**whole, "created_at": 0, "cost": 0, "methods": 0}
    newer = json.dumps({**whole, "schema_version": 99})
    made.json.write_text(newer)
    assert "0 analysed" in project.ok("daemon", "--once").stderr
    assert made.json.read_text() == newer


def test_every_nth_checkpoint_also_over_restarts(tmp_path: Path) -> None:
    project = Project(tmp_path, CONFIG + "every = 3\n")
    project.states()
    for number in range(4):
        project.checkpoint(f"model_{number}.pt", seed=number, global_step=number)
    assert "2 analysed, 2 skipped of 4 checkpoints" in project.run("daemon", "--once").stderr
    assert [found["checkpoint"]["step"] for found in project.analyses()] == [0, 3]
    for number in range(4, 7):
        project.checkpoint(f"model_{number}.pt", seed=number, global_step=number)
    project.run("daemon", "--once")
    assert [found["checkpoint"]["step"] for found in project.analyses()] == [0, 3, 6]
    assert project.ledger()["model_1.pt"].state == "skipped"
    assert project.ledger()["model_1.pt"].reason == "every = 3"


def test_exit_codes(project: Project) -> None:
    missing = project.run("daemon", "nowhere", "--once")
    assert (missing.returncode, missing.stdout) == (exit_codes.NOTHING, "")
    assert "nowhere is not a folder" in missing.stderr
    empty = project.run("daemon", "--once")
    assert empty.returncode == exit_codes.NOTHING
    assert "there is no checkpoint in" in empty.stderr
    project.checkpoint()
    assert project.run("daemon", "--once").returncode == exit_codes.FAILURE  # it has no states
    project.states()
    healthy = project.run("daemon", "--once", "--fail-on", "bad")
    verdict = project.analyses()[0]["health"]["verdict"]
    assert healthy.returncode == (exit_codes.UNHEALTHY if verdict == "bad" else exit_codes.OK)
    assert project.run("daemon", "--once", "--fail-on", "unknown").returncode == (
        exit_codes.OK if verdict == "ok" else exit_codes.UNHEALTHY
    )
    assert project.run("daemon", "--once", "--fail-on", "sometimes").returncode == exit_codes.USAGE


def test_a_factory_that_is_missing_fails_every_checkpoint_in_words(tmp_path: Path) -> None:
    project = Project(tmp_path, "[analysis]\nmax_states = 8\n")
    project.states()
    project.checkpoint()
    done = project.run("daemon", "--once")
    assert done.returncode == exit_codes.FAILURE
    assert "set [model] factory in config.toml" in done.stderr
    assert project.ledger()["model_100.pt"].state == "failed"
    (tmp_path / "config.toml").write_text(CONFIG)
    assert project.run("daemon", "--once").returncode == exit_codes.OK  # mended, it is tried again
    assert project.ledger()["model_100.pt"].state == "done"


def test_what_crashes_its_worker_twice_is_quarantined_and_the_others_go_on(tmp_path: Path) -> None:
    project = Project(tmp_path)
    (tmp_path / "my_model.py").write_text(
        "import os, signal\n\nfrom tests.policies import GuideLike\n\n\n"
        "class Bomb(GuideLike):\n"
        "    def load_state_dict(self, state, *others, **more):\n"
        "        if float(state['hf.bias'][0]) == 9:\n"
        "            os.kill(os.getpid(), signal.SIGSEGV)\n"
        "        return super().load_state_dict(state, *others, **more)\n\n\n"
        "build = Bomb\n"
    )
    project.states()
    project.checkpoint("good_1.pt", global_step=1)
    torch.manual_seed(0)
    state = GuideLike().state_dict()
    state["hf.bias"][0] = 9
    torch.save({"model_state_dict": state, "global_step": 2}, project.outputs / "bomb_2.pt")
    project.ok("daemon", "--once", WANDB_API_KEY="canary")
    assert project.ledger()["good_1.pt"].state == "done"
    bomb = project.ledger()["bomb_2.pt"]
    assert bomb.state == "quarantined"
    assert bomb.reason == "its worker was ended by SIGSEGV, 2 times; it is not tried again before it changes"
    again = project.run("daemon", "--once")
    assert "SIGSEGV" not in again.stderr
    os.utime(project.outputs / "bomb_2.pt")  # a change opens it again
    assert "SIGSEGV; it is tried once more" in project.run("daemon", "--once").stderr


def test_workers_know_no_secrets(tmp_path: Path) -> None:
    project = Project(tmp_path)
    (tmp_path / "my_model.py").write_text(
        "import os\n\nfrom tests.policies import GuideLike\n\n\ndef build():\n"
        "    seen = open('/proc/self/environ').read() + str(dict(os.environ))\n"
        "    assert 'canary' not in seen, 'a secret is known here'\n"
        "    assert 'PATH=' in seen\n"
        "    return GuideLike()\n"
    )
    project.states()
    project.checkpoint()
    secrets = {"WANDB_API_KEY": "canary", "AWS_SECRET_ACCESS_KEY": "canary", "MY_TOKEN": "canary"}
    project.ok("daemon", "--once", **secrets)
    assert len(project.analyses()) == 1


def test_code_and_configuration_never_come_from_the_watched_folder(project: Project) -> None:
    project.states()
    project.checkpoint()
    (project.outputs / "config.toml").write_text('[model]\nfactory = "planted:build"\n')
    for name in ("planted", "my_model", "torch", "sitecustomize"):
        (project.outputs / f"{name}.py").write_text(f"open({str(project.folder / 'canary')!r}, 'w')\n")
    project.ok("daemon", str(project.outputs), "--once")
    (project.folder / "config.toml").write_text(CONFIG.replace("[model]", '[model]\npath = ["outputs", "."]'))
    warned = project.run("daemon", "--once")
    assert "[model] path outputs is passed over: code is never loaded from inside the watched folder" in warned.stderr
    assert not (project.folder / "canary").exists()


def test_a_strangers_folder_is_never_written_to(project: Project) -> None:
    (project.outputs / "fxwatch").mkdir()
    (project.outputs / "fxwatch" / "notes.txt").write_text("mine")
    project.checkpoint()
    refused = project.run("daemon", "--once")
    assert refused.returncode == exit_codes.FAILURE
    assert "is not a store of fxwatch's; set [store] dir" in refused.stderr
    assert [path.name for path in (project.outputs / "fxwatch").iterdir()] == ["notes.txt"]
    project.states()
    moved = project.run("daemon", "--once", FXWATCH_STORE__DIR=str(project.folder / "results"))
    assert moved.returncode == exit_codes.OK
    assert (project.folder / "results" / "runs" / "default" / "history.jsonl").exists()
