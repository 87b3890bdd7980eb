"""State dumps: safetensors or npz, one array a branch, never pickles."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fxwatch.formats.archive import BombError, open_archive
from fxwatch.load import safetensors_file
from fxwatch.load.bombs import check_array
from fxwatch.load.content import Content
from fxwatch.load.counters import counters
from fxwatch.load.errors import LoadError
from fxwatch.load.torch_file import first_sentence
from fxwatch.records.settings import InputSettings
from fxwatch.records.states import States

Floats = NDArray[np.floating]

_NOT_BRANCHES = {"action", "actions", "value", "advantage", "old_log_prob"}
_TEXTS = {"feature_names", "step", "normalised"}
_SAYS = {"": None, "true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_EPSILON = 1e-8
_BLURRED = 0.01


@dataclass(frozen=True, slots=True)
class Dump:
    """All states of a dump that are finite, and, in words, those that are not."""

    states: States
    left_out: int = 0
    left_out_reason: str | None = None
    rows: NDArray[np.intp] | None = None
    """Where the states stand in the file; None where none is left out."""
    says_normalised: bool = False
    """Whether it says that states are as the policy sees them, or holds what makes them so."""
    holds_statistics: bool = False
    """Whether it holds those by which the trainer normalises."""

    def row(self, number: int) -> States:
        """One state, by its place in the file. Raises LoadError where there is none, or one that is left out."""
        total = self.states.count + self.left_out
        if not 0 <= number < total:
            raise LoadError(f"it has no row {number}: its {total} states are numbered from 0")
        place = np.array([number]) if self.rows is None else np.flatnonzero(self.rows == number)
        if not len(place):
            raise LoadError(f"row {number} is not finite: {self.left_out_reason}")
        return self.states.take(place)


def read_dump(content: Content, inputs: Mapping[str, InputSettings]) -> Dump:
    """Read a dump, with its branches named and ordered by [inputs] where that is set. Raises LoadError."""
    arrays, texts = _read(content)
    action = arrays.get("action", arrays.get("actions"))
    branches = {
        name: _numbers(name, array) for name, array in arrays.items() if name not in _NOT_BRANCHES and "/" not in name
    }
    if not branches:
        raise LoadError("it holds no branch: one array a branch is needed, (N, time, features) or (N, features)")
    if _is_normalised(texts) is False:
        branches = {name: _normalise(name, array, arrays) for name, array in branches.items()}
    names = _feature_names(texts)
    branches = _ordered(branches, list(names), inputs)
    if action is not None and not action.ndim:
        raise LoadError("action is a single number; it must be numbers, (N,) or (N, heads), one row a state")
    counts = {name: len(array) for name, array in branches.items()}
    if len(set(counts.values())) > 1 or (action is not None and len(action) != next(iter(counts.values()))):
        told = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise LoadError(
            f"its arrays differ in the number of states: {told}" + ("" if action is None else f", action {len(action)}")
        )
    if not next(iter(counts.values())):
        raise LoadError("it holds no state; dump some that the policy has just seen")
    names |= {name: one.features for name, one in inputs.items() if one.features is not None}
    features = {name: names_of(name, array.shape[-1], names.get(name)) for name, array in branches.items()}
    step, _ = counters(texts)
    lost = blurred_names(branches, features)
    single = {name: in_single(array) for name, array in branches.items()}
    dump = finite_only(States(single, features, _only_one_column(action), step, lost))
    statistics = any(name.startswith(("mean/", "var/")) for name in arrays)
    return replace(dump, says_normalised=_is_normalised(texts) is not None, holds_statistics=statistics)


def _read(content: Content) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    if content.format == "safetensors":
        tensors = safetensors_file.tensors(content.data)
        arrays = {
            name: (
                tensor if tensor.dtype == torch.float64 or not tensor.is_floating_point() else tensor.float()
            ).numpy()
            for name, tensor in tensors.items()
        }
        return arrays, safetensors_file.metadata(content.data)
    if content.format != "npz":
        raise LoadError(f"a {content.format} file is no dump of states; dumps are .safetensors or .npz", "unsupported")
    try:
        with open_archive(io.BytesIO(content.data)) as members:
            for member in members.infolist():
                with members.open(member) as array:
                    check_array(array, member.file_size)
        with np.load(io.BytesIO(content.data), allow_pickle=False) as archive:
            read = {name: archive[name] for name in archive.files}
    except BombError as error:
        raise LoadError(str(error), "refused") from None
    except MemoryError:
        raise
    except Exception as error:
        raise LoadError(f"numpy cannot read it: {type(error).__name__}: {first_sentence(error)}") from error
    texts = {name: str(array) for name, array in read.items() if name in _TEXTS and array.ndim == 0}
    return {name: array for name, array in read.items() if name not in texts}, texts


def in_single(array: NDArray[Any]) -> Floats:
    """Numbers in single precision; in double where that would blur a column, as it does a time in seconds."""
    with np.errstate(over="ignore"):
        single = np.asarray(array, dtype=np.float32)
    return np.where(np.isinf(single), single, array.astype(np.float64)) if blurred(array).any() else single


def blurred(array: NDArray[Any]) -> NDArray[np.bool_]:
    """Which columns of (N, ..., features) lose more than a hundredth of their deviation in single precision."""
    if array.dtype == np.float32:
        return np.zeros(array.shape[-1], dtype=bool)
    exact = array.reshape(-1, array.shape[-1]).astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        lost = exact - exact.astype(np.float32)
    finite = np.isfinite(lost).all(1)
    if not finite.any():
        return np.zeros(array.shape[-1], dtype=bool)
    exact, lost = exact[finite], lost[finite]
    found: NDArray[np.bool_] = (lost.std(0) > _BLURRED * exact.std(0)) & (exact.min(0) < exact.max(0))
    return found


def blurred_names(
    branches: Mapping[str, NDArray[Any]], features: Mapping[str, list[str]]
) -> frozenset[tuple[str, str]]:
    """The same by (branch, feature)."""
    return frozenset(
        (name, features[name][column])
        for name, array in branches.items()
        for column in np.flatnonzero(blurred(array)).tolist()
    )


def _numbers(name: str, array: NDArray[Any]) -> NDArray[Any]:
    if array.ndim not in {2, 3} or array.dtype.kind not in "fiub" or 0 in array.shape[1:]:
        raise LoadError(
            f"branch {name} is {array.dtype} of shape {array.shape}; "
            "it must be numbers, (N, time, features) or (N, features)"
        )
    return array


def _is_normalised(texts: Mapping[str, Any]) -> bool | None:
    said = str(texts.get("normalised", "")).lower()
    if said not in _SAYS:
        raise LoadError(f"its normalised is {texts['normalised']!r}; it must be true or false")
    return _SAYS[said]


def _normalise(name: str, array: NDArray[Any], arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """What the policy sees of a branch that is not normalised: by the trainer's own statistics, where there are any."""
    mean, var = arrays.get(f"mean/{name}"), arrays.get(f"var/{name}")
    if mean is None or var is None:
        return array
    if (var < 0).any():
        raise LoadError(f"var/{name} is negative, which no variance is")
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray((array - mean) / np.sqrt(var + _EPSILON), dtype=np.float32)
    except ValueError:
        raise LoadError(
            f"mean/{name} {mean.shape} and var/{name} {var.shape} do not fit the branch {array.shape}"
        ) from None


