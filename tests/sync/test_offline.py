"""What is written offline is whole, as wandb itself reads it, whatever becomes of the process that writes."""

import os
import signal

import pytest

from fxwatch import exit_codes
from fxwatch.records.analysis import Unit
from fxwatch.records.internals import Attention
from fxwatch.records.recorded import Read
from fxwatch.records.training import HeadSpan, LayerSpan, TrainingLine
from fxwatch.store.training import TrainingWriter
from tests.project import eventually
from tests.sync.results import Results, records, rows

OFFLINE = {"WANDB_MODE": "offline"}


def test_an_offline_run_holds_all_that_is_to_be_seen(results: Results) -> None:
    latest = results.watched / "exp" / "wandb" / "latest-run"
    latest.parent.mkdir(parents=True)
    latest.symlink_to("run-20261122_080000-trainer7")
    trainers = [(path, path.lstat().st_mtime_ns) for path in latest.parent.rglob("*")]
    results.add([500, 1000], attention=Attention(stability=0.97))
    results.add([200], verdict="bad")
    results.add([300], verdict="bad")
    code, output, errors = results.sync(**OFFLINE)
    assert (code, errors) == (exit_codes.OK, "")
    assert output.splitlines()[0] == "exp: 4 analyses sent"
    [file] = results.files()
    assert f"wandb sync {results.store.root}/wandb/offline-run-*" in output
    found = rows(file)
    assert [row["fxwatch/step"] for row in found] == [500, 1000, 200, 300]  # out of order, and all there
    assert [row["_step"] for row in found] == [0, 1, 2, 3]
    first = found[0]
    assert first["model.internals.dead_features_count"] == 2
    assert first["model.internals.attention_stability"] == 0.97
    assert found[-1]["model.internals.attribution_analysis_count"] == 4
    assert first["model.internals.top_feature_importance_portfolio"] == pytest.approx(0.755, abs=1e-3)
    assert first["fxwatch/consensus"] == 0.823
    assert first["fxwatch/share/portfolio"] == 0.4
    assert first["fxwatch/features._type"] == "table-file"
    assert (first["fxwatch/features.nrows"], first["fxwatch/features.ncols"]) == (11, 8)
    assert first["fxwatch/report._type"] == "image-file"
    told = records(file)
    [opened] = [record["run"] for record in told if record["type"] == "run"][:1]
    assert (opened["run_group"], opened["job_type"]) == ("trainer7", "attribution")
    assert opened["run_id"] != "trainer7"
    assert [(path, path.lstat().st_mtime_ns) for path in latest.parent.rglob("*")] == trainers
    assert {record["type"] for record in told} == {
        "header", "run", "metric", "history", "summary", "telemetry", "files", "artifact", "alert", "exit",
    }  # fmt: skip
    assert set(opened["config"]["update"]) == {"_wandb", "group", "run"}
    files = {one["path"].split("_")[0] for r in told if r["type"] == "files" for one in r["files"]["files"]}
    assert files == {"media/table/fxwatch/features", "media/images/fxwatch/report"}
    assert {name.split("/")[0].split(".")[0] for name in first} == {
        "fxwatch", "model", "_step", "_runtime", "_timestamp",
    }  # fmt: skip
    metrics = {m.get("name", m.get("glob_name")): m for m in (r["metric"] for r in told if r["type"] == "metric")}
    assert metrics["fxwatch/*"]["step_metric"] == "fxwatch/step"
    assert metrics[r"model\.internals\.dead_features_count"]["step_metric"] == "fxwatch/step"
    alerts = [record["alert"] for record in told if record["type"] == "alert"]
    assert [(one["level"], one["title"]) for one in alerts] == [("ERROR", "fxwatch exp: OK -> BAD at step 300")]
    artifacts = [r["artifact"] for r in told if r["type"] == "artifact" and r["artifact"]["type"] == "attribution"]
    assert len(artifacts) == 4
    assert {entry["path"] for entry in artifacts[0]["manifest"]["contents"]} == {
        "analysis.json",
        "feature_importance_analysis.png",
    }
    assert told[-1]["type"] == "exit"
    assert results.leaks() == []


