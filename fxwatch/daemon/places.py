"""The places in which jobs are done: as many as workers, on this machine and, for analyses, on a cluster."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from typing import Any, Protocol

from fxwatch.daemon.artefacts import check
from fxwatch.daemon.cluster import Cluster
from fxwatch.daemon.jobs import Answer, DrawJob, ExplainJob, Job, ReportJob, Trouble, do_job, parse_answer
from fxwatch.daemon.parcel import Answered, Files, JobError, Parcel
from fxwatch.daemon.plan import Work
from fxwatch.daemon.pool import NotStartedError

Drawing = DrawJob | ReportJob


class Pool(Protocol):
    """Where jobs are done, from a text to a text, or a text and files."""

    def warm_up(self) -> None:
        """Be ready for the first job."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Do a job when there is a place."""

    def end(self) -> None:
        """End those that run."""


class Places:
    """`count` places, for analyses and for drawing. `on_done` is called from another thread when a job is."""

    def __init__(self, pool: Pool, cluster: Cluster | None, count: int, on_done: Callable[[], None]) -> None:
        self._pool, self._cluster, self._count, self._on_done = pool, cluster, count, on_done
        self._explaining: dict[Future[Answered], Work] = {}
        self._drawing: dict[Future[Answered], Drawing] = {}

    def warm_up(self) -> None:
        """Be ready for the first job."""
        self._pool.warm_up()

    def __len__(self) -> int:
        """How many are taken."""
        return len(self._explaining) + len(self._drawing)

    @property
    def free(self) -> int:
        """How many are not."""
        return self._count - len(self)

    @property
    def explaining(self) -> list[Work]:
        """What is explained now."""
        return list(self._explaining.values())

    @property
    def trouble(self) -> str | None:
        """What is wrong with the cluster, if any."""
        return self._cluster.trouble if self._cluster is not None else None

    def explain(self, job: ExplainJob, work: Work) -> None:
        """Begin an analysis."""
        self._explaining[self._submit(job, self._cluster or self._pool)] = work

    def draw(self, job: Drawing) -> None:
        """Begin a report; always on this machine."""
        self._drawing[self._submit(job, self._pool)] = job

    def drawn(self) -> Iterator[tuple[Drawing, Answer, Files]]:
        """Reports that have come to an end, and their files; each is told once."""
        for future in [future for future in self._drawing if future.done()]:
            yield self._drawing.pop(future), _answer(future), _files(future)
            _close(future)

    def explained(self) -> Iterator[tuple[Work, Answer, Files]]:
        """Analyses that have come to an end, and their files; each is told until it is cleared."""
        for future, work in list(self._explaining.items()):
            if future.done():
                yield work, _answer(future), _files(future)

    def clear(self, work: Work) -> None:
        """Free its place: what was made of it is safe."""
        for future in [future for future, other in self._explaining.items() if other is work]:
            del self._explaining[future]
            _close(future)

    def finish(self, seconds: float) -> None:
        """Wait for what ends in this time, and forget what ended without an answer."""
        wait([*self._explaining, *self._drawing], seconds)
        for future in [*self._explaining, *self._drawing]:
            if future.cancelled() or (future.done() and future.exception() is not None):
                self._explaining.pop(future, None)
                self._drawing.pop(future, None)

    def end(self) -> None:
        """End what runs."""
        if self._cluster is not None:
            self._cluster.end()
        self._pool.end()

    def _submit(self, job: Job, pool: Pool | Cluster) -> Future[Answered]:
        future: Future[Answered] = pool.submit(do_job, job.model_dump_json())
        future.add_done_callback(lambda _: self._on_done())
        return future


def _answer(future: Future[Answered]) -> Answer:
    """A worker's answer, or what can be said of a worker that gave none, or brought the wrong files with it."""
    try:
        found = future.result()
        answer = parse_answer(found.text if isinstance(found, Parcel) else found)
    except (NotStartedError, OSError) as error:
        return Trouble(outcome="put_off", reason=str(error))
    except JobError as error:
        return Trouble(outcome="failed", reason=str(error), crashed=True)
    except ValueError:
        return Trouble(outcome="failed", reason="its worker's answer makes no sense")
    try:
        check(answer, _files(future))
    except ValueError as error:
        return Trouble(outcome="failed", reason=f"its worker's answer is not taken: {error}")
    return answer


def _files(future: Future[Answered]) -> Files:
    """The files that came with an answer."""
    found = future.result() if future.exception() is None else ""
    return found.files if isinstance(found, Parcel) else {}


def _close(future: Future[Answered]) -> None:
    for file in _files(future).values():
        file.close()