def _feature_names(texts: Mapping[str, Any]) -> dict[str, list[str]]:
    if "feature_names" not in texts:
        return {}
    try:
        found = json.loads(texts["feature_names"])
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(
        isinstance(names, list) and all(isinstance(name, str) for name in names) for names in found.values()
    ):
        raise LoadError('its feature_names are not JSON of the form {"branch": ["name", …]}')
    return {branch: [_printable(name) for name in names] for branch, names in found.items()}


def _printable(name: str) -> str:
    """A name without lone surrogates, which no file of ours could hold."""
    return name.encode("utf-8", "replace").decode()


def _ordered(
    branches: dict[str, NDArray[Any]], named: list[str], inputs: Mapping[str, InputSettings]
) -> dict[str, NDArray[Any]]:
    """The branches of [inputs], cut from a flat observation where it says so; else those of the dump."""
    if not inputs:
        first = [name for name in named if name in branches]
        return {name: branches[name] for name in [*first, *(name for name in branches if name not in first)]}
    found = {}
    for name, settings in inputs.items():
        if settings.columns is not None:
            found[name] = _cut(name, settings, branches)
        elif name in branches:
            found[name] = branches[name]
        else:
            raise LoadError(f"it has no branch {name}, which [inputs.{name}] names; it has {', '.join(branches)}")
    return found


