"""A run's past, as an explanation is compared with it: read from the store by the worker."""

import zipfile
from typing import NamedTuple

import numpy as np

from fxwatch.attribution import Context, Previous
from fxwatch.load import read_probe
from fxwatch.records.analysis import Analysis
from fxwatch.records.history import HistoryLine
from fxwatch.records.settings import AnalysisSettings
from fxwatch.records.states import States
from fxwatch.store.bounded import open_regular
from fxwatch.store.layout import Run, StoreError
from fxwatch.store.read import read_analysis
from fxwatch.store.shares import ShareIndex


class Past(NamedTuple):
    """What an explanation is compared with, what people should hear about it, and the probe, where it is a new one."""

    context: Context
    notes: list[str]
    probe: States | None = None


def analysis_of(run: Run, line: HistoryLine | None) -> Analysis | None:
    """The analysis of a line of the history, where there is one that can be read."""
    if line is None:
        return None
    try:
        return read_analysis(run.analysis(line.id).json)
    except StoreError:
        return None


def context(
    run: Run,
    before: list[HistoryLine],
    earlier: Analysis | None,
    everything: States,
    chosen: States,
    settings: AnalysisSettings,
) -> Past:
    """The run's probe, made of the first dump's first states where there is none, and its past. `before` are the
    analyses that come before this one in training, oldest first, `earlier` the last of them; `everything` is the dump,
    `chosen` those states of it that are analysed.
    """
    notes, made = [], None
    probe = read_probe(run.probe)
    if probe is None or not probe.like(everything):
        if probe is not None:
            notes.append(f"the probe states of run {run.name} were replaced: names or shapes of features changed")
            earlier = None
        probe = made = everything.take(np.arange(min(settings.max_states, everything.count)))
    earlier_shares = ShareIndex(run.shares).shares(everything.features, [line.seq for line in before])
    previous = _previous(run, earlier) if earlier is not None else None
    return Past(Context(None if probe.same(chosen) else probe, previous, earlier_shares), notes, made)


def _previous(run: Run, earlier: Analysis) -> Previous | None:
    try:
        with open_regular(run.analysis(earlier.id).arrays) as file, np.load(file, allow_pickle=False) as archive:
            wanted = [name for name in archive.files if name == "probe" or name.startswith("attention_probe/")]
            arrays = {name: archive[name] for name in wanted}
        return Previous.of(earlier, arrays)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
