"""`fxwatch doctor`: what a file is, whether it can be read, what is missing, and what configuration makes it work."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fxwatch import exit_codes
from fxwatch.commands.nearest_dump import nearest_dump
from fxwatch.config import load_config
from fxwatch.daemon.limits import forget_secrets
from fxwatch.formats import kind_of, recognise, step_in_name
from fxwatch.formats.adapters import adapter_for, passed_over
from fxwatch.terminal import say, tell

if TYPE_CHECKING:
    from fxwatch.load import Dump, LoadedPolicy, Weights
    from fxwatch.records.settings import ModelSettings

_WORDS = {
    "torch": "a checkpoint of torch.save",
    "torch-legacy": "a checkpoint of torch.save in its old format",
    "sb3": "a model of Stable-Baselines3",
    "safetensors": "a checkpoint in safetensors",
    "safetensors-shards": "a checkpoint in several safetensors files",
    "npz": "arrays of numpy",
}
_CALLS = ("dict", "kwargs", "args", "concat")
_SHOWN = 20


def doctor(path: Path, states: Path | None, config_file: Path | None) -> int:
    """Say all there is to say. Returns the exit code: 0 where it can be explained as things are."""
    if not os.path.lexists(path):
        say(f"fxwatch: {path} does not exist")
        return exit_codes.NOTHING
    for words in passed_over():
        say(f"fxwatch: {words}")
    if path.is_dir():
        return _folder(path, states, config_file)
    settings = load_config(config_file).config.model
    return _file(path, states, settings)


def _folder(folder: Path, states: Path | None, config_file: Path | None) -> int:
    """Every file in a line, and the newest checkpoint in full."""
    from fxwatch.watch.scan import RootError, scan

    settings = load_config(config_file, folder).config.model
    try:
        found = sorted(scan(str(folder), {}).files.values(), key=lambda one: one.generation.mtime_ns)
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
    return _file((readable or newest)[-1], states, settings)


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


def _file(path: Path, states: Path | None, settings: "ModelSettings") -> int:
    """One file in full."""
    from fxwatch.load import LoadError, read_content, read_weights

    tell(f"{path}: {_in_short(path)}")
    kind = kind_of(path.name)
    try:
        content = read_content(path)
        if kind == "states" or content.format == "npz":
            _tell_dump(_dump(path))
            if kind != "states":
                tell("the daemon takes it for nothing: the name of a dump begins with `states`")
            return exit_codes.OK if kind == "states" else exit_codes.USAGE
        if kind is None:
            tell("the daemon leaves it alone: by its name it is no checkpoint, or one file of several")
        weights = _weights(read_weights, content, settings)
    except LoadError as error:
        tell(f"it cannot be read: {error}")
        return exit_codes.REFUSED if error.outcome == "refused" else exit_codes.FAILURE
    if weights is None:
        return exit_codes.USAGE
    _tell_weights(weights, path)
    return _explained(weights, states or nearest_dump(path), settings)


def _weights(read_weights: Any, content: Any, settings: "ModelSettings") -> "Weights | None":
    """The weights; where they are not found, the keys under which some are. Raises LoadError."""
    from fxwatch.load import LoadError

    try:
        found: Weights = read_weights(content, settings)
    except LoadError as error:
        keys = _nested(content, settings) if error.config else []
        if not keys:
            raise
        tell(f"it holds weights under {', '.join(keys)}; say which is the policy:")
        _tell_config([f'state_dict_key = "{keys[0]}"'])
        return None
    return found


def _nested(content: Any, settings: "ModelSettings") -> list[str]:
    """Where in a torch checkpoint there are state dicts, as paths with dots."""
    import io

    from fxwatch.load.torch_file import load_tensors, nested

    return nested(load_tensors(io.BytesIO(content.data), settings.safe_globals))


def _tell_weights(weights: "Weights", path: Path) -> None:
    count = sum(tensor.numel() for tensor in weights.state.values())
    tell(f"it holds {len(weights.state)} tensors of {count:,} numbers: {_some(list(weights.state))}")
    step = f"step {weights.step}" if weights.step is not None else "no step, and its name says none either"
    by_name = " (by its name)" if weights.step is not None and weights.step == step_in_name(str(path)) else ""
    update = f", update {weights.update}" if weights.update is not None else ""
    tell(f"{step}{by_name}{update}; {'an' if weights.optimizer else 'no'} optimizer's state")


def _dump(path: Path) -> "Dump":
    """A dump. Raises LoadError."""
    from fxwatch.load import read_content, read_dump

    return read_dump(read_content(path), {})


def _tell_dump(dump: "Dump") -> None:
    states = dump.states
    for name, array in states.branches.items():
        tell(f"branch {name}: {' × '.join(map(str, array.shape))}, features {_some(states.features[name])}")
    tell(f"{states.count} states" + (f", {dump.left_out} left out: {dump.left_out_reason}" if dump.left_out else ""))


def _explained(weights: "Weights", dump_path: Path | None, settings: "ModelSettings") -> int:
    """Whether the policy can be built and asked. Returns the exit code."""
    from fxwatch.load import LoadError, load_policy

    forget_secrets()
    try:
        policy = load_policy(weights, settings)
    except LoadError as error:
        tell(f"missing: {error}")
        if error.config and settings.factory is None:
            _tell_config(['factory = "my_project.models:build"  # -> your nn.Module'])
        return exit_codes.USAGE if error.config else exit_codes.FAILURE
    tell("the policy is built and the weights are in it")
    if dump_path is None:
        where = {name or "observation": shape for name, shape in (policy.shapes or {}).items()}
        wanted = ", ".join(f"{name} (N, {', '.join(map(str, shape))})" for name, shape in where.items())
        tell(
            "missing: a dump of states beside the checkpoint or above it, states.safetensors or states.npz"
            + (f", with {wanted}" if wanted else "")
            + "; fxwatch.recorder writes one while you train"
        )
        return exit_codes.USAGE
    try:
        return _asked(policy, dump_path, settings)
    except LoadError as error:
        tell(f"{dump_path} does not fit: {error}")
        return exit_codes.FAILURE


def _asked(policy: "LoadedPolicy", dump_path: Path, settings: "ModelSettings") -> int:
    """Ask the policy for a state in every way there is. Raises LoadError where none works."""
    from fxwatch.load import LoadError, check_answers

    dump = _dump(dump_path)
    tell(f"{dump_path}: a dump of states")
    _tell_dump(dump)
    states = dump.states.in_order(policy.order(list(dump.states.branches)))
    first: LoadError | None = None
    for call in (settings.call, *(call for call in _CALLS if call != settings.call)):
        chosen = settings.model_copy(update={"call": call})
        try:
            check_answers(policy.over(list(states.branches), chosen), states)
        except LoadError as error:
            first = first or error
            continue
        if call == settings.call:
            tell("it can be explained as it is: type `fxwatch daemon` and its folder")
            return exit_codes.OK
        tell(f"it can be explained where its branches are passed another way than {settings.call!r}:")
        _tell_config([f'call = "{call}"', *([f'factory = "{settings.factory}"'] if settings.factory else [])])
        return exit_codes.USAGE
    raise first if first is not None else LoadError("it cannot be asked")


def _tell_config(lines: list[str]) -> None:
    tell("")
    tell("# config.toml")
    tell("[model]")
    for line in lines:
        tell(line)


def _some(names: list[str], shown: int = 5) -> str:
    return ", ".join(names[:shown]) + (f", and {len(names) - shown} more" if len(names) > shown else "")
