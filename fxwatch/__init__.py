"""fxwatch explains a trading policy from outside while it trains."""

__version__ = "0.1.0"
