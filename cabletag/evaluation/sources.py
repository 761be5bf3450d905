"""What shares are corrected by, checked against the output: an evaluation of its model, or a coded sample of its passages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cabletag.codebook import Codebook
from cabletag.errors import CorpusError, OptionError
from cabletag.evaluation.gold import read_gold, require_column
from cabletag.evaluation.tally import Key
from cabletag.reading import read_json
from cabletag.results import Results

NEEDED = ("confusion", "document_confusion", "thresholds", "labels", "model", "codebook", "precision", "gold", "date")


def read_evaluation(path: str | Path, results: Results) -> dict[str, Any]:
    """The JSON of `cabletag evaluate --json`. Raises OptionError for one of another model or codebook than the output's."""
    found = read_json(Path(path), "the JSON of `cabletag evaluate`", NEEDED, "make it with --json")
    for what, here, there in (
        ("model", results.run["model"]["digest"], found["model"]["digest"]),
        (
            "codebook",
            *(f"{record['codebook']['id']} {record['codebook']['version']}" for record in (results.run, found)),
        ),
    ):
        if here != there:
            raise OptionError(
                f"{path}: expected an evaluation of the output's {what} ({here[:40]}), found one of {there[:40]}; "
                f"evaluate the same {what} anew"
            )
    return found


def read_sample(path: Path, book: Codebook) -> dict[Key, frozenset[str]]:
    """Labels by document and passage, from a coded set with these columns; of `cabletag annotate`, only a random sample will do.

    Raises CorpusError, and OptionError for a sample that was drawn otherwise.
    """
    found: dict[Key, frozenset[str]] = {}
    passages = read_gold(path, book, text_column=None)
    for column in ("document", "passage"):
        require_column(passages, column)
    for passage in passages:
        key = (passage.columns["document"], passage.columns["passage"])
        if key in found:
            raise CorpusError(
                f"{passage.place}: expected each passage once, found document '{key[0]}' passage {key[1]} again; keep one, or if they "
                "are two, run `cabletag batch` anew and give --id-column an id of its own for each row, or none"
            )
        found[key] = frozenset(passage.labels)
        if _drawn(passage.columns.get("sample", "")) != "random":
            raise OptionError(
                f"{passage.place}: expected a random sample, found one of passages near a threshold; "
                "draw one with `cabletag annotate export --sample random`"
            )
    return found


def _drawn(design: str) -> str:
    """How `cabletag annotate` drew a passage; "random" where the column `sample` is not of its making."""
    try:
        found = json.loads(design)
    except ValueError:
        return "random"
    return str(found.get("sample", "random")) if isinstance(found, dict) else "random"
