"""The science: from a policy and states to an explanation. No input or output of any kind."""

from fxwatch.attribution.explain import Arrays, Context, Previous, explain
from fxwatch.attribution.policy import AttributionError

__all__ = ["Arrays", "AttributionError", "Context", "Previous", "explain"]
