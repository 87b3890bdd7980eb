"""What is inside an analysis and its run beside analysis.json: the index of shares, heatmaps, attention maps.

NumPy is imported when the first of them is opened, so that the monitor starts without it.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from fxwatch.formats.archive import open_archive
from fxwatch.records.analysis import Analysis
from fxwatch.store.bounded import open_regular
from fxwatch.store.layout import Run
from fxwatch.tui.snapshot import FeatureNews, HeadNews, Map

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fxwatch.store.shares import ShareIndex

_LARGEST = 1 << 25
_TREND = 24
_POINTS = 400


def feature_trends(run: Run, analysis: Analysis, index: int) -> dict[tuple[str, str], tuple[float, ...]]:
    """The last shares of every feature up to the analysis at a place in the history."""
    layout = analysis.layout
    names = [(branch, feature) for branch, features in layout.items() for feature in features]
    if not names:
        return {}
    shares = _index(run)
    try:
        numbers, _ = shares.history(layout, *names[0])
        rows = shares.shares(layout, numbers[numbers <= index][-_TREND:].tolist())
    except (OSError, ValueError):
        return {}
    return {name: tuple(map(float, rows[:, column])) for column, name in enumerate(names)}


def feature_news(
    run: Run, analysis: Analysis, index: int, branch: str, feature: str, step_of: Callable[[int], int | None]
) -> FeatureNews:
    """A feature's history up to the analysis at a place, and its branch over time steps."""
    layout = analysis.layout
    if feature not in layout.get(branch, []):
        return FeatureNews(branch, feature, trouble="this analysis does not know the feature")
    steps: tuple[int | None, ...] = ()
    shares: tuple[float, ...] = ()
    try:
        numbers, found = _index(run).history(layout, branch, feature)
        until = int((numbers <= index).sum())
        stride = max(1, -(-until // _POINTS))
        kept = range((until - 1) % stride, until, stride) if until else range(0)
        steps = tuple(step_of(int(numbers[place])) for place in kept)
        shares = tuple(float(found[place]) for place in kept)
    except (OSError, ValueError) as error:
        return FeatureNews(branch, feature, trouble=f"the index of shares cannot be read: {error}")
    heat = _array(run, analysis.id, f"heat/{branch}")
    names = tuple(layout[branch])
    if isinstance(heat, str):
        return FeatureNews(branch, feature, steps, shares, names, trouble=heat)
    if heat.ndim != 2 or heat.shape[1] != len(names):
        return FeatureNews(branch, feature, steps, shares, names, trouble="the heatmap has another shape")
    return FeatureNews(branch, feature, steps, shares, names, _rows(heat.T))


def head_news(run: Run, analysis_id: str, layer: str, head: int) -> HeadNews:
    """Where a head looks."""
    found = _array(run, analysis_id, f"attention/{layer}")
    if isinstance(found, str):
        return HeadNews(layer, head, trouble=found)
    if found.ndim != 3 or head >= len(found):
        return HeadNews(layer, head, trouble="the attention map has another shape")
    return HeadNews(layer, head, _rows(found[head]))


def _index(run: Run) -> "ShareIndex":
    from fxwatch.store.shares import ShareIndex

    return ShareIndex(run.shares)


def _rows(found: "NDArray[np.floating]") -> Map:
    return tuple(tuple(float(value) if math.isfinite(value) else None for value in row) for row in found)


def _array(run: Run, analysis_id: str, name: str) -> "NDArray[np.floating] | str":
    """An array of arrays.npz, or why there is none. What would unpack to more than 32 MiB is not read."""
    import numpy as np

    path = run.analysis(analysis_id).arrays
    try:
        with open_regular(path) as file:
            if open_archive(file).getinfo(f"{name}.npy").file_size > _LARGEST:
                return "the array is larger than any that is drawn"
            with np.load(file, allow_pickle=False) as arrays:
                found = np.asarray(arrays[name])
    except FileNotFoundError:
        return "there is no arrays.npz beside this analysis"
    except KeyError:
        return "arrays.npz does not hold it"
    except Exception as error:  # noqa: BLE001 - zipfile, zlib and numpy have many for what is damaged; it is shown
        return f"arrays.npz cannot be read: {error}"
    return found.astype(np.float64) if found.dtype.kind in "fiu" else "arrays.npz holds no numbers there"
