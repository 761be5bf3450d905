"""The batch scorer: a corpus in, one row a passage out, in input order, in bounded memory, resumable after any kill."""

from __future__ import annotations

import codecs
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import reduce
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from cabletag import __version__
from cabletag.ahead import ahead
from cabletag.errors import OptionError, OutputError
from cabletag.inputs import STANDARD_INPUT, Input, digested, find_inputs
from cabletag.outputs import Layout
from cabletag.prediction import Prediction
from cabletag.rows import Columns, Record, read_records
from cabletag.runfolder import REJECTS, ROWS, RunFolder, require_same
from cabletag.tagger import Tagger
from cabletag.text import Passage, split

PART_ROWS, PART_CHARACTERS = 4096, 16_000_000  # a part ends at whichever comes first
SCORED_TOGETHER = 512  # passages between two reports of progress


@dataclass(frozen=True)
class BatchOptions:
    """What decides the rows of a batch run, beside its inputs and its model.

    `passages` takes the text of each row as one passage and cuts nothing; `text` writes the passages' text. `format` is as in
    `cabletag.split`, `input_format` the kind of inputs whose name does not tell. The rest is as in `Tagger.tag`.
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

    @property
    def columns(self) -> Columns:
        return Columns(self.text_column, self.id_column, self.keep)


@dataclass(frozen=True)
class Summary:
    """What a run did: `labels` counts the passages that carry each label. `resumed` counts the rows of an earlier run."""

    documents: int = 0
    passages: int = 0
    rejected: int = 0
    labels: Mapping[str, int] = field(default_factory=dict)
    resumed: int = 0
    already_finished: bool = False


class Progress(NamedTuple):
    """How far a run is: bytes of input (total 0 for standard input), passages and rejected rows."""

    read: float
    total: int
    passages: int
    rejected: int


class _Row(NamedTuple):
    """A row to be: a passage of a record, or the reason why there is none."""

    record: Record
    number: int
    passage: Passage | None
    error: str | None = None


class _Part(NamedTuple):
    """Rows that are written together; after them so many records are done, and so many rows of the next."""

    rows: list[_Row]
    position: tuple[int, int]
    read: int


def score_corpus(
    inputs: Sequence[str | Path],
    output: str | Path,
    options: BatchOptions | None = None,
    *,
    tagger: Tagger | None = None,
    model: str | Path | None = None,
    threads: int | None = None,
    max_rejects: int | None = None,
    restart: bool = False,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Summary:
    """Tag a corpus of any size into a Parquet, JSON-lines or CSV file, one row a passage, in input order.

    `inputs` are files, folders, globs and "-". Rows that cannot be read stand in their place with status "error", and with
    their reason in `<output>.rejects.jsonl`. A run that was stopped in any way goes on when called again with the same
    arguments; one that is finished is not run again. Raises OptionError, DocumentError, ModelError and OutputError.
    """
    options, output = options or BatchOptions(), Path(output)
    _check(options, output)
    files = find_inputs([str(name) for name in inputs], options.input_format, output)
    tagger = tagger or Tagger.from_pretrained(model, threads=threads)
    layout = Layout(output, tagger.labels, options.keep, options.text)
    tagger.tag([], threshold=options.threshold, labels=options.labels)  # wrong options are told before any file is read
    with RunFolder(output) as run:
        files = [digested(item) for item in files]
        fingerprint = fingerprint_of(files, tagger, options)
        if not restart and (done := _earlier(run, files, fingerprint)):
            return done
        if restart or run.started is None:
            run.start(fingerprint)
        return _Scorer(run, tagger, options, layout, max_rejects, progress).run(files, fingerprint)


def _check(options: BatchOptions, output: Path) -> None:
    split("", options.format)
    try:
        codecs.lookup(options.encoding)
    except LookupError as error:
        raise OptionError(
            f"expected a known encoding, found '{options.encoding}'; try utf-8 or windows-1252"
        ) from error
    Layout(output, (), ())


def fingerprint_of(files: Iterable[Input], tagger: Tagger, options: BatchOptions) -> dict[str, Any]:
    """Everything that decides what a run gives, as JSON."""
    manifest = tagger.manifest
    digest = hashlib.sha256(json.dumps(asdict(manifest), sort_keys=True).encode()).hexdigest()
    return {
        "versions": {"cabletag": __version__, "onnxruntime": version("onnxruntime")},
        "model": {"name": manifest.name, "sha256": digest},
        "codebook": dict(manifest.codebook),
        "options": json.loads(json.dumps(asdict(options))),
        "inputs": [{"name": item.shown, "kind": item.kind, "size": item.size, "sha256": item.sha256} for item in files],
    }


def _earlier(run: RunFolder, files: Iterable[Input], fingerprint: Mapping[str, Any]) -> Summary | None:
    """The summary of a finished run of this fingerprint; None if one is to begin or go on. Raises OptionError."""
    under_way, finished = run.started, run.finished
    if under_way is None and finished is None:
        if run.output.exists():
            raise OptionError(
                f"{run.output}: expected no file there, found one of another origin; --restart replaces it"
            )
        return None
    if any(item.name == STANDARD_INPUT for item in files):
        raise OptionError(
            f"{run.output}: expected no earlier run, found one; standard input cannot be read twice, so begin anew with --restart"
        )
    if under_way is not None:
        require_same(under_way, fingerprint, run.output)
        return None
    found = dict(finished or {})
    counts, written = found.pop("summary", {}), found.pop("output", {})
    require_same(found, fingerprint, run.output)
    if written != _seal(run.output):
        raise OptionError(
            f"{run.output}: expected it as the run left it, found it changed; make it anew with --restart"
        )
    return Summary(**counts, already_finished=True)


def _seal(path: Path) -> dict[str, Any]:
    sealed = digested(Input(str(path), ""))
    return {"size": sealed.size, "sha256": sealed.sha256}


class _Scorer:
    def __init__(
        self,
        run: RunFolder,
        tagger: Tagger,
        options: BatchOptions,
        layout: Layout,
        max_rejects: int | None,
        progress: Callable[[Progress], None],
    ) -> None:
        self._run, self._tagger, self._options, self._layout = run, tagger, options, layout
        self._max_rejects, self._progress = max_rejects, progress

    def run(self, files: Sequence[Input], fingerprint: Mapping[str, Any]) -> Summary:
        """Score what is not yet scored, part by part, and join the parts."""
        finished = self._run.parts()
        counts = reduce(_add, finished, Summary())
        resumed = counts.passages + counts.rejected
        total = sum(item.size or 0 for item in files)
        position = tuple(finished[-1]["position"]) if finished else (0, 0)
        self._stop_at(counts)
        read, done = finished[-1]["read"] if finished else 0, len(finished)
        parts = cut_into_parts(_records(files, self._options), self._options, position)
        for number, part in enumerate(ahead(parts), done + 1):
            scored = self._scored(part, counts, read, total)
            known = {"position": part.position, "read": part.read, **_count(part.rows, scored)}
            self._run.add(number, *encode(part.rows, scored, self._layout), known)
            counts, read, done = _add(counts, known), part.read, number
            self._progress(Progress(read, total, counts.passages, counts.rejected))
            self._stop_at(counts)
        self._join(done, counts.rejected > 0)
        summary = {name: getattr(counts, name) for name in ("documents", "passages", "rejected", "labels")}
        self._run.finish({**fingerprint, "output": _seal(self._run.output), "summary": summary})
        return replace(counts, resumed=resumed)

    def _scored(self, part: _Part, before: Summary, read: int, total: int) -> dict[str, Prediction]:
        """A prediction for each distinct passage of the part: boilerplate is scored once, and resuming changes nothing."""
        times = Counter(row.passage.text for row in part.rows if row.passage)
        texts, passages = list(times), before.passages
        found: dict[str, Prediction] = {}
        for start in range(0, len(texts), SCORED_TOGETHER):
            some = texts[start : start + SCORED_TOGETHER]
            found.update(zip(some, self._tag(some), strict=True))
            passages += sum(times[text] for text in some)
            share = len(found) / len(texts)
            self._progress(Progress(read + share * (part.read - read), total, passages, before.rejected))
        return found

    def _tag(self, texts: Sequence[str]) -> list[Prediction]:
        return self._tagger.tag(texts, threshold=self._options.threshold, labels=self._options.labels)

    def _join(self, parts: int, rejects: bool) -> None:
        run = self._run
        folders = [run.part(number) for number in range(1, parts + 1)]
        if rejects:
            with run.replacing(run.rejects) as file:
                file.writelines((folder / REJECTS).read_bytes() for folder in folders)
        else:
            with run.writing():
                run.rejects.unlink(missing_ok=True)
        with run.replacing(run.output) as file:
            self._layout.join([folder / ROWS for folder in folders], file)

    def _stop_at(self, counts: Summary) -> None:
        if self._max_rejects is not None and counts.rejected > self._max_rejects:
            raise OutputError(
                f"{self._run.output}: expected at most {self._max_rejects:,} rejected rows, found {counts.rejected:,}; see "
                f"{self._run.folder}/part-*/{REJECTS}, then go on with a higher --max-rejects, or mend the input and --restart"
            )


def _records(files: Iterable[Input], options: BatchOptions) -> Iterator[Record]:
    done = 0
    for item in files:
        for record in read_records(item, options.columns, options.encoding):
            yield replace(record, read=done + record.read)
        done += item.size or 0


def cut_into_parts(
    records: Iterable[Record], options: BatchOptions, position: tuple[int, ...] = (0, 0)
) -> Iterator[_Part]:
    """The rows from `position` on, in parts whose ends depend on the rows alone."""
    rows: list[_Row] = []
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
            if len(rows) == PART_ROWS or characters >= PART_CHARACTERS:
                yield _Part(rows, (index, done), read)
                rows, characters = [], 0
    if rows:
        yield _Part(rows, (index, rows[-1].number or 1), read)


def rows_of(record: Record, options: BatchOptions) -> list[_Row]:
    """A row per passage of the record, or one that says why it has none."""
    if record.error:
        return [_Row(record, 0, None, record.error)]
    if options.passages:
        passages: Sequence[Passage] = [Passage(record.text, 0, len(record.text))]
    else:
        format = record.format if options.format == "auto" else options.format
        passages = split(record.text, format).passages
    if not passages:
        reason = "expected a text with passages, found none; it holds only headers, headings, code, tables or the like"
        return [_Row(record, 0, None, reason)]
    return [_Row(record, number, passage) for number, passage in enumerate(passages, 1)]


def encode(rows: Iterable[_Row], scored: Mapping[str, Prediction], layout: Layout) -> tuple[bytes, bytes]:
    """The rows of a part, and its rejects as JSON lines, as bytes."""
    lines, rejects = [], []
    for record, number, passage, error in rows:
        line: dict[str, Any] = {"document": record.id, "passage": number, "status": "error" if error else "ok"}
        line |= zip(layout.kept, record.kept, strict=False)
        if passage:
            prediction = scored[passage.text]
            line |= {
                "paragraph": passage.paragraph,
                "marking": passage.marking,
                "start": passage.start,
                "end": passage.end,
                "text": passage.text,
                "labels": list(prediction.labels),
                "voice": prediction.voice,
                "windows": prediction.windows,
            }
            line |= {f"p_{label}": round(score, 4) for label, score in prediction.scores.items()}
        else:
            rejects.append({"document": record.id, "file": record.file, "line": record.line, "reason": error})
        lines.append(line)
    return layout.encode(lines), "".join(f"{json.dumps(reject, ensure_ascii=False)}\n" for reject in rejects).encode()


def _count(rows: Iterable[_Row], scored: Mapping[str, Prediction]) -> dict[str, Any]:
    kinds: Counter[str] = Counter(documents=0, passages=0, rejected=0)
    labels: Counter[str] = Counter()
    for row in rows:
        kinds.update(documents=row.number == 1, passages=row.passage is not None, rejected=row.passage is None)
        if row.passage:
            labels.update(scored[row.passage.text].labels)
    return {**kinds, "labels": dict(sorted(labels.items()))}


def _add(counts: Summary, part: Mapping[str, Any]) -> Summary:
    return Summary(
        counts.documents + part["documents"],
        counts.passages + part["passages"],
        counts.rejected + part["rejected"],
        dict(sorted((Counter(counts.labels) + Counter(part["labels"])).items())),
    )
