"""`fxwatch.read`: what the store holds as pandas frames, in a notebook."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pyarrow as pa

from fxwatch.export.analyses import analyses_table
from fxwatch.export.features import FEATURES, feature_batches
from fxwatch.store.layout import Store, StoreError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Frames:
    """`features`: a row for every feature of every analysis; `analyses`: a row for every analysis.

    Both have `run`, `step` and `seq`, the number of the analysis in its run, in the order of completion.
    """

    features: "pd.DataFrame"
    analyses: "pd.DataFrame"

    def plot_features(self, run: str | None = None, top: int = 8) -> "Axes":
        """The shares of a run's features that lead at its newest analysis, by step, the first of them on top.

        `run` may be left out where there is but one. Raises ValueError where it is not there.
        """
        frame = self._of(self.features, run)
        newest = frame[frame["seq"] == frame["seq"].max()].nlargest(top, "share")
        leading = frame.merge(newest[["branch", "feature"]], on=["branch", "feature"])
        wide = leading.pivot_table(
            index=_axis(leading), columns=["branch", "feature"], values="share", aggfunc="last", observed=True
        )
        names = list(zip(newest["branch"], newest["feature"], strict=True))
        axes: Axes = wide[names].plot(ylabel="share of all importance", legend=False)
        axes.yaxis.set_major_formatter(lambda share, _place: f"{100 * share:.3g}%")
        axes.set_ylim(bottom=0)
        figure = cast("Figure", axes.figure)
        figure.set_layout_engine("constrained")  # room for a legend beside the chart
        labels = [f"{branch} · {feature}" for branch, feature in names]
        legend = figure.legend(axes.lines, labels, loc="outside right center", frameon=False)
        for text in legend.get_texts():
            text.set_parse_math(False)  # names are no formulas
        return axes

    def plot(self, metric: str = "consensus", run: str | None = None) -> "Axes":
        """A headline number of a run by step, a column of `analyses`. Raises ValueError where there is none."""
        frame = self._of(self.analyses, run).sort_values("seq")
        numbers = [name for name in frame.select_dtypes("number") if name not in {"seq", "step"}]
        if metric not in numbers:
            raise ValueError(f"there is no number {metric}; there are {', '.join(numbers)}")
        axes: Axes = frame.plot(x=_axis(frame), y=metric, legend=False)
        axes.set_ylabel(metric)
        return axes

    def _of(self, frame: "pd.DataFrame", run: str | None) -> "pd.DataFrame":
        """The rows of one run. Raises ValueError where there are several and none is named, or none of that name."""
        runs = sorted(map(str, self.analyses["run"].unique()))
        if run is None and len(runs) != 1:
            raise ValueError(f"there are {len(runs)} runs; name one of {', '.join(runs)}")
        if run is not None and run not in runs:
            raise ValueError(f"there is no run {run}; there are {', '.join(runs)}")
        return frame if run is None else frame[frame["run"] == run]


def read(folder: str | Path, store: str | Path | None = None) -> Frames:
    """The results below a folder that training writes to. Raises StoreError where there are none.

    `store`: the folder of the results, where [store] dir has moved it.
    """
    found = Store.of(Path(folder), None if store is None else str(store))
    if not found.exists() and (Store(Path(folder))).exists():
        found = Store(Path(folder))  # the folder of results itself was named
    runs = list(found.runs()) if found.exists() else []
    if not runs:
        raise StoreError(f"{found.root} holds no analysis; `fxwatch daemon {folder} --once` makes some")
    import pandas as pd

    features = pa.Table.from_batches((batch for run in runs for batch in feature_batches(run)), FEATURES)
    analyses = analyses_table(runs).to_pandas()
    analyses["created_at"] = pd.to_datetime(analyses["created_at"], errors="coerce", utc=True, format="ISO8601")
    return Frames(features.unify_dictionaries().to_pandas(), analyses)


def _axis(frame: "pd.DataFrame") -> str:
    return "seq" if frame["step"].isna().any() else "step"
