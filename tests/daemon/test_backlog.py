"""When checkpoints come faster than analyses: the newest first, an even spread, and nothing forgotten."""

import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as some

from fxwatch.daemon.backlog import next_place, spared
from fxwatch.daemon.plan import MOST_WAITING, Plan, Work
from fxwatch.records.ledger import Generation

SECOND = 1_000_000_000


class Bench:
    """A plan of a run with states, and a trainer's clock."""

    def __init__(self, most_waiting: int | None = MOST_WAITING) -> None:
        self.plan, self.written = Plan(1, most_waiting=most_waiting), 0
        self.plan.dump("states", "r", self.generation(), None, 0.0)
        self.number = 0

    def generation(self) -> Generation:
        self.written += 60 * SECOND
        return Generation(device=1, inode=self.written, size=1, mtime_ns=self.written, ctime_ns=1)

    def checkpoint(self, step: int | None, run: str = "r", name: str = "") -> None:
        self.plan.checkpoint(name or f"{run}/c{step}", run, self.generation(), step, self.number)
        self.number += 1
        self.plan.put_aside()

    def work(self) -> Work:
        found = self.plan.take(1e9)
        assert found is not None
        self.plan.finished(found, 1e9, found.candidate.step, explained=True)
        return found

    def all_work(self) -> list[Work]:
        done = []
        while self.plan.left():
            done.append(self.work())
        return done


def test_of_a_heap_the_newest_is_next_and_then_the_farthest_from_all_that_were() -> None:
    bench = Bench()
    for step in range(9):
        bench.checkpoint(step)
    done = bench.all_work()
    assert [work.candidate.step for work in done] == [8, 0, 4, 6, 2, 7, 5, 3, 1]
    assert [work.late for work in done] == [False] + [True] * 8


def test_without_a_bound_they_go_in_order_and_none_is_late() -> None:
    bench = Bench(most_waiting=None)
    steps = list(range(200))
    random.Random(0).shuffle(steps)
    for step in steps:
        bench.checkpoint(step)
    done = bench.all_work()
    assert [work.candidate.step for work in done] == list(range(200))
    assert not any(work.late for work in done)


def test_a_new_one_goes_before_all_that_wait() -> None:
    bench = Bench()
    for step in range(5):
        bench.checkpoint(step)
    bench.work()
    bench.checkpoint(5)
    assert bench.work().candidate.step == 5


def test_what_is_too_much_is_put_aside_evenly_and_explained_when_nothing_waits_newest_first() -> None:
    bench = Bench(most_waiting=8)
    for step in range(1000):
        bench.checkpoint(step)
        if step % 50 == 0:
            bench.work()
    assert bench.plan.waiting() == 8
    assert bench.plan.aside() == 1000 - 8 - 20
    first = [bench.work().candidate.step or 0 for _ in range(8)]
    assert first[0] == 999
    explained = sorted([*first, *range(0, 1000, 50)])
    assert max(later - earlier for earlier, later in pairwise(explained)) <= 100
    rest = [work.candidate.step or 0 for work in bench.all_work()]
    assert rest == sorted(rest, reverse=True)
    assert sorted([*rest, *first, *range(0, 1000, 50)]) == list(range(1000))


def test_a_heap_found_at_once_leaves_an_even_spread() -> None:
    bench = Bench(most_waiting=10)
    for step in range(30_000):
        bench.plan.checkpoint(f"c{step}", "r", bench.generation(), step, step)
    assert len(bench.plan.put_aside()) == 29_990
    steps = sorted(bench.work().candidate.step or 0 for _ in range(10))
    assert steps[-1] == 29_999
    assert {later - earlier for earlier, later in pairwise(steps)} == {3000}


def test_a_run_that_rotates_its_files_goes_first() -> None:
    bench = Bench()
    bench.plan.dump("states2", "fast", bench.generation(), None, 0.0)
    for step in range(3):
        bench.checkpoint(step)
    for step in range(3):
        bench.checkpoint(step, run="fast")
    bench.plan.gone("fast/c0", vanished=True)
    bench.plan.gone("r/c0")  # overwritten, which is no sign of anything
    assert [bench.work().candidate.run for _ in range(4)] == ["fast", "fast", "r", "r"]


def test_training_that_begins_anew_at_a_lower_step_is_not_late() -> None:
    bench = Bench()
    for step in (900, 1000):
        bench.checkpoint(step)
    bench.all_work()
    bench.checkpoint(10, name="r/anew")
    assert not bench.work().late


def test_what_was_put_aside_in_an_earlier_life_is_remembered() -> None:
    bench = Bench()
    for step in (1, 2, 3):
        bench.plan.remember(f"c{step}", "r", bench.generation(), step, aside=step != 3)
    bench.plan.look_again(0)
    done = bench.all_work()
    assert [(work.candidate.step, work.late) for work in done] == [(3, False), (2, True), (1, True)]


def test_what_could_not_be_written_is_tried_later() -> None:
    bench = Bench()
    bench.checkpoint(1)
    work = bench.plan.take(0.0)
    assert work is not None
    bench.plan.try_later(work, 5.0)
    assert bench.plan.take(4.9) is None
    assert bench.plan.next_at(0.0) == 5.0
    again = bench.plan.take(5.0)
    assert again is not None
    assert again.candidate is work.candidate


places = some.sets(some.integers(0, 300), min_size=1).map(sorted)


@given(waiting=places, taken=places, most=some.integers(1, 20))
def test_what_is_spared_is_never_the_newest_nor_more_than_asked(
    waiting: list[int], taken: list[int], most: int
) -> None:
    taken = [place for place in taken if place not in waiting]
    found = spared(waiting, taken, most)
    assert len(found) == max(0, len(waiting) - most)
    assert set(found) <= set(waiting)
    assert waiting[-1] not in found
    assert next_place(waiting, taken) in waiting
