"""A run's past, as an explanation is compared with it: read from the store by the worker."""

import zipfile

import numpy as np

from fxwatch.attribution import Context, Previous
from fxwatch.load import probe_bytes, read_probe
from fxwatch.records.analysis import Analysis
from fxwatch.records.history import HistoryLine
from fxwatch.records.settings import AnalysisSettings
from fxwatch.records.states import States
from fxwatch.store.atomic import write_atomic
from fxwatch.store.layout import Run, StoreError
from fxwatch.store.lines import last_line
from fxwatch.store.read import read_analysis
from fxwatch.store.shares import ShareIndex


def earlier_analysis(run: Run) -> Analysis | None:
    """The run's newest analysis, where there is one that can be read."""
    line = last_line(run.history, HistoryLine)
    if line is None:
        return None
    try:
        return read_analysis(run.analysis(line.id).json)
    except StoreError:
        return None


def context(
    run: Run,
    earlier: Analysis | None,
    since: int | None,
    everything: States,
    chosen: States,
    settings: AnalysisSettings,
) -> tuple[Context, list[str]]:
    """The run's probe, made of the first dump's first states where there is none, and its past; and what people should
    hear about it. `since`: the number of the first analysis that it is compared with; None: with none. `everything` is
    the dump, `chosen` those states of it that are analysed.
    """
    notes = []
    probe = read_probe(run.probe)
    if probe is None or not probe.like(everything):
        if probe is not None:
            notes.append(f"the probe states of run {run.name} were replaced: names or shapes of features changed")
            earlier = None
        probe = everything.take(np.arange(min(settings.max_states, everything.count)))
        run.folder.mkdir(parents=True, exist_ok=True)
        write_atomic(run.probe, probe_bytes(probe))
    count = settings.dead_min_history - 1 if since is not None else 0
    earlier_shares = ShareIndex(run.shares).last(everything.features, count, since or 0)
    previous = _previous(run, earlier) if earlier is not None else None
    return Context(None if probe.same(chosen) else probe, previous, earlier_shares), notes


def _previous(run: Run, earlier: Analysis) -> Previous | None:
    try:
        with np.load(run.analysis(earlier.id).arrays, allow_pickle=False) as archive:
            wanted = [name for name in archive.files if name == "probe" or name.startswith("attention_probe/")]
            arrays = {name: archive[name] for name in wanted}
        return Previous.of(earlier, arrays)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
