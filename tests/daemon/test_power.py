"""What a power failure takes: all that was not flushed. Nothing is counted on before it is."""

import os
from pathlib import Path
from typing import Any

from tests.daemon.faults import Faults
from tests.daemon.harness import Life
from tests.daemon.test_life import a_life

REBUILT = {".rows", ".details"}
"""The index, which is made anew from the analyses."""


class Power(Faults):
    """Keeps book of what a power failure would take; `lost` says what would be missed."""

    def __init__(self, store: Path) -> None:
        super().__init__()
        self._store = store
        self._unflushed: dict[int, Path] = {}
        self.lost: list[str] = []
        self.promises = 0

    def _do(self, name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        if name in {"write", "pwrite"}:
            self._promised(_path(arguments[0]), bytes(arguments[1]))
        if name in {"replace", "rename"} and (inode := Path(arguments[0]).stat().st_ino) in self._unflushed:
            self.lost.append(f"{arguments[1]} has its name before its content")
            del self._unflushed[inode]
        done = super()._do(name, arguments, options)
        if name == "fsync":
            self._unflushed.pop(os.fstat(arguments[0]).st_ino, None)
        elif name in {"write", "pwrite", "ftruncate"}:
            self._changed(_path(arguments[0]))
        elif name in {"replace", "rename"}:
            self._changed(Path(arguments[1]).parent)
            if Path(arguments[1]).name == "status.json":
                self._nothing_may_lack("the heartbeat", self._store / "ledger.jsonl")
        elif name == "mkdir" and Path(arguments[0]).name != "shares":
            self._changed(Path(arguments[0]).parent)
        return done

    def _changed(self, path: Path) -> None:
        if path.suffix not in REBUILT:
            self._unflushed[path.stat().st_ino] = path

    def _promised(self, path: Path, data: bytes) -> None:
        """A line of the ledger that says that an analysis is done counts on all that the analysis is."""
        if path.name == "ledger.jsonl" and b'"state":"done"' in data and b'"reason":""' in data:
            self._nothing_may_lack("the ledger", self._store / "runs")

    def _nothing_may_lack(self, who: str, what: Path) -> None:
        self.promises += 1
        self.lost += [f"{who} counts on {path}" for path in self._unflushed.values() if path.is_relative_to(what)]


def _path(handle: int) -> Path:
    return Path(f"/proc/self/fd/{handle}").readlink()


def what_a_power_failure_takes(root: Path) -> list[str]:
    life = Life(root)
    life.faults = power = Power(life.store.root)
    a_life(life)
    life.stop()
    life.check()
    assert power.promises > 10
    return power.lost


def test_nothing_is_counted_on_before_it_is_on_disk(tmp_path: Path) -> None:
    assert what_a_power_failure_takes(tmp_path / "outputs") == []
