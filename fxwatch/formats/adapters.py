"""Formats that other packages add: entry points of the group `fxwatch.adapters`, named by the suffix that they read.

Here only their names are looked at. What they lead to is imported where a file is read.
"""

import functools
from importlib.metadata import EntryPoint, entry_points

GROUP = "fxwatch.adapters"


def adapter_for(suffix: str) -> EntryPoint | None:
    """The adapter for files of this suffix; None where no package brings one."""
    return _adapters().get(suffix.lower())


@functools.cache
def _adapters() -> dict[str, EntryPoint]:
    return {f".{found.name.lower().lstrip('.')}": found for found in entry_points(group=GROUP)}
