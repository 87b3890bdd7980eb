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
    try:
        state, step = adapter.load()(data)
    except Exception as error:
        missing = to_install(error) if isinstance(error, ImportError) else ""
        raise LoadError(
            f"the adapter {adapter.value} failed: {type(error).__name__}: {first_sentence(error)}{missing}"
        ) from error
    if not is_state_dict(state) or not (step is None or isinstance(step, int)):
        raise LoadError(f"the adapter {adapter.value} gave no state dict and step, but a {type(state).__name__}")
    return strip_wrappers(state), step
