"""Draw the page of an analysis that the store holds, and put it there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fxwatch.formats.archive import open_archive
from fxwatch.records.analysis import Analysis
from fxwatch.records.history import HistoryLine
from fxwatch.records.thresholds import Thresholds
from fxwatch.report.png import LONGEST_HISTORY, draw
from fxwatch.store.atomic import write_atomic
from fxwatch.store.bounded import open_regular
from fxwatch.store.layout import Run
from fxwatch.store.lines import parse_line
from fxwatch.store.read import read_analysis

_BLOCK = 1 << 16
_LARGEST_ARRAY = 64 * 1024 * 1024


def draw_stored(
    run: Run,
    analysis_id: str,
    *,
    newest: bool,
    thresholds: Thresholds = Thresholds(),  # noqa: B008 - frozen
) -> Path:
    """Draw an analysis into its folder and, where it is the `newest` of its run, as the run's report, too.

    Returns the file in the analysis's folder. Where arrays are missing or damaged, the page says so in their place.
    Raises StoreError where the analysis cannot be read, OSError where the page cannot be written.
    """
    folder = run.analysis(analysis_id)
    analysis = read_analysis(folder.json)
    page = draw(analysis, read_heat(folder.arrays), history_until(run.history, analysis), thresholds)
    write_atomic(folder.png, page)
    if newest:
        write_atomic(run.png, page)
    return folder.png


def read_heat(path: Path) -> dict[str, NDArray[Any]]:
    """The heatmaps of an arrays.npz; those that cannot be read are left out."""
    heat: dict[str, NDArray[Any]] = {}
    try:
        with open_regular(path) as file, open_archive(file), np.load(file, allow_pickle=False) as archive:
            for name in archive.files:
                if name.startswith("heat/") and archive.zip.getinfo(f"{name}.npy").file_size <= _LARGEST_ARRAY:
                    try:
                        heat[name] = archive[name]
                    except Exception:  # noqa: BLE001, S112 - the page says that it is missing, whatever is wrong with it
                        continue
    except Exception:  # noqa: BLE001 - zipfile, zlib and numpy have many for what is damaged
        return heat
    return heat


def history_until(path: Path, analysis: Analysis) -> list[HistoryLine]:
    """The last lines of a history up to an analysis, oldest first; it ends the list even where it was not noted yet.

    Read from the end, so that a long history costs no more than a short one.
    """
    key = f'"{analysis.id}"'.encode()
    found: list[HistoryLine] = []
    for raw in _backwards(path):
        if not found and key not in raw:
            continue
        line = parse_line(raw, HistoryLine)
        if line is not None and (found or line.id == analysis.id):
            found.append(line)
        if len(found) == LONGEST_HISTORY:
            break
    return found[::-1] or _with_all_before(path, analysis)


def _with_all_before(path: Path, analysis: Analysis) -> list[HistoryLine]:
    """An analysis that was not noted yet, behind all that were."""
    noted: list[HistoryLine] = []
    for raw in _backwards(path):
        if (line := parse_line(raw, HistoryLine)) is not None:
            noted.append(line)
        if len(noted) == LONGEST_HISTORY - 1:
            break
    return [*noted[::-1], HistoryLine.of(analysis, noted[0].seq + 1 if noted else 0)]


def _backwards(path: Path) -> Iterator[bytes]:
    """The lines of a file, the last one first, each with its end."""
    try:
        file = open_regular(path)
    except OSError:
        return
    with file:
        left = file.seek(0, 2)
        rest = b""
        while left > 0:
            size = min(_BLOCK, left)
            left -= size
            file.seek(left)
            lines = (file.read(size) + rest).splitlines(keepends=True)
            rest = lines[0]
            yield from reversed(lines[1:])
        if rest:
            yield rest
