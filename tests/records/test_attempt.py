"""A run that is resumed goes on in the same attempt; one that begins anew in the same folder is told apart."""

import pytest

from fxwatch.records.attempt import Attempt, place_of
from fxwatch.records.history import HistoryLine


def attempt(step: int | None = 500, written: int = 5) -> Attempt:
    return Attempt(number=2, first=7, began_at=at(2), step=step, written_at=at(written))


def at(second: int) -> str:
    return f"2026-11-22T10:00:{second:02}.000000+00:00"


@pytest.mark.parametrize(
    ("path", "step", "written", "number", "goes_on"),
    [
        ("latest.pt", 600, 6, 2, True),  # it goes on
        ("latest.pt", 500, 6, 2, True),  # the same step once more, as at the end
        ("latest.pt", 100, 6, 3, False),  # a new file over an old one
        ("model_100.pt", 100, 6, 3, False),
        ("best_models/best_model_v1.pt", 100, 6, 2, True),  # a copy of an earlier one
        ("best_model.zip", 100, 6, 2, True),
        ("model_100.pt", 100, 4, 2, True),  # older, and only explained later
        ("model_100.pt", 100, 5, 2, True),  # of the same moment, as after a copy of the folder
        ("latest.pt", None, 6, 2, True),  # nobody knows
        ("model_900.pt", 900, 1, 1, False),  # left from the attempt before
    ],
)
def test_to_which_attempt_a_checkpoint_belongs(
    path: str, step: int | None, written: int, number: int, *, goes_on: bool
) -> None:
    found = place_of(attempt(), path, step, at(written))
    assert (found.number, found.goes_on) == (number, goes_on)
    assert bool(found.reason) == (number == 3)


def test_the_first_of_all_and_one_without_times_go_on() -> None:
    assert place_of(None, "a.pt", 5, at(1)) == (1, True, "")
    assert place_of(Attempt(step=500), "a.pt", 100, None) == (1, True, "")
    assert place_of(attempt(step=None), "a.pt", 100, at(9)).goes_on


def line(seq: int, step: int | None, written: int, number: int = 2) -> HistoryLine:
    return HistoryLine(
        seq=seq,
        id="x",
        step=step,
        created_at=at(30),
        checkpoint="c",
        verdict="ok",
        attempt=number,
        written_at=at(written),
    )


def test_an_attempt_knows_its_furthest_checkpoint_alone() -> None:
    assert attempt().followed(line(9, 600, 6)) == attempt(step=600, written=6)
    assert attempt().followed(line(9, 400, 6)) == attempt()
    assert attempt().followed(line(9, None, 6)) == attempt()
    assert attempt().followed(line(9, 900, 1, number=1)) == attempt()
    assert attempt().followed(line(9, 900, 1)) == attempt()
    begun = attempt().followed(line(9, 100, 6, number=3))
    assert begun == Attempt(number=3, first=9, began_at=at(6), step=100, written_at=at(6))
