"""The README's own commands, in its own order, as a newcomer types them."""

import json
from pathlib import Path

from fxwatch.store.layout import Store
from tests.docs import NOT_TYPED, commands, follow, section, text_of

README = text_of("README.md")


def newest(folder: Path) -> dict[str, object]:
    run = Store.of(folder / "outputs", None).run("default")
    last = json.loads(run.history.read_text().splitlines()[-1])
    found: dict[str, object] = json.loads(run.analysis(last["id"]).json.read_text())
    assert run.png.exists()
    return found


def test_a_plain_torch_trainer(tmp_path: Path) -> None:
    typed = follow(section("README.md", "A plain torch trainer"), tmp_path)
    assert typed == ["python train.py", "fxwatch daemon outputs/ --once", "fxwatch status", "fxwatch tui"]
    found = newest(tmp_path)
    assert found["checkpoint"]["step"] == 40  # type: ignore[index]
    assert "position_pnl_percent" in found["units"]["portfolio"]  # type: ignore[index]
    assert {"HOLD", "BUY", "SELL"} & set(found["decisions"])  # type: ignore[call-overload]


def test_stable_baselines3_without_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "outputs").mkdir()
    follow(section("README.md", "Stable-Baselines3"), tmp_path)
    found = newest(tmp_path)
    assert found["checkpoint"]["format"] == "sb3"  # type: ignore[index]
    assert found["states"]["branches"] == {"observation": [1, 4]}  # type: ignore[index]
    assert "angular_velocity" in found["units"]["observation"]  # type: ignore[index]


def test_no_section_is_left_out() -> None:
    """What stands beside the sections that are followed above needs no typing but what says why not."""
    followed = [section("README.md", title) for title in ("A plain torch trainer", "Stable-Baselines3")]
    rest = set(commands(README)) - {line for text in followed for line in commands(text)}
    assert rest <= NOT_TYPED.keys()
