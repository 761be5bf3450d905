"""A model's golden examples: texts of our own writing with the scores it gave when it was trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cabletag.codebook import Codebook
from cabletag.corpus import read_rows
from cabletag.errors import ModelError
from cabletag.tagger import Tagger
from cabletag.writing import json_line

FILE = "golden.jsonl"
TOLERANCE = {"f32": 2e-3, "bf16": 5e-2}  # in probability; bfloat16 keeps eight bits of a number


def golden_texts(codebook: Codebook) -> list[str]:
    """The examples and near misses of a codebook."""
    return [text for label in codebook.labels for text in (*label.examples, label.near_miss)]


def write_golden(folder: Path, labels: Sequence[str], texts: Sequence[str], scores: np.ndarray) -> None:
    """Write golden.jsonl into a model folder; `scores` are probabilities of shape (texts, labels)."""
    rows = zip(texts, scores.round(5).tolist(), strict=True)
    lines = [json_line({"text": text, "scores": dict(zip(labels, row, strict=True))}) for text, row in rows]
    (folder / FILE).write_text("".join(lines), encoding="utf-8")


def check_golden(tagger: Tagger, folder: Path) -> tuple[int, float]:
    """How many golden examples there are, and the largest difference in probability. Raises ModelError above the TOLERANCE of its precision."""
    rows = [row for _, row in read_rows(folder / FILE)]
    expected = np.array([[row["scores"][label] for label in tagger.labels] for row in rows])
    worst = float(np.abs(tagger.predict_proba([row["text"] for row in rows]) - expected).max())
    allowed = TOLERANCE[tagger.precision]
    if worst > allowed:
        raise ModelError(
            f"{folder / FILE}: expected scores within {allowed}, found {worst:.4f} off; this machine runs the model otherwise"
        )
    return len(rows), worst
