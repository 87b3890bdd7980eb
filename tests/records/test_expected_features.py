"""Which features should lead: the words of the guide, and one's own."""

from pathlib import Path

import pytest

from fxwatch.config import ConfigError, load_config
from fxwatch.records.expected_features import EXPECTED_FEATURES, expected_of, meant_by, with_the_guides, words

GUIDE = {
    "hf": ["price_velocity", "volume_ratio", "spread", "realized_volatility"],
    "mf": ["ema_cross_signal", "rsi_divergence", "bollinger_position"],
    "lf": ["support_distance", "resistance_strength", "trend_strength"],
    "portfolio": ["position_pnl_percent", "cash_ratio", "position_hold_time"],
}
"""The guide's own example of features, and a volatility."""


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("price_velocity", ["price", "velocity"]),
        ("PriceVelocity_5m", ["price", "velocity", "5", "m"]),
        ("RSI14", ["rsi", "14"]),
        ("EMACross", ["ema", "cross"]),
        ("pnl %", ["pnl"]),
        ("_|_", []),
    ],
)
def test_words_of_a_name(name: str, found: list[str]) -> None:
    assert words(name) == found


@pytest.mark.parametrize(
    ("expectation", "features", "meant"),
    [
        ("price velocity", ["volume", "PriceVelocity5m", "velocity_price"], ["PriceVelocity5m", "velocity_price"]),
        ("volume", ["volume_ratio", "volume", "tick_volume"], ["volume"]),
        ("pnl | profit", ["profit_now", "cash"], ["profit_now"]),
        ("pnl | profit", ["profit_now", "unrealized_pnl"], ["unrealized_pnl"]),
        ("rsi", ["version", "parsing"], []),
        (" | trend", ["trend_strength"], ["trend_strength"]),
        ("trend", [], []),
    ],
    ids=["all words in any order", "just these words alone", "another name", "the first that is there", "whole words",
         "an empty alternative", "no features"],
)  # fmt: skip
def test_what_an_expectation_means(expectation: str, features: list[str], meant: list[str]) -> None:
    assert meant_by(expectation, features) == meant


def test_every_expectation_of_the_guide_means_a_feature_of_its_own_example() -> None:
    for action, branches in EXPECTED_FEATURES.items():
        for branch, expectations in branches.items():
            for expectation in expectations:
                assert meant_by(expectation, GUIDE[branch]), (action, branch, expectation)


@pytest.mark.parametrize("action", ["BUY", "buy", "Buy"])
def test_actions_are_known_in_any_case(action: str) -> None:
    assert expected_of(action, EXPECTED_FEATURES) == EXPECTED_FEATURES["BUY"]


def test_of_an_unknown_action_nothing_is_expected() -> None:
    assert expected_of("action_size 2", EXPECTED_FEATURES) is None


def test_own_features_replace_the_guides_branch_by_branch() -> None:
    merged = with_the_guides({"buy": {"hf": ["spread"], "news": ["headline"]}, "scale_in": {"hf": ["volume"]}})
    assert merged["BUY"] == {**EXPECTED_FEATURES["BUY"], "hf": ["spread"], "news": ["headline"]}
    assert merged["SELL"] == EXPECTED_FEATURES["SELL"]
    assert expected_of("Scale_In", merged) == {"hf": ["volume"]}
    assert EXPECTED_FEATURES["BUY"]["hf"] == ["price velocity | velocity", "volume"]


def test_the_config_replaces_branch_by_branch(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[decisions.BUY]\nhf = ["spread"]\nmf = []\n')
    found = load_config(file).config.decisions
    assert found["BUY"]["hf"] == ["spread"]
    assert found["BUY"]["mf"] == []
    assert found["BUY"]["portfolio"] == EXPECTED_FEATURES["BUY"]["portfolio"]
    assert found["HOLD"] == EXPECTED_FEATURES["HOLD"]


def test_an_expectation_without_a_word_is_an_error_that_names_it(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[decisions.SELL]\nlf = ["trend", "%"]\n')
    with pytest.raises(ConfigError, match=r"config.toml:2: decisions.SELL.lf.1: '%' names no feature"):
        load_config(file)
