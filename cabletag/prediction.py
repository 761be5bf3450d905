"""Scores into labels: calibration and thresholds. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Evidence:
    """Words that carry a label: from character `start` to `end`; `weight` is what they bring to its logit."""

    label: str
    start: int
    end: int
    weight: float

    def shifted(self, by: int) -> Evidence:
        """The same words in a text that has `by` more characters before them."""
        return replace(self, start=self.start + by, end=self.end + by)


@dataclass(frozen=True)
class Prediction:
    """What the model says of one passage.

    `labels` are the content labels whose calibrated probability reached their threshold, most probable first.
    `scores` holds every label's probability, the voice label included. `voice` is "attributed" or "own" for a passage
    with labels and None for one without. `windows` says in how many overlapping pieces a long passage was read. `evidence`,
    if asked for, holds the words that carry each label, in characters of the text, or of the document for tag_document.
    """

    labels: tuple[str, ...]
    scores: Mapping[str, float]
    voice: str | None
    windows: int = 1
    evidence: tuple[Evidence, ...] = ()


def calibrate(logits: np.ndarray, slope: np.ndarray, intercept: np.ndarray) -> np.ndarray:
    """Platt scaling (Platt 1999), a slope and an intercept per label: logits (n, labels) to probabilities (n, labels)."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits * slope + intercept, -30, 30))))


def decide(
    scores: Mapping[str, float],
    thresholds: Mapping[str, float],
    voice_id: str | None = None,
    only: Collection[str] | None = None,
    windows: int = 1,
) -> Prediction:
    """The policy: labels at or above their threshold, and the voice of a passage that has any.

    `only` limits the content labels that may be given. The scores are kept whole.
    """
    carried: Sequence[str] = [
        label
        for label, score in scores.items()
        if label != voice_id and score >= thresholds[label] and (only is None or label in only)
    ]
    voice = None
    if carried and voice_id is not None:
        voice = "attributed" if scores[voice_id] >= thresholds[voice_id] else "own"
    return Prediction(tuple(sorted(carried, key=lambda label: -scores[label])), scores, voice, windows)
