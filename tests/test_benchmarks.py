"""The benchmarks in a short form: that each still runs; its figures mean nothing here."""

import importlib
import sys
from typing import Any

import pytest

SHORT: dict[str, dict[str, Any]] = {
    "export": {"ANALYSES": 20, "FEATURES": 4},
    "long_run": {"LENGTHS": (2, 4), "KEEP": 2},
    "stages": {"TURNS": 1},
    "planted_truth": {"SEEDS": range(2)},
    "error_bars": {"POLICIES": 1, "SETS": 3, "COUNTS": (4, 8)},
    "against_captum": {"STATES": 2, "REFERENCE_STEPS": 8},
    "latency": {"CHECKPOINTS": 1, "STARTS": 1},
    "cluster": {"CHECKPOINTS": 3, "WARMING": 1},
    "memory": {},
    "floor": {"BATCHES": (32,)},
    "guide_config": {"RUNS": 1, "COMPARED": 1},
}

LONG = {
    "against_shap": "needs SHAP, which `make bench` installs",
    "budgets": "is an alone-on-the-machine measurement of minutes",
    "monitor": "takes terminals; tests/tui/test_docs.py holds the tree that it builds to the monitor",
    "recorder": "trains for minutes, with and without",
    "training": "trains for minutes, beside a daemon",
    "growth": "",
}
"""Not run here, and why."""


@pytest.mark.parametrize("name", SHORT)
def test_it_runs(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    module = importlib.import_module(f"benchmarks.{name}")
    for constant, value in SHORT[name].items():
        assert hasattr(module, constant)
        monkeypatch.setattr(module, constant, value)
    monkeypatch.setattr(sys, "argv", [name])
    module.main()
    assert any(sign.isdigit() for sign in capsys.readouterr().out)
