"""The run's folder: every file appears whole or not at all, and only the newest stay."""

from collections import deque
from collections.abc import Callable
from pathlib import Path

KEEP_CHECKPOINTS = 20
KEEP_STATES = 3


class Outputs:
    """Writes the run's files and removes the oldest of its own; other files it leaves alone."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._checkpoints: deque[Path] = deque()
        self._states: deque[Path] = deque()

    def checkpoint(self, step: int, write: Callable[[Path], object]) -> Path:
        """Have `write` fill a path that does not look like a checkpoint, then make it one."""
        path = self._folder / f"ppo_{step}_steps.zip"
        return _publish(path, write, self._checkpoints, KEEP_CHECKPOINTS)

    def states(self, step: int, content: bytes) -> Path:
        """Write a dump of states, taken at `step`."""
        path = self._folder / f"states-{step}.safetensors"
        return _publish(path, lambda partial: partial.write_bytes(content), self._states, KEEP_STATES)


def _publish(path: Path, write: Callable[[Path], object], written: deque[Path], keep: int) -> Path:
    partial = path.with_name(path.name + ".part")
    try:
        write(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    written.append(path)
    while len(written) > keep:
        written.popleft().unlink(missing_ok=True)
    return path
