"""A change of verdict is told once it is sure, and not again and again."""

from collections.abc import Sequence

import pytest

from fxwatch.records.alerts import AlertState, alerts
from fxwatch.records.base import Verdict
from fxwatch.records.history import HistoryLine

WORDS: dict[str, Verdict] = {"o": "ok", "w": "warn", "b": "bad", "?": "unknown"}


def lines(verdicts: str, seconds: int = 60) -> list[HistoryLine]:
    """A history: a letter a verdict."""
    return [
        HistoryLine(
            seq=seq,
            id=f"step-{seq:09d}-00000000",
            step=seq,
            created_at=f"2026-11-22T{8 + seq * seconds // 3600:02d}:{seq * seconds // 60 % 60:02d}:00+00:00",
            checkpoint="a.pt",
            verdict=WORDS[letter],
        )
        for seq, letter in enumerate(verdicts)
    ]


def told(history: Sequence[HistoryLine], quiet: float = 0) -> list[tuple[int, Verdict]]:
    """At which analyses what is told; the same whether the history comes at once or bit by bit."""
    found = [(alert.line.seq, alert.verdict) for _, alert in alerts(AlertState(), history, quiet) if alert is not None]
    state, bit_by_bit = AlertState(), []
    for end in range(len(history)):
        for after, alert in alerts(state, history[: end + 1], quiet):
            state = AlertState.model_validate_json(after.model_dump_json())  # a restart at every analysis
            bit_by_bit += [(alert.line.seq, alert.verdict)] if alert is not None else []
    assert bit_by_bit == found
    return found


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ("oooo", []),
        ("obob", []),
        ("oobb", [(3, "bad")]),
        ("owbb", [(2, "warn")]),
        ("bboo", [(1, "bad"), (3, "ok")]),
        ("bbwo", [(1, "bad"), (3, "warn")]),
        ("bbwow", [(1, "bad"), (3, "warn")]),
        ("ob?b", [(3, "bad")]),
        ("????", []),
        ("wwbwbb", [(1, "warn"), (5, "bad")]),
    ],
)
def test_two_in_a_row_tell_the_nearer_of_both(verdicts: str, expected: list[tuple[int, Verdict]]) -> None:
    assert told(lines(verdicts)) == expected


def test_within_the_quiet_period_only_what_is_bad_is_told() -> None:
    assert told(lines("wwoowwbb"), quiet=600) == [(1, "warn"), (7, "bad")]
    assert told(lines("wwoooooo", seconds=300), quiet=600) == [(1, "warn"), (3, "ok")]
    assert told(lines("wwooo"), quiet=150) == [(1, "warn"), (4, "ok")]


def test_a_clock_that_is_set_back_silences_nobody() -> None:
    ahead, mended = lines("wwoo")[:2], lines("wwoo")[2:]
    ahead = [line.model_copy(update={"created_at": line.created_at.replace("2026", "2031")}) for line in ahead]
    assert told([*ahead, *mended], quiet=600) == [(1, "warn"), (3, "ok")]


def test_an_alert_in_words() -> None:
    [alert] = [found for _, found in alerts(AlertState(), lines("bb"), 0) if found is not None]
    assert alert.title("exp") == "fxwatch exp: OK -> BAD at step 1"
    assert alert.text() == "no finding"