def _cut(name: str, settings: InputSettings, branches: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """Columns of the only array; several time steps where there are more columns than feature names."""
    if len(branches) != 1:
        raise LoadError(f"[inputs.{name}] columns cuts a flat observation, but the dump has {', '.join(branches)}")
    flat = next(iter(branches.values()))
    flat = flat.reshape(len(flat), -1)
    first, end = settings.columns or (0, 0)
    if end > flat.shape[1]:
        raise LoadError(f"[inputs.{name}] columns = [{first}, {end}], but the observation has {flat.shape[1]} columns")
    part = flat[:, first:end]
    width = len(settings.features) if settings.features else part.shape[1]
    if part.shape[1] % width:
        raise LoadError(f"[inputs.{name}] has {width} feature names for {part.shape[1]} columns, which is no multiple")
    return part.reshape(len(part), -1, width) if width != part.shape[1] else part


def names_of(branch: str, width: int, given: Sequence[str] | None) -> list[str]:
    """The names given to a branch's features, else BRANCH_0 and so on. Raises LoadError where they do not fit."""
    if given is None:
        return [f"{branch}_{column}" for column in range(width)]
    if len(given) != width:
        raise LoadError(f"branch {branch} has {width} features, but {len(given)} names are given for it")
    if len(set(given)) != len(given):
        twice = next(feature for feature in given if given.count(feature) > 1)
        raise LoadError(f"branch {branch} has two features of the name {twice!r}")
    return list(given)


def _only_one_column(action: NDArray[Any] | None) -> NDArray[Any] | None:
    if action is None:
        return None
    if action.dtype.kind not in "fiub" or action.ndim not in {1, 2}:
        raise LoadError(f"action is {action.dtype} of shape {action.shape}; it must be numbers, (N,) or (N, heads)")
    return action[:, 0] if action.ndim == 2 and action.shape[1] == 1 else action


def finite_only(states: States) -> Dump:
    """Leave out the states that hold NaN or Inf. Raises LoadError where all do."""
    bad = np.zeros(states.count, dtype=bool)
    where: list[str] = []
    for name, array in states.branches.items():
        wrong = np.any(~np.isfinite(array.reshape(len(array), -1, array.shape[-1])), axis=1)
        bad |= wrong.any(axis=1)
        where += [f"{name}/{states.features[name][column]}" for column in np.flatnonzero(wrong.any(axis=0))]
    if states.action is not None:
        wrong = ~np.isfinite(states.action.reshape(states.count, -1).astype(np.float64)).all(axis=1)
        bad |= wrong
        where += ["action"] * bool(wrong.any())
    if not bad.any():
        return Dump(states)
    told = ", ".join(where[:3]) + (f" and {len(where) - 3} more features" if len(where) > 3 else "")
    reason = (
        f"{told} {'is' if len(where) == 1 else 'are'} NaN or Inf there; find what the feature computes in those states"
    )
    if bad.all():
        raise LoadError(f"none of its {states.count} states is finite: {reason}")
    rows = np.flatnonzero(~bad)
    return Dump(states.take(rows), int(bad.sum()), reason, rows)
