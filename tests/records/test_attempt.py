"""A run that is resumed goes on in the same attempt; one that begins anew in the same folder is told apart."""

import pytest

from fxwatch.records.attempt import Attempt, attempt_of
from fxwatch.records.history import HistoryLine


def attempt(step: int | None = 500, written: int = 5) -> Attempt:
    return Attempt(number=2, step=step, written_at=at(written), ended_at=at(2))


def at(second: int) -> str:
    return f"2026-11-22T10:00:{second:02}.000000+00:00"


@pytest.mark.parametrize(
    ("path", "step", "written", "number", "ended"),
    [
        ("latest.pt", 600, 6, 2, False),  # it goes on
        ("latest.pt", 500, 6, 2, False),  # the same step once more, as at the end
        ("latest.pt", 100, 6, 3, False),  # a new file over an old one
        ("model_100.pt", 100, 6, 3, False),
        ("best_models/best_model_v1.pt", 100, 6, 2, False),  # a copy of an earlier one
        ("best_model.zip", 100, 6, 2, False),
        ("model_100.pt", 100, 4, 2, False),  # older, and only explained later
        ("model_100.pt", 100, 5, 2, False),  # of the same moment, as after a copy of the folder
        ("latest.pt", None, 6, 2, False),  # nobody knows
        ("model_900.pt", 900, 1, 1, True),  # left from the attempt before
    ],
)
def test_to_which_attempt_a_checkpoint_belongs(
    path: str, step: int | None, written: int, number: int, *, ended: bool
) -> None:
    found = attempt_of(attempt(), path, step, at(written))
    assert (found.number, found.ended) == (number, ended)
    assert bool(found.reason) == (number == 3)


def test_the_first_of_all_and_one_without_times_go_on() -> None:
    assert attempt_of(None, "a.pt", 5, at(1)) == (1, False, "")
    assert attempt_of(Attempt(step=500), "a.pt", 100, None) == (1, False, "")
    assert attempt_of(attempt(step=None), "a.pt", 100, at(9)) == (2, False, "")


def test_the_newest_may_be_explained_first() -> None:
    begun = attempt(written=5).followed(line(9, 400, 9, number=3))
    assert attempt_of(begun, "model_200.pt", 200, at(7)) == (3, False, "")
    assert attempt_of(begun, "model_300.pt", 300, at(4)) == (2, True, "")


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
    begun = attempt().followed(line(9, 100, 6, number=3))
    assert begun == Attempt(number=3, step=100, written_at=at(6), ended_at=at(5))
