"""The lines of a text file as they stand, numbered, with what cannot be read told by value."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, NamedTuple

from cabletag.batch.opened import Opened
from cabletag.records import LONGEST_LINE, wide_encoding

LONGEST_FIELD = 10_000_000  # characters of one document
LONGEST_ROW = 2 * LONGEST_FIELD  # characters of one line of a file


class Line(NamedTuple):
    """One line with its end, or why it was not read."""

    number: int
    text: str
    error: str | None = None


def read_lines(opened: Opened, encoding: str, number: int = 0) -> Iterator[Line]:
    """Lines with their end, numbered from 1, or after `number`. One that is too long is skipped unread, and says so."""
    stream: Any = opened.stream
    encoding = wide_encoding(stream.peek(4)[:4]) or encoding
    # bytes that are not of the encoding become lone surrogates, which are told by value: one bad byte costs one row
    reader = io.TextIOWrapper(stream, encoding, errors="surrogateescape", newline="\n")
    try:
        while line := reader.readline(LONGEST_ROW + 1):
            number += 1
            if len(line) <= LONGEST_ROW:
                yield Line(number, line.removeprefix("\ufeff") if number == 1 else line)
                continue
            length = len(line)
            while line and not line.endswith("\n"):
                line = reader.readline(LONGEST_LINE)
                length += len(line)
            yield Line(number, "", f"expected rows of at most {LONGEST_ROW:,} characters, found {length:,}")
    finally:
        reader.detach()  # else it closes the file when it is dropped
