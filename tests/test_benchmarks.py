"""The benchmarks in a short form: that each still runs. Its figures mean nothing here."""

import importlib
import sys
from contextlib import suppress
from typing import Any

import pytest

SHORT: dict[str, dict[str, Any]] = {
    "against_captum": {"STATES": 2, "REFERENCE_STEPS": 8},
    "error_bars": {"POLICIES": 2, "SETS": 3, "COUNTS": (8, 32)},
    "export": {"ANALYSES": 20, "FEATURES": 4},
    "long_run": {"LENGTHS": (2, 3), "KEEP": 2},
    "planted_truth": {"SEEDS": range(2)},
    "stages": {"TURNS": 1},
}
"""The constants of each with which it takes seconds."""

LONG = {
    "against_shap": "needs SHAP, which `make bench` installs",
    "budgets": "runs other benchmarks, each for minutes",
    "cluster": "explains on two clusters, for minutes; tests/daemon/test_cluster.py has one",
    "floor": "times bare PyTorch for minutes",
    "growth": "goes up to sizes that take minutes",
    "guide_config": "asks plain Captum for minutes",
    "latency": "trains, and waits for a daemon, for minutes",
    "memory": "explains the guide's size in processes of their own, for minutes",
    "monitor": "times terminals on 100,000 analyses; tests/tui/test_docs.py shows a small tree of its to the monitor",
    "recorder": "trains in pairs for minutes",
    "training": "trains in pairs beside a daemon for minutes",
}
"""What no test runs, and why; `make bench` runs most of it. That each can be imported is tested."""


@pytest.mark.parametrize("name", SHORT)
def test_it_runs(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    module = importlib.import_module(f"benchmarks.{name}")
    for constant, value in SHORT[name].items():
        assert hasattr(module, constant)
        monkeypatch.setattr(module, constant, value)
    monkeypatch.setattr(sys, "argv", [name])
    with suppress(SystemExit):  # which says whether the figures are within their limits
        module.main()
    assert any(sign.isdigit() for sign in capsys.readouterr().out)


@pytest.mark.parametrize("name", sorted(LONG.keys() - {"against_shap"}))
def test_it_can_be_imported(name: str) -> None:
    assert callable(importlib.import_module(f"benchmarks.{name}").main)
