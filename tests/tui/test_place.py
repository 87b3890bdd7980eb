"""One cursor: live or held."""

import pytest

from fxwatch.tui.place import Intent, Place

RUNS = ["bad_one", "good_one", "third"]


@pytest.mark.parametrize(
    ("index", "intent", "then"),
    [
        (None, Intent.OLDER, 8),
        (8, Intent.OLDER, 7),
        (0, Intent.OLDER, 0),
        (7, Intent.NEWER, 8),
        (8, Intent.NEWER, None),
        (None, Intent.NEWER, None),
        (None, Intent.MUCH_OLDER, 0),
        (3, Intent.MUCH_NEWER, None),
        (5, Intent.OLDEST, 0),
        (5, Intent.LIVE, None),
        (5, Intent.NEXT_RUN, 5),
    ],
)
def test_moving_through_ten_analyses(index: int | None, intent: Intent, then: int | None) -> None:
    assert Place("a", index).moved(intent, 0, 10) == Place("a", then)


def test_there_is_nowhere_to_go_in_a_history_of_one() -> None:
    assert not Place("a").moved(Intent.OLDER, 0, 1).held
    assert not Place("a").moved(Intent.OLDEST, 0, 0).held


def test_what_was_forgotten_cannot_be_looked_at() -> None:
    assert Place("a", 150).moved(Intent.OLDEST, 100, 200).index == 100
    assert Place("a", 3).within(100, 200, 3).index == 100


def test_runs_go_round_and_begin_live() -> None:
    assert Place("bad_one", 3).turned(Intent.NEXT_RUN, RUNS) == Place("good_one")
    assert Place("bad_one").turned(Intent.PREVIOUS_RUN, RUNS) == Place("third")
    assert Place("bad_one", 3).turned(Intent.NEXT_RUN, ["bad_one"]) == Place("bad_one", 3)
    assert Place("bad_one", 3).turned(Intent.OLDER, RUNS) == Place("bad_one", 3)
