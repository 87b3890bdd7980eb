"""An executor that gives every job a process of its own, forked from a server that has imported everything beforehand.

A job that crashes, hangs or is killed costs itself and nothing else; a future that fails says why in words. What a
worker says is text and files up to a limit, never a pickle, as it may have run a stranger's code.
"""

import atexit
import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import forkserver, util
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess, current_process
from pathlib import Path
from typing import Any

from fxwatch.daemon import stage
from fxwatch.daemon.cage import confine
from fxwatch.daemon.limits import limit_process, limit_worker, without_secrets
from fxwatch.daemon.parcel import Answered, JobError, Reader, tell, tell_stage
from fxwatch.daemon.pressure import Machine, memory_of_each
from fxwatch.lifetime import end_with_parent
from fxwatch.records.settings import ModelSettings
from fxwatch.terminal import say

DEADLINE = 900.0
PRELOAD = "_FXWATCH_PRELOAD"
_LONGEST_FOLDER = 70
_GRACE = 5.0
_ATTEMPTS, _MOMENT = 3, 0.3
_LAST_WORDS = 32 << 10
_AT_ONCE = 1 << 16


class NotStartedError(JobError):
    """A job that never began, as no process could be had for it: it is not to blame."""


class ProcessPerJob(Executor):
    """Runs functions from texts to a text, or a text and files, `count` at a time, each in a new process.

    That process can write below `scratch` alone, where its temporary files go.

    `on_stage(args, stage)` hears what a job is doing, from another thread.
    """

    def __init__(
        self,
        count: int,
        threads: int,
        model: ModelSettings,
        scratch: Path,
        on_stage: Callable[[tuple[Any, ...], str], None],
    ) -> None:
        limit_process(threads)
        preload = {"factory": model.factory, "path": model.path, "folder": _folder_of_sockets(), "daemon": os.getpid()}
        os.environ[PRELOAD] = json.dumps(preload)
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["__main__", "fxwatch.daemon.preload"])
        atexit.register(_end_server)  # one that still imports would do so for seconds after its daemon
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="job")
        self._count, self._machine = count, Machine()
        self._scratch = scratch
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

    def _run(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Answered:
        answers, their_answers = self._context.Pipe(duplex=False)
        errors, their_errors = self._context.Pipe(duplex=False)
        with suppress(OSError):  # somebody has cleaned away what it is in: then the job does without
            self._scratch.mkdir(exist_ok=True)
        memory = memory_of_each(self._machine, self._count)
        pipes = (their_answers, their_errors)
        process = self._context.Process(target=_work, args=(pipes, str(self._scratch), memory, fn, args, kwargs))
        with answers, errors:
            with their_answers, their_errors:
                self._start(process)
            ear = _Ear(process, answers, errors, lambda name: self._on_stage(args, name))
            try:
                return ear.listen()
            finally:
                _end(process)
                with self._lock:
                    self._running.discard(process)
                ear.tell_last_words()

    def _start(self, process: BaseProcess) -> None:
        """Begin a job, with a new server where the one there is cannot be reached. Raises NotStartedError."""
        for left in reversed(range(_ATTEMPTS)):
            try:
                process.start()
            except (OSError, EOFError) as error:
                if not left:
                    raise NotStartedError(f"no worker could be started: {type(error).__name__} {error}") from None
                self._renew()
            else:
                break
        with self._lock:
            self._running.add(process)
            if self._ended:  # the end has come while it began
                process.kill()

    def _renew(self) -> None:
        """Replace a server that has died just now, or whose folder below /tmp somebody has cleaned away."""
        _end_server()
        time.sleep(_MOMENT)  # until it is seen to have died
        Path(util.get_temp_dir()).mkdir(mode=0o700, exist_ok=True)
        self.warm_up()


def _end_server() -> None:
    """Kill the server, where there is one; its workers end with it."""
    with suppress(ProcessLookupError, TypeError):
        os.kill(forkserver._forkserver._forkserver_pid, signal.SIGKILL)  # type: ignore[attr-defined]  # noqa: SLF001


def scratch_folder() -> Path:
    """A folder for workers' temporary files that goes when this process does, also where it is killed."""
    return Path(_folder_of_sockets()) / "scratch"


def _folder_of_sockets() -> str:
    """Where the server's socket is to be: below /tmp, where TMPDIR leads too deep for the name of a socket."""
    kept = current_process()._config  # type: ignore[attr-defined]  # noqa: SLF001 - where multiprocessing keeps it
    if "tempdir" not in kept and len(os.fsencode(tempfile.gettempdir())) > _LONGEST_FOLDER:
        kept["tempdir"] = tempfile.mkdtemp(prefix="pymp-", dir="/tmp")
        atexit.register(shutil.rmtree, kept["tempdir"], ignore_errors=True)
    return util.get_temp_dir()


class _Ear:
    """Listens to one worker until it has answered, has ended, or has had its time."""

    def __init__(
        self, process: BaseProcess, answers: Connection, errors: Connection, on_stage: Callable[[str], None]
    ) -> None:
        self._process, self._answers, self._errors = process, answers, errors
        self._open = {answers, errors}
        self._reader = Reader(on_stage)
        self._last_words = bytearray()
        self._left_out = 0

    def listen(self) -> Answered:
        """The answer. Raises JobError, and OSError where its files cannot be kept."""
        began = time.monotonic()
        while self._answers in self._open:
            left = began + DEADLINE - time.monotonic()
            if left <= 0 and (left := left + _waited_for_a_processor(self._process)) <= 0:
                raise JobError(f"it took longer than {DEADLINE / 60:.0f} minutes, and was ended")
            for ready in wait(self._open, left):
                if isinstance(ready, Connection) and (answer := self._hear(ready)) is not None:
                    return answer
        self._process.join(_GRACE)
        raise JobError(_cause(self._process.exitcode))

    def tell_last_words(self) -> None:
        """What the worker has written to its stderr, as lines of text: the end of it, where that is much."""
        if self._errors in self._open and wait([self._errors], 0):
            self._hear(self._errors)
        if self._left_out:
            say(f"fxwatch: (a worker wrote {self._left_out} bytes more to stderr, which are left out)")
        for line in self._last_words.decode("utf-8", "replace").splitlines():
            say(line)

    def _hear(self, pipe: Connection) -> Answered | None:
        """Take in what a pipe has: the answer, where it is whole now."""
        data = os.read(pipe.fileno(), _AT_ONCE)
        if not data:
            self._open.remove(pipe)
        elif pipe is self._errors:
            self._last_words += data
            self._left_out += max(0, len(self._last_words) - _LAST_WORDS)
            del self._last_words[:-_LAST_WORDS]
        else:
            return self._reader.take(data)
        return None


def _work(
    pipes: tuple[Connection, Connection],
    scratch: str,
    memory: int | None,
    fn: Callable[..., Answered],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> None:
    """The life of a worker: one job, its result, the end."""
    end_with_parent(signal.SIGKILL)  # the server, which ends with the daemon
    answers = os.dup(pipes[0].fileno())
    os.dup2(pipes[1].fileno(), 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # a model that prints must not print into our data
    _close_all_but(answers)
    limit_worker(memory)
    confine(scratch)
    os.environ["TMPDIR"] = tempfile.tempdir = scratch
    stage.listen(lambda name: tell_stage(answers, name))
    answer = fn(*args, **kwargs)
    sys.stderr.flush()
    tell(answers, answer)
    os._exit(0)  # threads that a model has left behind must not keep the process


def _close_all_but(handle: int) -> None:
    """Keep the three standard streams and this one, and nothing of the server's or the daemon's."""
    for number in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        if number > 2 and number != handle:
            with suppress(OSError):  # the one by which they were listed
                os.close(number)


def _end(process: BaseProcess) -> None:
    for stop in (process.terminate, process.kill):
        process.join(_GRACE if stop == process.kill else 0.5)
        if process.exitcode is not None:
            return
        stop()
    process.join()


def _waited_for_a_processor(process: BaseProcess) -> float:
    """Seconds in which it could not run, as others did: they are no hang."""
    try:
        return int(Path(f"/proc/{process.pid}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def _cause(exitcode: int | None) -> str:
    if exitcode is None:
        return "its worker gave no answer, and was ended"
    if exitcode < 0:
        name = signal.Signals(-exitcode).name
        return f"its worker was ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    return f"its worker ended with exit code {exitcode} and no answer"
