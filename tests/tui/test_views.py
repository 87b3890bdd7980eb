"""What the panels say, in plain text."""

from typing import Any, Literal

import pytest

from fxwatch.records.analysis import Analysis, BranchShare, Consensus, DeadFeatures, Finding, Health
from fxwatch.records.gradients import GradientFlow
from fxwatch.records.internals import Attention
from fxwatch.records.ledger import LedgerLine
from fxwatch.records.quality import QualityMetrics
from fxwatch.tui.actions import ACTIONS
from fxwatch.tui.snapshot import Delivery, FileNews, Lack, Past, RunNews, Snapshot
from fxwatch.tui.view import footer, header, nothing_to_show
from fxwatch.tui.view import help as help_view
from fxwatch.tui.view.in_words import heartbeat_in_words
from fxwatch.tui.view.panels import PANELS
from fxwatch.tui.view.text import Line, plain, width_of
from tests.tui.examples import START, analysis, daemon, shows, snapshot

HOSTILE = "[bold red]x[/] \x1b[2J\x1b]52;c;AAAA\a \u202egpj.exe \u200b" + "y" * 300


def shown(panel: str, seen: Snapshot, width: int = 80, height: int | None = None) -> str:
    return plain(PANELS[panel].lines(seen, width, height))


def head(seen: Snapshot, width: int = 100) -> str:
    return plain(header.lines(seen, width, 4))


def sick() -> Analysis:
    """Everything that can be wrong."""
    return analysis(
        consensus=0.234,
        infidelity=0.3,
        shares={"hf": 0.6, "mf": 0.2, "lf": 0.1, "portfolio": 0.1},
        norms={"policy.hf.a": 1e-9, "policy.hf.b": 1e5, "policy.hf.c": 0.0, "policy.hf.d": 1.0},
    )


def null_ridden() -> Analysis:
    """Everything that can be missing."""
    return analysis(
        None,
        consensus=None,
        infidelity=None,
        shares={"hf": None},
        feature_importance={"hf": []},
        units={},
        quality=QualityMetrics(),
        gradient_flow=GradientFlow(of="", reason="the model has no parameters"),
        dead_features=DeadFeatures(reason="too few analyses"),
        attention=Attention(reason="the model has none"),
        methods={},
        decisions={},
    )


def hostile() -> Analysis:
    """Every name that a file can choose is chosen by an enemy."""
    bad = analysis(run=HOSTILE)
    finding = Finding(
        metric="x", value=1, threshold=0, level="bad", message=HOSTILE, causes=[HOSTILE], remedies=[HOSTILE] * 3
    )
    return bad.model_copy(
        update={
            "branches": {HOSTILE: BranchShare(share=0.9, verdict="ok")},
            "feature_importance": {HOSTILE: [(HOSTILE, 0.9), ("名前" * 40, 0.1)]},
            "dead_features": DeadFeatures(
                branches={HOSTILE: [HOSTILE]}, total_count=1, causes={HOSTILE: {HOSTILE: HOSTILE}}
            ),
            "gradient_flow": bad.gradient_flow.model_copy(
                update={
                    "layer_gradients": {HOSTILE: next(iter(bad.gradient_flow.layer_gradients.values()))},
                    "vanishing_gradients": [HOSTILE],
                }
            ),
            "methods": {HOSTILE: next(iter(bad.methods.values())).model_copy(update={"reason": HOSTILE})},
            "checkpoint": bad.checkpoint.model_copy(update={"path": HOSTILE}),
            "states": bad.states.model_copy(update={"path": HOSTILE}),
            "consensus": Consensus(pairs=[bad.consensus.pairs[0].model_copy(update={"methods": (HOSTILE, HOSTILE)})]),
            "health": Health(verdict="bad", findings=[finding]),
        }
    )


def every_line(seen: Snapshot, width: int, height: int | None) -> list[Line]:
    lines = [line for panel in PANELS.values() for line in panel.lines(seen, width, height)]
    lines += header.lines(seen, width, 4) + nothing_to_show.lines(seen, width, height)
    return lines + help_view.lines(width) + footer.lines(ACTIONS, "", width)


