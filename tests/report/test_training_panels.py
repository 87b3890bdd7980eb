"""What the recorder measured, as it is drawn: every layer by its name, and every number over its own steps."""

from fxwatch.records.thresholds import GradientLimits
from fxwatch.records.training import HeadSpan, LayerSpan, TrainingLine
from fxwatch.report.box import Box
from fxwatch.report.html.figures import training_numbers_figure
from fxwatch.report.panel import Panel
from fxwatch.report.panels.training import draw_training
from fxwatch.report.panels.training_numbers import draw_training_numbers
from fxwatch.report.sheet import Sheet
from tests.report.test_report_page import words_of

LINES = [
    TrainingLine(
        session="a",
        number=number,
        step=512 * number,
        optimizer_step=16 * number,
        steps=16,
        layers={
            "policy.branches.hf": LayerSpan(0.1, 0.2, 0.3, 0.01, 0.02),
            "policy.head": LayerSpan(10.0, 3000.0, 5000.0, 0.1, 0.2),
        },
        attention={"fusion": HeadSpan(entropy=[0.25, 0.75], stability=[])} if number % 2 else {},
        scalars={"policy_loss": -0.5, "never": None},
    )
    for number in range(1, 5)
]


def drawn() -> Sheet:
    sheet = Sheet(1200, 900)
    draw_training(Panel(sheet, "gradients", Box(0, 0, 1200, 400)), LINES, GradientLimits())
    draw_training_numbers(Panel(sheet, "numbers", Box(0, 420, 1200, 900)), LINES)
    return sheet


def test_layers_are_told_by_what_tells_them_apart_and_those_in_trouble_are_named() -> None:
    words = words_of(drawn(), "gradients").splitlines()
    assert {"branches.hf", "head"} <= set(words)
    assert "exploding: policy.head" in words


def test_each_number_stands_over_the_steps_at_which_it_is_known() -> None:
    words = words_of(drawn(), "numbers").splitlines()
    assert {"policy_loss", "−0.5", "entropy of fusion", "0.5", "step 512", "2,048"} <= set(words)
    assert not [word for word in words if "never" in word or "stability" in word]


def test_the_figure_says_what_it_shows_and_is_left_out_where_there_is_nothing() -> None:
    figure = training_numbers_figure(LINES)
    assert figure is not None
    assert figure.about == "2 numbers of training by step: policy_loss, entropy of fusion"
    bare = [line.model_copy(update={"attention": {}, "scalars": {}}) for line in LINES]
    assert training_numbers_figure(bare) is None


def test_a_single_line_is_drawn() -> None:
    assert training_numbers_figure(LINES[:1]) is not None
