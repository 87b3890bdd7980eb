"""docs/results.md: its files written and its commands typed, in its own order, on results of a real policy."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from tests.docs import follow, text_of
from tests.project import Project

TEXT = text_of("docs/results.md")


def test_every_file_and_command_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("CACHE", "CONFIG"):
        monkeypatch.setenv(f"WANDB_{kind}_DIR", str(tmp_path / kind))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    project = Project(tmp_path)
    project.states()
    project.checkpoint("model_1.pt", global_step=1)
    project.checkpoint("model_2.pt", seed=1, global_step=2)
    assert project.run("daemon", "--once").returncode == 0
    typed = follow(TEXT, tmp_path)
    assert [" ".join(line.split()[:2]) for line in typed] == [
        "fxwatch export", "fxwatch export", "fxwatch export", "fxwatch export", "python frames.py", "fxwatch config",
        "fxwatch report", "fxwatch report", "fxwatch sync", "fxwatch status", "python trainer_settings.py",
    ]  # fmt: skip
    table = pd.read_csv(tmp_path / "features.csv")
    assert list(table.columns[:3]) == ["branch", "feature", "importance"]
    assert set(table["step"]) == {1, 2}
    for found in project.analyses():  # the scores of a real policy, as analysis.json has them
        for branch, ranking in found["feature_importance"].items():
            rows = table[(table["analysis"] == found["id"]) & (table["branch"] == branch)]
            scores = rows.set_index("feature")["importance"]
            assert {name: scores[name] for name, _ in ranking} == pytest.approx(dict(ranking), abs=1e-5)
    assert len(json.loads((tmp_path / "analyses.json").read_text())) == 2
    assert (project.store.root / "report.html").exists()
    assert (project.store.run("default").folder / "run_history.png").exists()
    assert list((project.store.root / "wandb").glob("offline-run-*"))
    assert (tmp_path / "consensus.png").read_bytes().startswith(b"\x89PNG")


def test_the_columns_it_names_are_those_of_the_table() -> None:
    from fxwatch.export.features import FEATURES

    paragraph = next(part for part in TEXT.split("\n\n") if part.startswith("`features` has a row"))
    named = re.findall(r"`(\w+)`", paragraph.partition("`analyses` has")[0])[1:]
    assert named == FEATURES.names
