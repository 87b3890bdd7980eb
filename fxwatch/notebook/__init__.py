"""The guide's Python API, for people with a live model in a notebook: `from fxwatch import AttributionAnalyzer`.

It stands on the same pure core as the daemon. Nothing is imported here, so that a configuration needs no torch.
"""
