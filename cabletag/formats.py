"""The formats of a batch output: its columns and their types, and each kind of file read in bounded memory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from cabletag.errors import DocumentError
from cabletag.writing import GUARDED

ROWS = 8_192  # read at a time
SUFFIXES = (".parquet", ".jsonl", ".csv")
SPAN = pa.struct([("label", pa.string()), ("start", pa.int64()), ("end", pa.int64())])
FIXED = {
    "document": pa.string(),
    "passage": pa.int64(),
    "paragraph": pa.string(),
    "marking": pa.string(),
    "start": pa.int64(),
    "end": pa.int64(),
    "text": pa.string(),
    "labels": pa.list_(pa.string()),
    "voice": pa.string(),
    "windows": pa.int64(),
    "status": pa.string(),
    "evidence": pa.list_(SPAN),
}
OPTIONAL = ("text", "evidence")


def column_names(path: Path) -> list[str]:
    """The names of the columns; none for an empty file. Raises DocumentError."""
    with _reading(path):
        if path.suffix.lower() == ".jsonl":
            return list(next(_json_rows(path), {}))
        if path.suffix.lower() == ".csv":
            with _csv(path) as file:
                return list(file.schema.names)
        with pa.parquet.ParquetFile(path) as file:
            return list(file.schema_arrow.names)


def column_type(name: str, scores: Sequence[str]) -> pa.DataType:
    """Of one of FIXED its type, of a probability float64, of a column carried through a string."""
    return FIXED.get(name, pa.float64() if name in scores else pa.string())


def read_batches(path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows in order, in batches of at most ROWS, with the columns of `schema` only. Raises DocumentError."""
    read = {".jsonl": _jsonl_columns, ".csv": _csv_columns}.get(path.suffix.lower(), _parquet_columns)
    with _reading(path):
        for columns in read(path, schema):
            arrays = [_cast(column, field.type) for column, field in zip(columns, schema, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, TypeError) as error:
        what = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DocumentError(f"{path}: expected an output of `cabletag batch`, found: {what}; run it anew") from error


def _parquet_columns(path: Path, schema: pa.Schema) -> Iterator[list[pa.Array]]:
    with pa.parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(ROWS, columns=schema.names):
            yield [batch[name] for name in schema.names]


def _csv(path: Path, names: Sequence[str] = ()) -> Any:
    return pa.csv.open_csv(
        path,
        read_options=pa.csv.ReadOptions(block_size=1 << 23, use_threads=False),
        parse_options=pa.csv.ParseOptions(newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), include_columns=names),
    )


def _csv_columns(path: Path, schema: pa.Schema) -> Iterator[list[pa.Array]]:
    with _csv(path, schema.names) as file:
        for batch in file:
            for start in range(0, batch.num_rows, ROWS):
                yield [_cell(column) for column in batch.slice(start, ROWS).columns]


def _cell(column: pa.Array) -> pa.Array:
    """A CSV cell as it was: no guard against spreadsheets, nothing for an empty one."""
    bare = pc.replace_substring_regex(column, GUARDED, r"\1")
    return pc.if_else(pc.equal(bare, ""), pa.scalar(None, pa.string()), bare)


def _jsonl_columns(path: Path, schema: pa.Schema) -> Iterator[list[pa.Array]]:
    rows = _json_rows(path)
    while part := list(islice(rows, ROWS)):
        yield [_json_column([row.get(field.name) for row in part], field.type) for field in schema]


def _json_rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError(f"line {number} holds no JSON object")
            yield row


def _json_column(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_string(kind):
        values = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
    return pa.array(values, kind)


def _cast(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """A column as `kind`: lists are texts in CSV, and other writers of Parquet may have types of their own."""
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), kind)
    if pa.types.is_list(kind) and pa.types.is_string(column.type):
        parsed = json.loads if kind.value_type == SPAN else lambda cell: cell.split(";")
        return pa.array([parsed(cell) if cell else [] for cell in column.to_pylist()], kind)
    return column if column.type == kind else column.cast(kind)
