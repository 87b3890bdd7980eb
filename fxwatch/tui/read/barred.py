"""What of the results is there, and may not be read: it must not look as if it were not there."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

from fxwatch.store.layout import MARK, Store

_EVERY = 10.0


def reason_not_to_read(path: Path) -> str | None:
    """Why a file that is there cannot be opened; None where it can, or where there is none."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
    return None


class Barred:
    """Tries to open what the monitor needs, every ten seconds, or each time while there is nothing else to show."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._looked: float | None = None
        self._found: tuple[tuple[str, str], ...] = ()

    def news(self, runs: Iterable[str], folders: Iterable[tuple[Path, str]] = ()) -> tuple[tuple[str, str], ...]:
        """Paths and reasons: of the store, of the histories of some runs, and folders that were found shut before."""
        names, now = list(runs), time.monotonic()
        if self._looked is None or not names or now - self._looked >= _EVERY:
            store = self._store
            files = [store.root / MARK, store.status, store.ledger, *(store.run(name).history for name in names)]
            reasons = [(path, reason_not_to_read(path)) for path in files]
            found = [*((path, reason) for path, reason in reasons if reason is not None), *folders]
            self._found, self._looked = tuple((str(path), reason) for path, reason in found), now
        return self._found