def test_what_the_recorder_measured_is_sent_with_the_analysis_that_it_was_measured_before(results: Results) -> None:
    results.add([100, 200])
    layer = LayerSpan(0.1, 0.25, 0.5, 0.01, 0.003)
    measured = [
        TrainingLine(
            session="a",
            number=number,
            at=at,
            step=step,
            optimizer_step=step // 10,
            steps=4,
            layers={"hf.project": layer},
            attention={"hf.attention": HeadSpan(entropy=[0.5, 0.75], stability=[0.9])},
            scalars={"policy_loss": 1.0 / step, "kl": None},
        )
        for number, (at, step) in enumerate([(0.0, 90), (1e12, 9000)])
    ]
    writer = TrainingWriter(results.run())
    writer.carry([Read("a", line) for line in measured], 1)
    writer.close()
    results.sync(**OFFLINE)
    [file] = results.files()
    for row in rows(file):
        sent = {name.removeprefix("fxwatch/training/"): value for name, value in row.items() if "/training/" in name}
        assert sent == {
            "step": 90,
            "optimizer_step": 9,
            "gradient_norm/hf_project": 0.25,
            "gradient_norm_max/hf_project": 0.5,
            "weight_ratio/hf_project": 0.003,
            "attention_entropy/hf_attention_0": 0.5,
            "attention_entropy/hf_attention_1": 0.75,
            "attention_stability/hf_attention_0": 0.9,
            "trainer/policy_loss": pytest.approx(1 / 90),
        }


def test_a_second_time_only_what_is_new_is_sent(results: Results) -> None:
    results.add([100, 200])
    assert results.sync(**OFFLINE)[0] == exit_codes.OK
    assert results.sync(**OFFLINE)[1].splitlines()[0] == "exp: 0 analyses sent"
    results.add([300])
    results.sync(**OFFLINE)
    assert [[row["fxwatch/step"] for row in rows(file)] for file in results.files()] == [[100, 200], [300]]
    ids = [records(file)[1]["run"]["run_id"] for file in results.files()]
    assert ids[1] == f"{ids[0]}-1"


def test_a_killed_sync_loses_and_doubles_nothing(results: Results) -> None:
    results.add(range(1, 25))
    for _ in range(2):
        process = results.start(**OFFLINE)
        eventually(lambda: (found := results.outbox()) is not None and found.writing is not None, 30)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    code, output, _ = results.sync(**OFFLINE)
    assert (code, output.splitlines()[0]) == (exit_codes.OK, "exp: 24 analyses sent")
    [file] = results.files()
    assert [row["fxwatch/step"] for row in rows(file)] == list(range(1, 25))


def test_hostile_names_are_text(results: Results) -> None:
    unit = Unit(share=1.0, signed=0.5, low=0.9, high=1.0)
    units = {"a b": {"<script>alert(1)</script>\x1b[31m": unit}, "a.b": {"x": unit}}
    shares = {branch: {"share": 0.5} for branch in units}
    importance = {branch: [(name, 1.0) for name in named] for branch, named in units.items()}
    from tests.analyses import explanation

    branches = {name: explanation().branches["hf"] for name in shares}
    results.add([1], units=units, branches=branches, feature_importance=importance)
    assert results.sync(**OFFLINE)[0] == exit_codes.OK
    [row] = rows(results.files()[0])
    names = {name for name in row if "top_feature_importance" in name or "share/" in name}
    assert names == {
        "model.internals.top_feature_importance_a_b",
        "model.internals.top_feature_importance_a_b_1",
        "fxwatch/share/a_b",
        "fxwatch/share/a_b_1",
    }
    table = next((results.store.root / "wandb").rglob("*.table.json")).read_text()
    assert "\\u001b" not in table
    assert "\\\\x1b" in table
