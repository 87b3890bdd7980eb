"""Jobs for workers that do what a stranger's code, or bad luck, may do. Each gets a path that it may write, as text."""

import io
import json
import mmap
import os
import re
import resource
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil

from fxwatch.daemon import stage
from fxwatch.daemon.parcel import ARRAYS, LARGEST, Parcel


def shout(text: str) -> str:
    stage.enter("shouting")
    sys.stdout.write("this must not reach the daemon's stdout")
    return text.upper()


def die(number: str) -> str:
    os.kill(os.getpid(), int(number))
    return "alive"


def leave(code: str) -> str:
    os._exit(int(code))


class NotForPickleError(Exception):
    def __reduce__(self) -> str:
        raise TypeError("no")


def fail(_text: str) -> str:
    raise NotForPickleError(threading.Lock())


def hang(path: str) -> str:
    Path(path).write_text(str(os.getpid()))
    time.sleep(600)
    return ""


def wait_for_a_file(path: str) -> str:
    while not Path(path).exists():
        time.sleep(0.02)
    return "gone on"


def hang_in_c(path: str) -> str:
    """No other thread of this process, and no handler of a signal, is ever run again."""
    Path(path).write_text(str(os.getpid()))
    return str(re.match(r"(a+)+$", "a" * 64 + "b"))


def eat_memory(_text: str) -> str:
    kept = []
    while True:
        kept.append(bytearray(1 << 24))


def read_what_is_cut_off(path: str) -> str:
    """SIGBUS, as a memory map of a file that is truncated meanwhile gives."""
    Path(path).write_bytes(bytes(1 << 20))
    with Path(path).open("r+b") as file, mmap.mmap(file.fileno(), 0) as seen:
        file.truncate(0)
        return str(seen[1 << 19])


def flood_stdout(_text: str) -> str:
    for _ in range(1000):
        sys.stdout.write("x" * 100_000)
    return "done"


def flood_stderr(_text: str) -> str:
    for number in range(1000):
        sys.stderr.write(f"{number} \x1b]52;c;evil\x07 {'x' * 10_000}\n")
    return "done"


def flood_stages(_text: str) -> str:
    while True:
        stage.enter("and again" * 100)


def answer_too_much(_text: str) -> str:
    return "x" * (1 << 27)


def answer_half(path: str) -> str:
    Path(path).write_text(str(os.getpid()))
    _say(b'r{"kind":')
    time.sleep(600)
    return ""


def send_a_wrong_name(_text: str) -> Parcel:
    return Parcel("{}", {"../../evil": io.BytesIO(b"x")})


def send_too_large_a_file(_text: str) -> Parcel:
    return Parcel("{}", {ARRAYS: io.BytesIO(bytes(LARGEST[ARRAYS] + (1 << 20)))})


def send_more_than_told(_text: str) -> str:
    _say(b"farrays.npz 1000\n")
    while True:
        _say(b"x" * (1 << 16))


def send_half(_text: str) -> str:
    _say(b"farrays.npz 1000\nabc")
    os._exit(0)


def send_largest(_text: str) -> Parcel:
    return Parcel("{}", {ARRAYS: io.BytesIO(bytes(LARGEST[ARRAYS]))})


def _say(data: bytes) -> None:
    pipe = next(entry for entry in Path("/proc/self/fd").iterdir() if int(entry.name) > 2 and entry.is_fifo())
    os.write(int(pipe.name), data)


def fork_for_ever(_text: str) -> str:
    while os.fork() >= 0:
        pass
    return "forked"


def attempts(outside: str) -> str:
    """What is tried, and what came of it, as JSON."""
    victim = int((Path(outside) / "pid").read_text())
    tried = {
        "connect": lambda: socket.create_connection(("127.0.0.1", 9), 1),
        "unix socket": lambda: socket.socket(socket.AF_UNIX),
        "program": lambda: subprocess.run(["true"], check=True),
        "shell": lambda: _raise_if(os.system("true")),  # noqa: S605
        "fork": lambda: os.fork() or os._exit(0),
        "signal": lambda: os.kill(victim, 15),
        "priority": lambda: os.setpriority(os.PRIO_PROCESS, victim, 19),
        "processors": lambda: os.sched_setaffinity(victim, {0}),
        "session": os.setsid,
        "memory of others": lambda: Path(f"/proc/{victim}/mem").open("r+b").close(),
        "limits of others": lambda: resource.prlimit(victim, 7, (1, 1)),
        "new file": lambda: (Path(outside) / "new").write_text("x"),
        "overwrite": lambda: (Path(outside) / "pid").write_text("x"),
        "append": lambda: (Path(outside) / "pid").open("a").close(),
        "truncate": lambda: os.truncate(Path(outside) / "pid", 0),
        "remove": (Path(outside) / "pid").unlink,
        "rename": lambda: (Path(outside) / "pid").rename(Path(outside) / "other"),
        "link": lambda: (Path(outside) / "link").symlink_to("/"),
        "folder": (Path(outside) / "folder").mkdir,
        "mode": lambda: (Path(outside) / "pid").chmod(0o777),
        "times": lambda: os.utime(Path(outside) / "pid", (0, 0)),
        "attribute": lambda: os.setxattr(Path(outside) / "pid", "user.x", b"x"),
    }
    return json.dumps({name: _outcome(attempt) for name, attempt in tried.items()})


def inside(path: str) -> str:
    """What a job needs: threads, memory, and to write below its own folder."""
    thread = threading.Thread(target=(Path(path) / "made").mkdir)
    thread.start()
    thread.join()
    (Path(path) / "made" / "a.tmp").write_bytes(bytes(1 << 20))
    (Path(path) / "made" / "a.tmp").replace(Path(path) / "a")
    return str((Path(path) / "a").stat().st_size)


def told(_text: str) -> str:
    """What a worker knows and is: handles, environment, precedence."""
    handles = list(Path("/proc/self/fd").iterdir())
    status = Path("/proc/self/status").read_text()
    privileges = next(line.split()[1] for line in status.splitlines() if line.startswith("NoNewPrivs"))
    points = Path("/proc/self/oom_score_adj").read_text().strip()
    known = f"{os.environ!r} {Path('/proc/self/environ').read_text()}".replace("\0", " ")
    ranks = f"{os.getpriority(os.PRIO_PROCESS, 0)} {os.sched_getscheduler(0)} {int(psutil.Process().ionice().ioclass)}"
    group = Path("/proc/self/autogroup")
    session = group.read_text().split()[-1] if group.exists() else "none"
    return f"{len(handles)} {session} {ranks} {privileges} {points} {known}"


def _outcome(attempt: object) -> str:
    assert callable(attempt)
    try:
        attempt()
    except (OSError, ValueError) as error:
        return type(error).__name__
    return "DONE"


def _raise_if(code: int) -> None:
    if code:
        raise PermissionError("the shell did not run")
