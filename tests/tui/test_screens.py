"""What stands alone, in plain text; and that no name from a file gets out of it."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fxwatch.records.analysis import Consensus, Pair, Unit
from fxwatch.records.decisions import Decision, ExpectedFeature
from fxwatch.records.gradients import OptimizerLayer
from fxwatch.records.internals import Attention, AttentionHead
from fxwatch.records.ledger import LedgerLine
from fxwatch.records.ranks import FeatureRanks
from fxwatch.terminal import clean
from fxwatch.tui.snapshot import Closer, FeatureNews, FileNews, HeadNews, RunNews, Snapshot
from fxwatch.tui.view.every_action import table as every_action
from fxwatch.tui.view.everything_in_words import everything_in_words
from fxwatch.tui.view.only_ascii import only_ascii
from fxwatch.tui.view.sheet import sheet
from fxwatch.tui.view.subjects import TABLES, TEXTS
from fxwatch.tui.view.table import Way
from fxwatch.tui.view.text import Line, Span, plain, width_of
from tests.tui.examples import FEATURES, START, analysis, shows, snapshot
from tests.tui.test_views import HOSTILE, STATES

HEAT = tuple(tuple((step - 8) / 10 * (row + 1) for step in range(16)) for row in range(3))
AS_IT_IS = Way()
STEPS = (100, 200, None, 400)


def closer(branch: str = "hf", name: str = "spread", layer: str = "policy.hf.attention", **parts: Any) -> Closer:
    """All that is read for any subject."""
    names = (*FEATURES["hf"][:2], name)
    made: dict[str, Any] = {
        "trends": {(branch, name): (0.1, 0.2, 0.3)},
        "feature": FeatureNews(branch, name, STEPS, (0.1, 0.2, 0.15, 0.3), names, HEAT),
        "head": HeadNews(layer, 1, ((0.1, 0.9), (0.5, None))),
        "metric": "consensus",
        "curves": {
            "default": ((100.0, 0.5), (200.0, 0.8)),
            "other": ((100.0, 0.8), (200.0, 0.5)),
        },
        "against": analysis(900, shares={"hf": 0.5, "mf": 0.2, "lf": 0.1, "portfolio": 0.2}),
    }
    return Closer(**{**made, **parts})


def ledger(*names: str) -> tuple[LedgerLine, ...]:
    return tuple(
        LedgerLine(seq=seq, at="2026-11-22T08:00:00+00:00", path=name, state="failed", reason=f"{name} is no good " * 9)
        for seq, name in enumerate(names)
    )


def everything() -> Snapshot:
    """A state in which every subject has something to show."""
    moments = {"policy.hf.layer_1": OptimizerLayer(gradient_rms=0.2, signal_to_noise=0.3, update_ratio=0.001)}
    decided = Decision(
        count=12,
        features={"hf": [("price_velocity", 0.8)]},
        signed={"hf": {"price_velocity": -0.02, "spread": 0.01}},
        expected={
            "hf": [
                ExpectedFeature(words="velocity", features=["price_velocity"], rank=1, leading=True),
                ExpectedFeature(words="volume", features=["volume_ratio"], rank=3),
                ExpectedFeature(words="moon"),
            ]
        },
        agreement=0.5,
        by_chance=0.6,
    )
    found = analysis()
    heads = [AttentionHead(entropy=0.2, stability=0.9, effect=0.4), AttentionHead(entropy=0.8, stability=0.5)]
    found = found.model_copy(
        update={
            "decisions": {"BUY": decided, "HOLD": Decision(count=20, features={}, reason="no gradient reaches it")},
            "attention": Attention(stability=0.97, entropy=0.62, layers={"policy.hf.attention": heads}),
            "gradient_flow": found.gradient_flow.model_copy(update={"optimizer": moments}),
        }
    )
    runs = (RunNews("default", "warn", 1000, 3, found.id), RunNews("other", "ok", 2000, 9, found.id))
    return snapshot(found, closer=closer(), runs=runs, files=FileNews(START, {}, (), ledger("a.zip", "b.zip")))


def text(subject: str, seen: Snapshot, width: int = 120, height: int = 40, way: Way = AS_IT_IS) -> str:
    if subject in TABLES:
        return plain(sheet(subject, seen, way, width, height, 0).lines)
    return plain(TEXTS[subject].lines(seen, width))


def test_features() -> None:
    shown = text("features", everything())
    assert "12 features" in shown
    row = next(line for line in shown.splitlines() if "spread" in line)
    assert row.split()[:2] == ["spread", "hf"]
    shows(row, "4.0 %", "1.0–50.0", "▁▅█", "constant input")
    assert "5 of 12" not in text("features", everything(), way=Way(filter="hf"))
    assert "3 of 12 features" in text("features", everything(), way=Way(filter="hf"))
    assert "by share, largest first" in text("features", everything(), way=Way(sort=2, falling=True))


def test_a_feature() -> None:
    shown = text("feature", everything())
    shows(
        shown,
        "hf / spread",
        "rank 3 of 3 in its branch",
        "dead: constant input",
        "leads BUY            +0.010, speaks for it",
        "share over 4 analyses",
        "step 100",
        "-█",
        "over 16 time steps",
    )
    lost = closer(feature=FeatureNews("hf", "spread", trouble="there is no arrays.npz beside this analysis"))
    assert "no arrays.npz" in text("feature", snapshot(closer=lost))


def test_decisions() -> None:
    shown = text("decisions", everything())
    assert shown.index("HOLD") < shown.index("BUY")
    shows(
        shown,
        "no gradient reaches it",
        "! 50.0 % of the expected lead, 60.0 % by chance: no better than chance",
        "price_velocity 0.800 (-0.020)",
        "✓ leads at rank 1: price_velocity, expected as velocity",
        "! does not lead at rank 3: volume_ratio, expected as volume",
        "? moon: the model has no such feature",
    )


def test_methods() -> None:
    shown = text("methods", everything())
    shows(
        shown,
        "[1] integrated gradients",
        "0.800",
        "60.0 % of their top ten in common",
        "2 votes, each method its own",
        "1 method without a vote, told below",
        "not every layer is covered",
    )
    low = everything().analysis
    assert low is not None
    pairs = [low.consensus.pairs[0].model_copy(update={"spearman": value}) for value in (0.3, 0.6)]
    for pair, sign in zip(pairs, ("✗ 0.300", "! 0.600"), strict=True):
        consensus = low.consensus.model_copy(update={"pairs": [pair]})
        assert sign in text("methods", snapshot(low.model_copy(update={"consensus": consensus})))


def test_the_rank_of_features_by_method_marks_disagreement() -> None:
    rows = [row.split() for row in text("methods", everything()).splitlines()]
    assert ["portfolio", "cash_ratio", "1", "2"] in rows
    assert ["!", "hf", "spread", "2", "!", "12"] in rows
    assert ["!", "mf", "rsi_divergence", "3", "!", "–"] in rows
    sentences = list(everything_in_words(everything()))
    assert "  hf spread ranks 2 by integrated_gradients, 12 by saliency; disagrees: saliency" in sentences


def test_attention() -> None:
    shown = text("attention", everything())
    shows(shown, "2 heads in 1 layer", "0.200", "0.400")
    sorted_rows = text("attention", everything(), way=Way(sort=2, falling=True))
    assert shown.index("0.200") < shown.index("0.800")
    assert sorted_rows.index("0.800") < sorted_rows.index("0.200")
    assert "the model has none" in text("attention", STATES["null-ridden"])
    assert "policy.hf.attention, head 1" in text("head", everything())
    assert "█ is 0.900" in text("head", everything())


def test_gradient_flow_tells_what_the_optimizer_sees() -> None:
    shown = text("gradient_flow", everything())
    assert ["layer_1", "0.200", "0.300", "0.001"] in [row.split() for row in shown.splitlines()]
    assert "no optimizer's moments" in text("gradient_flow", snapshot())


def test_runs() -> None:
    shown = text("runs", everything())
    assert "consensus of all runs over steps" in shown
    rows = [row.split() for row in shown.splitlines()]
    assert rows.index(["0.800", "┤b", "a"]) < rows.index(["0.500", "┤a", "b"])
    shows(shown, "default ← here", "! WARN", "✓ OK")
    assert "over steps" not in text("runs", everything(), 80, 10)


def test_the_log() -> None:
    assert "b.zip is no good" in text("log", everything())
    cut, whole = (text("log", everything(), 60, 30, Way(wrap=wrap)) for wrap in (False, True))
    assert cut.count("\n") < whole.count("\n")
    assert "+1 new" in text("log", everything(), way=Way(chosen=("0", "2026-11-22T08:00:00+00:00")))


def test_compare() -> None:
    shown = text("compare", everything())
    shows(
        shown, "A  run default at step 900", "B  run default at step 1,000", "of 12 moved beyond the noise", "hf -30.0"
    )
    narrow = {name: Unit(share=0.1, signed=0, low=0.099, high=0.101) for name in FEATURES["hf"]}
    moved = {name: unit.model_copy(update={"share": 0.2, "low": 0.199, "high": 0.201}) for name, unit in narrow.items()}
    before, after = (analysis().model_copy(update={"units": {"hf": units}}) for units in (narrow, moved))
    assert "▲ beyond noise" in text("compare", snapshot(after, closer=Closer(against=before)))
    assert "p keeps what is shown" in text("compare", snapshot())
    assert "no analysis before" in text("compare", snapshot(closer=Closer(trouble="there is no analysis before")))


def test_every_action_is_in_the_list_of_commands() -> None:
    shown = text("every_action", snapshot(), 120, 200)
    assert all(row.key[0] and row.cells[0].text in shown for row in every_action(snapshot()).rows)  # type: ignore[union-attr]


def test_all_of_it_in_words() -> None:
    words = "\n".join(everything_in_words(everything()))
    parts = ("Features: 12 features", "Layers:", "Decisions:", "Methods:", "Attention:", "Compare:", "Runs:", "Log:")
    shows(f"\n{words}", *(f"\n{part}" for part in parts))
    assert "feature spread, branch hf, share 4.0 %" in words
    assert not set(words) & set("█▓░▁▂▃▄▅▆▇━╸│┤⠁")


def lines_of(subject: str, seen: Snapshot, width: int, height: int) -> list[Line]:
    if subject in TABLES:
        return sheet(subject, seen, Way(filter="", wrap=width % 2 == 0), width, height, 0).lines
    return TEXTS[subject].lines(seen, width, height)


@pytest.mark.parametrize("subject", [*TABLES, *TEXTS])
@pytest.mark.parametrize("width", [30, 57, 80, 118, 200])
def test_nothing_is_wider_than_its_room(subject: str, width: int) -> None:
    for seen in (everything(), *STATES.values()):
        for height in (5, 16, 60):
            lines = lines_of(subject, seen, width, height)
            assert [line for line in lines if width_of(line) > max(width, 24)] == []
            assert subject not in TABLES or len(lines) <= height


@settings(max_examples=25, deadline=None)
@given(st.text(min_size=1, max_size=40) | st.just(HOSTILE) | st.text("\x1b[];\a\u202e\u2066\u200b\0", min_size=1))
def test_no_name_gets_out(bad: str) -> None:
    found = analysis(run=bad).model_copy(
        update={
            "units": {bad: {bad: Unit(share=0.5, signed=0.1, low=0.1, high=0.6)}},
            "feature_importance": {bad: [(bad, 0.5)]},
            "decisions": {bad: Decision(count=1, features={bad: [(bad, 0.5)]}, signed={bad: {bad: 1.0}}, reason=bad)},
            "attention": Attention(layers={bad: [AttentionHead(entropy=0.5)]}, effect_reason=bad),
            "consensus": Consensus(
                voters=[[bad], ["b"]],
                pairs=[Pair(methods=(bad, "b"), spearman=0.1, jaccard10=0.1)],
                ranks=[FeatureRanks(branch=bad, feature=bad, ranks={bad: 1})],
            ),
            "target": analysis().target,
        }
    )
    near = closer(bad, bad, bad, trouble=bad, against=found, curves={bad: ((1.0, 1.0),)})
    seen = snapshot(
        found, closer=near, runs=(RunNews(bad, "ok", 1, 1, bad),), run=bad, files=FileNews(0.0, {}, (), ledger(bad))
    )
    for subject in [*TABLES, *TEXTS]:
        for line in lines_of(subject, seen, 100, 30):
            assert clean(plain([line]), 10_000) == plain([line])
        ascii_too = only_ascii(plain(lines_of(subject, seen, 100, 30)))
        assert ascii_too.isascii()
    for sentence in everything_in_words(seen):
        assert clean(sentence, 10_000) == sentence


@given(st.text(max_size=30))
def test_ascii_keeps_the_width(text: str) -> None:
    assert only_ascii(text).isascii()
    if text.isprintable():
        assert width_of((Span(only_ascii(text)),)) == width_of((Span(text),))
