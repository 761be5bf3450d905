"""Coded sets of one's own: passages with their labels from JSON lines, CSV or TSV, each problem with its line."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cabletag.codebook import Codebook
from cabletag.corpus import checked_labels, json_rows
from cabletag.errors import CorpusError, no_column
from cabletag.records import decode

DELIMITERS = {".csv": ",", ".tsv": "\t"}
JSON_LINES = (".jsonl", ".ndjson", ".json")


@dataclass(frozen=True)
class GoldPassage:
    """One coded passage: `place` is "file:line", `columns` holds every further column as text."""

    place: str
    text: str
    labels: tuple[str, ...]
    columns: dict[str, str]


def read_gold(
    path: Path,
    codebook: Codebook,
    text_column: str | None = "text",
    labels_column: str = "labels",
    encoding: str = "utf-8",
) -> list[GoldPassage]:
    """The passages of a coded set, in order; labels in codebook order. Raises CorpusError, DocumentError.

    `labels` is a list in JSON; in a table, ids parted by ";" or ",", and an empty cell for none. With None for `text_column` no text is asked for.
    """
    found = []
    needed = [column for column in (text_column, labels_column) if column is not None]
    for place, row in read_table(path, needed, encoding):
        text = "" if text_column is None else row[text_column]
        if text_column is not None and (not isinstance(text, str) or not text.strip()):
            raise CorpusError(
                f"{place}: expected a text in '{text_column}', found {text!r:.40}; fill it or drop the row"
            )
        labels = checked_labels({"labels": _ids(row[labels_column], labels_column, place)}, codebook, place)
        rest = {key: _plain(value) for key, value in row.items() if key not in (text_column, labels_column)}
        found.append(GoldPassage(place, text, labels, rest))
    return found


def read_table(path: Path, columns: Sequence[str], encoding: str = "utf-8") -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of JSON lines, CSV or TSV by suffix, each with its place; blank lines are passed over.

    Every row has the `columns`. Raises CorpusError for a row that has not or cannot be read, and for no rows at all.
    """
    suffix = path.suffix.lower()
    if suffix not in (*DELIMITERS, *JSON_LINES):
        raise CorpusError(
            f"{path}: expected a file named .jsonl, .csv or .tsv, found '{path.name}'; convert or rename it"
        )
    text = decode(_bytes(path), str(path), encoding)
    rows = _table(text, path, DELIMITERS[suffix]) if suffix in DELIMITERS else json_rows(text, path)
    empty = True
    for place, row in rows:
        empty = False
        for column in columns:
            if column not in row:
                raise CorpusError(f"{place}: {no_column(column, tuple(map(str, row)))}")
        yield place, row
    if empty:
        raise CorpusError(f"{path}: expected coded passages, found none below the header; add some")


def repeated(passages: Sequence[GoldPassage]) -> int:
    """How many passages have the text of an earlier one, white space aside. Raises CorpusError if their labels differ."""
    seen: dict[str, GoldPassage] = {}
    count = 0
    for passage in passages:
        first = seen.setdefault(" ".join(passage.text.split()), passage)
        if first is passage:
            continue
        count += 1
        if first.labels != passage.labels:
            raise CorpusError(
                f"{passage.place}: expected the labels that the same text has at {first.place} ({_listed(first.labels)}), "
                f"found {_listed(passage.labels)}; settle on one coding"
            )
    return count


def require_column(passages: Sequence[GoldPassage], column: str) -> None:
    """Raise CorpusError unless every passage has this further column."""
    for passage in passages:
        if column not in passage.columns:
            raise CorpusError(f"{passage.place}: {no_column(column, tuple(passage.columns))}")


def digest(passages: Sequence[GoldPassage]) -> str:
    """SHA-256 over texts and labels, in order."""
    state = hashlib.sha256()
    for passage in passages:
        state.update(json.dumps([passage.text, passage.labels]).encode())
    return state.hexdigest()


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CorpusError(f"{path}: expected a readable coded set, found: {error.strerror}; check the path") from error


def _table(text: str, path: Path, delimiter: str) -> Iterator[tuple[str, dict[str, Any]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    start = 1
    try:
        for cells in reader:
            place, start = f"{path}:{start}", reader.line_num + 1
            if not any(cells):
                continue
            if not header:
                header = [cell.strip() for cell in cells]
                if twice := [name for name in header if header.count(name) > 1]:
                    raise CorpusError(f"{place}: the column '{twice[0]}' stands twice; keep one")
            elif len(cells) != len(header):
                raise CorpusError(
                    f"{place}: expected {len(header)} cells as in the header, found {len(cells)}; quote cells that hold '{delimiter}'"
                )
            else:
                yield place, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise CorpusError(f"{path}:{start}: expected a table, found: {error}; mend the quoting there") from error


def _ids(value: Any, column: str, place: str) -> list[str]:
    if isinstance(value, str):
        return [part.strip() for part in re.split("[;,]", value) if part.strip()]
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return value
    raise CorpusError(f"{place}: expected '{column}' as a list of label ids, found {value!r:.40}; write [] for none")


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(labels) or "none"


def _plain(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
