"""A coded set against the model: every figure with its base, and what the correction of shares needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from cabletag import __version__
from cabletag.codebook import Codebook
from cabletag.errors import CorpusError, OptionError
from cabletag.evaluation import gold
from cabletag.evaluation.estimators import effective_sizes
from cabletag.evaluation.events import any_of, events, groups
from cabletag.evaluation.gold import GoldPassage
from cabletag.evaluation.measures import BINS, SAMPLES, Answers, calibration, measure
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
    thresholds = tagger.thresholds(threshold)
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
        "precision": tagger.precision,
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
    true, said = (any_of(part, found.labels, sets) for part in (found.gold, found.policy))
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
