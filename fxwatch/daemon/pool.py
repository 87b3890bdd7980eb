"""An executor that gives every job a process of its own, forked from a server that has imported everything beforehand.

A job that crashes, hangs or is killed costs itself and nothing else; a future that fails says why in words.
"""

import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from fxwatch.daemon import stage
from fxwatch.daemon.limits import limit_process, limit_worker, without_secrets
from fxwatch.records.settings import ModelSettings

DEADLINE = 900.0
PRELOAD = "_FXWATCH_PRELOAD"
_GRACE = 5.0
_LARGEST_MESSAGE = 64 * 1024 * 1024
_STAGE, _RESULT = b"s", b"r"


class JobError(Exception):
    """A job that gave no result; the message says why."""


class ProcessPerJob(Executor):
    """Runs functions from text to text, `count` at a time, each in a new process.

    `on_stage(args, stage)` hears what a job is doing, from another thread.
    """

    def __init__(
        self, count: int, threads: int, model: ModelSettings, on_stage: Callable[[tuple[Any, ...], str], None]
    ) -> None:
        limit_process(threads)
        os.environ[PRELOAD] = json.dumps({"factory": model.factory, "path": model.path})
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["__main__", "fxwatch.daemon.preload"])
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="job")
        self._on_stage = on_stage
        self._running: set[BaseProcess] = set()
        self._ended = False
        self._lock = threading.Lock()

    def warm_up(self) -> None:
        """Start the server, which imports everything, without waiting for it; again where it has died."""
        with without_secrets():
            forkserver.ensure_running()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Do a job when there is a place. The future raises JobError where the process gave no result."""
        self.warm_up()
        return self._threads.submit(self._run, fn, args, kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - as Executor
        """Take no more jobs."""
        self._threads.shutdown(wait=wait, cancel_futures=cancel_futures)

    def end(self) -> None:
        """Take no more jobs, and end those that run."""
        self.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            self._ended = True
            for process in self._running:
                process.kill()
        self.shutdown()

    def _run(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(theirs, fn, args, kwargs))
        process.start()
        theirs.close()
        with self._lock:
            self._running.add(process)
            if self._ended:  # the end has come while it began
                process.kill()
        try:
            return self._listen(args, process, ours)
        finally:
            _end(process)
            ours.close()
            with self._lock:
                self._running.discard(process)

    def _listen(self, args: tuple[Any, ...], process: BaseProcess, pipe: Connection) -> str:
        deadline = time.monotonic() + DEADLINE
        try:
            while pipe.poll(max(0.0, deadline - time.monotonic())):
                message = pipe.recv_bytes(_LARGEST_MESSAGE)
                text = message[1:].decode("utf-8", "replace")
                if message.startswith(_RESULT):
                    return text
                self._on_stage(args, text)
        except (EOFError, OSError):
            process.join(_GRACE)
            raise JobError(_cause(process.exitcode)) from None
        raise JobError(f"it took longer than {DEADLINE / 60:.0f} minutes, and was ended")


def _work(pipe: Connection, fn: Callable[..., str], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """The life of a worker: one job, its result, the end."""
    os.setpgid(0, 0)  # Ctrl-C in the terminal is for the daemon
    limit_worker()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # a model that prints must not print into our data
    threading.Thread(target=_die_with_the_daemon, args=(pipe,), daemon=True).start()
    stage.listen(lambda name: pipe.send_bytes(_STAGE + name.encode()))
    pipe.send_bytes(_RESULT + fn(*args, **kwargs).encode())
    sys.stderr.flush()
    os._exit(0)  # threads that a model has left behind must not keep the process


def _die_with_the_daemon(pipe: Connection) -> None:
    """Nothing is ever sent to a worker: what can be read from its pipe is the end of the daemon."""
    try:
        pipe.poll(None)
    finally:
        os._exit(1)


def _end(process: BaseProcess) -> None:
    for stop in (process.terminate, process.kill):
        process.join(_GRACE if stop == process.kill else 0.5)
        if process.exitcode is not None:
            return
        stop()
    process.join()


def _cause(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        name = signal.Signals(-exitcode).name
        return f"its worker was ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    return f"its worker ended with exit code {exitcode} and no answer"
