"""What is sent, and where to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sync.backend import Backend
from tests.sync.results import Results


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path)


@pytest.fixture
def backend() -> Iterator[Backend]:
    with Backend() as server:
        yield server