STATES = {
    "healthy": snapshot(),
    "sick": snapshot(sick()),
    "null-ridden": snapshot(null_ridden(), past=None, daemon=None),
    "hostile": snapshot(
        hostile(),
        watched=HOSTILE,
        daemon=daemon(last_trouble=HOSTILE, running=[HOSTILE]),
        files=FileNews(START, {}, (LedgerLine(seq=0, at="?", path=HOSTILE, state="failed", reason=HOSTILE),)),
    ),
    "newer": snapshot(analysis=None, trouble=f"it was written by a newer fxwatch {HOSTILE}"),
    "nothing": Snapshot(START, HOSTILE, "store", Lack.FOLDER),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("width", [20, 38, 57, 80, 118, 200])
def test_nothing_is_wider_than_its_room_and_nothing_gets_out(state: str, width: int) -> None:
    for height in (None, 1, 2, 5, 9, 20, 55):
        lines = every_line(STATES[state], width, height)
        assert [line for line in lines if width_of(line) > max(width, 24)] == []
        assert not set(plain(lines)) & set("\x1b\x07\u202e\u200b\r\t")


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_keeps_to_its_height(state: str, panel: str) -> None:
    for height in range(1, 60):
        lines = PANELS[panel].lines(STATES[state], 60, height)
        assert 1 <= len(lines) <= height


def test_ppo_metrics() -> None:
    text = shown("ppo_metrics", snapshot(), 80, 10)
    shows(
        text,
        "✓ consensus     0.840 ±0.012",
        "min 0.723, std 0.089, agreement score 0.750",
        "✓ infidelity    0.020 ±0.004",
        "6.4 effective features",
    )
    assert [row.split()[1] for row in text.splitlines() if row[:1] in "✓!✗"] == [
        "consensus",
        "sparsity",
        "concentration",
        "infidelity",
        "sensitivity",
        "completeness",
    ]


def test_the_spread_of_consensus_stands_in_the_title_where_there_is_no_other_room() -> None:
    text = shown("ppo_metrics", snapshot(), 60, 7)
    assert text.splitlines()[0].endswith("min 0.723, std 0.089, agreement 0.750")
    assert len(text.splitlines()) == 7


def test_a_metric_that_is_missing_says_why() -> None:
    text = shown("ppo_metrics", snapshot(null_ridden()))
    shows(text, "? consensus         – ±0.012  fewer than two methods", "? sparsity          –         not computed")


def test_in_full_the_methods_and_limits_are_told() -> None:
    text = shown("ppo_metrics", snapshot())
    shows(
        text,
        "integrated gradients · saliency",
        "! deep lift               failed: not every layer is covered",
        "consensus     ok from 0.7, bad below 0.4",
    )


def test_branches_with_band_change_and_interval() -> None:
    text = shown("model_internals", snapshot(sick()), 80, 30)
    assert "✗" not in text
    assert "! hf          60.0 % 58.0–62.0 +35.0" in text  # it was 25 %
    shows(text, "✓ mf          20.0 % 18.0–22.0", "░ expected")


def test_top_features_with_score_and_share() -> None:
    text = shown("model_internals", snapshot(), 80, 30)
    shows(text, "hf         price_velocity", "0.800   9.8 %")
    assert text.index("price_velocity") < text.index("volume_ratio")


def test_dead_features_and_attention() -> None:
    text = shown("model_internals", snapshot(), 80, 30)
    shows(
        text,
        "✓ dead features 1",
        "hf/spread                    constant input",
        "stability 0.970, entropy 0.620, 4 heads",
    )
    missing = shown("model_internals", snapshot(null_ridden()), 80, 30)
    shows(missing, "? dead features not looked for too few analyses", "attention     the model has none")


def test_gradient_flow() -> None:
    text = shown("gradient_flow", snapshot(), 80, 12)
    shows(text, "✓ 0 vanishing  0 exploding  0 zero  0 unused  0 drops", "1e+3 ┤", "1e-7 ┤")
    assert "largest    1.600  layer_11" in text  # the beginning that all names share is left out
    ill = shown("gradient_flow", snapshot(sick()), 80)
    shows(
        ill,
        "✗ 1 vanishing  1 exploding  1 zero  0 unused  1 drops",
        "✗ vanishing  a",
        "! drops      layer_2 → layer_1, 1e-04",
    )
    assert "not computed: the model has no parameters" in shown("gradient_flow", snapshot(null_ridden()))


def test_training_progress() -> None:
    trouble = LedgerLine(seq=1, at="", path="half.pt", state="incomplete", reason="truncated")
    text = shown("training_progress", snapshot(files=FileNews(START, {"default": 1200}, (trouble,))), 80)
    shows(
        text,
        "analyses       3 done · one every 20 s",
        "files          3 done · 1 incomplete",
        "step           1,000 of 1,200 seen · 200 behind",
        "last analysis  08:00 UTC · 2.3 s · 1,200 forwards, 800 backwards · 412 MB",
        "explained      ppo_1000_steps.zip · 32 states of states-1.safetensors",
        "! half.pt incomplete: truncated",
    )
    assert "1,000 analysed, the newest seen" in shown("training_progress", snapshot(files=FileNews(START)), 80)


def test_a_history_that_was_rotated_is_told() -> None:
    assert "read anew, since it was truncated" in shown(
        "training_progress", snapshot(past=Past(1, 3, restarted="truncated"))
    )


def test_warnings_by_room() -> None:
    seen = snapshot(sick())
    one = shown("warnings", seen, 60, 4)
    assert one.splitlines()[1].startswith("✗ ")
    assert "since step 1,000" in one
    assert "more" in one.splitlines()[-1]
    assert "may be caused by" not in one
    full = shown("warnings", seen, 60)
    assert "what to do\n    · simplify model architecture" in full
    assert "✓ nothing to warn of" in shown("warnings", snapshot())


def test_what_cannot_be_read_is_never_ok() -> None:
    assert "? UNKNOWN  it was written by a newer fxwatch" in head(STATES["newer"])
    bad = snapshot(analysis=None, trouble="newer", runs=(RunNews("default", "bad", 1, 1, "x"),))
    assert head(bad).startswith("✗ BAD  newer")


def test_the_verdict_line_says_what_why_and_since_when() -> None:
    assert head(snapshot(sick())).splitlines()[0].startswith("✗ BAD  ")
    assert head(snapshot(sick())).splitlines()[0].endswith("more")
    assert head(snapshot()).startswith("✓ OK  nothing to warn of")
    assert "? UNKNOWN  " in head(snapshot(null_ridden()))


def test_live_or_held() -> None:
    assert "run default · live at step 1,000 (3 of 3)" in head(snapshot())
    held = head(snapshot(held=True, past=Past(2, 3)))
    assert "held at step 1,000 (2 of 3)" in held
    assert "live at" not in held


def test_a_worse_run_is_pointed_out() -> None:
    here = RunNews("default", "ok", 1000, 3, "x")
    worse = RunNews("other", "bad", 5, 1, "y")
    assert "other is BAD, r" in head(snapshot(runs=(worse, here)))
    assert "run 1 of 2, worst first" in head(snapshot(runs=(here, RunNews("other", "ok", 5, 1, "y"))))


def beat(**parts: Any) -> str:
    return head(snapshot(**parts), 140).splitlines()[2]


def test_heartbeat_of_the_daemon() -> None:
    assert beat().startswith("daemon watching, seen <15 s ago · training alive, last file <15 s ago · 0 waiting")
    assert beat(now=START + 9) == beat()
    working = beat(daemon=daemon(waiting=2, running=["a.zip"], mode="polling"))
    assert working.endswith("2 waiting · W&B off · by polling")
    seen = snapshot(daemon=daemon(waiting=2, running=["a.zip"]))
    assert head(seen).splitlines()[3] == "explaining a.zip"
    assert "2 waiting · explaining a.zip · W&B off" in plain(header.lines(seen, 140, 3))
    assert beat(now=START + 600).startswith(
        "daemon silent since 08:00 UTC, 10 min ago · `fxwatch daemon outputs` watches on"
    )
    assert beat(daemon=daemon(state="stopped")).startswith("daemon stopped 08:00 UTC")
    assert beat(daemon=None).startswith("no daemon has run here · `fxwatch daemon outputs` watches it")
    assert "daemon silent" in beat(daemon=daemon(at=START).model_copy(update={"at": "rubbish"}))


def test_a_clock_that_was_set_back_makes_nothing_alive() -> None:
    assert beat(daemon=daemon(START + 9)) == beat()
    told = beat(daemon=daemon(START + 90_000))
    assert told.startswith("daemon silent, clock set back since 2026-11-23 09:00 UTC · `fxwatch daemon")
    assert "training not watched" in told
    assert "training not known to be alive" in beat(files=FileNews(at=START + 90_000))


@pytest.mark.parametrize(
    ("mode", "delivery", "words"),
    [
        ("off", Delivery(waiting=3), "W&B off"),
        ("off", Delivery(begun=True, waiting=3, at=START - 300), "W&B off, 3 not sent, last sent 5 min ago"),
        ("online", Delivery(waiting=3), "W&B 3 waiting, none sent yet"),
        ("online", Delivery(begun=True, at=START), "W&B up to date, last sent <15 s ago"),
        ("offline", Delivery(begun=True, waiting=1, at=START), "W&B offline 1 waiting, last sent <15 s ago"),
        ("online", Delivery(begun=True, waiting=2, at=START, trouble="no key"), "W&B fails, 2 waiting, last sent"),
    ],
)
def test_heartbeat_of_wandb(mode: Literal["off", "online", "offline"], delivery: Delivery, words: str) -> None:
    seen = snapshot(daemon=daemon(wandb=mode), delivery=delivery)
    assert words in plain(header.lines(seen, 200, 4))
    progress = shown("training_progress", seen, 120)
    assert words.removeprefix("W&B ") in progress
    assert ("no key" in progress) is (delivery.trouble is not None)
    assert heartbeat_in_words(seen)[0].count(words) == 1


def test_training_alive_or_silent() -> None:
    assert "training silent since 08:00 UTC, 10 min" in beat(now=START + 600, daemon=daemon(START + 600))
    slow = Past(3, 3, gap=1000.0)  # a checkpoint every quarter of an hour: ten minutes are nothing
    assert "training alive, last file 10 min ago" in beat(now=START + 600, daemon=daemon(START + 600), past=slow)
    assert "training not watched" in beat(now=START + 600)
    assert "no files from training yet" in beat(files=FileNews())


def test_the_last_trouble_has_a_line_of_its_own() -> None:
    assert head(snapshot(daemon=daemon(last_trouble="no space left"))).splitlines()[3] == "last trouble: no space left"


REFUSED = LedgerLine(seq=0, at="?", path="a.pt", state="refused", reason="it would run code")


@pytest.mark.parametrize(
    ("lack", "parts", "words"),
    [
        (Lack.FOLDER, {}, ["There is no folder outputs", "fxwatch daemon outputs", "fxwatch demo"]),
        (Lack.STORE, {"empty": True}, ["outputs is empty so far", "fxwatch daemon outputs", "fxwatch demo"]),
        (Lack.STORE, {}, ["Nobody has watched outputs yet", "fxwatch daemon outputs"]),
        (Lack.RESULTS, {"daemon": None}, ["no daemon has run here", "fxwatch daemon outputs"]),
        (Lack.RESULTS, {"daemon": daemon(START - 3600)}, ["daemon silent since 07:00 UTC", "fxwatch daemon outputs"]),
        (Lack.RESULTS, {}, ["daemon watching", "3 done, 1 incomplete", "first analysis appears here"]),
        (
            Lack.RESULTS,
            {"daemon": daemon(START - 3600), "files": FileNews(troubles=(REFUSED,))},
            ["Not explained: a.pt, refused: it would run code.", "fxwatch daemon outputs"],
        ),
        (None, {"trouble": "it was written by a newer fxwatch"}, ["cannot be shown: it was written by a newer"]),
    ],
)
def test_first_use(lack: Lack | None, parts: dict[str, Any], words: list[str]) -> None:
    seen = snapshot(**{"analysis": None, "run": None, "runs": (), "lack": lack, **parts})
    text = plain(nothing_to_show.lines(seen, 80, 20))
    assert all(word in " ".join(text.split()) for word in words)
    assert "goes on looking" in text


def test_a_folder_with_blanks_is_quoted() -> None:
    seen = snapshot(watched="my outputs", lack=Lack.STORE, analysis=None)
    assert "fxwatch daemon 'my outputs'" in plain(nothing_to_show.lines(seen, 80, 20))


def test_help_and_footer_come_from_the_same_table() -> None:
    text = plain(help_view.lines(100))
    assert all(f"{action.shown.ljust(12)}{action.help}" in text for action in ACTIONS)
    assert plain(footer.lines(ACTIONS, "", 200)).startswith("q quit   ? help")
    assert plain(footer.lines(ACTIONS, "copied", 200)) == "copied"
