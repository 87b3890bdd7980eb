"""Files that another package's adapter reads: a function from bytes to a state dict and the step."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from fxwatch.formats.adapters import GROUP, adapter_for
from fxwatch.load.errors import LoadError, to_install
from fxwatch.load.torch_file import first_sentence, is_state_dict, strip_wrappers


def read(path: str, data: bytes) -> tuple[Mapping[str, Tensor], int | None]:
    """State dict and step, as the adapter has them. Raises LoadError, whatever it does."""
    adapter = adapter_for(Path(path).suffix)
    if adapter is None:
        raise LoadError(f"no package brings an adapter ({GROUP}) for it any more", "unsupported")
    name = adapter.entry.value
    try:
        answer = adapter.entry.load()(data)
    except (Exception, SystemExit) as error:
        missing = to_install(error) if isinstance(error, ImportError) else ""
        raise LoadError(
            f"the adapter {name} failed: {type(error).__name__}: {first_sentence(error)}{missing}"
        ) from error
    match answer:
        case (state, int() as step) if step < 0 and is_state_dict(state):
            raise LoadError(f"the adapter {name} returned the step {step}; steps are counted from 0")
        case (state, (int() | None) as step) if is_state_dict(state):
            return strip_wrappers(state), step
        case _:
            raise LoadError(
                f"the adapter {name} has to return (state dict, step or None), and returned {_kind(answer)}"
            )


def _kind(answer: object) -> str:
    inside = ", ".join(type(one).__name__ for one in answer) if isinstance(answer, tuple) else ""
    return f"({inside})" if inside else f"a {type(answer).__name__}"
