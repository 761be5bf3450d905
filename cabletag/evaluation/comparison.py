"""A coded set against the model: every figure with its base, what the correction of shares needs, and the worst errors to read."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from cabletag import __version__
from cabletag.codebook import Codebook
from cabletag.errors import CorpusError, OptionError
from cabletag.evaluation import gold
from cabletag.evaluation.estimators import effective_sizes
from cabletag.evaluation.gold import GoldPassage
from cabletag.evaluation.measures import BINS, SAMPLES, Answers, any_of, calibration, events, groups, measure
from cabletag.metrics import LEAST_SUPPORT
from cabletag.tagger import Tagger

KIND = "cabletag evaluation 1"
_AT_ONCE = 256


def answers(
    tagger: Tagger,
    codebook: Codebook,
    passages: Sequence[GoldPassage],
    document_column: str | None = None,
    threshold: float | None = None,
    show_progress: bool = False,
) -> tuple[Answers, dict[str, float]]:
    """Score the passages, and the thresholds that the labels were given at. Raises CorpusError for a set without any label."""
    from rich.console import Console
    from rich.progress import track

    if document_column is not None:
        gold.require_column(passages, document_column)
    if not any(passage.labels for passage in passages):
        raise CorpusError(
            f"expected passages with labels, found none among {len(passages):,}; nothing can be measured on them"
        )
    tagger.tag([], threshold=threshold)  # a wrong threshold is told before anything is scored
    thresholds = {
        policy.id: policy.threshold if threshold is None or policy.id == tagger.manifest.voice else threshold
        for policy in tagger.manifest.labels
    }
    texts = [passage.text for passage in passages]
    starts = range(0, len(texts), _AT_ONCE)
    steps = track(starts, "Scoring", console=Console(stderr=True), transient=True, disable=not show_progress)
    scores = np.vstack([tagger.predict_proba(texts[start : start + _AT_ONCE]) for start in steps])
    found = Answers(
        labels=tagger.labels,
        groups=groups(codebook),
        voice=tagger.manifest.voice,
        gold=np.array([[label in passage.labels for label in tagger.labels] for passage in passages]),
        given=scores >= np.array([thresholds[label] for label in tagger.labels]),
        scores=scores,
        documents=np.array([passage.columns[document_column] for passage in passages]) if document_column else None,
    )
    return found, thresholds


def evaluate(
    tagger: Tagger,
    codebook: Codebook,
    passages: Sequence[GoldPassage],
    *,
    document_column: str | None = None,
    whole_documents: bool = False,
    by: str | None = None,
    threshold: float | None = None,
    samples: int = SAMPLES,
    show_progress: bool = False,
) -> tuple[dict[str, Any], Answers]:
    """Measure the model on a coded set: the result for `cabletag evaluate --json`, and the answers that it was made from.

    `document_column` names the document of each passage; intervals and effective sizes then count documents. `whole_documents` says that
    every passage of each document is coded, which errors per document need. `by` repeats the headline for each value of a column.
    Raises CorpusError for a column that is not there, texts coded in two ways or a set without labels, OptionError for a wrong option.
    """
    if whole_documents and document_column is None:
        raise OptionError(
            "expected the column of the document beside --whole-documents, found none; name it with --document-column"
        )
    if by is not None:
        gold.require_column(passages, by)
    repeated = gold.repeated(passages)
    found, thresholds = answers(tagger, codebook, passages, document_column, threshold, show_progress)
    count = None if found.documents is None else len(np.unique(found.documents))
    result = {
        "kind": KIND,
        "date": datetime.now(UTC).date().isoformat(),
        "cabletag": __version__,
        "model": {"name": tagger.manifest.name, "digest": tagger.manifest.digest},
        "codebook": {"id": codebook.id, "version": codebook.version},
        "gold": {
            "sha256": gold.digest(passages),
            "passages": len(passages),
            "documents": count,
            "whole_documents": whole_documents,
            "repeated_texts": repeated,
        },
        "thresholds": thresholds,
        "method": {
            "interval": f"95% percentile bootstrap over {'passages' if count is None else 'documents'}",
            "samples": samples,
            "macro_needs_positives": LEAST_SUPPORT,
            "calibration_bins": BINS,
        },
        **measure(found, samples),
        "calibration": calibration(found),
        "confusion": _confusion(found, codebook, whole=False),
        "document_confusion": _confusion(found, codebook, whole=True) if whole_documents else None,
    }
    if by is not None:
        values = np.array([passage.columns[by] for passage in passages])
        result["by"] = {"column": by, "values": dict(_by(found, values, samples))}
    return result, found


def _confusion(found: Answers, codebook: Codebook, whole: bool) -> dict[str, dict[str, float]]:
    """Counts over all passages, or over documents, of what the model would give (the voice only to passages it labels)."""
    sets = events(codebook)
    true, said = (any_of(part, found.labels, sets) for part in (found.gold, _policy(found)))
    codes = np.arange(len(true)) if found.documents is None else np.unique(found.documents, return_inverse=True)[1]
    if whole:
        true, said = (_per_document(part, codes) > 0 for part in (true, said))
        codes = np.arange(len(true))
    cells = [true & said, ~true & said, true & ~said, ~true & ~said]
    tp, fp, fn, tn = (_per_document(cell, codes) for cell in cells)
    effective = [effective_sizes(tp, tp + fn), effective_sizes(tn, tn + fp)]
    table: dict[str, dict[str, float]] = {}
    for number, event in enumerate(sets):
        counts = {name: int(cell[:, number].sum()) for name, cell in zip(("tp", "fp", "fn", "tn"), cells, strict=True)}
        sizes = [round(float(np.nan_to_num(size[number])), 2) for size in effective]
        table[event] = {**counts, "positives_effective": sizes[0], "negatives_effective": sizes[1]}
    return table


def _policy(found: Answers) -> np.ndarray:
    """What the model gives, (passages, labels): the voice only to passages that it gives a label."""
    given = found.given.copy()
    if found.voice is not None:
        content = [found.labels.index(label) for label in found.content]
        given[:, found.labels.index(found.voice)] &= given[:, content].any(axis=1)
    return given


def _per_document(matrix: np.ndarray, codes: np.ndarray) -> np.ndarray:
    found = np.zeros((codes.max() + 1, matrix.shape[1]), dtype=int)
    np.add.at(found, codes, matrix)
    return found


def _by(found: Answers, values: np.ndarray, samples: int) -> Iterator[tuple[str, dict[str, Any]]]:
    for value in np.unique(values):
        part = found.pick(values == value)
        overall = measure(part, samples, ranking=False)["overall"]
        support = overall["micro"]["support"]
        entry: dict[str, Any] = {"passages": len(part.gold), "support": support}
        if part.documents is not None:
            entry["documents"] = len(np.unique(part.documents))
        if support >= LEAST_SUPPORT:
            entry |= {"micro": overall["micro"], "any": overall["any"]}
        else:
            entry["note"] = f"too few to measure: {support} labels coded, {LEAST_SUPPORT} needed"
        yield str(value), entry


def worst_errors(found: Answers, passages: Sequence[GoldPassage], thresholds: dict[str, float]) -> list[dict[str, Any]]:
    """Every false positive and miss, most confident first; the voice only where both coding and model have a label."""
    content = [found.labels.index(label) for label in found.content]
    given = _policy(found)
    both = np.logical_and(found.gold[:, content].any(axis=1), given[:, content].any(axis=1))
    rows = []
    for number, column in zip(*np.nonzero(found.gold != given), strict=True):
        label, passage = found.labels[column], passages[number]
        if label == found.voice and not both[number]:
            continue
        probability, missed = float(found.scores[number, column]), bool(found.gold[number, column])
        row = {
            "error": "miss" if missed else "false positive",
            "label": label,
            "probability": round(probability, 4),
            "threshold": thresholds[label],
            "confidence": round(1 - probability if missed else probability, 4),
            "gold": list(passage.labels),
            "given": [name for name, said in zip(found.labels, given[number], strict=True) if said],
            "text": passage.text,
            "place": passage.place,
        }
        rows.append({**row, **{key: value for key, value in passage.columns.items() if value and key not in row}})
    return sorted(rows, key=lambda row: -row["confidence"])


def check_writable(path: Path, coded: Path) -> None:
    """Raise OptionError, before anything is scored, for a file of errors that cannot be written or is the coded set itself."""
    if path.suffix.lower() not in (".jsonl", ".csv"):
        raise OptionError(f"expected a file named .jsonl or .csv for the errors, found '{path}'; rename it")
    if path.resolve() == coded.resolve():
        raise OptionError(f"{path}: expected another file for the errors, found the coded set itself; name another")
    if not path.resolve().parent.is_dir():
        raise OptionError(f"{path}: expected a folder to write the errors in, found none; make it, or name another")


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Rows as JSON lines or CSV, by suffix; a cell that a spreadsheet would run as a formula gets an apostrophe before it. Raises OptionError."""
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            if path.suffix.lower() == ".jsonl":
                file.writelines(json.dumps(row) + "\n" for row in rows)
                return
            writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)) or ["error"])
            writer.writeheader()
            writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    except OSError as error:
        raise OptionError(
            f"{path}: expected a file that can be written, found: {error.strerror}; name another"
        ) from error


def _cell(value: Any) -> Any:
    text = ";".join(value) if isinstance(value, list) else value
    return "'" + text if isinstance(text, str) and text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
