"""What a job is doing now: told by the job, heard by whoever runs it."""

from collections.abc import Callable


def _nobody(stage: str) -> None:
    pass


_listener: Callable[[str], None] = _nobody


def listen(listener: Callable[[str], None]) -> None:
    """Hear the stages of this process's job."""
    global _listener  # noqa: PLW0603 - a worker process has one job
    _listener = listener


def enter(stage: str) -> None:
    """Say what comes now."""
    _listener(stage)
