"""What a worker cannot do, whatever runs in it: reach a network, start, end or read other processes, or write anywhere
but among its own temporary files.

Two walls of the kernel's own, which a process can put up for itself and never take down again: seccomp(2), which
refuses system calls by their number, and landlock(7), which refuses writing. Unlike an audit hook they hold whatever is
run, as nothing in the process is asked. Where a kernel lacks one of them, `missing` says so in words.
"""

import ctypes
import errno
import os
import platform
import struct
from contextlib import suppress

from fxwatch.daemon.calls import CLONE, CLONE3, IOCTL, MACHINES, PRLIMIT, REFUSED, SIGNALS

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long

_PR_GET_SECCOMP, _PR_SET_SECCOMP, _FILTER = 21, 22, 2
_PR_SET_NO_NEW_PRIVS = 38

_RETURN, _LOAD, _EQUAL, _AT_LEAST, _ANY_BIT = 0x06, 0x20, 0x15, 0x35, 0x45
_ALLOW, _END, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _MACHINE, _FIRST, _SECOND = 0, 4, 16, 24
"""Places in what a filter is shown: the call's number, the machine, the lower half of two arguments."""
_CLONE_THREAD = 0x10000
_TYPE_INTO_TERMINAL = 0x5412
_X32 = 0x40000000
"""Numbers from here on are those of another way to call the same kernel."""

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_WRITE_FILE, _REFER, _TRUNCATE = 1 << 1, 1 << 13, 1 << 14
_WRITE = _WRITE_FILE | sum(1 << bit for bit in range(4, 13))
"""All ways to change a tree: write, remove, and make files of any kind."""


def missing() -> list[str]:
    """Which walls this kernel has not, in words for people."""
    return [
        *([] if _landlock_version() > 0 else ["without landlock in this kernel, workers may write where you may"]),
        *(
            []
            if _has_seccomp()
            else ["without seccomp in this kernel, workers may reach the network and start programs"]
        ),
    ]


def confine(folder: str) -> None:
    """Put up the walls that there are, for this process and for good. Only below `folder` can it write from now on."""
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if (version := _landlock_version()) > 0:
        _forbid_writing(version, folder)
    if _has_seccomp():
        _refuse_calls(platform.machine())


def _landlock_version() -> int:
    return int(_libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1)))


def _has_seccomp() -> bool:
    return platform.machine() in MACHINES and _libc.prctl(_PR_GET_SECCOMP, 0, 0, 0, 0) >= 0


def _forbid_writing(version: int, folder: str) -> None:
    handled = _WRITE | (_REFER if version >= 2 else 0) | (_TRUNCATE if version >= 3 else 0)
    ruleset = _checked(_libc.syscall(_LANDLOCK_CREATE, struct.pack("=Q", handled), ctypes.c_size_t(8), 0))
    _allow(ruleset, os.devnull, handled & (_WRITE_FILE | _TRUNCATE))
    with suppress(FileNotFoundError):  # it was removed meanwhile; then nothing is to be written
        _allow(ruleset, folder, handled)
    _checked(_libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0))
    os.close(ruleset)


def _allow(ruleset: int, path: str, access: int) -> None:
    handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        _checked(_libc.syscall(_LANDLOCK_ADD, ruleset, 1, struct.pack("=Qi", access, handle), 0))
    finally:
        os.close(handle)


def _refuse_calls(machine: str) -> None:
    column, name = MACHINES[machine]
    steps = [
        (_LOAD, 0, 0, _MACHINE),
        (_EQUAL, 1, 0, name),
        (_RETURN, 0, 0, _END),
        (_LOAD, 0, 0, _NUMBER),
        *([(_AT_LEAST, 0, 1, _X32), _refuse(errno.EPERM)] if machine == "x86_64" else []),
        (_EQUAL, 0, 1, CLONE3[column]),
        _refuse(errno.ENOSYS),  # its flags lie in memory; the C library then takes clone
        *_only(CLONE[column], _FIRST, _ANY_BIT, _CLONE_THREAD),
        *_only(PRLIMIT[column], _FIRST, _EQUAL, 0),
        *_only(IOCTL[column], _SECOND, _EQUAL, _TYPE_INTO_TERMINAL, unless=True),
    ]
    for numbers in SIGNALS.values():
        steps += _only(numbers[column], _FIRST, _EQUAL, os.getpid())
    for refused in REFUSED.values():
        if (number := refused[column]) is not None:
            steps += [(_EQUAL, 0, 1, number), _refuse(errno.EPERM)]
    steps.append((_RETURN, 0, 0, _ALLOW))
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    _checked(_libc.prctl(_PR_SET_SECCOMP, _FILTER, struct.pack("@HP", len(steps), ctypes.addressof(code)), 0, 0))


def _refuse(code: int) -> tuple[int, int, int, int]:
    return _RETURN, 0, 0, _REFUSE | code


def _only(number: int, place: int, test: int, value: int, *, unless: bool = False) -> list[tuple[int, int, int, int]]:
    """A call that is allowed only where its argument passes the test; or, with `unless`, fails it."""
    verdicts = [(_RETURN, 0, 0, _ALLOW), _refuse(errno.EPERM)]
    return [
        (_EQUAL, 0, 4, number),
        (_LOAD, 0, 0, place),
        (test, 0, 1, value),
        *(verdicts[::-1] if unless else verdicts),
    ]


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"a worker cannot be confined: {os.strerror(code)}")
    return result
