"""A run's past, as an explanation is compared with it: read from the store by the worker."""

import numpy as np

from fxwatch.attribution import Context, Previous
from fxwatch.formats.archive import open_archive
from fxwatch.load import probe_bytes, read_probe
from fxwatch.records.analysis import Analysis
from fxwatch.records.history import HistoryLine
from fxwatch.records.settings import AnalysisSettings
from fxwatch.records.states import States
from fxwatch.store.atomic import write_atomic
from fxwatch.store.bounded import open_regular
from fxwatch.store.layout import Run, StoreError
from fxwatch.store.read import read_analysis
from fxwatch.store.shares import ShareIndex


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
) -> tuple[Context, list[str]]:
    """The run's probe, made of the first dump's first states where there is none, and its past; and what people should
    hear about it. `before` are the analyses that come before this one in training, oldest first, `earlier` the last of
    them; `everything` is the dump, `chosen` those states of it that are analysed.
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
    earlier_shares = ShareIndex(run.shares).shares(everything.features, [line.seq for line in before])
    previous = _previous(run, earlier) if earlier is not None else None
    return Context(None if probe.same(chosen) else probe, previous, earlier_shares), notes


def _previous(run: Run, earlier: Analysis) -> Previous | None:
    try:
        path = run.analysis(earlier.id).arrays
        with open_regular(path) as file, open_archive(file), np.load(file, allow_pickle=False) as archive:
            wanted = [name for name in archive.files if name == "probe" or name.startswith("attention_probe/")]
            arrays = {name: archive[name] for name in wanted}
        return Previous.of(earlier, arrays)
    except Exception:  # noqa: BLE001 - zipfile, zlib and numpy have many for what is damaged
        return None
