"""How a process stands to all others."""

import os
from pathlib import Path

import psutil

AUTOGROUP = Path("/proc/self/autogroup").exists()
LAST = (True, 19, 19 if AUTOGROUP else None, psutil.IOPRIO_CLASS_IDLE)


def rank(pid: int) -> tuple[bool, int, int | None, int]:
    """Whether it leads a session; its rank, that of its session, where the kernel has such, and that for the disk."""
    session = int(Path(f"/proc/{pid}/autogroup").read_text().split()[-1]) if AUTOGROUP else None
    return (
        os.getsid(pid) == pid,
        os.getpriority(os.PRIO_PROCESS, pid),
        session,
        int(psutil.Process(pid).ionice().ioclass),
    )
