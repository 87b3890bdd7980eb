"""Which run a file belongs to: its folder, less all trailing parts that only say what is in them."""

import re
from collections.abc import Iterator

DEFAULT_RUN = "default"

_SAYS_NOTHING = re.compile(
    r"checkpoints?|checkpoint[-_]\d+|best|best_models?|models|weights|ckpt|states|dumps", re.IGNORECASE
)


def run_of(path: str) -> str:
    """The run of a file, by its path relative to the watched folder."""
    parts = path.split("/")[:-1]
    while parts and _SAYS_NOTHING.fullmatch(parts[-1]):
        parts.pop()
    return "/".join(parts) or DEFAULT_RUN


def runs_above(run: str) -> Iterator[str]:
    """A run and the runs of the folders above it, nearest first: where its states may come from."""
    parts = [] if run == DEFAULT_RUN else run.split("/")
    while parts:
        yield "/".join(parts)
        parts.pop()
    yield DEFAULT_RUN
