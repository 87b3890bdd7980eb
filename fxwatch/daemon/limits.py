"""What a process that explains may use, and what it may know. To be called before torch is imported."""

import ctypes
import os
import platform
import re
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_NICE = 19
_TRIES, _MOMENT = 20, 0.1
_FIRST_TO_GO = "900"
_SECRET = re.compile(r"(?i)key|token|secret|passw|credential|^wandb_|^aws_")
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30}
_ONE_PROCESS, _IDLE = 1, 3 << 13
_LARGEST_FILE = 1 << 30
_FILES = 1024
_UNSAFE_SWITCHES = ("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_WEIGHTS_ONLY_LOAD")


def limit_process(threads: int) -> None:
    """Use so many threads, and no GPU: the machine belongs to training. How weights are loaded is for us to say."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    for name in _UNSAFE_SWITCHES:
        os.environ.pop(name, None)


def stand_back(pid: int = 0) -> None:
    """Let a process, this one unless told, that leads a session stand behind training: last for the processor and the
    disk. Where the kernel shares processors among sessions (sched_autogroup), ranks count inside of one alone, and it
    is the session that has to stand back.
    """
    _rank_session_last(Path(f"/proc/{pid or 'self'}/autogroup"))
    with suppress(ProcessLookupError):
        os.setpriority(os.PRIO_PROCESS, pid, _NICE)
    if (number := _IOPRIO_SET.get(platform.machine())) is not None:
        ctypes.CDLL(None).syscall(number, _ONE_PROCESS, pid, _IDLE)


def _step_back() -> None:
    """Stand behind training, and even behind all else that does; be the first to go when memory runs out.

    In a session of its own: Ctrl-C in the terminal is for the daemon.
    """
    os.setsid()
    stand_back()
    with suppress(OSError):  # a processor that does but this counts as idle for all others
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    with suppress(OSError):  # not every kernel lets a process do so
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO, encoding="ascii")


def _rank_session_last(session: Path) -> None:
    for _ in range(_TRIES):
        try:
            session.write_text(str(_NICE), encoding="ascii")
        except BlockingIOError:  # the kernel hears but one of all processes in a tenth of a second
            time.sleep(_MOMENT)
        except OSError:  # it shares nothing among sessions
            return
        else:
            return


def limit_worker(memory: int | None) -> None:
    """Step back, and take so many bytes of memory at most, few handles, no huge files, and no core files."""
    _step_back()
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, _LARGEST_FILE)
    _lower(resource.RLIMIT_NOFILE, _FILES)
    if memory is not None:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        _lower(resource.RLIMIT_AS, pages * resource.getpagesize() + memory)


def no_code_from(folder: Path) -> None:
    """Let this process, and those that it starts, import nothing from below a folder, even where they stand in it.

    But from an installation of Python that lies there, as a .venv does where all of a project is watched.
    """
    forbidden = folder.resolve()
    prefixes = [Path(place).resolve() for place in (sys.prefix, sys.base_prefix)]
    installed = [place for place in prefixes if place.is_relative_to(forbidden)]

    def may_stay(place: Path) -> bool:
        return not place.is_relative_to(forbidden) or any(place.is_relative_to(one) for one in installed)

    sys.path[:] = [place for place in sys.path if may_stay(Path(place).resolve())]
    if Path.cwd().is_relative_to(forbidden):
        os.environ["PYTHONSAFEPATH"] = "1"


@contextmanager
def without_secrets() -> Iterator[None]:
    """What is started inside inherits no variable whose name speaks of a secret."""
    hidden = forget_secrets()
    try:
        yield
    finally:
        os.environ.update(hidden)


def forget_secrets() -> dict[str, str]:
    """Drop, and return, every variable whose name speaks of a secret, as what is loaded now may print it."""
    hidden = {name: value for name, value in os.environ.items() if _SECRET.search(name)}
    for name in hidden:
        del os.environ[name]
    return hidden


def _lower(what: int, value: int) -> None:
    """Lower a limit, for good; one that is lower already stays."""
    hard = resource.getrlimit(what)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (value, value))
