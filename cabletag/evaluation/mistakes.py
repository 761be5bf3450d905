"""The errors of a model on a coded set, as rows to be read."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cabletag.evaluation.gold import GoldPassage
from cabletag.evaluation.measures import Answers
from cabletag.writing import cell, json_line, write_text

SUFFIXES = (".jsonl", ".csv")


def worst_errors(found: Answers, passages: Sequence[GoldPassage], thresholds: dict[str, float]) -> list[dict[str, Any]]:
    """Every false positive and miss, most confident first; the voice only where both coding and model have a label."""
    content = [found.labels.index(label) for label in found.content]
    given = found.policy
    both = found.coded & given[:, content].any(axis=1)
    rows = []
    for number, column in zip(*np.nonzero(found.gold != given), strict=True):
        label, passage = found.labels[column], passages[number]
        if label == found.voice and not both[number]:
            continue
        probability, missed = float(found.scores[number, column]), bool(found.gold[number, column])
        row = {
            "error": "miss" if missed else "false positive",
            "label": label,
            "probability": round(probability, 4),
            "threshold": thresholds[label],
            "confidence": round(1 - probability if missed else probability, 4),
            "gold": list(passage.labels),
            "given": [name for name, said in zip(found.labels, given[number], strict=True) if said],
            "text": passage.text,
            "place": passage.place,
        }
        rows.append({**row, **{key: value for key, value in passage.columns.items() if value and key not in row}})
    return sorted(rows, key=lambda row: -row["confidence"])


def write_mistakes(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Rows as JSON lines or CSV, by suffix. Raises OutputError."""
    if path.suffix.lower() == ".jsonl":
        write_text(path, "".join(map(json_line, rows)))
        return
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)) or ["error"])
    writer.writeheader()
    writer.writerows({key: cell(value) for key, value in row.items()} for row in rows)
    write_text(path, file.getvalue())
