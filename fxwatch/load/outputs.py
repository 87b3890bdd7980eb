"""Named outputs out of whatever forward returns: by the paths of [model.outputs], or else by its structure."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from fxwatch.load.errors import LoadError


def named_outputs(returned: Any, paths: Mapping[str, str]) -> dict[str, Tensor]:
    """Outputs by name. Raises LoadError where a path leads nowhere."""
    return {name: _at(returned, path, name) for name, path in paths.items()} if paths else _inferred(returned)


def _at(returned: Any, path: str, name: str) -> Tensor:
    found = returned
    for part in path.split(".") if path else []:
        try:
            if isinstance(found, Mapping):
                found = found[part]
            elif isinstance(found, list | tuple):
                found = found[int(part)]
            else:
                found = getattr(found, part)
        except (KeyError, IndexError, ValueError, AttributeError):
            raise LoadError(_wrong(name, path, returned), config=True) from None
    if not isinstance(found, Tensor):
        raise LoadError(_wrong(name, path, returned), config=True)
    return found


def _inferred(returned: Any) -> dict[str, Tensor]:
    """((type, size), value) as the guide's model; (logits, value); logits alone; or a dictionary of tensors."""
    if isinstance(returned, Tensor):
        return {"action_type": returned}
    if isinstance(returned, Mapping) and any(isinstance(value, Tensor) for value in returned.values()):
        return {str(name): value for name, value in returned.items() if isinstance(value, Tensor)}
    if isinstance(returned, tuple | list) and returned:
        heads, rest = returned[0], list(returned[1:])
        flat = list(heads) if isinstance(heads, tuple | list) else [heads]
        if not isinstance(heads, tuple | list):
            flat += [part for part in rest if not _is_value(part)]
        value = next((part for part in rest if _is_value(part)), None)
        if flat and all(isinstance(part, Tensor) for part in flat):
            names = ["action_type", "action_size", *(f"action_{place}" for place in range(3, len(flat) + 1))]
            return dict(zip(names, flat, strict=False)) | ({"value": value} if value is not None else {})
    raise LoadError(
        f"forward returned {describe(returned)}; "
        'say in [model.outputs] where each output is, as in action_type = "0.0"',
        config=True,
    )


def _is_value(part: Any) -> bool:
    return isinstance(part, Tensor) and (part.ndim == 1 or part[0].numel() == 1)


def _wrong(name: str, path: str, returned: Any) -> str:
    return f"[model.outputs] {name} = {path!r} is not a tensor in what forward returned: {describe(returned)}"


def describe(returned: Any, depth: int = 2) -> str:
    """The structure of a return value, in words."""
    if isinstance(returned, Tensor):
        return f"a tensor {tuple(returned.shape)}"
    if depth == 0:
        return f"a {type(returned).__name__}"
    if isinstance(returned, Mapping):
        return (
            "{" + ", ".join(f"{key}: {describe(value, depth - 1)}" for key, value in list(returned.items())[:6]) + "}"
        )
    if isinstance(returned, tuple | list):
        return "(" + ", ".join(describe(value, depth - 1) for value in returned[:6]) + ")"
    return f"a {type(returned).__name__}"
