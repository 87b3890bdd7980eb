"""When checkpoints come faster than they can be explained: which comes next, and which can wait. Pure.

Both speak of a run's checkpoints in the order of training, by their places from 0. All sequences ascend.
"""

import math
from bisect import bisect
from collections.abc import Sequence


def next_place(waiting: Sequence[int], taken: Sequence[int]) -> int:
    """Of some places the newest, where it is newer than all that were taken; else the one farthest from these.

    So at any time those that were taken are the newest and an even spread of the others. Of equals, the newest.
    """
    if not taken or waiting[-1] > taken[-1]:
        return waiting[-1]
    return max(waiting, key=lambda place: (_distance(place, taken), place))


def spared(waiting: Sequence[int], taken: Sequence[int], most: int) -> list[int]:
    """Of some places those that can best be spared, so that `most` remain: each time the one whose neighbours, of all
    places, are closest together; never the newest. Of equals, the oldest. Many at once leave an even spread.
    """
    kept = list(waiting)
    if len(kept) > 2 * most:
        kept = [waiting[(number + 1) * len(waiting) // most - 1] for number in range(most)]
    while len(kept) > most:
        kept.remove(_least_missed(kept, taken))
    remaining = set(kept)
    return [place for place in waiting if place not in remaining]


def _least_missed(waiting: Sequence[int], taken: Sequence[int]) -> int:
    places = sorted({*waiting, *taken})
    gaps = {
        place: (math.inf if after is None else after) - (-1 if before is None else before)
        for before, place, after in zip([None, *places], places, [*places[1:], None], strict=False)
    }
    return min((place for place in waiting if place != waiting[-1]), key=lambda place: (gaps[place], place))


def _distance(place: int, taken: Sequence[int]) -> int:
    after = bisect(taken, place)
    return min(abs(place - other) for other in taken[max(0, after - 1) : after + 1])
