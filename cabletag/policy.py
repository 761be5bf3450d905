"""Fits what turns logits into decisions: calibration and one threshold per label, on held-out training-side data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import precision_recall_curve

from cabletag.manifest import LabelPolicy
from cabletag.prediction import calibrate

LEAST_POSITIVES = 8
PRIOR_COUNT = 100  # of 15 to 400 the best by cross-validation on the held-out passages


def fit_policy(
    labels: Sequence[str], logits: np.ndarray, gold: np.ndarray, voice: str | None = None
) -> list[LabelPolicy]:
    """One LabelPolicy per column of `logits` and `gold`, both (passages, labels).

    Calibration is Platt scaling (Platt 1999) with one slope and intercept per label; a label with fewer than
    LEAST_POSITIVES positives takes the slope and intercept fitted on all labels together. A threshold maximises the
    label's F1 and is drawn towards the threshold that is best for all labels together, the more so the fewer positives
    there are (PRIOR_COUNT of them weigh as much as the common one). The voice is fitted on passages with labels only.
    """
    content = [column for column, label in enumerate(labels) if label != voice]
    voiced = gold[:, content].any(axis=1)
    common = _platt(logits[:, content].ravel(), gold[:, content].ravel())
    fitted = []
    for column, label in enumerate(labels):
        rows = voiced if label == voice else slice(None)
        enough = LEAST_POSITIVES <= gold[rows, column].sum() < len(gold[rows])
        fitted.append(_platt(logits[rows, column], gold[rows, column]) if enough else common)
    slope, intercept = np.array(fitted).T
    scores = calibrate(logits, slope, intercept)
    shared = _best_threshold(scores[:, content].ravel(), gold[:, content].ravel())
    found = []
    for column, label in enumerate(labels):
        rows = voiced if label == voice else slice(None)
        positives = gold[rows, column].sum()
        own = _best_threshold(scores[rows, column], gold[rows, column]) if positives else shared
        threshold = (positives * own + PRIOR_COUNT * shared) / (positives + PRIOR_COUNT)
        found.append(
            LabelPolicy(
                label, round(float(threshold), 4), round(float(slope[column]), 5), round(float(intercept[column]), 5)
            )
        )
    return found


def mixing_share(logits: np.ndarray, added: np.ndarray, gold: np.ndarray) -> float:
    """How much of `added` to add to `logits`, all of shape (passages, labels): stacking (Wolpert 1992) with one share for
    all labels, since single labels have too few positives to tell. Not negative."""
    both = np.column_stack([logits.ravel(), added.ravel()])
    weights = LogisticRegression(C=100.0).fit(both, gold.ravel() > 0).coef_[0]
    return float(max(weights[1], 0.0) / max(weights[0], 1e-6))


def _platt(logits: np.ndarray, gold: np.ndarray) -> tuple[float, float]:
    model = LogisticRegression(C=100.0).fit(logits.reshape(-1, 1), gold > 0)
    slope = float(model.coef_[0, 0])
    return (slope, float(model.intercept_[0])) if slope > 0 else (1.0, 0.0)


def _best_threshold(scores: np.ndarray, gold: np.ndarray) -> float:
    """The middle of the thresholds whose F1 is within 1% of the best, since the best alone is mostly luck."""
    precision, recall, thresholds = precision_recall_curve(gold, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    good = thresholds[f1[:-1] >= 0.99 * f1[:-1].max()]
    return float(np.clip((good.min() + good.max()) / 2, 0.05, 0.95))
