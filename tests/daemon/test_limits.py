"""Where code may come from."""

import os
import sys
from pathlib import Path

import pytest

from fxwatch.daemon.limits import no_code_from


def test_nothing_is_imported_from_the_folder_but_from_an_installation_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, outside = tmp_path / "watched", tmp_path / "elsewhere"
    site = inside / ".venv" / "lib" / "site-packages"
    for folder in (inside, outside, site):
        folder.mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(inside)
    monkeypatch.setattr(sys, "path", ["", str(inside), str(inside / "a"), str(outside), str(site)])
    monkeypatch.setattr(sys, "prefix", str(inside / ".venv"))
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    no_code_from(inside)
    assert sys.path == [str(outside), str(site)]
    assert os.environ["PYTHONSAFEPATH"] == "1"
