"""What tests need of the machine they run on."""

import os
import shutil

import pytest


def program(*names: str) -> str:
    """The path of the first of these that is installed; without any the test is skipped, and in CI it fails."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        words = f"{names[0]} is not installed; type `apt-get install {names[0]}`"
        if os.environ.get("CI"):
            pytest.fail(words)
        pytest.skip(words)
    return found
