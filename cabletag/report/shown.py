"""Passages to be shown: of each label those that the model is surest of, and some by lot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa


@dataclass(frozen=True)
class Shown:
    """One passage to be shown: its row, its probabilities, and why it was chosen: a label it is strong in, or "" for by lot."""

    row: Mapping[str, Any]
    scores: Mapping[str, float]
    reason: str


class Lot:
    """A sample of the tagged passages by lot: each gets a random number, and the smallest are kept (reservoir sampling)."""

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self._size, self._rng = size, rng
        self._kept: list[tuple[float, Shown]] = []

    def draw(self, batch: pa.RecordBatch, given: np.ndarray, labels: Sequence[str]) -> None:
        numbers = self._rng.random(batch.num_rows)
        numbers[~given.any(axis=1)] = 2.0
        for row in np.argsort(numbers)[: self._size]:
            if numbers[row] < 1.0:
                self._kept.append((float(numbers[row]), _shown(batch, int(row), labels, "")))
        self._kept = sorted(self._kept, key=lambda item: item[0])[: self._size]

    def passages(self) -> list[Shown]:
        return [shown for _, shown in self._kept]


def keep_strongest(
    best: list[Shown], batch: pa.RecordBatch, carried: np.ndarray, label: str, labels: Sequence[str], size: int
) -> None:
    """Merge a batch into the `size` most probable distinct texts of a label; the earlier row wins a tie."""
    if not size:
        return
    scores = batch[f"p_{label}"].to_numpy(zero_copy_only=False)
    floor = best[-1].scores[label] if len(best) == size else -1.0
    rows = np.flatnonzero((carried == 1) & (scores > floor))
    for row in rows[np.argsort(-scores[rows], kind="stable")]:
        if len(best) == size and scores[row] <= best[-1].scores[label]:
            return
        shown = _shown(batch, int(row), labels, label)
        same = [
            other for other in best if other.row.get("text") is not None and other.row["text"] == shown.row.get("text")
        ]
        if same and same[0].scores[label] >= shown.scores[label]:
            continue
        best[:] = sorted(
            [other for other in best if other not in same] + [shown], key=lambda item: -item.scores[label]
        )[:size]


def _shown(batch: pa.RecordBatch, number: int, labels: Sequence[str], reason: str) -> Shown:
    row = batch.slice(number, 1).to_pylist()[0]
    return Shown(row, {label: row[f"p_{label}"] for label in labels}, reason)
