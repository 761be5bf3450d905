"""Measures of multi-label predictions: precision, recall, F1, average precision, calibration, bootstrap intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

LEAST_SUPPORT = 10
_BLOCK = 50  # bootstrap samples held in memory at once

Interval = list[float | None] | None


def evaluate(
    labels: Sequence[str],
    given: np.ndarray,
    gold: np.ndarray,
    scores: np.ndarray | None = None,
    voice: str | None = None,
    least_support: int = LEAST_SUPPORT,
    samples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Measure `given` against `gold`, both 0/1 of shape (passages, labels); `scores` are probabilities of that shape.

    Macro-F1 is the mean over content labels with at least `least_support` positives; micro-F1 and "any label" take all
    content labels; the voice is measured on passages that carry a content label in `gold`. Intervals are 95% percentile
    bootstraps over passages (Efron 1979).
    """
    content = [column for column, label in enumerate(labels) if label != voice]
    supported = [column for column in content if gold[:, column].sum() >= least_support]
    weights = np.concatenate(list(resamples(len(gold), None, samples, seed)))
    counts = np.stack([weights @ (given * gold), weights @ (given * (1 - gold)), weights @ ((1 - given) * gold)])
    f1 = _f1(counts)
    result: dict[str, Any] = {
        "passages": len(gold),
        "macro_f1": interval(f1[:, supported].mean(axis=1)) if supported else None,
        "macro_labels": [labels[column] for column in supported],
        "micro_f1": interval(_f1(counts[:, :, content].sum(axis=2))),
        "micro_precision": _ratio(counts[:, :1, content].sum(axis=2), 0, 1),
        "micro_recall": _ratio(counts[:, :1, content].sum(axis=2), 0, 2),
        "any_label_f1": _any(given[:, content], gold[:, content], weights),
        "labels": {},
    }
    for column, label in enumerate(labels):
        if label == voice:
            rows = gold[:, content].any(axis=1)
            parts = [
                weights[:, rows] @ part[rows, column] for part in (given * gold, given * (1 - gold), (1 - given) * gold)
            ]
            own = np.stack(parts)
        else:
            rows, own = np.ones(len(gold), dtype=bool), counts[:, :, column]
        entry = {
            "support": int(gold[rows, column].sum()),
            "precision": _ratio(own, 0, 1),
            "recall": _ratio(own, 0, 2),
            "f1": interval(_f1(own)),
        }
        if scores is not None and entry["support"]:
            area = average_precision(weights[:1, rows], gold[rows, column], scores[rows, column])
            entry["average_precision"] = round(float(area[0]), 4)
        result["labels"][label] = entry
    if scores is not None:
        result["expected_calibration_error"] = round(
            calibration_error(scores[:, content].ravel(), gold[:, content].ravel()), 4
        )
    return result


def resamples(size: int, documents: np.ndarray | None, samples: int, seed: int) -> Iterator[np.ndarray]:
    """Bootstrap weights of `size` passages, in blocks of rows; the first row is the sample itself. Documents are drawn whole."""
    yield np.ones((1, size))
    random = np.random.default_rng(seed)
    codes = np.arange(size) if documents is None else np.unique(documents, return_inverse=True)[1]
    units = int(codes.max()) + 1
    for start in range(0, samples, _BLOCK):
        drawn = random.multinomial(units, np.full(units, 1 / units), size=min(_BLOCK, samples - start))
        yield drawn[:, codes].astype(float)


def interval(values: np.ndarray) -> Interval:
    """The value on the sample itself, and the bounds of its 95% interval; None and None bounds where there are none."""
    if np.isnan(values[0]):
        return None
    drawn = values[1:][~np.isnan(values[1:])]
    bounds = [round(float(bound), 4) for bound in np.percentile(drawn, [2.5, 97.5])] if len(drawn) else [None, None]
    return [round(float(values[0]), 4), *bounds]


def average_precision(weights: np.ndarray, gold: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Average precision of one label under each row of `weights` (samples, passages): as scikit-learn's with sample_weight,
    for many weights at once; NaN without positives."""
    order = np.argsort(-scores, kind="stable")
    gold, scores, weights = gold[order], scores[order], weights[:, order]
    if not gold.any():
        return np.full(len(weights), np.nan)
    last = np.append(np.diff(scores) != 0, True)  # equal scores are one step
    hits = np.cumsum(weights * gold, axis=1)[:, last]
    said = np.cumsum(weights, axis=1)[:, last]
    steps = np.diff(hits, axis=1, prepend=0.0)
    with np.errstate(invalid="ignore"):
        return np.asarray((steps * hits / np.maximum(said, 1)).sum(axis=1) / hits[:, -1])


def calibration_error(scores: np.ndarray, gold: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error (Naeini et al. 2015) over equal-width bins; `scores` and `gold` are flat."""
    place = np.minimum((scores * bins).astype(int), bins - 1)
    size = np.bincount(place, minlength=bins)
    gap = np.abs(np.bincount(place, scores, bins) - np.bincount(place, gold, bins))
    return float(gap.sum() / max(size.sum(), 1))


def _f1(counts: np.ndarray) -> np.ndarray:
    """F1 from true positives, false positives and false negatives along the first axis; 0 where there are none."""
    hit, false, missed = counts
    return np.asarray(2 * hit / np.maximum(2 * hit + false + missed, 1))


def _ratio(counts: np.ndarray, hit: int, other: int) -> float:
    return round(float(counts[hit, 0] / max(counts[hit, 0] + counts[other, 0], 1)), 4)


def _any(given: np.ndarray, gold: np.ndarray, weights: np.ndarray) -> Interval:
    said, true = given.any(axis=1), gold.any(axis=1)
    return interval(_f1(np.stack([weights @ (said & true), weights @ (said & ~true), weights @ (~said & true)])))
