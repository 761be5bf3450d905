"""Evidence: the words of a passage that carry a label, from what each token brings to the label's logit. Pure."""

from __future__ import annotations

import re

import numpy as np

from cabletag.encoders import Attribution
from cabletag.prediction import Evidence

WINDOW = 3  # words that a word's weight is averaged over, itself in the middle
SHARE = 0.6  # of what speaks for the label, the spans hold at least so much, or there are MOST_SPANS
MOST_SPANS = 3
_WORD = re.compile(r"\w[\w'’.-]*\w|\w")


def evidence(text: str, attribution: Attribution, column: int, label: str) -> tuple[Evidence, ...]:
    """The spans of `text` that carry one label, in order of place; none if no word speaks for it.

    The label's logit is a sum over tokens (attention times value, and n-gram weights), so each word has an exact part of
    it. The spans are maximal scoring subsequences of the words (Ruzzo & Tompa 1999), each word scored by its part, averaged
    with its neighbours', less the mean of the passage; the heaviest are taken until they hold SHARE of the positive parts.
    """
    words = [match.span() for match in _WORD.finditer(text)]
    if not words:
        return ()
    parts = _by_word(words, attribution, column)
    smooth = np.convolve(np.pad(parts, WINDOW // 2, mode="edge"), np.full(WINDOW, 1 / WINDOW), mode="valid")
    runs = maximal_runs(smooth - max(float(smooth.mean()), 0.0))
    heaviest = sorted(runs, key=lambda run: -float(smooth[slice(*run)].sum()))
    whole, taken, held = float(smooth[smooth > 0].sum()), [], 0.0
    for run in heaviest[:MOST_SPANS]:
        if held >= SHARE * whole:
            break
        taken.append(run)
        held += float(smooth[slice(*run)].sum())
    return tuple(
        Evidence(label, words[first][0], words[last - 1][1], round(float(parts[first:last].sum()), 4))
        for first, last in sorted(taken)
    )


def maximal_runs(scores: np.ndarray) -> list[tuple[int, int]]:
    """All maximal scoring subsequences (Ruzzo & Tompa 1999) as (first, last + 1), disjoint and in order."""
    runs: list[tuple[int, int, float, float]] = []  # first, last + 1, total before it, total with it
    total = 0.0
    for place, score in enumerate(scores.tolist()):
        total += score
        if score <= 0:
            continue
        first, left, right = place, total - score, total
        while runs:
            before = next((number for number in reversed(range(len(runs))) if runs[number][2] < left), None)
            if before is None or runs[before][3] >= right:
                break
            first, left = runs[before][0], runs[before][2]
            del runs[before:]
        runs.append((first, place + 1, left, right))
    return [(first, last) for first, last, _, _ in runs]


def _by_word(words: list[tuple[int, int]], attribution: Attribution, column: int) -> np.ndarray:
    """The parts of the tokens that begin in each word, or, for signs between words, after it: float of shape (words,)."""
    starts = np.array([start for start, _ in words])
    real = attribution.offsets[:, 1] > attribution.offsets[:, 0]
    place = np.maximum(np.searchsorted(starts, attribution.offsets[real, 0], side="right") - 1, 0)
    return np.bincount(place, attribution.contributions[real, column], len(words))
