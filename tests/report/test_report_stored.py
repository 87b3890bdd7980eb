"""Reports of what a store holds."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from fxwatch import exit_codes
from fxwatch.commands.report import report
from fxwatch.records.history import HistoryLine
from fxwatch.report.png import HEIGHT, LONGEST_HISTORY, WIDTH
from fxwatch.report.stored import draw_stored, history_until, read_heat
from fxwatch.store.layout import Run, Store, StoreError
from fxwatch.store.lines import parse_line
from fxwatch.store.write import RunWriter
from tests.report.samples import SAMPLES, Sample


def commit(run: Run, sample: Sample, *steps: int) -> list[str]:
    """Analyses of a run at some steps, with arrays; their ids."""
    writer = RunWriter(run)
    ids = []
    for step in steps:
        checkpoint = sample.analysis.checkpoint.model_copy(update={"step": step})
        name = f"step-{step:09d}-1a2b3c4d"
        analysis = sample.analysis.model_copy(update={"id": name, "run": run.name, "checkpoint": checkpoint})
        folder = run.analysis(name)
        folder.folder.mkdir(parents=True)
        np.savez_compressed(folder.arrays, **sample.arrays)  # type: ignore[arg-type]
        writer.commit(analysis)
        ids.append(name)
    writer.close()
    return ids


def history(path: Path, length: int) -> list[HistoryLine]:
    """A history file of so many lines, made at once."""
    line = HistoryLine.of(SAMPLES["small"]().analysis, 0)
    lines = [line.model_copy(update={"seq": i, "step": i, "id": f"step-{i:09d}-1a2b3c4d"}) for i in range(length)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(line.model_dump_json() + "\n" for line in lines))
    return lines


def test_a_report_is_drawn_beside_its_analysis(store: Store) -> None:
    run = store.run("a/b")
    first, _ = commit(run, SAMPLES["guide"](), 100, 200)
    path = draw_stored(run, first, newest=False)
    assert path == run.analysis(first).png
    assert imread(path).shape[:2] == (HEIGHT, WIDTH)
    assert not run.png.exists()


def test_the_newest_report_is_the_runs_too(store: Store) -> None:
    run = store.run("default")
    _, last = commit(run, SAMPLES["guide"](), 100, 200)
    path = draw_stored(run, last, newest=True)
    assert run.png.read_bytes() == path.read_bytes()
    assert [file for file in run.folder.rglob("*") if file.name.startswith(".fxw-")] == []


def test_an_analysis_that_is_not_there_cannot_be_drawn(store: Store) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        draw_stored(store.run("default"), "step-000000001-00000000", newest=True)


@pytest.mark.parametrize("damage", ["missing", "empty", "torn", "text", "pickle", "bare"])
def test_a_report_is_drawn_without_its_arrays(store: Store, damage: str) -> None:
    run = store.run("default")
    (name,) = commit(run, SAMPLES["guide"](), 100)
    arrays = run.analysis(name).arrays
    content = arrays.read_bytes()
    arrays.unlink()
    if damage == "pickle":
        np.savez(arrays, **{"heat/hf": np.array([{}], dtype=object)})  # type: ignore[arg-type]
    elif damage == "bare":
        with arrays.open("wb") as file:
            np.save(file, np.ones(3))
    elif damage != "missing":
        arrays.write_bytes({"empty": b"", "torn": content[:1000], "text": b"no archive"}[damage])
    assert read_heat(arrays) == {}
    assert draw_stored(run, name, newest=True).stat().st_size > 50_000


def test_one_damaged_array_costs_the_others_nothing(tmp_path: Path) -> None:
    whole = io.BytesIO()
    np.save(whole, np.ones((3, 2)))
    path = tmp_path / "arrays.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("heat/hf.npy", whole.getvalue())
        archive.writestr("heat/mf.npy", whole.getvalue()[:90])
        archive.writestr("attention/layer.npy", whole.getvalue())
        archive.writestr("heat/text", b"text")
    assert list(read_heat(path)) == ["heat/hf"]


@pytest.mark.parametrize("at", [0, 1, 499, 500, 1999])
def test_history_ends_with_the_analysis(tmp_path: Path, at: int) -> None:
    lines = history(tmp_path / "history.jsonl", 2000)
    analysis = SAMPLES["small"]().analysis.model_copy(update={"id": lines[at].id})
    found = history_until(tmp_path / "history.jsonl", analysis)
    assert found == lines[max(0, at + 1 - LONGEST_HISTORY) : at + 1]


def test_a_long_history_is_not_read_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = history(tmp_path / "history.jsonl", 5000)
    parsed: list[bytes] = []

    def counted(raw: bytes, kind: type[HistoryLine]) -> HistoryLine | None:
        parsed.append(raw)
        return parse_line(raw, kind)

    monkeypatch.setattr("fxwatch.store.lines.parse_line", counted)
    history_until(tmp_path / "history.jsonl", SAMPLES["small"]().analysis.model_copy(update={"id": lines[-1].id}))
    assert len(parsed) == LONGEST_HISTORY


def test_an_analysis_that_was_not_noted_yet_ends_its_history(tmp_path: Path) -> None:
    lines = history(tmp_path / "history.jsonl", 3)
    analysis = SAMPLES["small"]().analysis
    found = history_until(tmp_path / "history.jsonl", analysis)
    assert found == [*lines, HistoryLine.of(analysis, 3)]
    assert history_until(tmp_path / "nothing.jsonl", analysis) == [HistoryLine.of(analysis, 0)]


def test_torn_lines_of_a_history_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    lines = history(path, 4)
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(whole[0] + b"\n{torn\n" + whole[1] + whole[2] + whole[3][:-9])
    analysis = SAMPLES["small"]().analysis.model_copy(update={"id": lines[2].id})
    assert history_until(path, analysis) == lines[:3]


def test_the_command_draws_the_newest_of_each_run(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b/c"):
        commit(store.run(name), SAMPLES["small"](), 100, 200)
    assert report(tmp_path, None, html=False) == exit_codes.OK
    paths = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert paths == [store.run("a").png, store.run("b/c").png]
    assert all(path.with_name("run_history.png").exists() for path in paths)
    assert all(path.is_file() for path in paths)
    assert store.run("a").analysis("step-000000200-1a2b3c4d").png.is_file()
    assert not store.run("a").analysis("step-000000100-1a2b3c4d").png.exists()


def test_the_command_goes_on_after_a_run_that_it_cannot_draw(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "c"):
        commit(store.run(name), SAMPLES["small"](), 100)
    store.run("a").analysis("step-000000100-1a2b3c4d").json.write_text("{")
    store.run("c").history.write_text("")
    assert report(tmp_path, None, html=False) == exit_codes.FAILURE
    said = capsys.readouterr()
    assert said.out.splitlines() == [str(store.run("b").png)]
    assert "run a:" in said.err
    assert "run c has no analysis" in said.err


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (None, "does not exist; type `fxwatch report DIR`"),
        ("folder", "type `fxwatch daemon"),
        ("store", "type `fxwatch daemon"),
    ],
)
def test_the_command_names_what_to_type_where_there_is_nothing(
    tmp_path: Path,
    make: str | None,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    watched = tmp_path / "outputs"
    if make:
        watched.mkdir()
    if make == "store":
        Store.of(watched, None).create()
    assert report(None, None, html=False) == exit_codes.NOTHING
    words = capsys.readouterr()
    assert words.out == ""
    assert said in words.err
    assert len(words.err.splitlines()) == 1
