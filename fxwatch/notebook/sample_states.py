"""States as people have them in a notebook: dictionaries of tensors or arrays, one state or a batch each."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fxwatch.attribution import AttributionError
from fxwatch.load.states import blurred_names, in_single, names_of
from fxwatch.records.states import States

Row = dict[str, NDArray[Any]]
"""One state: each branch (time, features) or (features,), and the action taken there where it is known."""

_ACTION = "action"
_FLAT = "observation"


def rows_of(sample: Any, axes: Mapping[str, int] | None = None) -> list[Row]:
    """The single states in a sample: a dictionary of branches and perhaps `action`, or one flat observation.

    A branch of three axes is (N, time, features), and makes a batch of the whole dictionary. `axes` says how many axes
    each branch of one state has, where the model tells. Raises AttributionError.
    """
    given = sample if isinstance(sample, Mapping) else {_FLAT: sample}
    arrays = {str(name): _array(str(name), value) for name, value in given.items()}
    action = arrays.pop(_ACTION, None)
    if not arrays:
        raise AttributionError("a state holds no branch: a dictionary of branches is needed, or one array")
    if not any(_is_batch(name, array, axes or {}) for name, array in arrays.items()):
        return [arrays if action is None else {**arrays, _ACTION: action.reshape(-1)}]
    counts = {name: len(array) for name, array in arrays.items()} | ({} if action is None else {_ACTION: len(action)})
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise AttributionError(f"the branches of a batch differ in the number of states: {told}")
    rows = [{name: array[row] for name, array in arrays.items()} for row in range(next(iter(counts.values())))]
    if action is not None:
        for row, taken in zip(rows, action.reshape(len(action), -1), strict=True):
            row[_ACTION] = taken
    return rows


def all_rows(samples: Any, axes: Mapping[str, int] | None = None) -> list[Row]:
    """The single states in a list of samples, or in one sample."""
    several = samples if isinstance(samples, list | tuple) else [samples]
    return [row for sample in several for row in rows_of(sample, axes)]


def together(rows: Sequence[Row], features: Mapping[str, Sequence[str]], *, double: bool = False) -> States:
    """Single states as one record; features without names are BRANCH_0 and so on. `double`: for a model in double.

    Raises AttributionError where the states do not fit each other, LoadError where the names do not fit them.
    """
    if not rows:
        raise AttributionError("there is no state to analyse; give a list of states")
    shapes = _shapes(rows[0])
    if odd := [place for place, row in enumerate(rows) if _shapes(row) != shapes]:
        raise AttributionError(
            f"state {odd[0]} has other branches than the first: {_told(_shapes(rows[odd[0]]))}; {_told(shapes)}"
        )
    if unknown := [name for name in features if name not in shapes]:
        raise AttributionError(f"features names the branch {unknown[0]}, but the states have {', '.join(shapes)}")
    given = {name: np.stack([row[name] for row in rows]) for name in shapes}
    branches = {name: array.astype(np.float64) if double else in_single(array) for name, array in given.items()}
    names = {name: names_of(name, shapes[name][-1], features.get(name)) for name in shapes}
    return States(branches, names, _actions(rows), blurred=blurred_names(given, names))


def _array(name: str, value: Any) -> NDArray[Any]:
    if isinstance(value, torch.Tensor):
        value = value.detach().to("cpu")
        value = (value.float() if value.dtype in {torch.float16, torch.bfloat16} else value).numpy()
    array = np.array(value)
    if array.dtype.kind not in "fiub":
        raise AttributionError(f"{name} is {array.dtype} of shape {array.shape}; it must be numbers")
    if name != _ACTION and not 1 <= array.ndim <= 3:
        raise AttributionError(
            f"branch {name} has the shape {array.shape}; one state is (time, features) or (features,), "
            "and a batch (N, time, features)"
        )
    return array


def _shapes(row: Row) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in row.items() if name != _ACTION}


def _told(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items())


def _is_batch(name: str, array: NDArray[Any], axes: Mapping[str, int]) -> bool:
    of_one = axes.get(name, axes.get(""))
    return array.ndim == 3 if of_one is None else array.ndim == of_one + 1


def _actions(rows: Iterable[Row]) -> NDArray[Any] | None:
    """(N,) or (N, heads); None where not every state has one."""
    taken = [row.get(_ACTION) for row in rows]
    known = [one for one in taken if one is not None]
    if len(known) < len(taken) or len({len(one) for one in known}) > 1:
        return None
    table = np.stack(known)
    return table[:, 0] if table.shape[1] == 1 else table
