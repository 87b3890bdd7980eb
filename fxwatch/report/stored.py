"""The page of an analysis that the store holds."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fxwatch.formats.archive import open_archive
from fxwatch.records.analysis import Analysis
from fxwatch.records.history import HistoryLine, in_order
from fxwatch.records.thresholds import Thresholds
from fxwatch.report.png import LONGEST_HISTORY, draw
from fxwatch.store.atomic import write_atomic
from fxwatch.store.bounded import open_regular
from fxwatch.store.layout import Run
from fxwatch.store.lines import lines_backwards
from fxwatch.store.read import read_analysis

_LARGEST_ARRAY = 64 * 1024 * 1024


def page_of(run: Run, analysis_id: str, thresholds: Thresholds) -> bytes:
    """The page, as a PNG. Where arrays are missing or damaged, it says so in their place.

    Raises StoreError where the analysis cannot be read.
    """
    folder = run.analysis(analysis_id)
    analysis = read_analysis(folder.json)
    return draw(analysis, read_heat(folder.arrays), history_until(run.history, analysis), thresholds)


def draw_stored(
    run: Run,
    analysis_id: str,
    *,
    newest: bool,
    thresholds: Thresholds = Thresholds(),  # noqa: B008 - frozen
) -> Path:
    """Draw an analysis into its folder and, where it is the `newest` of its run, as the run's report, too.

    Returns the file in the analysis's folder. Raises as `page_of`, and OSError where the page cannot be written.
    """
    folder = run.analysis(analysis_id)
    page = page_of(run, analysis_id, thresholds)
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
    """The last lines of a history up to an analysis, in the order of training; it ends the list even where it was not
    noted yet.

    Read from the end, so that for a new analysis a long history costs no more than a short one.
    """
    found: list[HistoryLine] = []
    noted = 0
    for line in lines_backwards(path, HistoryLine):
        found.append(line)
        noted += noted > 0 or line.id == analysis.id
        if noted == LONGEST_HISTORY:
            break
    ordered = in_order(reversed(found))
    place = next((place for place, line in enumerate(ordered) if line.id == analysis.id), None)
    if place is None:
        return [*ordered[1 - LONGEST_HISTORY :], HistoryLine.of(analysis, found[0].seq + 1 if found else 0)]
    return ordered[max(0, place + 1 - LONGEST_HISTORY) : place + 1]
