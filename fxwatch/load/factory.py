"""The user's model: an import string to an nn.Module, with the checkpoint's weights in it."""

import copy
import difflib
import errno
import pkgutil
import re
import sys
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from fxwatch.load.errors import LoadError, to_install
from fxwatch.load.torch_file import first_sentence
from fxwatch.records.settings import ModelSettings

_ACTS = re.compile(r"(?i)actor|policy|pi\b")
"""What a part is called that decides, rather than one that values, where a model of one part fits several."""
NO_FACTORY = (
    "fxwatch needs to know how to build the model: set [model] factory in config.toml to an import string like "
    '"my_project.models:build", a function that returns your nn.Module'
)


def build(settings: ModelSettings) -> nn.Module:
    """Call the factory. Raises LoadError, with the configuration to blame."""
    if settings.factory is None:
        raise LoadError(NO_FACTORY, config=True)
    for folder in reversed(settings.path):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    name = settings.factory
    try:
        made = pkgutil.resolve_name(name)(**settings.factory_args)
    except Exception as error:
        hint = _hint(error, name, settings.path)
        raise LoadError(
            f"[model] factory {name!r} failed: {type(error).__name__}: {first_sentence(error)}{hint}", config=True
        ) from error
    if not isinstance(made, nn.Module):
        raise LoadError(f"[model] factory {name!r} returned a {type(made).__name__}, not an nn.Module", config=True)
    return made


def _hint(error: Exception, factory: str, folders: list[str]) -> str:
    """What more there is to say: where it was looked for, what was meant, or that a worker's cage said no."""
    if isinstance(error, ImportError):
        return _looked_for(error, factory, folders)
    if factory in sys.modules:
        return f'; it is a module, so say what in it builds the model, as in "{factory}:build"'
    if isinstance(error, AttributeError):
        near = difflib.get_close_matches(error.name or "", dir(error.obj), n=1)
        return f"; did you mean {near[0]}?" if near else ""
    if isinstance(error, PermissionError) and error.errno in {errno.EPERM, errno.EACCES}:
        return " (it may read files, but write none, start no program and reach no network)"
    return ""


def _looked_for(error: ImportError, factory: str, folders: list[str]) -> str:
    """Where the factory's own module was looked for; another one is a library that is not installed here."""
    missing = (error.name or "").split(".")[0]
    if not missing or missing == re.split("[.:]", factory)[0]:
        return f" (looked in {', '.join(folders)})"
    return to_install(error)


def put_weights(model: nn.Module, state: Mapping[str, Tensor]) -> nn.Module:
    """The model with the weights in it: all of them, or none. Raises LoadError where they do not fit.

    A common prefix that the trainer put before the model's own names ("model.", "policy.") is taken off.
    """
    own = model.state_dict()
    if lazy := [name for name, tensor in own.items() if is_lazy(tensor)]:
        raise LoadError(
            f"the model has lazy layers, whose shapes nobody knows before a forward: {_some(lazy)}; give them their "
            "sizes in [model] factory",
            config=True,
        )
    fitted = _with_tied(own, _fit(own, state))
    missing, unexpected = sorted(own.keys() - fitted.keys()), sorted(fitted.keys() - own.keys())
    shapes = [
        f"{name} is {tuple(fitted[name].shape)} in the file and {tuple(own[name].shape)} in the model"
        for name in sorted(own.keys() & fitted.keys())
        if fitted[name].shape != own[name].shape
    ]
    problems = [
        *([f"missing {_some(missing)}"] if missing else []),
        *([f"unexpected {_some(unexpected)}"] if unexpected else []),
        *shapes[:2],
    ]
    if problems:
        raise LoadError(
            f"the weights do not fit the model: {'; '.join(problems)}; "
            "check [model] factory, factory_args and state_dict_key"
        )
    try:
        model.load_state_dict(dict(fitted))
    except Exception as error:
        raise LoadError(
            f"the model does not take its weights: {type(error).__name__}: {first_sentence(error)}"
        ) from error
    return model


def private(model: nn.Module) -> nn.Module:
    """A copy for explaining alone, frozen. Raises LoadError where a model cannot be copied."""
    try:
        mine = copy.deepcopy(model)
    except (RuntimeError, TypeError) as error:  # it keeps a tensor of its last forward, for one, or a lock
        raise LoadError(
            f"the model cannot be copied: {first_sentence(error)}; let the factory return it as it was built, before "
            "any forward",
            config=True,
        ) from error
    return frozen(mine)


def frozen(mine: nn.Module) -> nn.Module:
    """A copy that nobody else has, made ready: in eval mode, without gradients, in single precision at least."""
    mine.eval()
    if any(parameter.dtype in {torch.float16, torch.bfloat16} for parameter in mine.parameters()):
        mine = mine.float()
    for parameter in mine.parameters():
        parameter.requires_grad_(False)  # noqa: FBT003 - its only argument
    return mine


def _fit(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    if own.keys() <= state.keys() or not own:
        return {name: tensor for name, tensor in state.items() if name in own or not _alias(name, tensor, own, state)}
    first = next(iter(own))
    prefixes = [name.removesuffix(first) for name in state if name.endswith(f".{first}")]
    whole = [prefix for prefix in prefixes if all(f"{prefix}{wanted}" in state for wanted in own)]
    fitting = [prefix for prefix in whole if all(state[f"{prefix}{name}"].shape == own[name].shape for name in own)]
    chosen = sorted(fitting or whole, key=lambda prefix: _ACTS.search(prefix) is None)
    return {wanted: state[f"{chosen[0]}{wanted}"] for wanted in own} if chosen else state


def _alias(name: str, tensor: Tensor, own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> bool:
    """Whether it is a tensor of the model under a longer name, as of a module that is registered twice."""
    parts = name.split(".")
    ends = (".".join(parts[place:]) for place in range(1, len(parts)))
    same = (state[end] for end in ends if end in own)
    return any(other.dtype == tensor.dtype and torch.equal(other, tensor) for other in same)


def _with_tied(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """With the other names of tensors that have several in the model, of which safetensors files keep but one."""
    places = {(own[name].data_ptr(), own[name].shape): name for name in own if name in state and own[name].numel()}
    tied = {
        name: state[places[place]]
        for name, tensor in own.items()
        if name not in state and (place := (tensor.data_ptr(), tensor.shape)) in places
    }
    return {**state, **tied}


def _some(names: list[str], shown: int = 3) -> str:
    return f"{len(names)} ({', '.join(names[:shown])}{', …' if len(names) > shown else ''})"
