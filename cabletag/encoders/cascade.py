"""Two models as one: the first reads every text, the second those that the first does not clear."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cabletag.encoders import Attribution, Encoder


class Stage(NamedTuple):
    """An encoder with its own calibration, a slope and an intercept per label, of shape (labels,)."""

    encoder: Encoder
    slope: np.ndarray
    intercept: np.ndarray

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Calibrated logits, float64 of shape (texts, labels), and the number of windows."""
        logits, windows = self.encoder.encode(texts)
        return logits.astype(np.float64) * self.slope + self.intercept, windows


def cleared(logits: np.ndarray, content: np.ndarray, below: float) -> np.ndarray:
    """Whose content labels all have a probability under `below`: bool (texts,) of calibrated logits (texts, labels)."""
    return np.asarray((1 / (1 + np.exp(-logits[:, content])) < below).all(axis=1))


class CascadeEncoder:
    """A cascade (Viola & Jones 2001) of two encoders.

    A text of which the first gives every content label a probability under `cleared_below` keeps those logits. The logits of the others are the mean
    of both models' calibrated ones, of which the first has `share`: two models of different build err in different places. `content` says which columns are content labels.
    """

    def __init__(self, first: Stage, second: Stage, share: float, cleared_below: float, content: np.ndarray) -> None:
        self.precision = first.encoder.precision
        self._first, self._second, self._share = first, second, share
        self._below, self._content = cleared_below, content

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """See Encoder.encode."""
        texts = list(texts)  # a pandas Series is indexed by its labels
        logits, windows = self._first.encode(texts)
        left = np.flatnonzero(~cleared(logits, self._content, self._below))
        if len(left):
            read, windows[left] = self._second.encode([texts[number] for number in left])
            logits[left] = self._share * logits[left] + (1 - self._share) * read
        return logits.astype(np.float32), windows

    def explain(self, texts: Sequence[str]) -> list[Attribution]:
        """See Encoder.explain: the tokens of both, each with what it brings to the mean."""
        texts = list(texts)
        parts = [
            [Attribution(offsets, found * stage.slope * share) for offsets, found in stage.encoder.explain(texts)]
            for stage, share in ((self._first, self._share), (self._second, 1 - self._share))
        ]
        return [Attribution(*map(np.concatenate, zip(*both, strict=True))) for both in zip(*parts, strict=True)]
