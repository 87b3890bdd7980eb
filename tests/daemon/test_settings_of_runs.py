"""`[runs."name"]`: several runs below one folder, one daemon, each explained by its own settings."""

import json
from pathlib import Path

import pytest
import torch

from fxwatch import exit_codes
from fxwatch.config import Config, ConfigError, load_config
from fxwatch.records.thresholds import AtLeast
from fxwatch.store.layout import Store
from fxwatch.tui.read.reader import StoreReader
from fxwatch.tui.view.ppo_metrics import metrics
from tests.policies import ByKeyword
from tests.project import CONFIG, Project

TWO = (
    CONFIG
    + """
[runs."exp/one.5".model]
factory = "tests.policies:ByKeyword"
call = "kwargs"

[runs."exp/one.5".analysis]
actions = ["SHORT", "FLAT", "LONG"]
every = 2

[runs."exp/one.5".thresholds]
consensus = { ok = 0.001, bad = 0.0001 }

[runs."exp/one.5".expected.hf]
low = 0.9
high = 0.95
"""
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Run `exp/two` by the common settings, and `exp/one.5` by its own."""
    project = Project(tmp_path, TWO)
    project.states()
    project.checkpoint("exp/two/model_1.pt", global_step=1)
    (project.outputs / "exp" / "one.5").mkdir()
    for step in (1, 2, 3):
        torch.manual_seed(step)
        path = project.outputs / "exp" / "one.5" / f"model_{step}.pt"
        torch.save({"model_state_dict": ByKeyword().state_dict(), "global_step": step}, path)
    return project


@pytest.mark.parametrize("seen_before", [True, False])
def test_a_single_checkpoint_is_analysed_and_examined_by_the_settings_of_its_run(
    project: Project, *, seen_before: bool
) -> None:
    folder = project.outputs
    if seen_before:  # a folder of any name, known by its results
        folder = project.outputs.rename(project.folder / "elsewhere")
        Store.of(folder, None).create()
    dump = str(folder / "states.npz")
    own, two = folder / "exp" / "one.5" / "model_1.pt", folder / "exp" / "two" / "model_1.pt"
    said = {}
    for path in (own, two):
        done = project.run("analyze", str(path), "--states", dump, "--json")
        assert done.returncode == exit_codes.OK, done.stderr
        said[path] = json.loads(done.stdout)
    assert [said[path]["run"] for path in (own, two)] == ["exp/one.5", "default"]
    assert set(said[own]["decisions"]) & {"SHORT", "FLAT", "LONG"}
    assert [said[path]["thresholds"]["consensus"]["ok"] for path in (own, two)] == [0.001, 0.7]
    for path in (own, two, folder / "exp"):
        done = project.run("doctor", str(path), "--states", dump)
        assert "it can be explained as it is" in done.stdout, done.stdout + done.stderr
        assert ("run exp/one.5 has settings of its own" in done.stdout) == (path == own)


def test_two_runs_are_explained_by_their_own_settings_and_neither_again(project: Project) -> None:
    done = project.run("daemon", "--once")
    assert done.returncode == exit_codes.OK, done.stderr
    (two,) = project.analyses("exp/two")
    own = project.analyses("exp/one.5")
    assert [found["checkpoint"]["step"] for found in own] == [1, 3]
    assert project.ledger()["exp/one.5/model_2.pt"].reason == "every = 2"
    assert set(own[0]["decisions"]) & {"SHORT", "FLAT", "LONG"}
    assert set(two["decisions"]) & {"HOLD", "BUY", "SELL"}
    assert (own[0]["consensus"]["verdict"], own[0]["branches"]["hf"]["expected"]["low"]) == ("ok", 0.9)
    assert own[0]["branches"]["portfolio"]["expected"] == two["branches"]["portfolio"]["expected"]  # the guide's
    assert two["branches"]["hf"]["expected"]["low"] == 0.15
    limits_are_drawn_as_they_judged(project)

    again = project.run("daemon", "--once")
    assert "0 analysed" in again.stderr
    (project.folder / "config.toml").write_text(TWO.replace("every = 2", "every = 2\nn_samples = 5"))
    project.run("daemon", "--once")
    assert len(project.analyses("exp/two")) == 1  # its own settings are what they were
    assert len(project.analyses("exp/one.5")) > 2


def limits_are_drawn_as_they_judged(project: Project) -> None:
    (project.folder / "config.toml").rename(project.folder / "away.toml")  # the results alone say it
    page = Path(project.run("report", "--html").stdout.strip())
    if not page.is_absolute():
        page = project.folder / page
    assert [limits in page.read_text() for limits in ("≥ 0.001; bad below 0.0001", "≥ 0.7; bad below 0.4")] == [
        True
    ] * 2
    for run, ok in (("exp/one.5", 0.001), ("exp/two", 0.7)):
        shown = StoreReader(project.store, project.outputs, lambda: 0.0, run=run)()
        assert shown.analysis is not None
        assert metrics(shown, shown.analysis)[0].limit == AtLeast(ok=ok, bad=0.0001 if ok == 0.001 else 0.4)
    (project.folder / "away.toml").rename(project.folder / "config.toml")


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "c.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[runs."a.b".model]\nfactroy = "x:y"\n', ":2: unknown key runs.a.b.model.factroy; did you mean factory?"),
        (
            '[runs."a.b"]\n\n[runs."a.b".modle]\nfactory = "x:y"\n',
            ":3: unknown key runs.a.b.modle; did you mean model?",
        ),
        ("[runs.a.daemon]\nworkers = 2\n", ":1: unknown key runs.a.daemon"),
        ('[runs.a.analysis]\nmax_states = "many"\n', ":2: runs.a.analysis.max_states:"),
        ('[analysis]\nmax_states = 0\n[runs.a.model]\ncall = "args"\n', ":2: analysis.max_states:"),
        ("runs = 3\n[model]\n", ":1: runs:"),
        ("[runs]\na = 3\n", ":2: runs.a:"),
        ("[runs.a.inputs.hf]\ncolums = [0, 3]\n", ":2: unknown key runs.a.inputs.hf.colums; did you mean columns?"),
    ],
)
def test_a_mistake_is_said_once_with_its_line_and_the_nearest_name(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_config(written(tmp_path, text))
    assert words in str(raised.value)
    assert ";" not in str(raised.value).replace("; did", "").replace("; `fxwatch", "")


def test_a_run_takes_what_it_does_not_set_and_its_settings_survive_a_journey(tmp_path: Path) -> None:
    text = "[thresholds]\nconsensus = {ok = 0.5, bad = 0.3}\n[runs.a.thresholds]\nconsensus = {bad = 0.45}\n"
    text += '[runs.a.model]\npath = ["../code"]\n'
    config = load_config(written(tmp_path, text)).config
    assert config.for_run("a").thresholds.consensus.model_dump() == {"ok": 0.5, "bad": 0.45}
    assert config.for_run("b").thresholds.consensus.model_dump() == {"ok": 0.5, "bad": 0.3}
    assert config.for_run("a").model.path == [str(tmp_path.parent / "code")]
    assert not config.for_run("a").runs
    assert Config.model_validate_json(config.model_dump_json()).for_run("a") == config.for_run("a")
