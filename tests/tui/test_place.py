"""One cursor: live or held."""

import pytest

from fxwatch.tui.place import Intent, Place

RUNS = ["bad_one", "good_one", "third"]


@pytest.mark.parametrize(
    ("intent", "moves"),
    [
        (Intent.OLDER, {None: 8, 8: 7, 0: 0}),
        (Intent.NEWER, {7: 8, 8: None, None: None}),
        (Intent.MUCH_OLDER, {None: 0}),
        (Intent.MUCH_NEWER, {3: None}),
        (Intent.OLDEST, {5: 0}),
        (Intent.LIVE, {5: None}),
        (Intent.NEXT_RUN, {5: 5}),
    ],
)
def test_moving_through_ten_analyses(intent: Intent, moves: dict[int | None, int | None]) -> None:
    assert {index: Place("a", index).moved(intent, 0, 10).index for index in moves} == moves
    assert {Place("a", index).moved(intent, 0, 10).run for index in moves} == {"a"}


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
