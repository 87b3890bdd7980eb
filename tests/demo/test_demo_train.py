import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file

from fxwatch.demo.dumps import STATES
from fxwatch.demo.layout import BRANCHES, FEATURE_NAMES
from fxwatch.demo.outputs import KEEP_STATES, Outputs
from fxwatch.demo.policy import TradingPolicy, build


def trained_policy(checkpoint: Path) -> TradingPolicy:
    policy = build()
    with zipfile.ZipFile(checkpoint) as archive:
        assert archive.testzip() is None
        weights = torch.load(io.BytesIO(archive.read("policy.pth")), weights_only=True)
    policy.load_state_dict(weights, strict=True)
    return policy.eval()


def checkpoints(folder: Path) -> list[Path]:
    return sorted(folder.glob("ppo_*_steps.zip"), key=lambda path: int(path.name.split("_")[1]))


def dumps(folder: Path) -> list[Path]:
    return sorted(folder.glob("states-*.safetensors"), key=lambda path: int(path.stem.split("-")[1]))


def started(folder: Path, *options: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "fxwatch.demo.train", str(folder), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole short run: a checkpoint after every rollout of 512 steps, five rollouts."""
    folder = tmp_path_factory.mktemp("run")
    process = started(folder, "--seconds-between", "0", "--timesteps", "2560", "--seed", "3")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return folder


def test_it_leaves_whole_files_and_nothing_else(run: Path) -> None:
    assert [path.name for path in checkpoints(run)] == [f"ppo_{512 * n}_steps.zip" for n in range(1, 6)]
    assert [path.name for path in dumps(run)] == [f"states-{512 * n}.safetensors" for n in range(3, 6)]
    assert len(list(run.iterdir())) == 5 + KEEP_STATES


def test_a_built_policy_loads_every_checkpoint(run: Path) -> None:
    for checkpoint in checkpoints(run):
        trained_policy(checkpoint)


def test_training_changes_all_but_what_is_planted(run: Path) -> None:
    first, last = (trained_policy(checkpoints(run)[i]).state_dict() for i in (0, -1))
    same = [name for name in first if torch.equal(first[name], last[name])]
    assert {name.rsplit(".", 1)[-1] for name in same} == {"read"}
    unread = FEATURE_NAMES["hf"].index("planted_unread")
    assert (last["features_extractor.branches.hf.projection.weight"][:, unread] == 0).all()


def test_a_dump_has_what_the_contract_says(run: Path) -> None:
    arrays = load_file(dumps(run)[-1])
    with safe_open(dumps(run)[-1], framework="numpy") as dump:
        metadata = dump.metadata()
    assert set(arrays) == {*BRANCHES, "action", "value", "advantage", "old_log_prob"}
    for name, branch in BRANCHES.items():
        assert arrays[name].shape == (STATES, branch.steps, len(branch.features))
        assert arrays[name].dtype == np.float32
        assert np.isfinite(arrays[name]).all()
    assert arrays["action"].shape == (STATES, 2)
    assert arrays["action"].dtype == np.int64
    for name in ("value", "advantage", "old_log_prob"):
        assert arrays[name].shape == (STATES,)
        assert np.isfinite(arrays[name]).all()
    assert json.loads(metadata["feature_names"]) == FEATURE_NAMES
    assert metadata["step"] == "2560"
    assert metadata["normalised"] == "true"


def test_the_states_are_different_ones(run: Path) -> None:
    hf = load_file(dumps(run)[-1])["hf"]
    assert len(np.unique(hf.reshape(STATES, -1), axis=0)) == STATES


def test_a_checkpoint_is_the_policy_that_met_its_states(run: Path) -> None:
    checkpoint = run / "ppo_2048_steps.zip"
    with safe_open(run / "states-2048.safetensors", framework="pt") as dump:
        seen = {name: dump.get_tensor(name) for name in BRANCHES}
        actions, expected = dump.get_tensor("action"), dump.get_tensor("old_log_prob")
        values = dump.get_tensor("value")
    with torch.no_grad():
        value, log_probability, _ = trained_policy(checkpoint).evaluate_actions(seen, actions)
    torch.testing.assert_close(log_probability, expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(value.flatten(), values, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_leaves_a_last_checkpoint(tmp_path: Path, ending: signal.Signals) -> None:
    process = started(tmp_path, "--seconds-between", "1000")
    wait_for(lambda: bool(checkpoints(tmp_path)))
    time.sleep(0.7)
    process.send_signal(ending)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert out == ""
    names = [path.name for path in checkpoints(tmp_path)]
    assert len(names) == 2
    assert [line.split()[0] for line in err.splitlines()] == names
    trained_policy(checkpoints(tmp_path)[-1])
    assert not list(tmp_path.glob("*.part"))


def test_told_to_stop_while_it_starts_it_ends_well(tmp_path: Path) -> None:
    process = started(tmp_path / "run")
    wait_for((tmp_path / "run").exists)
    process.terminate()
    _, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    for checkpoint in checkpoints(tmp_path / "run"):
        trained_policy(checkpoint)


def test_only_its_own_old_files_go(tmp_path: Path) -> None:
    other = tmp_path / "states-1.safetensors"
    other.write_bytes(b"someone else's")
    outputs = Outputs(tmp_path)
    for step in range(10, 16):
        outputs.states(step, b"mine")
    assert [path.name for path in dumps(tmp_path)] == [
        "states-1.safetensors",
        *(f"states-{step}.safetensors" for step in (13, 14, 15)),
    ]


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def full_disk(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        Outputs(tmp_path).checkpoint(1, full_disk)
    assert list(tmp_path.iterdir()) == []
