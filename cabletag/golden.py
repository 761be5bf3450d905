"""A model's golden examples: texts of our own writing with the scores it gave when it was trained."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from cabletag.errors import ModelError
from cabletag.tagger import Tagger

FILE = "golden.jsonl"
TOLERANCE = {"f32": 2e-3, "bf16": 5e-2}  # in probability; bfloat16 keeps eight bits of a number


def check_golden(tagger: Tagger, folder: Path) -> tuple[int, float]:
    """How many golden examples there are, and the largest difference in probability. Raises ModelError above the TOLERANCE of its precision."""
    rows = [json.loads(line) for line in (folder / FILE).read_text(encoding="utf-8").splitlines()]
    expected = np.array([[row["scores"][label] for label in tagger.labels] for row in rows])
    worst = float(np.abs(tagger.predict_proba([row["text"] for row in rows]) - expected).max())
    allowed = TOLERANCE[tagger.precision]
    if worst > allowed:
        raise ModelError(
            f"{folder / FILE}: expected scores within {allowed}, found {worst:.4f} off; this machine runs the model otherwise"
        )
    return len(rows), worst
