"""Exports hold what the analyses hold, in any format, whatever the names are and whatever has become of the index."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import fxwatch
from fxwatch import exit_codes
from fxwatch.records.analysis import DeadFeatures, Unit
from fxwatch.records.recorded import read_recorded
from fxwatch.store.layout import Run, Store, StoreError
from fxwatch.store.training import TrainingWriter
from fxwatch.store.write import RunWriter
from tests.analyses import SHARES, analysis
from tests.project import command, environ

HOSTILE = "<script>alert('1')</script>,\"$x^{$\"\n[red]"
ROWS = sum(map(len, SHARES.values()))


@pytest.fixture
def watched(tmp_path: Path, store: Store) -> Path:
    """A run whose features were renamed after two of three analyses, the steps out of order."""
    writer = RunWriter(store.run("exp"))
    dead = DeadFeatures(branches={"hf": ["spread"]}, total_count=1, causes={"hf": {"spread": "constant_input"}})
    writer.commit(analysis(200, "exp", dead_features=dead))
    writer.commit(analysis(100, "exp"))
    unit = Unit(share=1.0, signed=-0.5, low=0.9, high=1.0)
    units = {"hf": {HOSTILE: unit}, "none": {}, "mf": {"idle": unit.model_copy(update={"share": 0.0})}}
    odd = DeadFeatures(branches={"mf": ["idle"]}, total_count=1, causes={"mf": {"idle": "a cause of tomorrow"}})
    importance = {"hf": [(HOSTILE, 1.0)], "none": [], "mf": [("idle", 0.0)]}
    writer.commit(analysis(None, "exp", units=units, dead_features=odd, feature_importance=importance))
    writer.close()
    return tmp_path


def run(watched: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command("export", str(watched), *arguments), env=environ(), capture_output=True, check=False, timeout=60
    )


def frame(watched: Path, form: str, table: str = "features") -> pd.DataFrame:
    done = run(watched, "--format", form, "--table", table)
    assert done.returncode == exit_codes.OK, done.stderr
    if form == "csv":
        return pd.read_csv(io.BytesIO(done.stdout), keep_default_na=False, na_values=[""])
    return pd.read_parquet(io.BytesIO(done.stdout)) if form == "parquet" else pd.DataFrame(json.loads(done.stdout))


def stored(run: Run) -> dict[tuple[str, str, str], dict[str, Any]]:
    """What the analyses themselves say of every feature."""
    found = {}
    for folder in run.analyses():
        one = json.loads(folder.json.read_text())
        scores = {(b, name): score for b, ranking in one["feature_importance"].items() for name, score in ranking}
        for branch, units in one["units"].items():
            for name, unit in units.items():
                cause = one["dead_features"]["causes"].get(branch, {}).get(name)
                cause = cause if cause in {None, "constant_input"} else "another cause"
                found[one["id"], branch, name] = {**unit, "importance": scores[branch, name], "dead": cause}
    return found


@pytest.mark.parametrize("form", ["csv", "parquet", "json"])
@pytest.mark.parametrize("index", ["whole", "of an older fxwatch", "garbage"])
def test_every_format_holds_what_the_analyses_hold(watched: Path, form: str, index: str) -> None:
    run = Store.of(watched, None).run("exp")
    for file in run.shares.glob("*.details"):
        if index == "of an older fxwatch":
            file.unlink()
        elif index == "garbage":
            file.write_bytes(b"{not json\n")
    found = frame(watched, form)
    assert list(found.columns[:3]) == ["branch", "feature", "importance"]
    expected = stored(run)
    assert len(found) == len(expected) == 2 * ROWS + 2
    assert found["seq"].tolist() == [0] * ROWS + [1] * ROWS + [2, 2]
    assert found["step"].tolist()[: 2 * ROWS] == [200] * ROWS + [100] * ROWS
    assert found["step"].isna().tolist()[-2:] == [True, True]
    for row in found.to_dict("records"):
        one = expected[row["analysis"], row["branch"], row["feature"]]
        for name in ("importance", "share", "low", "high", "signed"):
            assert row[name] == pytest.approx(one[name], abs=1e-6), (row, name)
        assert (None if pd.isna(row["dead"]) else row["dead"]) == one["dead"]


@pytest.mark.parametrize("form", ["csv", "parquet", "json"])
def test_the_headline_numbers_are_a_table_of_their_own(watched: Path, form: str) -> None:
    found = frame(watched, form, "analyses")
    assert found["id"].tolist() == ["step-000000200-1a2b3c4d", "step-000000100-1a2b3c4d", "step-none-1a2b3c4d"]
    assert found["consensus"].tolist() == pytest.approx([0.823] * 3)
    assert found["share/portfolio"].tolist() == pytest.approx([0.4] * 3)
    assert found["run"].unique().tolist() == ["exp"]


@pytest.mark.parametrize("form", ["csv", "parquet", "json"])
def test_what_the_recorder_measured_is_a_table(watched: Path, form: str) -> None:
    assert len(frame(watched, form, "training")) == 0  # nobody recorded it
    layer = {"norm": [0.5, 1.0, 2.0], "mean": 0.1, "weight_ratio": None, "nonfinite": 3}
    heads = {"entropy": [0.25, 0.75], "stability": [1.0, None]}
    line = {"kind": "span", "at": 1234567890.5, "step": 512, "optimizer_step": 16, "update": 1, "steps": 16}
    more = {"layers": {HOSTILE: layer}, "attention": {"fusion": heads}, "scalars": {"policy_loss": -0.5}}
    writer = TrainingWriter(Store.of(watched, None).run("exp"))
    reads = [read_recorded(json.dumps({**line, "line": n, **more}).encode() + b"\n", n) for n in (0, 1)]
    writer.carry([read for read in reads if read is not None], 0)
    writer.close()
    found = frame(watched, form, "training")
    first = found[: len(found) // 2]
    values = [
        (row.quantity, row.head, row.value) for row in first.astype(object).where(first.notna(), None).itertuples()
    ]
    assert values == [
        ("gradient_norm", None, 1.0),
        ("gradient_norm_least", None, 0.5),
        ("gradient_norm_greatest", None, 2.0),
        ("gradient_mean", None, 0.1),
        ("gradient_weight_ratio", None, None),
        ("gradient_nonfinite_steps", None, 3.0),
        ("attention_entropy", 0, 0.25),
        ("attention_entropy", 1, 0.75),
        ("attention_stability", 0, 1.0),
        ("attention_stability", 1, None),
        ("logged", None, -0.5),
    ]
    assert set(found["name"]) == {HOSTILE, "fusion", "policy_loss"}
    assert [set(found[name]) for name in ("run", "attempt", "step", "optimizer_step", "update", "steps")] == [
        {"exp"}, {1}, {512}, {16}, {1}, {16},
    ]  # fmt: skip
    assert set(found["measured_at"]) == {"2009-02-13T23:31:30+00:00"}


def test_frames_in_a_notebook_as_the_guide_groups_them(watched: Path) -> None:
    found = fxwatch.read(watched)
    assert found.features.groupby("branch", observed=True)["importance"].describe()["count"]["portfolio"] == 6
    assert str(found.analyses["created_at"].dtype).startswith("datetime64")
    assert (len(found.features), len(found.analyses)) == (2 * ROWS + 2, 3)
    assert fxwatch.read(Store.of(watched, None).root).analyses.equals(found.analyses)  # the folder of results itself
    import matplotlib as mpl

    mpl.use("Agg")
    assert found.plot("sparsity").get_ylabel() == "sparsity"
    assert len(found.plot_features().lines) == 2
    found.plot_features().figure.canvas.draw()  # the names of its legend would be broken formulas
    with pytest.raises(ValueError, match="there is no number verdict; there are dead_features, "):
        found.plot("verdict")
    with pytest.raises(ValueError, match="there is no run other; there are exp"):
        found.plot(run="other")
    with pytest.raises(StoreError, match=r"holds no analysis; `fxwatch daemon"):
        fxwatch.read(watched / "nowhere")


FORMULAS = ["=cmd|' /C calc'!A0", "+di", "-di", "@SUM(A1)", "\t=1", "\r=1", "a=1"]


def test_no_name_is_a_formula_in_a_spreadsheet(tmp_path: Path, store: Store) -> None:
    writer = RunWriter(store.run("=run"))
    unit = Unit(share=1 / len(FORMULAS), signed=-0.5, low=0.0, high=0.2)
    writer.commit(analysis(1, "=run", units={"-branch": dict.fromkeys(FORMULAS, unit)}))
    writer.close()
    found = frame(tmp_path, "csv")
    assert found["feature"].tolist() == [*(f"'{name}" for name in FORMULAS[:-1]), "a=1"]
    assert found["branch"].unique().tolist() == ["'-branch"]
    assert found["signed"].tolist() == pytest.approx([-0.5] * len(FORMULAS))  # numbers stay numbers
    assert frame(tmp_path, "csv", "analyses")["run"].tolist() == ["'=run"]
    assert frame(tmp_path, "json")["feature"].tolist() == FORMULAS


def test_reading_frames_needs_no_torch(watched: Path) -> None:
    code = (
        "import sys, fxwatch; assert not {'torch', 'pandas', 'pyarrow'} & set(sys.modules)\n"
        f"fxwatch.read({str(watched)!r})\n"
        "assert not {'torch', 'captum', 'textual'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], env=environ(), check=True)


def test_a_file_takes_its_place_when_it_is_whole(watched: Path) -> None:
    target = watched / "table.csv"
    done = run(watched, "--output", str(target))
    assert done.stdout.decode().strip() == str(target)
    assert len(pd.read_csv(target)) == 2 * ROWS + 2
    nowhere = run(watched, "-o", str(watched / "no" / "such" / "table.csv"))
    assert nowhere.returncode == exit_codes.FAILURE
    assert b"table.csv cannot be written (No such file or directory)" in nowhere.stderr
    assert nowhere.stderr.count(b"\n") == 1
    full = run(watched, "-o", "/dev/full")
    assert full.returncode == exit_codes.FAILURE
    assert b"No space left" in full.stderr
    assert not list(watched.glob(".fxw*"))


def test_where_nothing_is_it_says_so(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == exit_codes.NOTHING
    assert b"holds no analysis yet; type `fxwatch daemon" in done.stderr


def test_a_reader_that_has_enough_is_no_trouble(watched: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        command("export", str(watched)), env=environ(), stdout=write, stderr=subprocess.PIPE, check=False, timeout=60
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (exit_codes.OK, b"")


def test_the_two_files_of_the_index_are_rebuilt_together(watched: Path) -> None:
    shares = Store.of(watched, None).run("exp").shares
    before = {path.name: path.read_bytes() for path in shares.iterdir()}
    torn = min(shares.glob("*.details"), key=lambda path: path.stat().st_mtime_ns)
    torn.write_bytes(torn.read_bytes()[:-5])
    RunWriter(Store.of(watched, None).run("exp")).close()
    assert {path.name: path.read_bytes() for path in shares.iterdir()} == before
