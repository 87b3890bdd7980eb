"""What many tests begin with. One thread of torch a test: two that wait for each other are slower by far where the
machine has other work.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fxwatch.store.layout import Store

if TYPE_CHECKING:
    from tests.project import Project

os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture
def project(tmp_path: Path) -> "Project":
    """A user's project."""
    from tests.project import Project  # which needs torch, unlike most tests

    return Project(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store without results."""
    made = Store.of(tmp_path, None)
    made.create()
    return made
