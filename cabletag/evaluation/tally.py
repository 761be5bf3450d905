"""Counts over a batch output, read once and in bounded memory: passages and documents per label, and the coded ones among them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from cabletag.errors import CorpusError, DocumentError, OptionError, did_you_mean
from cabletag.evaluation.events import any_of

ROWS = 8192  # read at a time
MOST_VALUES = 1000
ROUNDED = 1e-3  # probabilities in a file may be rounded
Key = tuple[str, str]  # document and passage number


@dataclass(frozen=True)
class Counted:
    """What is counted of each passage: the labels in the order of `p_` columns, the sets of `cabletag.evaluation.measures.events`, the voice label."""

    labels: tuple[str, ...]
    sets: Mapping[str, tuple[str, ...]]
    voice: str | None


@dataclass(frozen=True)
class SampledDocument:
    """The coded passages of one document: `given` and `gold` are bool (coded passages, events); `passages` are all that it has."""

    passages: int
    given: np.ndarray
    gold: np.ndarray
    tagged: np.ndarray  # (events,), whether any passage of it, coded or not, is tagged


@dataclass
class Tally:
    """Counts per event, arrays of shape (events,), over one value of a column; with the sums that effective sizes need."""

    passages: int
    documents: int
    tagged: np.ndarray
    tagged_documents: np.ndarray
    tagged_squared: np.ndarray
    tagged_by_passages: np.ndarray
    passages_squared: int
    sample: list[SampledDocument] = field(default_factory=list)

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


@dataclass
class _Run:
    """Consecutive rows of one document and value."""

    document: str
    value: str
    passages: int
    tagged: np.ndarray
    given: list[np.ndarray] = field(default_factory=list)
    gold: list[np.ndarray] = field(default_factory=list)

    def tally(self) -> Tally:
        hits, size = self.tagged, self.passages
        found = Tally(size, 1, hits, (hits > 0).astype(int), hits * hits, hits * size, size * size)
        if self.given:
            found.sample.append(SampledDocument(size, np.array(self.given), np.array(self.gold), hits > 0))
        return found


def tally(
    output: Path,
    counted: Counted,
    by: str | None = None,
    sample: Mapping[Key, frozenset[str]] | None = None,
    thresholds: Mapping[str, float] | None = None,
) -> tuple[dict[str, Tally], int]:
    """Tallies per value of the column `by` (or of "" for none), and how many rows were in error. `sample` is labels by document and passage.

    Rows of a document stand together, as the batch scorer writes them. Raises DocumentError for an output that cannot be read, OptionError for a
    column that is not there or labels given at other `thresholds`, CorpusError for sampled passages that are not in the output.
    """
    found: dict[str, Tally] = {}
    open_run: _Run | None = None
    errors = 0
    wanted = dict(sample or {})

    def close(run: _Run) -> None:
        part = run.tally()
        found[run.value] = found[run.value] + part if run.value in found else part
        if len(found) > MOST_VALUES:
            raise OptionError(
                f"expected a column of at most {MOST_VALUES:,} values, found more in '{by}'; name one with fewer"
            )

    for rows in _blocks(read_output(output, by, counted.labels)):
        good = [row for row in rows if row["status"] != "error"]
        errors += len(rows) - len(good)
        if not good:
            continue
        given = any_of(_given(good, counted, thresholds, output), counted.labels, counted.sets)
        for row, events in zip(good, given, strict=True):
            document, value = str(row["document"]), "" if by is None else _value(row[by])
            if open_run is None or (open_run.document, open_run.value) != (document, value):
                if open_run is not None:
                    close(open_run)
                open_run = _Run(document, value, 0, np.zeros(len(counted.sets), dtype=np.int64))
            open_run.passages += 1
            open_run.tagged += events
            labels = wanted.pop((document, str(row["passage"])), None)
            if labels is not None:
                open_run.given.append(events)
                open_run.gold.append(np.array([not labels.isdisjoint(names) for names in counted.sets.values()]))
    if open_run is not None:
        close(open_run)
    if wanted:
        document, passage = next(iter(wanted))
        raise CorpusError(
            f"{output}: expected the {len(sample or {}):,} coded passages in it, found {len(wanted):,} of them missing, first document '{document}' "
            f"passage {passage}; give the output that the sample was drawn from"
        )
    if not found:
        raise DocumentError(f"{output}: expected scored passages, found none ({errors:,} rows in error)")
    return found, errors


def read_output(output: Path, by: str | None, labels: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Rows of a batch output, Parquet, JSON lines or CSV by suffix, with the columns that are counted; labels as a list, probabilities as floats."""
    columns = ["document", "passage", "labels", "voice", "status", *([by] if by is not None else [])]
    scores = [f"p_{label}" for label in labels]
    readers = {".parquet": _parquet, ".jsonl": _json_lines, ".csv": _table}
    if output.suffix.lower() not in readers:
        raise OptionError(
            f"{output}: expected an output of `cabletag batch` (.parquet, .jsonl or .csv), found '{output.suffix}'"
        )
    try:
        yield from readers[output.suffix.lower()](output, columns, scores)
    except OSError as error:
        raise DocumentError(f"{output}: expected a readable batch output, found: {error.strerror or error}") from error


