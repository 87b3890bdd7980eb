"""The far end of a cluster: beside each thread of a dask worker a program of its own, which gives every job a process.

A dask worker may have no children of multiprocessing's, and a job that crashes must cost itself alone: not the worker,
and not what else that does. The program ends when the worker does.
"""

import json
import os
import pkgutil
import subprocess
import sys
import threading
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fxwatch.daemon.limits import without_secrets
from fxwatch.daemon.pool import JobError, ProcessPerJob
from fxwatch.records.settings import ModelSettings

if TYPE_CHECKING:
    from collections.abc import Callable


class Outpost(NamedTuple):
    """What an outpost is made for: the threads that a job may use, the model, in JSON, that it imports first, and the
    folder that it may write to.
    """

    threads: int
    model: str
    writable: str


class _Program:
    """An outpost's program, as the dask worker's thread sees it: a line of JSON in, a line of JSON out."""

    def __init__(self, outpost: Outpost) -> None:
        self.outpost = outpost
        with without_secrets():
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "fxwatch.daemon.outpost", *map(str, outpost)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )

    def ask(self, question: str) -> str | None:
        """The answer; None where the program has ended."""
        if self._process.stdin is None or self._process.stdout is None:
            raise AssertionError
        with suppress(OSError):  # it has ended; that there is no answer says so
            print(question, file=self._process.stdin, flush=True)
        return self._process.stdout.readline() or None


_of_this_thread = threading.local()


def at_outpost(outpost: Outpost, fn: str, args: tuple[str, ...]) -> str:
    """Run the function of that import string, from texts to text, in a process of its own. Raises JobError."""
    program: _Program | None = getattr(_of_this_thread, "program", None)
    if program is None or program.outpost != outpost:
        program = _of_this_thread.program = _Program(outpost)
    line = program.ask(json.dumps({"fn": fn, "args": args}))
    if line is None:
        _of_this_thread.program = None
        raise JobError("the program that runs it on its machine has ended")
    answer = json.loads(line)
    if "error" in answer:
        raise JobError(answer["error"])
    return str(answer["answer"])


def main() -> None:
    """The program: it ends with its input, and then so does what it runs."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # a model that prints must not print into our answers
    model = ModelSettings.model_validate_json(sys.argv[2])
    pool = ProcessPerJob(1, int(sys.argv[1]), model, Path(sys.argv[3]), lambda _args, _stage: None)
    pool.warm_up()
    for line in sys.stdin:
        question = json.loads(line)
        fn: Callable[..., str] = pkgutil.resolve_name(question["fn"])
        pool.submit(fn, *question["args"]).add_done_callback(lambda done: print(_told(done), file=answers, flush=True))
    os.dup2(os.open(os.devnull, os.O_WRONLY), answers.fileno())  # nobody is left to hear of what is ended now
    pool.end()


def _told(done: Future[Any]) -> str:
    if done.cancelled():
        return json.dumps({"error": "it was ended before it began"})
    error = done.exception()
    return json.dumps({"answer": done.result()} if error is None else {"error": str(error)})


if __name__ == "__main__":
    main()
