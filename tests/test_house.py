"""The house: what is loaded when, how quick it is to start, and files that must agree with the code."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fxwatch.config import ENV_PREFIX, ConfigError, load_config, template
from fxwatch.records.thresholds import AtLeast, Band, Between
from tests.project import ROOT, environ

HEAVY = ("torch", "captum", "wandb", "matplotlib")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["status", "."],
        ["tui", "--help"],
        ["export", "--help"],
        ["sync", "--help"],
        ["serve", "--help"],
        ["config", "show"],
        ["config", "schema", "--of", "analysis"],
    ],
)
def test_light_commands_load_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    code = (
        "import sys, json\n"
        "from fxwatch.cli import app\n"
        f"try: app({arguments!r})\nexcept SystemExit: pass\n"
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environ(), capture_output=True, text=True, check=True
    )
    assert json.loads(done.stderr.splitlines()[-1]) == []


def test_importing_the_monitor_loads_nothing_heavy() -> None:
    code = f"import sys, fxwatch.tui.app; assert not set(sys.modules) & set({HEAVY!r})"
    subprocess.run([sys.executable, "-c", code], env=environ(), check=True)


def test_the_repositorys_config_holds_every_key_at_its_default(tmp_path: Path) -> None:
    assert (ROOT / "config.toml").read_text() == template()
    (tmp_path / "c.toml").write_text(template())
    assert load_config(tmp_path / "c.toml").config.model_dump(exclude={"model": {"path"}}) == load_config(
        None, tmp_path
    ).config.model_dump(exclude={"model": {"path"}})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[analysis]\nn_step = 3\n", "c.toml:2: unknown key analysis.n_step; did you mean n_steps?"),
        ("[analyses]\n", "c.toml:1: unknown key analyses; did you mean analysis?"),
        ("[daemon]\n[modl.outputs]\nvalue = '1'\n", "c.toml:2: unknown key modl; did you mean model?"),
        ("[analysis\n", "c.toml:1:10: "),
        (
            "[thresholds]\nsparsity = {low = 0.7}\n",
            "c.toml:2: thresholds.sparsity: low = 0.7 must not lie above high = 0.6",
        ),
        ("[expected.hf]\nlw = 1\n", "c.toml:2: unknown key expected.hf.lw; did you mean low?"),
        ("[inputs.hf]\nfeature = []\n", "did you mean features?"),
        ("[thresholds]\nconsensus = 0.5\n", "c.toml:2: thresholds.consensus: it must be a table of ok, bad"),
        (
            "[thresholds]\nconsensus = {ok = 0.1, bad = 0.5}\n",
            "c.toml:2: thresholds.consensus: bad = 0.5 must not lie above",
        ),
        (
            "\n\n[analysis]\nn_steps = 1\n",
            'c.toml:4: analysis.n_steps: it must be "auto" or a whole number of at least 2',
        ),
        ('[analysis]\nactions = ["A", "A"]\n', "c.toml:2: analysis.actions: two actions have the name 'A'"),
        ('[analysis]\nprimary_method = "saliancy"\n', "c.toml:2: analysis.primary_method: input should be"),
        ('[analysis]\nsecondary_methods = ["saliancy"]\n', "; did you mean saliency?"),
        ("[analysis]\nevery = 0\n", "c.toml:2: analysis.every: input should be greater than or equal to 1"),
    ],
)
def test_a_mistake_in_the_config_is_named_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "c.toml")
    assert words in str(caught.value)


def test_every_section_that_is_promised_may_be_there(tmp_path: Path) -> None:
    promised = ["watch", "store", "report", "wandb", "alerts", "serve", "tui"]
    (tmp_path / "c.toml").write_text("".join(f"[{section}]\n" for section in promised))
    load_config(tmp_path / "c.toml")


def test_a_limit_that_is_set_leaves_the_guides_others(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(
        "[thresholds]\nsparsity = {low = 0.2}\nconsensus = {ok = 0.8}\n[expected.hf]\nlow = 0.1\n"
        "[runs.a.thresholds]\nsparsity = {high = 0.5}\n[runs.a.expected]\nhf = {high = 0.3}\n"
    )
    config = load_config(tmp_path / "c.toml").config
    assert config.thresholds.sparsity == Between(low=0.2, high=0.6)
    assert config.thresholds.consensus == AtLeast(ok=0.8, bad=0.4)
    assert config.expected["hf"] == Band(low=0.1, high=0.35)
    assert config.for_run("a").thresholds.sparsity == Between(low=0.2, high=0.5)
    assert config.for_run("a").expected["hf"] == Band(low=0.1, high=0.3)


def test_the_environment_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "c.toml").write_text("[analysis]\nevery = 3\nmax_states = 5\n[thresholds]\nsparsity = {low = 0.2}\n")
    monkeypatch.setenv(f"{ENV_PREFIX}ANALYSIS__EVERY", "7")
    monkeypatch.setenv(f"{ENV_PREFIX}ANALYSIS__N_STEPS", "50")
    found = load_config(tmp_path / "c.toml").config
    assert (found.analysis.every, found.analysis.max_states, found.analysis.n_steps) == (7, 5, 50)
    monkeypatch.setenv(f"{ENV_PREFIX}ANALYSIS__EVRY", "7")
    with pytest.raises(ConfigError, match=r"FXWATCH_ANALYSIS__EVRY: unknown key analysis.evry; did you mean every\?"):
        load_config(None)
    monkeypatch.delenv(f"{ENV_PREFIX}ANALYSIS__EVRY")
    monkeypatch.setenv(f"{ENV_PREFIX}ANALYSS__EVERY", "7")
    with pytest.raises(ConfigError, match=r"FXWATCH_ANALYSS__EVERY: there is no section analyss; did you mean"):
        load_config(None)
    monkeypatch.delenv(f"{ENV_PREFIX}ANALYSS__EVERY")
    monkeypatch.setenv(f"{ENV_PREFIX}ANALYSIS__ACTIONS", "a,b")
    with pytest.raises(ConfigError, match="lists and tables in them are JSON, as in FXWATCH_ANALYSIS__ACTIONS="):
        load_config(None)


def test_a_config_that_is_not_ours_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text("[training]\nlr = 1\n[tool.black]\nline = 3\n")
    found = load_config(None)
    assert found.file is None
    assert found.warnings == ["./config.toml is passed over: it has no section of fxwatch's"]
    (tmp_path / "config.toml").write_text("[modle]\nfactory = 1\n")
    assert load_config(None).warnings == [
        "./config.toml is passed over: it has no section of fxwatch's; did you mean model?"
    ]
    (tmp_path / "config.toml").write_text("[analysis]\nevery = 4\n")
    assert load_config(None).config.analysis.every == 4
    inside = load_config(None, tmp_path)
    assert inside.config.analysis.every == 1
    assert "inside the watched folder" in inside.warnings[0]
    assert load_config(tmp_path / "config.toml", tmp_path).config.analysis.every == 4
