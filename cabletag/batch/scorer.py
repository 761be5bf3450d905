"""The batch scorer: a corpus in, one row a passage out, in input order, in bounded memory, resumable after any kill."""

from __future__ import annotations

import codecs
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import reduce
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from cabletag import __version__
from cabletag.batch.engines import Engine, Job, Local
from cabletag.batch.inputs import STANDARD_INPUT, Input, digested, find_inputs
from cabletag.batch.outputs import Layout
from cabletag.batch.parts import BatchOptions
from cabletag.batch.runfolder import REJECTS, ROWS, RunFolder, require_same
from cabletag.errors import OptionError, OutputError
from cabletag.formats import SUFFIXES
from cabletag.tagger import Tagger
from cabletag.text import split
from cabletag.writing import check_output


@dataclass(frozen=True)
class Summary:
    """What a run did: `labels` counts the passages that carry each label. `resumed` counts the rows of an earlier run.

    `empty` names the kept columns in which no passage has a value; it is not known of a run that was finished already.
    """

    documents: int = 0
    passages: int = 0
    rejected: int = 0
    labels: Mapping[str, int] = field(default_factory=dict)
    resumed: int = 0
    already_finished: bool = False
    empty: tuple[str, ...] = ()


class Progress(NamedTuple):
    """How far a run is: bytes of input (total 0 for standard input), passages and rejected rows."""

    read: float
    total: int
    passages: int
    rejected: int


def score_corpus(
    inputs: Sequence[str | Path],
    output: str | Path,
    options: BatchOptions | None = None,
    *,
    tagger: Tagger | None = None,
    model: str | Path | None = None,
    threads: int | None = None,
    precision: str = "auto",
    max_rejects: int | None = None,
    restart: bool = False,
    progress: Callable[[Progress], None] = lambda _: None,
    engine: Engine | None = None,
) -> Summary:
    """Tag a corpus of any size into a Parquet, JSON-lines or CSV file, one row a passage, in input order.

    `inputs` are files, folders, globs and "-". Rows that cannot be read stand in their place with status "error", and with
    their reason in `<output>.rejects.jsonl`. A run that was stopped in any way goes on when called again with the same
    arguments; one that is finished is not run again. `tagger`, or `model` in
    `precision` (see `Tagger.from_pretrained`), is what scores, the embedded model by default; `engine` is where: this machine, or a `cabletag.batch.distributed.OnRay`. Raises OptionError, DocumentError, ModelError and OutputError.
    """
    options, output, engine = options or BatchOptions(), Path(output), engine or Local()
    _check(options, output)
    files = find_inputs([str(name) for name in inputs], options.input_format, output)
    engine.check(files)
    tagger = tagger or Tagger.from_pretrained(model, threads=threads, precision=precision)
    layout = Layout(output, tagger.labels, options.keep, options.text, options.evidence)
    tagger.tag([], threshold=options.threshold, labels=options.labels)  # wrong options are told before any file is read
    with RunFolder(output) as run:
        files = [digested(item) for item in files]
        fingerprint = {"engine": engine.name, **_fingerprint(files, tagger, options)}
        if not restart and (done := _earlier(run, files, fingerprint)):
            return done
        if restart or run.started is None:
            run.start(fingerprint)
        job = Job(files, model, tagger, options, layout, run.parts())
        summary = _score_and_join(run, job, engine, max_rejects, progress)
        counts = {name: getattr(summary, name) for name in ("documents", "passages", "rejected", "labels")}
        run.finish({**fingerprint, "output": _seal(output), "counts": counts})
        return summary


def _check(options: BatchOptions, output: Path) -> None:
    split("", options.format)
    try:
        codecs.lookup(options.encoding)
    except LookupError as error:
        raise OptionError(
            f"expected a known encoding, found '{options.encoding}'; try utf-8 or windows-1252"
        ) from error
    check_output(output, suffixes=SUFFIXES)


def _fingerprint(files: Iterable[Input], tagger: Tagger, options: BatchOptions) -> dict[str, Any]:
    """Everything that decides what a run gives, as JSON."""
    manifest = tagger.manifest
    return {
        "versions": {"cabletag": __version__, "openvino": version("openvino")},
        "model": {"name": manifest.name, "digest": manifest.digest},
        "precision": tagger.precision,
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
    counts, written = found.pop("counts", {}), found.pop("output", {})
    require_same(found, fingerprint, run.output)
    if written != _seal(run.output):
        raise OptionError(
            f"{run.output}: expected it as the run left it, found it changed; make it anew with --restart"
        )
    return Summary(**counts, already_finished=True)


def _seal(path: Path) -> dict[str, Any]:
    sealed = digested(Input(str(path), ""))
    return {"size": sealed.size, "sha256": sealed.sha256}


def _score_and_join(
    run: RunFolder,
    job: Job,
    engine: Engine,
    max_rejects: int | None,
    progress: Callable[[Progress], None],
) -> Summary:
    counts, last = reduce(_add, job.finished, Summary(empty=job.options.keep)), len(job.finished)
    resumed = counts.passages + counts.rejected
    total = sum(item.size or 0 for item in job.files)
    _stop_at(max_rejects, counts, run)
    job = replace(job, tell=lambda read, more: progress(Progress(read, total, counts.passages + more, counts.rejected)))
    for last, part in enumerate(engine.score(job), last + 1):  # noqa: B020  # of no further part, it stays
        run.add(last, part.rows, part.rejects, part.known)
        counts = _add(counts, part.known)
        progress(Progress(part.known["read"], total, counts.passages, counts.rejected))
        _stop_at(max_rejects, counts, run)
    folders = [run.part(number) for number in range(1, last + 1)]
    if counts.rejected:
        with run.replacing(run.rejects) as file:
            file.writelines((folder / REJECTS).read_bytes() for folder in folders)
    else:
        with run.writing():
            run.rejects.unlink(missing_ok=True)
    with run.replacing(run.output) as file:
        job.layout.join([folder / ROWS for folder in folders], file)
    return replace(counts, resumed=resumed)


def _stop_at(max_rejects: int | None, counts: Summary, run: RunFolder) -> None:
    if max_rejects is not None and counts.rejected > max_rejects:
        raise OutputError(
            f"{run.output}: expected at most {max_rejects:,} rejected rows, found {counts.rejected:,}; see "
            f"{run.folder}/part-*/{REJECTS}, then go on with a higher --max-rejects, or mend the input and --restart"
        )


def _add(counts: Summary, part: Mapping[str, Any]) -> Summary:
    return Summary(
        counts.documents + part["documents"],
        counts.passages + part["passages"],
        counts.rejected + part["rejected"],
        dict(sorted((Counter(counts.labels) + Counter(part["labels"])).items())),
        empty=tuple(name for name in counts.empty if name in part.get("empty", ())),
    )
