"""`fxwatch doctor`: what a file is, whether it can be read, what is missing, and what configuration makes it work."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, get_args

from fxwatch import exit_codes
from fxwatch.commands.nearest_dump import nearest_dump
from fxwatch.commands.own_settings import own_settings
from fxwatch.commands.prescription import TO_FILL_IN, prescription
from fxwatch.config import Config, load_config
from fxwatch.config.template import toml_key
from fxwatch.daemon.limits import forget_secrets
from fxwatch.formats import kind_of, recognise, step_in_name
from fxwatch.formats.adapters import adapter_for, passed_over
from fxwatch.records.settings import Call
from fxwatch.terminal import say, tell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch.nn import Module

    from fxwatch.load import Content, Dump, LoadedPolicy, Weights
    from fxwatch.records.settings import ModelSettings
    from fxwatch.records.states import States
    from fxwatch.watch.scan import Found

_WORDS = {
    "torch": "a checkpoint of torch.save",
    "torch-legacy": "a checkpoint of torch.save in its old format",
    "sb3": "a model of Stable-Baselines3",
    "safetensors": "a checkpoint in safetensors",
    "safetensors-shards": "a checkpoint in several safetensors files",
    "export": "a program of torch.export, of which the weights are read and the program is never run",
    "npz": "arrays of numpy",
}
_SHOWN = 20


@dataclass
class _Case:
    """A file, and the settings under which it can be explained: those that are given, and as far as found out."""

    config: Config
    model: "ModelSettings"
    table: str = "model"

    @classmethod
    def of(cls, path: Path, config: Config, watched: Path | None) -> Self:
        """With the settings of its own run, where it has some; which is said."""
        own, run = own_settings(path, config, watched)
        if run is None:
            return cls(own, own.model)
        tell(f"run {run} has settings of its own")
        return cls(own, own.model, f"runs.{toml_key(run)}.model")

    def found(self, **changes: Any) -> None:
        """What has to be set."""
        self.model = self.model.model_copy(update=changes)

    def prescribe(self) -> None:
        """Print the configuration."""
        tell("")
        for line in prescription(self.model, self.table):
            tell(line)


def doctor(path: Path, states: Path | None, config_file: Path | None) -> int:
    """Say all there is to say. Returns the exit code: 0 where it can be explained as things are."""
    for file in (path, states):
        if file is not None and not os.path.lexists(file):
            say(f"fxwatch: {file} does not exist")
            return exit_codes.NOTHING
    for words in passed_over():
        say(f"fxwatch: {words}")
    if path.is_dir():
        return _folder(path, states, config_file)
    return _file(path, states, load_config(config_file).config)


def _folder(folder: Path, states: Path | None, config_file: Path | None) -> int:
    """Every file in a line, and the newest checkpoint in full."""
    from fxwatch.watch.scan import RootError, scan

    config = load_config(config_file, folder).config
    try:
        found = sorted(scan(str(folder), {}).files.values(), key=_by_age)
    except RootError as error:
        say(f"fxwatch: {error}")
        return exit_codes.NOTHING
    if not found:
        tell(f"{folder}: no checkpoint and no dump of states is in it, nor below")
        return exit_codes.NOTHING
    for one in found[-_SHOWN:]:
        tell(f"{one.shown}: {one.reason or _in_short(folder / one.path)}")
    if len(found) > _SHOWN:
        tell(f"and {len(found) - _SHOWN} older files")
    newest = [folder / one.path for one in found if one.kind == "checkpoint" and not one.trouble]
    if not newest:
        tell("there is no checkpoint among them")
        return exit_codes.NOTHING
    readable = [one for one in newest if recognise(one).format is not None]
    tell("")
    return _file((readable or newest)[-1], states, config, folder)


def _by_age(one: "Found") -> tuple[int, int]:
    """Clocks of file systems tick slowly: of two files written together that of the later step is the newer."""
    step = step_in_name(one.shown)
    return one.generation.mtime_ns, -1 if step is None else step


def _in_short(path: Path) -> str:
    try:
        found = recognise(path)
    except OSError as error:
        return f"it cannot be opened: {error.strerror or error}"
    if found.format is None:
        return f"{found.trouble}: {found.reason}"
    if adapter := adapter_for(path.suffix):
        return f"a checkpoint for the adapter {adapter.entry.value} of {adapter.package}"
    return "a dump of states" if kind_of(path.name) == "states" else _WORDS[found.format]


def _file(path: Path, states: Path | None, config: Config, watched: Path | None = None) -> int:
    """One file in full."""
    from fxwatch.load import LoadError, read_content

    told = _in_short(path)
    tell(f"{path}: {told}")
    kind = kind_of(path.name)
    case = _Case.of(path, config, watched)
    try:
        content = read_content(path)
        if kind == "states" or content.format == "npz":
            _tell_dump(_dump(path, config))
            if kind != "states":
                tell("the daemon takes it for nothing: the name of a dump begins with `states`")
            return exit_codes.OK if kind == "states" else exit_codes.USAGE
        if kind is None:
            tell("the daemon leaves it alone: by its name it is no checkpoint, or one file of several")
        weights = _weights(content, case)
    except LoadError as error:
        if str(error) not in told:
            tell(f"it cannot be read: {error}")
        return exit_codes.REFUSED if error.outcome == "refused" else exit_codes.FAILURE
    _tell_weights(weights)
    return _explained(weights, states or nearest_dump(path), case)


def _weights(content: "Content", case: _Case) -> "Weights":
    """The weights, and where they are not found, those under the first key that leads to some. Raises LoadError."""
    from fxwatch.load import LoadError, read_weights

    try:
        return read_weights(content, case.model)
    except LoadError as error:
        keys = _nested(content, case.model) if error.config else []
        if not keys:
            raise
    tell(f"it holds weights under {', '.join(keys)}" + ("; say which is the policy" if keys[1:] else ""))
    case.found(state_dict_key=keys[0])
    return read_weights(content, case.model)


def _nested(content: "Content", settings: "ModelSettings") -> list[str]:
    """Where in a torch checkpoint there are state dicts, as paths with dots."""
    import io

    from fxwatch.load.torch_file import load_tensors, nested

    return nested(load_tensors(io.BytesIO(content.data), settings.safe_globals))


def _tell_weights(weights: "Weights") -> None:
    count = sum(tensor.numel() for tensor in weights.state.values())
    tell(f"it holds {len(weights.state)} tensors of {count:,} numbers: {_some(list(weights.state))}")
    step = f"step {weights.step}" if weights.step is not None else "no step, and its name says none either"
    by_name = " (by its name)" if weights.step is not None and weights.step_by_name else ""
    update = f", update {weights.update}" if weights.update is not None else ""
    tell(f"{step}{by_name}{update}; {'an' if weights.optimizer else 'no'} optimizer's state")


def _dump(path: Path, config: Config) -> "Dump":
    """A dump. Raises LoadError."""
    from fxwatch.load import read_content, read_dump

    return read_dump(read_content(path), config.inputs)


def _tell_dump(dump: "Dump") -> None:
    states = dump.states
    for name, array in states.branches.items():
        tell(f"branch {name}: {' × '.join(map(str, array.shape))}, features {_some(states.features[name])}")
    tell(f"{states.count} states" + (f", {dump.left_out} left out: {dump.left_out_reason}" if dump.left_out else ""))


def _explained(weights: "Weights", dump_path: Path | None, case: _Case) -> int:
    """Whether the policy can be built and asked. Returns the exit code."""
    from fxwatch.load import LoadError, load_policy

    forget_secrets()
    policy: LoadedPolicy | None = None
    try:
        policy = load_policy(weights, case.model)
    except LoadError as error:
        tell(f"missing: {error}")
        if not error.config:
            return exit_codes.FAILURE
        if case.model.factory is None:
            case.found(factory=TO_FILL_IN)
    else:
        tell("the policy is built and the weights are in it")
    if dump_path is None:
        tell(_dump_is_missing(policy))
    else:
        try:
            if _asked(policy, dump_path, case):
                tell("it can be explained as it is: type `fxwatch daemon` and its folder")
                return exit_codes.OK
        except LoadError as error:
            tell(f"{dump_path} does not fit: {error}")
            return exit_codes.FAILURE
    if case.model != case.config.model:
        case.prescribe()
    return exit_codes.USAGE


def _dump_is_missing(policy: "LoadedPolicy | None") -> str:
    shapes = policy.shapes if policy is not None else None
    where = {name or "observation": shape for name, shape in (shapes or {}).items()}
    wanted = ", ".join(f"{name} (N, {', '.join(map(str, shape))})" for name, shape in where.items())
    return (
        "missing: a dump of states beside the checkpoint or above it, states.safetensors or states.npz"
        + (f", with {wanted}" if wanted else "")
        + "; fxwatch.recorder writes one while you train"
    )


def _asked(policy: "LoadedPolicy | None", dump_path: Path, case: _Case) -> bool:
    """Ask the policy for a state in every way there is, and note the one that works.

    Returns whether it is the one that is configured. Raises LoadError where none works.
    """
    from fxwatch.load import LoadError, check_answers

    dump = _dump(dump_path, case.config)
    tell(f"{dump_path}: a dump of states")
    _tell_dump(dump)
    if policy is None:
        return False
    states = dump.states.in_order(policy.order(list(dump.states.branches)))
    first: LoadError | None = None
    for way in _ways(policy, states, case.model):
        try:
            check_answers(policy.over(list(states.branches), way), states)
        except LoadError as error:
            first = first or error
            continue
        if first is not None:
            tell(f"it can be explained in another way: {first}")
            case.model = way
        return first is None
    raise first if first is not None else LoadError("it cannot be asked")


def _ways(policy: "LoadedPolicy", states: "States", given: "ModelSettings") -> "Iterator[ModelSettings]":
    """How it may be called, as configured first; and each also with outputs where they seem to be."""
    for call in (given.call, *(call for call in get_args(Call) if call != given.call)):
        way = given.model_copy(update={"call": call})
        yield way
        if paths := _likely_paths(policy.over(list(states.branches), way), states):
            yield way.model_copy(update={"outputs": paths})


def _likely_paths(policy: "Module", states: "States") -> dict[str, str]:
    """Where in what the model returns its outputs seem to be; empty where it cannot be asked so."""
    import torch

    from fxwatch.load.outputs import likely_paths
    from fxwatch.load.policy import CalledPolicy, one_state

    if not isinstance(policy, CalledPolicy):
        return {}
    try:
        with torch.no_grad():
            return likely_paths(policy.returned(*one_state(policy, states)))
    except Exception:  # noqa: BLE001 - asked so, `check_answers` has just failed, too, and says why
        return {}


def _some(names: list[str], shown: int = 5) -> str:
    return ", ".join(names[:shown]) + (f", and {len(names) - shown} more" if len(names) > shown else "")
