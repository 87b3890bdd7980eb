"""docs/architecture.md is true to the code."""

import re

from tests.project import ROOT

PACKAGE = ROOT / "fxwatch"
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_every_module_that_it_names_exists() -> None:
    named = set(re.findall(r"`((?:\w+/)*\w+\.py)`", TEXT)) - {"pyproject.toml"}
    assert len(named) > 20
    assert [name for name in sorted(named) if not (PACKAGE / name).is_file()] == []


def test_every_package_is_named() -> None:
    packages = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
    assert [name for name in packages if f"{name}/" not in TEXT] == []


def test_every_name_in_code_that_it_uses_is_in_the_code() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    for name in re.findall(r"`([A-Z]\w+)(?:\.\w+|\[[^`]*)?`", TEXT):
        assert re.search(rf"\bclass {name}\b", source), name
