"""Named outputs out of whatever forward returns: by the paths of [model.outputs], or else by its structure."""

from collections.abc import Iterable, Iterator, Mapping
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


def likely_paths(returned: Any) -> dict[str, str]:
    """Where an action's logits and the value seem to be, in what cannot be told by its structure; empty where no
    tensor of (states, actions) is in it.
    """
    leaves = [(".".join(path), leaf) for path, leaf in _leaves(_opened(returned), ())]
    logits = [path for path, leaf in leaves if leaf.ndim == 2 and leaf.shape[1] > 1]
    value = [path for path, leaf in leaves if _is_value(leaf)]
    found = {"action_type": logits[:1], "action_size": logits[1:2], "value": value[:1]}
    return {name: paths[0] for name, paths in found.items() if paths} if logits else {}


def _opened(returned: Any) -> Any:
    """An object's fields, as of a dataclass; any other value is left as it is."""
    plain = isinstance(returned, Tensor | Mapping | list | tuple) or not hasattr(returned, "__dict__")
    return returned if plain else vars(returned)


def _inferred(returned: Any) -> dict[str, Tensor]:
    """((type, size), value) as the guide's model; (type, size, value); logits alone or first; or a dictionary.

    What comes after the value is no output, as a hidden state is. Of a dictionary every tensor is one, however deep.
    """
    if isinstance(returned, Tensor):
        return {"action_type": returned}
    if isinstance(returned, Mapping):
        found = _flat(returned)
        if found:
            return found
    elif isinstance(returned, tuple | list) and returned:
        first, rest = returned[0], list(returned[1:])
        place = next((place for place, part in enumerate(rest) if _is_value(part)), None)
        value = {} if place is None else {"value": rest[place]}
        if isinstance(first, Mapping):
            found = _flat(first)
            if found and value.keys().isdisjoint(found):
                return found | value
        heads = list(first) if isinstance(first, tuple | list) else [first, *rest[: place or 0]]
        last = not (place is None and _is_value(first) and any(isinstance(part, Tensor) for part in rest))
        if heads and last and all(isinstance(part, Tensor) for part in heads):
            return by_head(heads) | value
    raise LoadError(
        f"forward returned {describe(returned)}; "
        'say in [model.outputs] where each output is, as in action_type = "0.0"',
        config=True,
    )


def by_head(heads: Iterable[Tensor]) -> dict[str, Tensor]:
    """Actions by name: action_type, action_size, then action_3 and so on."""
    first = {1: "action_type", 2: "action_size"}
    return {first.get(place, f"action_{place}"): head for place, head in enumerate(heads, 1)}


def _flat(returned: Mapping[Any, Any]) -> dict[str, Tensor]:
    """Every tensor in nested dictionaries and tuples, by its own key, or by its whole path where that is not clear."""
    leaves = list(_leaves(returned, ()))
    last = [path[-1] for path, _ in leaves]
    return {
        path[-1] if last.count(path[-1]) == 1 and not path[-1].isdecimal() else ".".join(path): leaf
        for path, leaf in leaves
    }


def _leaves(found: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Tensor]]:
    if isinstance(found, Tensor):
        yield path, found
    elif isinstance(found, Mapping):
        for key, part in found.items():
            yield from _leaves(part, (*path, str(key)))
    elif isinstance(found, tuple | list):
        for place, part in enumerate(found):
            yield from _leaves(part, (*path, str(place)))


def _is_value(part: Any) -> bool:
    """Whether it is one number a state."""
    return isinstance(part, Tensor) and part.ndim > 0 and part[:1].numel() == 1


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
