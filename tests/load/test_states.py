"""Dumps of states: what is read, how it is named, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fxwatch.load import Dump, LoadError, read_content, read_dump
from fxwatch.records.settings import InputSettings

HF = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
PORTFOLIO = np.ones((4, 2), np.float32)


def dump(path: Path, inputs: dict[str, InputSettings] | None = None) -> Dump:
    return read_dump(read_content(path), inputs or {})


@pytest.fixture(params=["npz", "safetensors"])
def write(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    def to_file(arrays: dict[str, np.ndarray], **texts: str) -> Path:
        path = tmp_path / f"states.{request.param}"
        if request.param == "npz":
            np.savez(path, **arrays, **{name: np.array(text) for name, text in texts.items()})  # type: ignore[arg-type]
        else:
            save_file({name: torch.as_tensor(array) for name, array in arrays.items()}, path, texts)
        return path

    return to_file


def test_branches_names_action_and_step_are_read(write: Any) -> None:
    names = {"portfolio": ["cash", "pnl"], "hf": ["a", "b"]}
    arrays = {"hf": HF, "portfolio": PORTFOLIO, "action": np.array([0, 1, 2, 0]), "value": np.zeros(4, np.float32)}
    found = dump(write(arrays, feature_names=json.dumps(names), step="640")).states
    assert list(found.branches) == ["portfolio", "hf"]  # in the order in which the dump names them
    assert found.features == names
    assert found.step == 640
    assert found.action is not None
    assert found.action.tolist() == [0, 1, 2, 0]
    assert found.shapes() == {"portfolio": (1, 2), "hf": (3, 2)}


def test_names_may_be_missing_or_come_from_the_config(write: Any) -> None:
    path = write({"hf": HF})
    assert dump(path).states.features == {"hf": ["hf_0", "hf_1"]}
    named = dump(path, {"hf": InputSettings(features=["price", "volume"])}).states
    assert named.features == {"hf": ["price", "volume"]}


def test_a_flat_observation_is_cut_into_branches(write: Any) -> None:
    flat = np.arange(40, dtype=np.float32).reshape(4, 10)
    inputs = {
        "hf": InputSettings(columns=(0, 6), features=["price", "volume"]),
        "portfolio": InputSettings(columns=(6, 10)),
    }
    found = dump(write({"obs": flat}), inputs).states
    assert found.shapes() == {"hf": (3, 2), "portfolio": (1, 4)}
    assert found.branches["hf"][1].tolist() == [[10, 11], [12, 13], [14, 15]]


def test_states_that_are_not_finite_are_left_out_and_named(write: Any) -> None:
    broken = HF.copy()
    broken[2, 1, 1] = np.nan
    found = dump(write({"hf": broken}, feature_names='{"hf": ["a", "b"]}'))
    assert (found.states.count, found.left_out) == (3, 1)
    assert "hf/b is NaN or Inf" in (found.left_out_reason or "")
    with pytest.raises(LoadError, match="none of its 4 states is finite: hf/hf_0, hf/hf_1 are NaN"):
        dump(write({"hf": HF * np.inf + np.nan}))


def test_what_the_trainer_normalises_is_normalised(write: Any) -> None:
    arrays = {"hf": HF, "mean/hf": np.full(2, 3, np.float32), "var/hf": np.full(2, 4, np.float32)}
    raw = dump(write(arrays, normalised="false")).states.branches["hf"]
    assert np.allclose(raw, (HF - 3) / 2)
    assert np.array_equal(dump(write(arrays, normalised="true")).states.branches["hf"], HF)


def test_statistics_of_which_the_dump_does_not_say_whether_they_were_used_change_nothing_and_are_told(
    write: Any,
) -> None:
    arrays = {"hf": HF, "mean/hf": np.full(2, 3, np.float32), "var/hf": np.full(2, 4, np.float32)}
    found = dump(write(arrays))
    assert np.array_equal(found.states.branches["hf"], HF)
    assert (found.says_normalised, found.holds_statistics) == (False, True)
    assert not dump(write({"hf": HF}, normalised="False")).holds_statistics


def test_a_single_action_may_have_its_own_axis(write: Any) -> None:
    found = dump(write({"hf": HF, "action": np.zeros((4, 1))})).states
    assert found.action is not None
    assert found.action.shape == (4,)


@pytest.mark.parametrize(
    ("arrays", "texts", "words"),
    [
        ({"action": np.zeros(4)}, {}, "holds no branch"),
        ({"hf": np.zeros((4, 2, 2, 2), np.float32)}, {}, "branch hf is float32 of shape"),
        ({"hf": HF, "portfolio": PORTFOLIO[:2]}, {}, "differ in the number of states: hf 4, portfolio 2"),
        ({"hf": HF, "action": np.zeros(3)}, {}, "hf 4, action 3"),
        ({"hf": HF[:0]}, {}, "holds no state"),
        ({"hf": HF, "action": np.array(1)}, {}, "action is a single number"),
        ({"hf": HF, "action": np.full(4, np.nan)}, {}, "none of its 4 states is finite: action is NaN or Inf"),
        ({"hf": HF}, {"feature_names": '{"hf": ["a"]}'}, "branch hf has 2 features, but 1 names"),
        ({"hf": HF}, {"feature_names": '{"hf": ["a", "a"]}'}, "two features of the name 'a'"),
        ({"hf": HF}, {"feature_names": "[1"}, "feature_names are not JSON"),
        ({"hf": HF}, {"feature_names": '{"hf": "ab"}'}, "feature_names are not JSON"),
        ({"hf": HF, "mean/hf": np.zeros(3), "var/hf": np.ones(3)}, {"normalised": "false"}, "do not fit the branch"),
        ({"hf": HF, "mean/hf": np.zeros(2), "var/hf": -np.ones(2)}, {"normalised": "no"}, "var/hf is negative"),
        ({"hf": HF}, {"normalised": "maybe"}, "normalised is 'maybe'; it must be true or false"),
    ],
)
def test_what_makes_no_sense_is_told(
    write: Any, arrays: dict[str, np.ndarray], texts: dict[str, str], words: str
) -> None:
    with pytest.raises(LoadError, match=words):
        dump(write(arrays, **texts))


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"mf": InputSettings()}, "no branch mf, which \\[inputs.mf\\] names; it has hf"),
        ({"hf": InputSettings(columns=(0, 99))}, "but the observation has 6 columns"),
        ({"hf": InputSettings(columns=(0, 5), features=["a", "b"])}, "2 feature names for 5 columns"),
        ({"hf": InputSettings(features=["a", "b", "c"])}, "2 features, but 3 names"),
    ],
)
def test_inputs_that_do_not_fit_are_told(write: Any, inputs: dict[str, InputSettings], words: str) -> None:
    with pytest.raises(LoadError, match=words):
        dump(write({"hf": HF}), inputs)


def test_pickles_in_dumps_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "states.npz", hf=np.array([{"a": 1}], dtype=object))
    with pytest.raises(LoadError) as caught:
        dump(tmp_path / "states.npz")
    assert caught.value.outcome == "refused"


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_dump_of_which_a_byte_has_changed_is_damaged(tmp_path: Path, save: Any) -> None:
    path = tmp_path / "states.npz"
    save(path, hf=np.random.default_rng(0).normal(size=(50, 40)).astype(np.float32))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x40
    path.write_bytes(content)
    with pytest.raises(LoadError, match=r"Bad CRC-32 for file 'hf\.npy'"):
        dump(path)


def test_a_checkpoint_is_no_dump(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "states.npz")
    with pytest.raises(LoadError, match="a torch file is no dump"):
        dump(tmp_path / "states.npz")


def test_a_time_in_seconds_is_held_in_double(write: Any) -> None:
    time = 1.7e9 + np.linspace(-10, 10, 12).reshape(4, 3)
    arrays = {"hf": np.stack([time, np.sin(time)], 2), "calm": np.sin(time)}
    found = dump(write(arrays)).states
    assert found.blurred == {("hf", "hf_0")}
    assert np.array_equal(found.branches["hf"], arrays["hf"])
    assert found.branches["calm"].dtype == np.float32
    constant = dump(write({"hf": np.full((4, 2), 1.7e9 + 1)})).states
    assert not constant.blurred
    assert not dump(write({"hf": time.astype(np.float32)})).states.blurred
    whole = dump(write({"hf": np.int64(1_700_000_000) + np.arange(8).reshape(4, 2)})).states
    assert whole.blurred == {("hf", "hf_0"), ("hf", "hf_1")}
