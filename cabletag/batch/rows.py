"""Rows in: the rows of every kind of input as a stream of records. A bad row is a record with its reason."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cabletag.batch.inputs import Input, readable
from cabletag.batch.lines import LONGEST_FIELD
from cabletag.batch.opened import Opened, broken_stream_errors
from cabletag.batch.readers import Columns, Row, kind_of, read_rows
from cabletag.records import LONGEST_LINE

_NOT_UNICODE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Record:
    """One document, or the reason (`error`) why there is none; `line` counts lines or Parquet rows from 1, 0 is the whole file.

    `kept` has one value per kept column: None, a string, or what JSON can hold. `format` is as in `cabletag.split`.
    `read` is how many bytes of the file had been read by then.
    """

    file: str
    line: int
    id: str
    text: str = ""
    kept: tuple[Any, ...] = ()
    format: str = "auto"
    error: str | None = None
    read: int = 0


def read_records(item: Input, columns: Columns, encoding: str = "utf-8") -> Iterator[Record]:
    """All records of one input in order. Raises DocumentError if the file is gone or was changed; all else is a reject."""
    with readable(item):
        opened = Opened(item)
        line = 0
        try:
            for row in read_rows(item, opened, columns, encoding):
                line = row.line
                yield _record(item, row, columns, opened.position)
        except broken_stream_errors() as error:
            place = f"after line {line}" if line else "from the start"
            yield _reject(item, line + 1 if line else 0, f"expected a whole file, found it broken {place}: {error}")
        except (
            UnicodeDecodeError
        ) as error:  # only encodings of two or four bytes; after that no line end can be trusted
            yield _reject(
                item, line + 1, f"expected {encoding}, found: {error.reason}; the rest of the file is not read"
            )
        opened.close(item)


# ---- values


def _record(item: Input, row: Row, columns: Columns, read: int) -> Record:
    if row.error:
        return _reject(item, row.line, row.error, read)
    id, error = (item.shown, None) if item.whole else _id(item, row, columns)
    text = row.values.get(columns.text)
    error = error or _problem(text, row.values, columns.text)
    kept = tuple(_plain(row.values.get(name)) for name in columns.keep)
    if not error and any(_NOT_UNICODE.search(json.dumps(value, ensure_ascii=False)) for value in kept):
        error = "expected Unicode text in the kept columns, found broken characters"
    if error:
        return Record(item.shown, row.line, id, error=error, read=read)
    format = "markdown" if item.kind == "markdown" else "auto"
    return Record(item.shown, row.line, id, str(text), kept, format, read=read)


def _reject(item: Input, line: int, reason: str, read: int = 0) -> Record:
    id = f"{item.shown}:{line}" if line and not item.whole else item.shown
    return Record(item.shown, line, id, error=reason, read=read)


def _id(item: Input, row: Row, columns: Columns) -> tuple[str, str | None]:
    """The document's id, and what is wrong with it."""
    place = f"{item.shown}:{row.line}"
    if columns.id is None:
        return place, None
    value = row.values.get(columns.id)
    if isinstance(value, (str, int)) and not isinstance(value, bool) and str(value).strip():
        problem = _broken(value) if isinstance(value, str) else None
        return (place, f"'{columns.id}': {problem}") if problem else (str(value), None)
    found = "an empty one" if isinstance(value, str) else kind_of(value, columns.id in row.values)
    return place, f"expected an id in '{columns.id}', found {found}"


def _problem(text: Any, values: Mapping[str, Any], column: str) -> str | None:
    """Why a value cannot be read as a document."""
    if not isinstance(text, str):
        return f"expected a text in '{column}', found {kind_of(text, column in values)}"
    if not text.strip():
        return f"expected a text in '{column}', found an empty one"
    if len(text) > LONGEST_FIELD:
        return f"expected texts of at most {LONGEST_FIELD:,} characters, found {len(text):,}; cut it into documents"
    if len(text) > LONGEST_LINE and (longest := max(map(len, text.split("\n")))) > LONGEST_LINE:
        return f"expected lines of at most {LONGEST_LINE:,} characters, found {longest:,}; break it into paragraphs"
    return _broken(text)


def _broken(text: str) -> str | None:
    if "\0" in text:
        return f"expected text, found a NUL character at {text.index(chr(0)) + 1:,}"
    if not (bad := _NOT_UNICODE.search(text)):
        return None
    code = ord(bad[0])
    if 0xDC80 <= code <= 0xDCFF:
        return f"expected another encoding, found byte 0x{code - 0xDC00:02x}; name it, e.g. --encoding windows-1252"
    return f"expected Unicode text, found half of a surrogate pair, \\u{code:04x}"


def _plain(value: Any) -> Any:
    """A kept value as JSON can hold it: dates, decimals and the like as text, not-a-number as null."""
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):
        return None
    if value is None or isinstance(value, (str, int, float)):
        return value
    return json.loads(json.dumps(value, default=str)) if isinstance(value, (list, dict)) else str(value)
