"""Colours: told apart by those who confuse red and green, legible on the ground that they are for, and never alone."""

from itertools import combinations
from pathlib import Path

import pytest
from rich.color import Color

from fxwatch.commands.tui import _on_light_ground
from fxwatch.store.layout import Store
from fxwatch.tui.app import Monitor
from fxwatch.tui.palette import ON_DARK, ON_LIGHT, palette
from fxwatch.tui.view.text import Role
from tests.tui.examples import snapshot
from tests.tui.test_monitor import colours_of
from tests.tui.test_views import sick

VERDICTS: list[Role] = ["ok", "warn", "bad"]
Vector = tuple[float, float, float]

SEEN: dict[str, tuple[Vector, Vector, Vector]] = {
    "everybody": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.112, 0.888, 0), (0.112, 0.888, 0), (0.004, -0.004, 1)),
    "deuteranopia": ((0.293, 0.707, 0), (0.293, 0.707, 0), (-0.022, 0.022, 1)),
}
"""Linear RGB as it is seen (Viénot, Brettel & Mollon 1999)."""


def linear(colour: str) -> Vector:
    triplet = Color.parse(colour).get_truecolor()
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in triplet.normalized
    )
    return red, green, blue


def times(rows: tuple[Vector, Vector, Vector], vector: Vector) -> Vector:
    x, y, z = (sum(a * b for a, b in zip(row, vector, strict=True)) for row in rows)
    return x, y, z


def lab(vector: Vector) -> Vector:
    """CIELAB of linear sRGB, for a white of D65."""
    to_xyz = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    x, y, z = (
        max(0.0, part / white) ** (1 / 3) for part, white in zip(times(to_xyz, vector), (0.9505, 1, 1.089), strict=True)
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize("seen", SEEN)
@pytest.mark.parametrize("colours", [ON_DARK, ON_LIGHT])
def test_verdicts_are_told_apart(colours: dict[Role, str], seen: str) -> None:
    labs = {role: lab(times(SEEN[seen], linear(colours[role]))) for role in VERDICTS}
    for one, other in combinations(VERDICTS, 2):
        distance = sum((a - b) ** 2 for a, b in zip(labs[one], labs[other], strict=True)) ** 0.5
        assert distance > 20, f"{one} and {other} are {distance:.0f} apart"


@pytest.mark.parametrize("role", ON_LIGHT)
def test_on_a_light_ground_all_is_dark_enough(role: Role) -> None:
    light = sum(part * weight for part, weight in zip(linear(ON_LIGHT[role]), (0.2126, 0.7152, 0.0722), strict=True))
    assert 1.05 / (light + 0.05) >= 4.5  # WCAG's contrast for text


def test_without_colours_there_are_none() -> None:
    assert all(style.color is None for style in palette(colours=False).values())
    assert palette(colours=False).keys() == palette(colours=True).keys()


@pytest.mark.parametrize(("said", "light"), [("15;0", False), ("0;15", True), ("0;default;7", True), ("", False)])
def test_the_ground_that_the_terminal_tells(said: str, light: bool) -> None:  # noqa: FBT001 - a parameter of pytest's
    assert _on_light_ground({"COLORFGBG": said}) is light


@pytest.mark.parametrize("light", [True, False])
async def test_the_monitor_draws_for_its_ground(light: bool) -> None:  # noqa: FBT001
    seen = snapshot(sick())
    app = Monitor(Store(Path("nowhere")), watched=Path("outputs"), read=lambda _: seen, interval=0.05, light=light)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause(0.3)
        colours = colours_of(app)
    ours, others = (ON_LIGHT, ON_DARK) if light else (ON_DARK, ON_LIGHT)
    assert ours["bad"] in colours
    assert not colours & set(others.values())
