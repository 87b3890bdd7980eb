"""The one way in which loading fails: a sentence for people, and what becomes of the file."""

from typing import Literal

Outcome = Literal["failed", "incomplete", "refused", "unsupported", "vanished", "put_off"]


class LoadError(Exception):
    """A file that cannot be used, and why.

    The outcome `put_off` says that it may be read later; `config`, that the configuration is to be mended rather than
    the file; `culprit`, which of the two files it is.
    """

    def __init__(self, message: str, outcome: Outcome = "failed", *, config: bool = False) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.config = config
        self.culprit: Literal["checkpoint", "states"] = "checkpoint"


def to_install(error: ImportError) -> str:
    """Which package to install for a module that is missing, in words; nothing where the error names none."""
    missing = (error.name or "").split(".")[0]
    return f"; install it where fxwatch runs: pip install {missing.replace('_', '-')}" if missing else ""
