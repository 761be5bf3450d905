"""Parts of a batch run: records cut into rows, rows into parts that depend on the input alone, and a part scored into bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from cabletag.batch.inputs import Input
from cabletag.batch.outputs import Layout
from cabletag.batch.readers import Columns
from cabletag.batch.rows import Record, read_records
from cabletag.prediction import Prediction
from cabletag.records import LONGEST_LINE
from cabletag.tagger import Tagger, passage_row
from cabletag.text import Passage, split
from cabletag.writing import json_line

PART_CHARACTERS = 16_000_000  # a part ends here at the latest
SCORED_TOGETHER = 1024  # passages between two reports of progress


@dataclass(frozen=True)
class BatchOptions:
    """What decides the rows of a batch run, beside its inputs and its model.

    `passages` takes the text of each row as one passage and cuts nothing; `text` writes the passages' text. `format` is as in
    `cabletag.split`, `input_format` the kind of inputs whose name does not tell. `part_rows` is how many rows are
    written together: the most that a kill can cost. `evidence` writes the words that carry each label, as characters of the
    source. The rest is as in `Tagger.tag`.
    """

    text_column: str = "text"
    id_column: str | None = None
    keep: tuple[str, ...] = ()
    text: bool = True
    passages: bool = False
    format: str = "auto"
    encoding: str = "utf-8"
    input_format: str | None = None
    threshold: float | None = None
    labels: tuple[str, ...] | None = None
    part_rows: int = 4096
    evidence: bool = False

    @property
    def columns(self) -> Columns:
        """The columns that are read."""
        return Columns(self.text_column, self.id_column, self.keep)


class Row(NamedTuple):
    """A row to be: a passage of a record, or the reason why there is none."""

    record: Record
    number: int
    passage: Passage | None
    error: str | None = None


class Part(NamedTuple):
    """Rows that are written together. `position` says up to where: so many records before, and so many rows of the next."""

    rows: list[Row]
    position: tuple[int, int]
    read: int


class Scored(NamedTuple):
    """A part as it is written: rows, rejects, and what is known of it: position, bytes read, counts."""

    rows: bytes
    rejects: bytes
    known: dict[str, Any]


def records_of(files: Iterable[Input], options: BatchOptions) -> Iterator[Record]:
    """The records of all files in order; `read` counts the bytes of all files."""
    done = 0
    for item in files:
        for record in read_records(item, options.columns, options.encoding):
            yield replace(record, read=done + record.read)
        done += item.size or 0


def cut_into_parts(
    records: Iterable[Record], options: BatchOptions, position: tuple[int, ...] = (0, 0)
) -> Iterator[Part]:
    """The rows from `position` on, in parts whose ends depend on the rows alone."""
    rows: list[Row] = []
    characters = read = index = 0
    for index, record in enumerate(records):
        if index < position[0]:
            continue
        read = record.read
        found = rows_of(record, options)
        for done, row in enumerate(found, 1):
            if (index, done) <= position:
                continue
            rows.append(row)
            characters += row.passage.end - row.passage.start if row.passage else 0
            if len(rows) >= options.part_rows or characters >= PART_CHARACTERS:
                yield Part(rows, (index, done), read)
                rows, characters = [], 0
    if rows:
        yield Part(rows, (index, rows[-1].number or 1), read)


def rows_of(record: Record, options: BatchOptions) -> list[Row]:
    """A row per passage of the record, or one that says why it has none."""
    if record.error:
        return [Row(record, 0, None, record.error)]
    if options.passages:
        passages: Sequence[Passage] = [Passage(record.text, 0, len(record.text))]
    else:
        format = record.format if options.format == "auto" else options.format
        passages = split(record.text, format).passages
    if not passages:
        reason = "expected a text with passages, found none; it holds only headers, headings, code, tables or the like"
        return [Row(record, 0, None, reason)]
    if (longest := max(passage.end - passage.start for passage in passages)) > LONGEST_LINE:
        reason = (
            f"expected passages of at most {LONGEST_LINE:,} characters, found {longest:,}; break it into paragraphs"
        )
        return [Row(record, 0, None, reason)]
    return [Row(record, number, passage) for number, passage in enumerate(passages, 1)]


def score_part(
    part: Part,
    tagger: Tagger,
    options: BatchOptions,
    layout: Layout,
    tell: Callable[[float, int], None] = lambda *_: None,
) -> Scored:
    """Score each distinct passage of a part: boilerplate is scored once, and no score depends on where a run was resumed.

    `tell` hears the share of the part that is done, and how many passages that is.
    """
    times = Counter(row.passage.text for row in part.rows if row.passage)
    texts, done = list(times), 0
    found: dict[str, Prediction] = {}
    for start in range(0, len(texts), SCORED_TOGETHER):
        some = texts[start : start + SCORED_TOGETHER]
        tagged = tagger.tag(some, threshold=options.threshold, labels=options.labels, evidence=options.evidence)
        found.update(zip(some, tagged, strict=True))
        done += sum(times[text] for text in some)
        tell(len(found) / len(texts), done)
    known = {"position": part.position, "read": part.read, **_count(part.rows, found, options.keep)}
    return Scored(*_encode(part.rows, found, layout), known)


def _encode(rows: Iterable[Row], scored: Mapping[str, Prediction], layout: Layout) -> tuple[bytes, bytes]:
    """The rows of a part, and its rejects as JSON lines, as bytes."""
    lines, rejects = [], []
    for record, number, passage, error in rows:
        line: dict[str, Any] = {"document": record.id, "passage": number, "status": "error" if error else "ok"}
        line |= zip(layout.kept, record.kept, strict=False)
        if passage:
            prediction = scored[passage.text]
            line |= {
                **passage_row(passage, prediction),
                "windows": prediction.windows,
                "evidence": [
                    {"label": span.label, "start": passage.start + span.start, "end": passage.start + span.end}
                    for span in prediction.evidence
                ],
            }
            line |= {f"p_{label}": round(score, 4) for label, score in prediction.scores.items()}
        else:
            rejects.append({"document": record.id, "file": record.file, "line": record.line, "reason": error})
        lines.append(line)
    return layout.encode(lines), "".join(map(json_line, rejects)).encode()


def _count(rows: Iterable[Row], scored: Mapping[str, Prediction], keep: Sequence[str]) -> dict[str, Any]:
    kinds: Counter[str] = Counter(documents=0, passages=0, rejected=0)
    labels: Counter[str] = Counter()
    filled: set[str] = set()
    for row in rows:
        kinds.update(documents=row.number == 1, passages=row.passage is not None, rejected=row.passage is None)
        if row.passage:
            labels.update(scored[row.passage.text].labels)
            filled.update(name for name, value in zip(keep, row.record.kept, strict=True) if value is not None)
    return {**kinds, "labels": dict(sorted(labels.items())), "empty": [name for name in keep if name not in filled]}
