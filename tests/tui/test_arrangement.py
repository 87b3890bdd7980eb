"""Panels never overlap, never leave the screen, and leave in the stated order."""

from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from fxwatch.tui.view.arrangement import LEAVING, Box, Need, arrange

NEED = st.builds(
    lambda least, good, full: Need(least, least + good, least + good + full),
    st.integers(1, 9),
    st.integers(0, 20),
    st.integers(0, 60),
)


def overlap(one: Box, other: Box) -> bool:
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )


@given(st.integers(10, 300), st.integers(1, 100), st.fixed_dictionaries(dict.fromkeys(LEAVING, NEED)))
def test_no_overlap_and_nothing_outside(width: int, height: int, needs: dict[str, Need]) -> None:
    boxes = arrange(width, height, needs)
    assert boxes
    for box in boxes.values():
        assert box.x >= 0
        assert box.y >= 0
        assert 0 < box.width <= width - box.x
        assert 0 < box.height <= height - box.y
    assert not any(overlap(one, other) for one, other in combinations(boxes.values(), 2))


def test_they_leave_in_the_stated_order() -> None:
    needs = {name: Need(3, 3, 3) for name in LEAVING}
    seen = [set(arrange(80, height, needs)) for height in range(15, 2, -1)]
    assert seen[0] == set(LEAVING)
    gone = [name for before, after in pairwise(seen) for name in before - after]
    assert gone == list(LEAVING[:-1])


def test_columns() -> None:
    needs = {name: Need(3, 6, 9) for name in LEAVING}
    assert len({box.x for box in arrange(80, 60, needs).values()}) == 1
    assert len({box.x for box in arrange(120, 36, needs).values()}) == 2
    assert len({box.x for box in arrange(200, 56, needs).values()}) == 3
