"""Formats that other packages add: entry points of the group `fxwatch.adapters`, named by the suffix that they read.

Here only their names are looked at. What they lead to is imported where a file is read.
"""

import functools
from importlib.metadata import EntryPoint, entry_points
from typing import NamedTuple

from fxwatch.formats.suffixes import CHECKPOINT_SUFFIXES, STATES_SUFFIXES

GROUP = "fxwatch.adapters"


class Adapter(NamedTuple):
    """Where a package's function from bytes to a state dict and the step is to be imported from."""

    entry: EntryPoint
    package: str


class _Found(NamedTuple):
    by_suffix: dict[str, Adapter]
    passed_over: list[str]


def adapter_for(suffix: str) -> Adapter | None:
    """The adapter for files of this suffix; None where no package brings one."""
    return _found().by_suffix.get(suffix.lower())


def passed_over() -> list[str]:
    """A sentence for each adapter that is installed and not used."""
    return _found().passed_over


@functools.cache
def _found() -> _Found:
    found = _Found({}, [])
    for entry in entry_points(group=GROUP):
        suffix = f".{entry.name.lower().lstrip('.')}"
        adapter = Adapter(entry, f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown package")
        if reason := _objection(suffix, adapter, found.by_suffix.get(suffix)):
            found.passed_over.append(f"the adapter {entry.value} of {adapter.package} is passed over: {reason}")
        else:
            found.by_suffix[suffix] = adapter
    return found


def _objection(suffix: str, adapter: Adapter, other: Adapter | None) -> str:
    if suffix in CHECKPOINT_SUFFIXES | STATES_SUFFIXES:
        return f"fxwatch reads *{suffix} by itself"
    if EntryPoint.pattern.match(adapter.entry.value) is None:
        return "that is not the place of a function, as in my_package:read"
    if other is not None:
        return f"*{suffix} is read by that of {other.package}"
    return ""