def _parquet(output: Path, columns: list[str], scores: list[str]) -> Iterator[dict[str, Any]]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(output)
        _require(columns, file.schema_arrow.names, output)
        there = [name for name in scores if name in file.schema_arrow.names]
        for batch in file.iter_batches(ROWS, columns=columns + there):
            yield from batch.to_pylist()
    except pa.ArrowException as error:
        raise DocumentError(f"{output}: expected a whole Parquet file, found: {str(error).splitlines()[0]}") from error


def _json_lines(output: Path, columns: list[str], scores: list[str]) -> Iterator[dict[str, Any]]:
    with output.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                row = json.loads(line)
            except ValueError as error:
                raise DocumentError(f"{output}:{number}: expected one JSON object a line, found: {error}") from error
            _require(columns, tuple(row) if isinstance(row, dict) else (), f"{output}:{number}")
            yield {name: row.get(name) for name in columns + scores}


def _table(output: Path, columns: list[str], scores: list[str]) -> Iterator[dict[str, Any]]:
    with output.open(encoding="utf-8", newline="") as file:
        csv.field_size_limit(max(csv.field_size_limit(), 20_000_000))
        reader = csv.DictReader(file)
        _require(columns, reader.fieldnames or (), output)
        there = [name for name in scores if name in (reader.fieldnames or ())]
        try:
            for row in reader:
                kept = {name: row[name] for name in columns}
                probabilities = {name: float(row[name]) if row[name] else None for name in there}
                yield {**kept, **probabilities, "labels": [part for part in (row["labels"] or "").split(";") if part]}
        except (csv.Error, ValueError) as error:
            raise DocumentError(
                f"{output}:{reader.line_num}: expected a row of a batch output, found: {error}"
            ) from error


def _require(columns: Sequence[str], found: Sequence[str], place: object) -> None:
    if missing := [name for name in columns if name not in found]:
        hint = did_you_mean(missing[0], tuple(name for name in found if not name.startswith("p_"))) if found else ""
        raise OptionError(f"{place}: expected the column '{missing[0]}', found none{hint}")


def _blocks(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while block := list(islice(rows, ROWS)):
        yield block


def _given(
    rows: Sequence[dict[str, Any]], counted: Counted, thresholds: Mapping[str, float] | None, output: Path
) -> np.ndarray:
    """What was given, bool (rows, labels), the voice included. Raises OptionError for unknown labels or other thresholds."""
    place = {label: number for number, label in enumerate(counted.labels)}
    given = np.zeros((len(rows), len(place)), dtype=bool)
    for number, row in enumerate(rows):
        for label in row["labels"] or ():
            if label not in place:
                raise OptionError(
                    f"{output}: unknown label '{label}'{did_you_mean(label, counted.labels)}; name its codebook with --codebook"
                )
            given[number, place[label]] = True
        if counted.voice is not None and row["voice"] == "attributed":
            given[number, place[counted.voice]] = True
    for label in counted.labels if thresholds else ():
        if label == counted.voice or rows[0].get(f"p_{label}") is None:
            continue
        scores = np.array([row[f"p_{label}"] for row in rows], dtype=float)
        gap = scores - (thresholds or {})[label]
        for number in np.flatnonzero((np.abs(gap) > ROUNDED) & ((gap > 0) != given[:, place[label]]))[:1]:
            row = rows[number]
            raise OptionError(
                f"{output}: expected labels given at the thresholds of the evaluation, found '{label}' "
                f"{'given' if gap[number] < 0 else 'not given'} at {scores[number]:.2f} (document '{row['document']}', passage {row['passage']}; "
                f"threshold {(thresholds or {})[label]:.2f}); score and evaluate with the same options"
            )
    return given


def _value(value: Any) -> str:
    return "(none)" if value is None or value == "" else value if isinstance(value, str) else json.dumps(value)
