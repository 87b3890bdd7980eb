"""The far end of a cluster: beside each thread of a dask worker a program of its own, which gives every job a process.

A dask worker may have no children of multiprocessing's, and a job that crashes must cost itself alone: not the worker,
and not what else that does. The program ends when the worker does.
"""

import io
import json
import os
import pkgutil
import subprocess
import sys
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import IO, TYPE_CHECKING, NamedTuple

from fxwatch.daemon.limits import without_secrets
from fxwatch.daemon.parcel import Answered, JobError, Parcel, Reader, tell, tell_error
from fxwatch.daemon.pool import ProcessPerJob, scratch_folder
from fxwatch.records.settings import ModelSettings

if TYPE_CHECKING:
    from collections.abc import Callable


_PIECE = 1 << 16


class Outpost(NamedTuple):
    """What an outpost is made for: the threads that a job may use, and the model, in JSON, that it imports first."""

    threads: int
    model: str


class _Program:
    """An outpost's program, as the dask worker's thread sees it: a line of JSON in, and out what a worker says."""

    def __init__(self, outpost: Outpost) -> None:
        self.outpost = outpost
        with without_secrets():
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "fxwatch.daemon.outpost", *map(str, outpost)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
            )

    def ask(self, question: str) -> Answered | None:
        """The answer; None where the program has ended. Raises JobError."""
        if self._process.stdin is None or self._process.stdout is None:
            raise AssertionError
        with suppress(OSError):  # it has ended; that there is no answer says so
            self._process.stdin.write(f"{question}\n".encode())
        reader = Reader(lambda _stage: None)
        while data := self._process.stdout.read(_PIECE):
            if (answer := reader.take(data)) is not None:
                return answer
        return None


_of_this_thread = threading.local()


def at_outpost(outpost: Outpost, fn: str, args: tuple[str, ...]) -> Answered:
    """Run the function of that import string in a process of its own. Raises JobError."""
    program: _Program | None = getattr(_of_this_thread, "program", None)
    if program is None or program.outpost != outpost:
        program = _of_this_thread.program = _Program(outpost)
    answer = program.ask(json.dumps({"fn": fn, "args": args}))
    if answer is None:
        _of_this_thread.program = None
        raise JobError("the program that runs it on its machine has ended")
    if isinstance(answer, str):
        return answer
    return Parcel(answer.text, {name: io.BytesIO(_content(file)) for name, file in answer.files.items()})


def _content(file: IO[bytes]) -> bytes:
    with file:
        file.seek(0)
        return file.read()


def main() -> None:
    """The program: it ends with its input, and then so does what it runs."""
    answers = os.dup(1)
    os.dup2(2, 1)  # a model that prints must not print into our answers
    model = ModelSettings.model_validate_json(sys.argv[2])
    pool = ProcessPerJob(1, int(sys.argv[1]), model, scratch_folder(), lambda _args, _stage: None)
    pool.warm_up()
    for line in sys.stdin:
        question = json.loads(line)
        fn: Callable[..., Answered] = pkgutil.resolve_name(question["fn"])
        pool.submit(fn, *question["args"]).add_done_callback(lambda done: _pass_on(done, answers))
    os.dup2(os.open(os.devnull, os.O_WRONLY), answers)  # nobody is left to hear of what is ended now
    pool.end()


def _pass_on(done: Future[Answered], answers: int) -> None:
    if done.cancelled():
        tell_error(answers, "it was ended before it began")
    elif (error := done.exception()) is not None:
        tell_error(answers, str(error))
    else:
        tell(answers, done.result())


if __name__ == "__main__":
    main()
