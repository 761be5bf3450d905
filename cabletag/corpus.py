"""Coded corpora: authored passages with their text, and real passages by pointer, whose text stays with the user."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cabletag.codebook import Codebook
from cabletag.errors import CorpusError, did_you_mean

SPLITS = ("train", "dev", "test")
ROWS_TOGETHER = 250


@dataclass(frozen=True)
class CodedPassage:
    """One coded passage. `document` groups passages that must not be parted by a split: a brief, or a source file."""

    id: str
    text: str
    labels: tuple[str, ...]
    genre: str
    document: str
    sure: bool = True
    coding: Mapping[str, Any] = field(default_factory=dict)


def gold_matrix(codebook: Codebook, passages: Iterable[CodedPassage]) -> np.ndarray:
    """0/1 of shape (passages, labels)."""
    return np.array([[label in passage.labels for label in codebook.ids] for passage in passages], dtype=np.float32)


def read_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of a JSON-lines file, each with its place "file:line". Raises CorpusError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path}: expected a readable JSON-lines file, found: {error}") from error
    yield from json_rows(text, path)


def json_rows(text: str, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of JSON lines, each with its place; blank lines are passed over. Only "\\n" ends a line: a text may hold U+2028."""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        place = f"{path}:{number}"
        try:
            row = json.loads(line)
        except ValueError as error:
            raise CorpusError(f"{place}: expected one JSON object a line, found: {error}; mend the line") from error
        if not isinstance(row, dict):
            raise CorpusError(f"{place}: expected a JSON object, found {type(row).__name__}; write one object a line")
        yield place, row


def _field(row: dict[str, Any], key: str, kind: type, place: str) -> Any:
    if not isinstance(row.get(key), kind):
        raise CorpusError(f"{place}: expected '{key}' as {kind.__name__}, found {row.get(key)!r:.60}")
    return row[key]


def checked_labels(row: dict[str, Any], codebook: Codebook, place: str) -> tuple[str, ...]:
    """The row's labels in codebook order. Raises CorpusError for an unknown one or a voice without content."""
    labels = _field(row, "labels", list, place)
    for label in labels:
        if label not in codebook.ids:
            raise CorpusError(f"{place}: unknown label '{label}'{did_you_mean(str(label), codebook.ids)}")
    if set(labels) == {codebook.voice_id}:
        raise CorpusError(f"{place}: expected '{codebook.voice_id}' only beside another label; add one or drop it")
    return tuple(label for label in codebook.ids if label in labels)


def read_corpus(path: Path, codebook: Codebook) -> list[CodedPassage]:
    """Coded passages with their text: {id, text, labels} and, if known, genre, sure, coding, and brief, source_path or document."""
    found: dict[str, CodedPassage] = {}
    for place, row in read_rows(path):
        key = _field(row, "id", str, place)
        if key in found:
            raise CorpusError(f"{place}: the id '{key}' is taken; ids are unique, choose another")
        found[key] = CodedPassage(
            id=key,
            text=_field(row, "text", str, place),
            labels=checked_labels(row, codebook, place),
            genre=str(row.get("genre", "unknown")),
            document=str(row.get("brief") or row.get("source_path") or row.get("document") or key),
            sure=bool(row.get("sure", True)),
            coding=row.get("coding") or {},
        )
    return list(found.values())


def read_pointers(pointers: Path, texts: Path, codebook: Codebook) -> tuple[list[CodedPassage], int]:
    """Real passages: coded pointers joined by id with a local file of texts, each checked against its SHA-256; and how many have no text there.

    A pointer `ID#…` with a `span` [start, end] stands for that part of the text of ID. Raises CorpusError if no pointer has a text, or
    for a text that is not the one that was coded.
    """
    known = {_field(row, "id", str, place): _field(row, "text", str, place) for place, row in read_rows(texts)}
    found, missing = [], 0
    for place, row in read_rows(pointers):
        key = _field(row, "id", str, place)
        whole = known.get(key.partition("#")[0])
        if whole is None:
            missing += 1
            continue
        text = whole[slice(*row["span"])] if "span" in row else whole
        if hashlib.sha256(text.encode()).hexdigest() != row.get("sha256"):
            raise CorpusError(f"{texts}: the text of '{key}' is not the one that was coded ({place}); rebuild the file")
        labels, genre = checked_labels(row, codebook, place), str(row.get("genre", "unknown"))
        found.append(CodedPassage(key, text, labels, genre, _document(row, place), bool(row.get("sure", True))))
    if not found:
        raise CorpusError(
            f"{texts}: expected texts by the ids of {pointers}, found none of the {missing:,}; rebuild the file"
        )
    return found, missing


def _document(row: dict[str, Any], place: str) -> str:
    """The file that a pointer points into; of a file that collects many documents row by row, a block of its rows."""
    file = f"{_field(row, 'repo', str, place)}/{_field(row, 'path', str, place)}"
    first = re.match(r"rows?:(\d+)", str(_field(row, "locator", dict, place).get("unit")))
    return f"{file}:{int(first[1]) // ROWS_TOGETHER}" if first else file


def digest(passages: list[CodedPassage]) -> str:
    """SHA-256 over ids, texts and labels, in order: two runs with the same digest had the same data."""
    state = hashlib.sha256()
    for passage in passages:
        state.update(json.dumps([passage.id, passage.text, passage.labels], ensure_ascii=False).encode())
    return state.hexdigest()
