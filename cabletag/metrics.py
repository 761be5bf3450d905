"""Bootstrap weights and intervals, and average precision: what the measures are made of."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

LEAST_SUPPORT = 10
_BLOCK = 50  # bootstrap samples held in memory at once

Interval = list[float | None] | None


def resamples(size: int, documents: np.ndarray | None, samples: int) -> Iterator[np.ndarray]:
    """Bootstrap weights of `size` passages, in blocks of rows; the first row is the sample itself. Documents are drawn whole."""
    yield np.ones((1, size))
    random = np.random.default_rng(0)
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
