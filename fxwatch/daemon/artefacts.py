"""What a worker has made, looked at before it is believed, and where it belongs in the store."""

import os
from pathlib import Path
from typing import IO

from fxwatch.daemon.jobs import Answer, DrawJob, Drawn, Explained, ReportJob
from fxwatch.daemon.parcel import ARRAYS, LARGEST, PAGE, PROBE, RUN_HTML, RUN_PAGE, Files
from fxwatch.formats.arrays import array_shapes
from fxwatch.formats.recognise import recognise_safetensors
from fxwatch.store.layout import Run

_PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
_WIDEST = 20_000
_HTML, _HTML_END = b"<!doctype html>", b"</html>"


def check(answer: Answer, files: Files) -> None:
    """Look at the files that came with an answer. Raises ValueError where they are not what it must bring."""
    wanted: list[set[str]] = [set()]
    if isinstance(answer, Explained):
        wanted = [{ARRAYS}, {ARRAYS, PROBE}]
    elif isinstance(answer, Drawn):
        wanted = [{PAGE}, {RUN_PAGE, RUN_HTML}]
    if set(files) not in wanted:
        raise ValueError(f"it brought {', '.join(files) or 'no file'} with the answer {answer.kind!r}")
    for name, file in files.items():
        try:
            _check(name, file, answer)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None


def places_of_analysis(run: Run, analysis_id: str, files: Files) -> dict[Path, IO[bytes]]:
    """Where the files of an analysis belong."""
    places = {ARRAYS: run.analysis(analysis_id).arrays, PROBE: run.probe}
    return {places[name]: file for name, file in files.items()}


def places_of_pages(run: Run, job: DrawJob | ReportJob, files: Files) -> dict[Path, IO[bytes]]:
    """Where pages belong; that of the newest analysis is the run's, too. Raises KeyError where another came."""
    if isinstance(job, ReportJob):
        return {run.history_png: files[RUN_PAGE], run.html: files[RUN_HTML]}
    page = files[PAGE]
    return {run.analysis(job.analysis).png: page} | ({run.png: page} if job.newest else {})


def _check(name: str, file: IO[bytes], answer: Answer) -> None:
    size = file.seek(0, os.SEEK_END)
    if size > LARGEST[name]:
        raise ValueError(f"it is larger than {LARGEST[name] >> 20} MB")
    if name == ARRAYS and isinstance(answer, Explained):
        if array_shapes(file) != answer.arrays:
            raise ValueError("its arrays have other names or shapes than was told")
    elif name == PROBE:
        if recognise_safetensors(file).format is None:
            raise ValueError("it is no whole safetensors file")
    elif name == RUN_HTML:
        _check_ends(file, _HTML, _HTML_END)
    else:
        _check_ends(file, _PNG, _PNG_END)
        width, height = (int.from_bytes(file.read(4), "big") for _ in range(2))
        if max(width, height) > _WIDEST:
            raise ValueError(f"it is {width} by {height} pixels")


def _check_ends(file: IO[bytes], first: bytes, last: bytes) -> None:
    """Look at how a file begins and ends; it is read on after its beginning. Raises ValueError."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - len(last) - 1))
    ends = file.read().rstrip(b"\n").endswith(last)
    file.seek(0)
    if file.read(len(first)).lower() != first.lower() or not ends:
        raise ValueError("it does not begin and end as such a file does")
