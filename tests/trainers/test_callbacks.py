"""The callbacks where a library goes by another name."""

import subprocess
import sys

from tests.project import environ


def test_lightning_is_found_under_its_other_name() -> None:
    """`pip install lightning` brings no pytorch_lightning, but the same as lightning.pytorch."""
    code = """
import sys, types
import pytorch_lightning
sys.modules.update({"lightning": types.ModuleType("lightning"), "lightning.pytorch": pytorch_lightning})
sys.modules["pytorch_lightning"] = None
from fxwatch.callbacks.lightning import FxwatchCallback
assert issubclass(FxwatchCallback, pytorch_lightning.Callback)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ(), capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
