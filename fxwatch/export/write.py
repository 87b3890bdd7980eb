"""Tables as files: CSV, Parquet, or a JSON array with an object a line; in pieces, so that memory stays bounded."""

import json
from collections.abc import Iterable
from typing import IO, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

Format = Literal["csv", "parquet", "json"]


def write_table(batches: Iterable[pa.RecordBatch], schema: pa.Schema, form: Format, file: IO[bytes]) -> None:
    """Write a table. Raises OSError."""
    {"csv": _csv, "parquet": _parquet, "json": _json}[form](batches, schema, file)


def _csv(batches: Iterable[pa.RecordBatch], schema: pa.Schema, file: IO[bytes]) -> None:
    options = pyarrow.csv.WriteOptions(quoting_style="needed", quoting_header="needed")
    with pyarrow.csv.CSVWriter(file, schema, write_options=options) as writer:
        for batch in batches:
            columns = [_harmless(column) for column in batch.columns]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=batch.schema))


def _harmless(column: pa.Array) -> pa.Array:
    """A column in which no spreadsheet takes a name for a formula: what begins like one gets an apostrophe before it.

    https://owasp.org/www-community/attacks/CSV_Injection
    """
    if pa.types.is_dictionary(column.type):
        return pa.DictionaryArray.from_arrays(column.indices, _harmless(column.dictionary))
    if pa.types.is_string(column.type):
        return pc.replace_substring_regex(column, r"^([=+\-@\t\r])", r"'\1")
    return column


def _parquet(batches: Iterable[pa.RecordBatch], schema: pa.Schema, file: IO[bytes]) -> None:
    with pyarrow.parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)


def _json(batches: Iterable[pa.RecordBatch], _schema: pa.Schema, file: IO[bytes]) -> None:
    begin = b"[\n"
    for batch in batches:
        if batch.num_rows:
            file.write(begin + b",\n".join(_objects(batch)))
            begin = b",\n"
    file.write(b"[]\n" if begin == b"[\n" else b"\n]\n")


def _objects(batch: pa.RecordBatch) -> list[bytes]:
    """Each row as an object, put together column by column: an encoder row by row would take ten times as long."""
    keys = [f"{', ' if place else '{'}{json.dumps(name)}: " for place, name in enumerate(batch.schema.names)]
    parts = [
        part for key, column in zip(keys, batch.columns, strict=True) for part in (pa.scalar(key), _values(column))
    ]
    texts = pc.binary_join_element_wise(*parts, pa.scalar("}"), "")
    return texts.cast(pa.binary()).to_pylist()  # type: ignore[no-any-return]


def _values(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        shown = pa.array([json.dumps(name) for name in column.dictionary.to_pylist()], pa.string())
        return pc.fill_null(shown.take(column.indices), "null")
    if pa.types.is_string(column.type):
        return _values(column.dictionary_encode())
    return pc.fill_null(column.cast(pa.string()), "null")
