"""`fxwatch export`: results as tables, for spreadsheets, notebooks and other tools."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

from fxwatch import exit_codes
from fxwatch.commands.configured import analysed_runs, configured
from fxwatch.store.atomic import TEMPORARY_PREFIX
from fxwatch.store.layout import Run
from fxwatch.terminal import say, tell

if TYPE_CHECKING:
    from fxwatch.export.write import Format

Table = Literal["features", "analyses", "training"]


def export(folder: Path | None, config_file: Path | None, form: "Format", table: Table, output: Path | None) -> int:
    """Write a table to a file, or to stdout. Returns the exit code."""
    found = configured(config_file, folder)
    runs = analysed_runs(found.watched, found.store)
    if not runs:
        return exit_codes.NOTHING
    if output is None and form == "parquet" and sys.stdout.isatty():
        say("fxwatch: parquet is not for a terminal; name a file with --output FILE")
        return exit_codes.USAGE
    try:
        import pyarrow as pa  # noqa: F401
    except ImportError:
        say("fxwatch: to export, type `pip install 'fxwatch[export]'`")
        return exit_codes.FAILURE
    return _export(runs, form, table, output)


def _export(runs: list[Run], form: "Format", table: Table, output: Path | None) -> int:
    try:
        if output is None:
            _write(runs, form, table, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        else:
            with _replacing(output) as file:
                _write(runs, form, table, file)
            tell(str(output))
    except BrokenPipeError:  # whoever reads has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        say(f"fxwatch: {output or 'stdout'} cannot be written ({error.strerror or error})")
        return exit_codes.FAILURE
    return exit_codes.OK


def _write(runs: list[Run], form: "Format", table: Table, file: IO[bytes]) -> None:
    from fxwatch.export.analyses import analyses_table
    from fxwatch.export.features import FEATURES, feature_batches
    from fxwatch.export.training import TRAINING, training_batches
    from fxwatch.export.write import write_table

    if table == "features":
        write_table((batch for run in runs for batch in feature_batches(run)), FEATURES, form, file)
    elif table == "training":
        write_table((batch for run in runs for batch in training_batches(run)), TRAINING, form, file)
    else:
        found = analyses_table(runs)
        write_table(found.to_batches(), found.schema, form, file)


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes its place when it is whole. Raises OSError, and then the old one is there as it was."""
    if path.exists() and not path.is_file():  # a pipe or a device has no place to take
        with path.open("wb") as file:
            yield file
        return
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{path.name}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
