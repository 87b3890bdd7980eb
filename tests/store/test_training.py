"""What the recorder measured, in the store: each line once, attempts apart, bounded, and no extreme lost."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

import fxwatch.store.training as store_training
from fxwatch.records.recorded import Read, read_recorded
from fxwatch.records.thresholds import GradientLimits
from fxwatch.records.training import LayerSpan, TrainingLine, newest_attempt, thinned, troubles
from fxwatch.store.layout import Run
from fxwatch.store.training import TrainingWriter, read_training


def recorded(session: str, number: int, step: int | None, optimizer_step: int = 0, steps: int = 4, **more: Any) -> Read:
    line = {"kind": "span", "session": session, "line": number, "step": step, "steps": steps, "at": 1.0, **more}
    line = {"optimizer_step": optimizer_step or 4 * number, "layers": {"fusion": layer(0.5)}, **line}
    found = read_recorded(json.dumps(line).encode() + b"\n", number)
    assert found is not None
    return found


def layer(norm: float) -> dict[str, Any]:
    return {"norm": [norm / 2, norm, norm * 2], "mean": norm / 10, "weight_ratio": norm / 100}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "r").mkdir()
    return Run("r", tmp_path / "r")


def test_what_is_read_twice_is_carried_once_also_after_a_restart_of_the_daemon(run: Run) -> None:
    lines = [recorded("a", number, 10 * number) for number in range(1, 4)]
    writer = TrainingWriter(run)
    assert len(writer.carry(lines[:2], 5)) == 2
    writer.close()
    assert run.training.stat().st_mtime_ns == 5
    with run.training.open("ab") as file:
        file.write(b'{"torn')
    writer = TrainingWriter(run)
    assert [line.number for line in writer.carry(lines, 6)] == [3]
    writer.close()
    found = read_training(run)
    assert [line.step for line in found] == [10, 20, 30]
    assert found[0].layers["fusion"] == LayerSpan(0.25, 0.5, 1.0, 0.05, 0.005)


def test_when_it_was_is_kept_to_the_millisecond(run: Run) -> None:
    writer = TrainingWriter(run)
    writer.carry([recorded("a", 1, 10, at=1795366111.179)], 1)
    writer.close()
    assert [line.at for line in read_training(run)] == [1795366111.179]


def test_a_restart_is_another_attempt_and_a_resumed_run_goes_on(run: Run) -> None:
    writer = TrainingWriter(run)
    writer.carry([recorded("a", number, 100 * number) for number in range(1, 11)], 1)
    writer.carry([recorded("b", number, 900 + 100 * number) for number in range(1, 4)], 2)  # from its checkpoint at 900
    found = read_training(run)
    assert [line.step for line in found] == [*range(100, 1000, 100), 1000, 1100, 1200]
    assert [line.session for line in found[-4:]] == ["a", "b", "b", "b"]
    assert {line.attempt for line in found} == {1}
    writer.carry([recorded("c", number, 100 * number) for number in range(1, 3)], 3)
    assert [(line.attempt, line.step) for line in read_training(run)] == [(2, 100), (2, 200)]
    writer.carry([recorded("d", 1, 300)], 3)
    writer.close()
    assert [(line.attempt, line.step) for line in read_training(run)] == [(2, 100), (2, 200), (2, 300)]


def test_where_no_step_is_logged_the_optimizers_own_count_tells(run: Run) -> None:
    writer = TrainingWriter(run)
    writer.carry([recorded("a", number, None) for number in range(1, 6)], 1)
    writer.carry([recorded("b", 0, None, optimizer_step=20)], 2)  # the optimizer was resumed at 16
    assert {line.attempt for line in read_training(run)} == {1}
    writer.carry([recorded("c", 0, None, optimizer_step=12, steps=12)], 2)  # from the beginning, a long first line
    writer.close()
    assert {line.attempt for line in read_training(run)} == {2}


def test_a_first_line_that_is_not_dated_yet_does_not_spoil_the_axis() -> None:
    lines = [TrainingLine(optimizer_step=4), TrainingLine(step=256, optimizer_step=8)]
    assert [line.step for line in newest_attempt(lines)] == [256]
    assert [line.optimizer_step for line in newest_attempt(lines[:1])] == [4]


def test_it_is_bounded_and_no_extreme_is_lost(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_training, "MOST_LINES", 20)
    writer = TrainingWriter(run)
    for number in range(200):
        norm = 5000.0 if number == 77 else 1e-9 if number == 31 else 1.0
        writer.carry([recorded("a", number, 10 * (number + 1), layers={"fusion": layer(norm)})], 1)
    writer.close()
    found = read_training(run)
    assert len(found) <= 21
    assert sum(line.steps for line in found) == 800
    assert max(line.layers["fusion"].greatest or 0 for line in found) == 10_000
    assert min(line.layers["fusion"].least or 1 for line in found) == pytest.approx(5e-10)
    assert found[-1].step == 2000
    monkeypatch.setattr(store_training, "MOST_BYTES", 700)
    writer = TrainingWriter(run)
    writer.carry([recorded("z", 0, 3000)], 1)
    writer.close()
    assert run.training.stat().st_size <= 700


def test_merging_keeps_means_over_all_steps_and_what_was_last() -> None:
    first = TrainingLine(steps=3, layers={"a": LayerSpan(1, 2, 3, 1, None)}, scalars={"kl": 1.0, "old": 4.0})
    second = TrainingLine(steps=1, layers={"a": LayerSpan(2, 6, 9, 5, 0.5, 1)}, scalars={"kl": 2.0})
    (line,) = thinned([first, second])
    assert line.layers["a"] == LayerSpan(1, 3, 9, 2, 0.5, 1)
    assert line.scalars == {"kl": 2.0, "old": 4.0}
    assert len(thinned([first, second.model_copy(update={"session": "b"})])) == 2


def test_limits_are_those_of_the_guide_on_either_side() -> None:
    limits = GradientLimits()
    layers = {
        "well": LayerSpan(1e-9, 1e-7, 1e3, 1, 1),
        "gone": LayerSpan(0, 0.99e-7, 1, 1, 1),
        "far": LayerSpan(1, 1, 1001, 1, 1),
        "nan": LayerSpan(1, 1, 1, 1, 1, 2),
        "none": LayerSpan(None, None, None, None, None, 4),
    }
    found = troubles(TrainingLine(layers=layers), limits)
    assert found == {"NaN or Inf": ["nan", "none"], "exploding": ["far"], "vanishing": ["gone"]}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        b"[]\n",
        b'{"kind": "span"',
        b"[" * 100_000 + b"\n",
        b"\xff\xfe\n",
        b'{"kind": "span", "line": -1}\n',
        b'{"kind": "span", "line": "x"}\n',
        b'{"kind": "span", "line": ' + b"9" * 5000 + b"}\n",
    ],
)
def test_lines_that_make_no_sense_are_passed_over(raw: bytes) -> None:
    assert read_recorded(raw, 0) is None


def test_what_is_hostile_in_a_line_is_left_out() -> None:
    raw = (
        '{"kind": "span", "session": "s", "line": 3, "at": NaN, "step": -4, "steps": 1e400, "optimizer_step": true,'
        '"layers": {"a": {"norm": [NaN, 1, Infinity], "mean": "x", "nonfinite": -1}, "b": 7, "c": {"norm": [1]}},'
        '"attention": {"x": {"entropy": [0.5, null, []], "stability": 3}, "y": []},'
        f'"scalars": {{"l": 1e999, "n": "{"9" * 9}", "{"k" * 300}": 2, "m": {"9" * 400}}}}}\n'
    ).encode()
    found = read_recorded(raw, 0)
    assert found is not None
    line = found.line
    assert line is not None
    assert (line.number, line.at, line.step, line.steps, line.optimizer_step) == (3, 0.0, None, 0, 0)
    assert line.layers == {"a": LayerSpan(None, 1.0, None, None, None, 1)}
    assert line.attention["x"].entropy == [0.5, None, None]
    assert line.scalars == {"l": None, "n": None, "k" * 200: 2.0, "m": None}
    assert all(math.isfinite(value) for value in line.scalars.values() if value is not None)
