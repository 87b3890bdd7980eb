"""Whether the machine has room for an analysis now: memory that is left, and what the kernel says of waiting (PSI)."""

from pathlib import Path

_RESERVE = 0.05
_LEAST_RESERVE, _LARGEST_RESERVE = 256 << 20, 4 << 30
_LEAST_FOR_A_WORKER = 512 << 20
_MEMORY_STALLS = 10.0
LONGEST_FOR_THE_PROCESSOR = 60.0
"""Seconds for which an analysis waits for the processor at most: it stands behind training in any case."""


class Machine:
    """What the kernel tells of the machine; `root` is where /proc and /sys are."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._proc, self._sys = root / "proc", root / "sys/fs/cgroup"

    def stalls(self, of: str) -> float | None:
        """Percent of the last ten seconds in which something waited for `cpu` or `memory`; None where nobody counts."""
        try:
            some = (self._proc / "pressure" / of).read_text(encoding="ascii").splitlines()[0]
            return float(some.split("avg10=")[1].split()[0])
        except (OSError, ValueError, IndexError):
            return None

    def memory_left(self) -> int | None:
        """Bytes that can be had without taking them from anybody, in the machine and in our control group."""
        try:
            lines = (self._proc / "meminfo").read_text(encoding="ascii").splitlines()
            told = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
            left, total = told["MemAvailable"], told["MemTotal"]
        except (OSError, ValueError, KeyError, IndexError):
            return None
        group = self._group()
        if group is not None:
            limit, used = group
            left, total = min(left, limit - used), min(total, limit)
        reserve = min(max(int(_RESERVE * total), _LEAST_RESERVE), _LARGEST_RESERVE)
        return left - reserve

    def _group(self) -> tuple[int, int] | None:
        """The limit of our control group, and what it uses beyond its cache; None where it has none (cgroup v2)."""
        try:
            own = (self._proc / "self/cgroup").read_text(encoding="utf-8").split("::", 1)[1].strip().lstrip("/")
            folder = self._sys / own
            limit = int((folder / "memory.max").read_text(encoding="ascii"))
            told = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
            return limit, int((folder / "memory.current").read_text(encoding="ascii")) - int(told["file"])
        except (OSError, ValueError, KeyError, IndexError):
            return None


def memory_of_each(machine: Machine, workers: int) -> int | None:
    """Bytes that each of so many workers may take on top of what it begins with; None where it cannot be known."""
    left = machine.memory_left()
    return None if left is None else max(left, _LEAST_FOR_A_WORKER) // workers


class Pressure:
    """Says when analyses have to wait: for memory as long as it lasts, for the processor a minute at most.

    `most` is the percent of time in which something waits for a processor, above which no analysis begins.
    """

    def __init__(self, most: float, machine: Machine | None = None) -> None:
        self._most, self._machine = most, machine or Machine()
        self._waiting_since: float | None = None

    def reason(self, now: float) -> str | None:
        """Why no analysis begins now, in words; None where one may."""
        left = self._machine.memory_left()
        if left is not None and left < 0:
            return "analyses wait: too little memory is left beside training"
        stalls = self._machine.stalls("memory")
        if stalls is not None and stalls > _MEMORY_STALLS:
            return f"analyses wait: programs wait for memory {stalls:.0f} % of the time"
        busy = self._machine.stalls("cpu")
        if busy is None or busy <= self._most:
            self._waiting_since = None
            return None
        self._waiting_since = now if self._waiting_since is None else self._waiting_since
        if now - self._waiting_since >= LONGEST_FOR_THE_PROCESSOR:
            return None
        return f"analyses wait, a minute at most: programs wait for a processor {busy:.0f} % of the time"

    def begun(self) -> None:
        """An analysis has begun: the next one waits anew."""
        self._waiting_since = None
