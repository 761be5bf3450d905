"""What a pipe gets: JSON lines on standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from cabletag.tagger import TaggedDocument, passage_row
from cabletag.writing import json_line


def rows(
    source: str, tagged: TaggedDocument, all_scores: bool, voice: str | None, evidence: bool = False
) -> Iterator[dict[str, Any]]:
    """One JSON-ready row per passage, in document order; spans of evidence count characters of the document, as start and end do."""
    for number, (passage, prediction) in enumerate(zip(tagged.passages, tagged.predictions, strict=True), 1):
        shown = (
            prediction.scores if all_scores else (*prediction.labels, *([voice] if voice and prediction.labels else []))
        )
        yield {
            "source": source,
            "passage": number,
            **passage_row(passage, prediction),
            "scores": {label: round(prediction.scores[label], 4) for label in shown},
            "windows": prediction.windows,
            **({"evidence": [asdict(span) for span in prediction.evidence]} if evidence else {}),
        }


def write_json(items: Iterator[dict[str, Any]]) -> None:
    """JSON lines on standard output; lone surrogates are escaped, so that any text can be written."""
    sys.stdout.writelines(map(json_line, items))
