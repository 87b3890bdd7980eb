"""That the tests of this folder can fail: each deliberate mistake is found by one of them."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.daemon.mutants import MUTANTS, Mutant, no_line_for_done
from tests.daemon.test_anything import PROFILE, Anything
from tests.daemon.test_life import calls_of_a_life, lives_with_a_kill
from tests.daemon.test_power import what_a_power_failure_takes

BRIEF = settings(
    PROFILE,
    max_examples=400,
    stateful_step_count=50,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    report_multiple_bugs=False,
)


def by_power(folder: Path) -> None:
    assert what_a_power_failure_takes(folder / "outputs") == []


def by_kills(folder: Path) -> None:
    for when in ("before", "torn", "after", "full"):
        lives_with_a_kill(folder, when, range(1, calls_of_a_life(folder / when) + 1))


def by_anything(_: Path) -> None:
    run_state_machine_as_test(Anything, settings=BRIEF)


HUNTERS = (by_power, by_kills, by_anything)


def failures(error: BaseException) -> Iterator[BaseException]:
    """Assertions, and disks that are full; a mutant that breaks down otherwise was not found by what it does."""
    if isinstance(error, AssertionError | OSError):
        yield error
    for one in getattr(error, "exceptions", ()):
        yield from failures(one)


def finds(hunter: Callable[[Path], None], mutant: Callable[[], Mutant], folder: Path) -> str | None:
    folder.mkdir()
    try:
        with mutant():
            hunter(folder)
    except Exception as error:
        found = next(failures(error), None)
        if found is None:
            raise
        return str(found).strip().splitlines()[0] if str(found).strip() else "an assertion"
    return None


@pytest.mark.soak
@pytest.mark.parametrize("mutant", MUTANTS)
def test_each_mistake_is_found(tmp_path: Path, mutant: Callable[[], Mutant]) -> None:
    found = {hunter.__name__: finds(hunter, mutant, tmp_path / hunter.__name__) for hunter in HUNTERS}
    sys.stdout.write(f"\n{mutant.__name__}: {found}\n")
    assert any(found.values()), f"{mutant.__name__} was found by nobody"


def test_a_mistake_is_found(tmp_path: Path) -> None:
    assert finds(by_kills, no_line_for_done, tmp_path / "found") is not None
