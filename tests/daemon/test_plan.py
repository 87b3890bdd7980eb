"""Which analysis comes next, over which dump."""

from fxwatch.daemon.plan import DUMP_GRACE, Plan, Work
from fxwatch.records.ledger import Generation


def generation(number: int = 0, written: int = 0) -> Generation:
    return Generation(device=1, inode=number, size=1, mtime_ns=written * 10**9, ctime_ns=1)


class Bench:
    """A plan and a clock, in few words."""

    def __init__(self, every: int = 1, most_waiting: int | None = None) -> None:
        self.plan, self.now = Plan(every, most_waiting=most_waiting), 100.0
        self.counts: dict[str, int] = {}

    def checkpoint(
        self, path: str, run: str = "r", step: int | None = None, content: int = 0, written: int = 0
    ) -> None:
        number = self.counts.get(run, 0)
        self.counts[run] = number + 1
        self.plan.checkpoint(path, run, generation(content, written), step, number)

    def dump(self, path: str, run: str = "r", step: int | None = None, content: int = 0) -> None:
        self.plan.dump(path, run, generation(content), step, self.now)

    def take(self) -> Work | None:
        return self.plan.take(self.now)

    def work(self) -> list[tuple[str, str]]:
        """All that is to be done now, done."""
        done = []
        while (work := self.take()) is not None:
            done.append((work.candidate.path, work.dump.path))
            self.plan.finished(work, self.now, explained=True)
        return done


def test_checkpoints_go_by_step_over_the_runs_newest_dump() -> None:
    bench = Bench()
    bench.dump("states-1", step=1)
    bench.dump("states-9", step=9)
    bench.dump("states-5", step=5)
    for step in (30, 10, 20):
        bench.checkpoint(f"c{step}", step=step)
    assert bench.work() == [("c10", "states-9"), ("c20", "states-9"), ("c30", "states-9")]


def test_dumps_without_a_step_go_by_arrival() -> None:
    bench = Bench()
    bench.dump("b")
    bench.dump("a")
    bench.checkpoint("c")
    assert bench.work() == [("c", "a")]


def test_a_run_without_dumps_takes_those_of_the_nearest_folder_above() -> None:
    bench = Bench()
    bench.dump("top", run="default")
    bench.dump("near", run="a")
    bench.checkpoint("x", run="a/b")
    bench.checkpoint("y", run="z")
    bench.checkpoint("w", run="default")
    assert bench.work() == [("x", "near"), ("y", "top"), ("w", "top")]


def test_a_checkpoint_waits_for_states_and_says_so() -> None:
    bench = Bench()
    bench.checkpoint("c")
    assert bench.take() is None
    assert [one.path for one in bench.plan.without_states()] == ["c"]
    bench.dump("states")
    assert bench.work() == [("c", "states")]
    assert bench.plan.without_states() == []


def test_every_tenth_is_analysed_from_the_first() -> None:
    bench = Bench(every=10)
    bench.dump("s")
    for step in range(25):
        bench.checkpoint(f"c{step}", step=step)
    assert [path for path, _ in bench.work()] == ["c0", "c10", "c20"]


def test_a_newer_dump_makes_the_newest_checkpoint_be_analysed_again() -> None:
    bench = Bench()
    bench.dump("s1", step=1)
    bench.checkpoint("c1", step=1)
    bench.checkpoint("c2", step=2)
    bench.work()
    bench.dump("s2", step=2)
    assert bench.work() == []  # a checkpoint may follow the dump
    bench.now += DUMP_GRACE
    assert bench.work() == [("c2", "s2")]
    assert bench.work() == []


def test_a_dump_overwritten_under_its_name_is_a_newer_dump() -> None:
    bench = Bench()
    bench.dump("states", content=1)
    bench.checkpoint("c")
    bench.work()
    bench.dump("states", content=2)
    bench.now += DUMP_GRACE
    assert bench.work() == [("c", "states")]


def test_an_older_dump_changes_nothing() -> None:
    bench = Bench()
    bench.dump("s9", step=9)
    bench.checkpoint("c")
    bench.work()
    bench.dump("s3", step=3)
    bench.now += 10
    assert bench.work() == []


def test_a_checkpoint_that_follows_its_dump_spares_the_old_one() -> None:
    bench = Bench()
    bench.dump("s1", step=1)
    bench.checkpoint("c1", step=1)
    bench.work()
    bench.dump("s2", step=2)
    bench.now += 0.1
    bench.checkpoint("c2", step=2)
    assert bench.work() == [("c2", "s2")]
    bench.now += 10
    assert bench.work() == []


def test_a_dump_that_comes_during_the_analysis_is_not_missed() -> None:
    bench = Bench()
    bench.dump("s1", step=1)
    bench.checkpoint("c")
    work = bench.take()
    assert work is not None
    bench.dump("s2", step=2)
    assert bench.take() is None
    bench.plan.finished(work, bench.now, explained=True)
    bench.now += DUMP_GRACE
    assert bench.work() == [("c", "s2")]


def test_a_checkpoint_overwritten_during_its_analysis_is_analysed_again() -> None:
    bench = Bench()
    bench.dump("s")
    bench.checkpoint("latest", content=1)
    work = bench.take()
    assert work is not None
    bench.plan.gone("latest")
    bench.checkpoint("latest", content=2)
    bench.plan.finished(work, bench.now, explained=True)
    second = bench.take()
    assert second is not None
    assert second.generation == generation(2)


def test_what_was_decided_in_an_earlier_life_is_checked_against_the_dump_once() -> None:
    bench = Bench()
    for step in (1, 2, 3):
        bench.plan.remember(f"c{step}", "r", generation(), step, aside=False)
    bench.dump("s", step=3)
    bench.now += DUMP_GRACE
    assert bench.work() == [("c3", "s")]
    assert bench.work() == []


def test_runs_take_turns_by_who_waits_longest() -> None:
    bench = Bench()
    bench.dump("s", run="default")
    bench.checkpoint("a1", run="a", step=5)
    bench.checkpoint("b1", run="b", step=1)
    bench.checkpoint("a2", run="a", step=6)
    assert [path for path, _ in bench.work()] == ["a1", "b1", "a2"]


def test_skipped_checkpoints_are_never_the_newest() -> None:
    bench = Bench(every=2)
    bench.dump("s1", step=1)
    bench.checkpoint("c0", step=0)
    bench.checkpoint("c1", step=1)
    bench.work()
    bench.dump("s2", step=2)
    bench.now += DUMP_GRACE
    assert bench.work() == [("c0", "s2")]


def test_the_newest_checkpoint_is_known_by_the_step_in_the_file() -> None:
    bench = Bench()
    bench.dump("s1")
    bench.checkpoint("model_1", step=1)
    bench.checkpoint("latest")  # its name says nothing
    for step in (1, 3):
        work = bench.take()
        assert work is not None
        bench.plan.finished(work, bench.now, step, explained=True)
    bench.checkpoint("model_2", step=2)
    bench.work()
    bench.dump("s2")
    bench.now += DUMP_GRACE
    assert bench.work() == [("latest", "s2")]


def test_a_run_that_began_anew_is_followed_at_its_lower_steps() -> None:
    bench = Bench()
    bench.dump("states", content=1)
    bench.checkpoint("c5000", step=5000, content=1)
    bench.checkpoint("c100", step=100, content=1, written=3600)
    assert len(bench.work()) == 2
    bench.dump("states", content=2)
    bench.now += DUMP_GRACE
    assert bench.work() == [("c100", "states")]
