"""Readers: the bytes of one input, of any kind, as raw rows; what cannot be read is a row that says why."""

from __future__ import annotations

import csv
import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from cabletag.batch.inputs import Input
from cabletag.batch.lines import LONGEST_FIELD, LONGEST_ROW, Line, read_lines
from cabletag.batch.opened import Opened
from cabletag.errors import DocumentError, no_column
from cabletag.records import LONGEST_LINE, decode

PARQUET_ROWS = 256  # rows decoded at a time


@dataclass(frozen=True)
class Columns:
    """Which columns of a row are read; without `id`, a document is named by its file and line."""

    text: str = "text"
    id: str | None = None
    keep: tuple[str, ...] = ()


class Row(NamedTuple):
    """A row before its values are looked at."""

    line: int
    values: Mapping[str, Any] = {}
    error: str | None = None


def read_rows(item: Input, opened: Opened, columns: Columns, encoding: str) -> Iterator[Row]:
    """The rows of an open input, by its kind. What a broken stream raises is left to the caller."""
    if item.kind == "parquet":
        return _parquet_rows(opened, columns, item.slice)
    if item.whole:
        return _text_rows(item, opened, columns, encoding)
    lines = read_lines(opened, encoding, item.lines_before)
    return _json_rows(lines) if item.kind == "jsonl" else _csv_rows(lines, "\t" if item.kind == "tsv" else ",", columns)


# ---- JSON lines


def _json_rows(lines: Iterable[Line]) -> Iterator[Row]:
    for line in lines:
        if line.error or line.text.strip():
            yield Row(line.number, error=line.error) if line.error else _json_row(line)


def _json_row(line: Line) -> Row:
    try:
        row = json.loads(line.text.rstrip(), parse_constant=_no_constant, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        found = f"{error.msg.removesuffix(' at')} at column {error.colno}"
        return Row(line.number, error=f"expected one JSON object a line, found: {found}")
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, NaN, a key twice, brackets 100,000 deep
        return Row(line.number, error=f"expected one JSON object a line, found: {error}")
    if not isinstance(row, dict):
        return Row(line.number, error=f"expected a JSON object, found {kind_of(row)}")
    return Row(line.number, row)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name}, which is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"the key '{twice:.60}' twice")
    return found


# ---- CSV and TSV


def _csv_rows(lines: Iterator[Line], delimiter: str, columns: Columns) -> Iterator[Row]:
    parsed = _parsed(lines, delimiter)
    number, header, error = next(parsed, (0, [], None))
    if error or not header:
        yield Row(number, error=error or "expected a header with the names of the columns, found an empty file")
        return
    if problem := _unfit(header, columns):
        yield Row(0, error=problem)
        return
    for number, fields, error in parsed:
        if not error and len(fields) != len(header):
            error = f"expected {len(header)} fields as in the header, found {len(fields)}"
        yield Row(number, error=error) if error else Row(number, dict(zip(header, fields, strict=True)))


def _parsed(lines: Iterator[Line], delimiter: str) -> Iterator[tuple[int, list[str], str | None]]:
    """Line, fields and error of each CSV record (RFC 4180, read strictly).

    A quote that is never closed would swallow all rows after it: where a record cannot be read, only its first line is given
    up, and reading goes on with the next.
    """
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_ROW))
    again: deque[Line] = deque()
    taken: list[Line] = []

    def feed() -> Iterator[str]:
        while line := again.popleft() if again else next(lines, None):
            taken.append(line)
            if line.error:
                raise csv.Error(line.error)
            yield line.text

    while True:
        taken.clear()
        try:
            fields = next(csv.reader(feed(), delimiter=delimiter, strict=True), None)
        except csv.Error as error:
            again.extendleft(reversed(taken[1:]))
            yield taken[0].number, [], taken[0].error or f"expected quoting as in RFC 4180, found: {error}"
            continue
        if fields is None:
            return
        if fields:
            yield taken[0].number, fields, None


def _unfit(header: Iterable[str], columns: Columns) -> str | None:
    """What is wrong with a header: a column that is read is not there, or there twice."""
    known = tuple(header)
    for name in (columns.text, columns.id, *columns.keep):
        if name is not None and name not in known:
            return no_column(name, known)
        if name is not None and known.count(name) > 1:
            return f"expected the column '{name}' once, found it twice; rename or drop one"
    return None


# ---- Parquet


def _parquet_rows(opened: Opened, columns: Columns, groups: tuple[int, int] | None = None) -> Iterator[Row]:
    """Rows of a Parquet file, or of some row groups. A damaged group is one reject, and the next is read."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(opened.on_disk())
    except (pa.ArrowException, OSError) as error:
        yield Row(0, error=f"expected a whole Parquet file, found: {_first_line(error)}")
        return
    if problem := _unfit(file.schema_arrow.names, columns):
        yield Row(0, error=problem)
        return
    wanted = list(dict.fromkeys(name for name in (columns.text, columns.id, *columns.keep) if name is not None))
    line = 0
    for group in range(file.num_row_groups):
        end = line + file.metadata.row_group(group).num_rows
        if groups and group not in range(*groups):
            line = end
            continue
        try:
            for batch in file.iter_batches(PARQUET_ROWS, row_groups=[group], columns=wanted):
                lists = [_values(column) for column in batch.columns]
                for values in zip(*lists, strict=True):
                    line += 1
                    yield Row(line, dict(zip(batch.schema.names, values, strict=True)))
        except (pa.ArrowException, OSError) as error:
            yield Row(line + 1, error=f"expected readable rows {line + 1} to {end}, found: {_first_line(error)}")
        line = end


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]


def _values(column: Any) -> list[Any]:
    """A column as Python values; bytes that are not UTF-8 become lone surrogates, as in lines of text."""
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        raw = column.cast("binary").to_pylist()
        return [None if value is None else value.decode("utf-8", "surrogateescape") for value in raw]


# ---- whole texts


def _text_rows(item: Input, opened: Opened, columns: Columns, encoding: str) -> Iterator[Row]:
    """A text or Markdown file is one document; what breaks off is no document."""
    most = 4 * LONGEST_FIELD  # bytes of the longest text in any encoding
    pieces = list(islice(iter(lambda: opened.stream.read(LONGEST_LINE), b""), most // LONGEST_LINE + 1))
    if sum(map(len, pieces)) > most:
        yield Row(0, error=f"expected texts of at most {LONGEST_FIELD:,} characters, found more; cut it into documents")
        return
    try:
        yield Row(1, {columns.text: decode(b"".join(pieces), item.shown, encoding)})
    except DocumentError as error:
        place, _, reason = str(error).removeprefix(f"{item.shown}:").partition(" ")
        yield Row(int(place.rstrip(":") or 0), error=reason)


def kind_of(value: Any, there: bool = True) -> str:
    """What a value is, in words; `there` is False for one whose column is missing."""
    if value is None:
        return "null" if there else "no such column"
    names = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), type(value).__name__)
