"""What the recorder measured, on the screens, in words, on the page and at W&B."""

from dataclasses import replace
from pathlib import Path

from matplotlib.text import Text

from fxwatch.records.recorded import Read
from fxwatch.records.thresholds import GradientLimits
from fxwatch.records.training import HeadSpan, LayerSpan, TrainingLine
from fxwatch.report.box import Box
from fxwatch.report.panel import Panel
from fxwatch.report.panels.training import draw_training
from fxwatch.report.sheet import Sheet
from fxwatch.store.layout import Run
from fxwatch.store.training import TrainingWriter, training_at
from fxwatch.sync.names import training_numbers
from fxwatch.tui.read.training import TrainingReader, training_of
from fxwatch.tui.view import model_internals, training
from fxwatch.tui.view.text import plain
from tests.tui.examples import START, iso, snapshot


def lines(count: int = 12, **layers: LayerSpan) -> list[TrainingLine]:
    return [
        TrainingLine(
            session="a",
            number=place,
            at=START - 60 + place,
            step=100 * (place + 1),
            optimizer_step=4 * place,
            steps=4,
            layers={"hf.project": LayerSpan(0.1, 0.2 + place / 10, 0.9, 0.01, 0.003), **layers},
            scalars={"policy_loss": 0.5 - place / 100, "\x1b[31mkl": None},
            attention={"hf.attention": HeadSpan(entropy=[0.7, 0.9], stability=[0.99])},
        )
        for place in range(count)
    ]


def test_every_layer_has_a_row_with_its_trend_and_its_trouble_by_the_guides_limits() -> None:
    far = LayerSpan(1.0, 2.0, 1500.0, 1.0, 0.5)
    shown = replace(snapshot(), training=training_of(lines(far=far)))
    for width in (60, 80, 140):
        narrow = plain(training.gradients_table(shown, width))
        assert "\x1b" not in narrow
        assert all(len(row) <= width for row in narrow.splitlines())
    text = plain(training.gradients_table(shown, 140))
    assert "at step 1,200" in text
    rows = {row.split()[1]: row for row in text.splitlines() if row[:1] in "✓✗" and row.strip()}
    assert rows["far"].startswith("✗")
    assert "exploding" in rows["far"]
    assert "1.300" in rows["hf.project"]
    assert "▁" in rows["hf.project"]
    assert "█" in rows["hf.project"]
    told = "\n".join(training.training_in_words(shown))
    assert "exploding in far" in told
    assert "policy_loss 0.390" in told
    everything = "\n".join(training.layers_in_words(shown))
    assert "hf.attention head 1, entropy 0.900, stability –" in everything
    numbers = plain(training.scalars_table(shown, 80))
    assert "\\x1b[31mkl" in numbers


def test_every_head_has_a_row_with_its_entropy_and_its_stability() -> None:
    far = {"\x1b[2Jmf.attention": HeadSpan(entropy=[None], stability=[])}
    made = lines()
    last = made[-1].model_copy(update={"attention": {**made[-1].attention, **far}})
    shown = replace(snapshot(), training=training_of([*made[:-1], last]))
    text = ""
    for width in (60, 80, 140):
        text = plain(training.heads_table(shown, width))
        assert "\x1b" not in text
        assert all(len(row) <= width for row in text.splitlines())
        assert plain(model_internals.lines(shown, width)).endswith(text)
    rows = [row.split() for row in plain(training.heads_table(shown, 140)).splitlines()[3:]]
    assert [row[-4:-1] for row in rows[:1]] == [["0", "0.700", "0.990"]]
    assert rows[1] == ["1", "0.900", "–"]
    assert rows[2][-3:] == ["0", "–", "–"]


def test_without_a_recorder_nothing_is_shown() -> None:
    assert training.gradients_table(snapshot(), 80) == training.scalars_table(snapshot(), 80) == []
    assert training.heads_table(snapshot(), 80) == []
    assert list(training.training_in_words(snapshot())) == []


def test_the_reader_follows_a_file_that_grows_and_one_that_is_thinned(tmp_path: Path) -> None:
    run = Run("r", tmp_path)
    reader = TrainingReader()
    assert reader(run).last is None
    writer = TrainingWriter(run)
    made = lines(3)
    writer.carry([Read("a", line) for line in made[:2]], 1)
    found = reader(run)
    assert (found.lines, found.position) == (2, 200)
    assert reader(run) is found
    writer.carry([Read("a", made[2])], 2)
    assert reader(run).position == 300
    writer.close()
    run.training.write_bytes(run.training.read_bytes().splitlines(keepends=True)[0])
    assert reader(run).position == 100


def test_an_analysis_is_sent_with_what_was_measured_when_it_was_made(tmp_path: Path) -> None:
    run = Run("r", tmp_path)
    writer = TrainingWriter(run)
    writer.carry([Read("a", line) for line in lines(3)], 1)
    writer.close()
    at = training_at(run, iso(START - 59))
    assert at is not None
    assert at.step == 200
    assert training_at(run, iso(START - 100)) is None
    assert training_at(run, "yesterday") is None
    sent = training_numbers(at)
    assert sent["fxwatch/training/step"] == 200
    assert sent["fxwatch/training/gradient_norm/hf_project"] == 0.30000000000000004
    assert sent["fxwatch/training/attention_entropy/hf_attention_1"] == 0.9
    assert sent["fxwatch/training/trainer/policy_loss"] == 0.49
    assert not [name for name in sent if "\x1b" in name]


def test_the_page_draws_any_numbers() -> None:
    odd = LayerSpan(0.0, 0.0, 0.0, None, None)
    for made in (lines(), lines(1), lines(3, odd=odd), lines(2, nan=LayerSpan(None, None, None, None, None, 4))):
        sheet = Sheet(1180, 420)
        draw_training(Panel(sheet, "training", Box(6, 6, 1170, 410)), made, GradientLimits())
        assert sheet.png().startswith(b"\x89PNG")
    sheet = Sheet(600, 300)
    draw_training(Panel(sheet, "training", Box(6, 6, 590, 290)), [TrainingLine()], GradientLimits())
    assert "no gradient of training" in " ".join(text.get_text() for text in sheet.figure.findobj(Text))
