"""fxwatch explains a trading policy from outside while it trains.

Its names for notebooks are imported when they are used: most need torch, and the commands must start without.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fxwatch.attribution.policy import AttributionError
    from fxwatch.export.read import read
    from fxwatch.notebook.analyzer import AttributionAnalyzer
    from fxwatch.notebook.collector import ModelInternalsCollector
    from fxwatch.notebook.config import AttributionConfig, AttributionMethod

__version__ = "0.1.0"
__all__ = [
    "AttributionAnalyzer",
    "AttributionConfig",
    "AttributionError",
    "AttributionMethod",
    "ModelInternalsCollector",
    "__version__",
    "read",
]

_WHERE = {
    "AttributionAnalyzer": "fxwatch.notebook.analyzer",
    "AttributionConfig": "fxwatch.notebook.config",
    "AttributionError": "fxwatch.attribution.policy",
    "AttributionMethod": "fxwatch.notebook.config",
    "ModelInternalsCollector": "fxwatch.notebook.collector",
    "read": "fxwatch.export.read",
}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})
