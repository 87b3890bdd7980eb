"""What a run's store leaves for its next analysis."""

from pathlib import Path

import numpy as np

from fxwatch.daemon.explain_job import npz
from fxwatch.daemon.past import context
from fxwatch.load import probe_bytes
from fxwatch.records.settings import AnalysisSettings
from fxwatch.store.layout import Run
from tests.analyses import analysis
from tests.policies import random_states


def test_the_attention_maps_by_state_are_read_back(tmp_path: Path) -> None:
    run, states, earlier = Run("default", tmp_path), random_states({"x": (2, 2)}), analysis()
    run.probe.write_bytes(probe_bytes(states))
    folder = run.analysis(earlier.id)
    folder.folder.mkdir()
    maps = np.full((8, 1, 2, 2), 0.5, np.float16)
    arrays = {"probe": np.zeros((32, 2)), "attention/layer": maps[0], "attention_probe/layer": maps}
    folder.arrays.write_bytes(npz(arrays))
    found, notes, new_probe = context(run, [], earlier, states, states, AnalysisSettings())
    assert notes == []
    assert new_probe is None
    assert found.previous is not None
    assert list(found.previous.attention) == ["layer"]
    assert np.array_equal(found.previous.attention["layer"], maps)
