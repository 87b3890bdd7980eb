"""Whatever is changed in a file, its parser gives a value or the one error that it promises."""

import functools
import zipfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from tests.hostile.parsers import INSIDE, PARSERS

SHORT, LONG = 30, 5000
"""Inputs of each parser in `make test`, and in `make soak`: 110,000 in all."""
NUMBERS = (
    b"\x00",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"1e999",
    b"-1",
    b"9" * 5000,
    b"NaN",
    b"null",
)
TEXTS = (
    b"{",
    b"[" * 2000,
    b'"',
    b"\x00",
    b"\xed\xa0\x80",
    b"\n",
    b"PK\x05\x06",
    b"c__builtin__\neval\n",
    b"]",
    b":",
    b"}",
)


class Change(NamedTuple):
    """At a place, as a share of the whole, so many bytes are replaced."""

    place: float
    length: int
    by: bytes


CHANGES = some.lists(
    some.builds(
        Change,
        some.floats(0, 1),
        some.sampled_from([0, 1, 1, 2, 4, 8, 64, 100_000]),
        some.one_of(some.binary(max_size=8), some.sampled_from([*NUMBERS, *TEXTS])),
    ),
    min_size=1,
    max_size=6,
)


def changed(content: bytes, changes: Sequence[Change]) -> bytes:
    for change in changes:
        begin = int(change.place * len(content))
        content = content[:begin] + change.by + content[begin + change.length :]
    return content


@functools.cache
def seeds(name: str) -> list[bytes]:
    return PARSERS[name].seeds()


@functools.cache
def member(name: str) -> tuple[bytes, bytes, str]:
    inner = INSIDE[name]()
    with zipfile.ZipFile(BytesIO(inner.archive)) as archive:
        return archive.read(inner.member), inner.archive, inner.member


def fuzz(name: str, folder: Path, examples: int) -> int:
    """Try so many inputs. Returns how many were."""
    parser, tried = PARSERS[name], 0
    path = folder / parser.file
    path.parent.mkdir(exist_ok=True)

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(some.data(), CHANGES)
    def attempt(data: some.DataObject, changes: list[Change]) -> None:
        nonlocal tried
        tried += 1
        if name in INSIDE and data.draw(some.booleans()):
            content, archive, place = member(name)
            path.write_bytes(type(INSIDE[name]())(archive, place).around(changed(content, changes)))
        else:
            path.write_bytes(changed(data.draw(some.sampled_from(seeds(name))), changes))
        try:
            parser.read(path)
        except parser.may_raise as error:
            assert len(str(error)) < 10_000  # noqa: PT017

    attempt()
    return tried


@pytest.mark.parametrize("name", PARSERS)
def test_no_input_is_too_odd(name: str, tmp_path: Path) -> None:
    assert fuzz(name, tmp_path, SHORT) >= SHORT


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", PARSERS)
def test_no_input_is_too_odd_in_thousands(name: str, tmp_path: Path) -> None:
    assert fuzz(name, tmp_path, LONG) >= LONG
