"""`cabletag evaluate --page`: an evaluation as one self-contained HTML page, with the worst errors to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cabletag.codebook import Codebook
from cabletag.evaluation.measures import LEAST_DOCUMENTS
from cabletag.report import charts
from cabletag.report.rendering import cut, rendered
from cabletag.writing import write_text

ERRORS_SHOWN = 60


def write_evaluation(
    result: Mapping[str, Any],
    errors: Sequence[Mapping[str, Any]],
    codebook: Codebook,
    page: str | Path,
    source: Path,
) -> None:
    """Write the page of a result of `cabletag.evaluation.evaluate`, measured on the file `source`.

    `errors` are rows of `worst_errors`, of which the first ERRORS_SHOWN are shown. Needs the extra `report`. Raises OptionError if `page` is the
    file of the coded passages, OutputError if it cannot be written.
    """
    names = {label.id: label.name for label in codebook.labels}
    scored = {label: found for label, found in result["labels"].items() if found["f1"]}
    order = sorted(scored, key=lambda label: -scored[label]["f1"][0])
    rows = [(names[label], *scored[label]["f1"]) for label in order]
    reliability = result["calibration"]["all"]["reliability"]
    text = rendered(
        "evaluation.html.j2",
        title=f"How well {result['model']['name']} codes {source.name}",
        codebook=codebook,
        least_documents=LEAST_DOCUMENTS,
        result=result,
        names=names,
        order=[*order, *(label for label in result["labels"] if label not in scored)],
        wide=charts.values_chart(rows, "F1", 820, "F1 per label", "c-wide") if rows else "",
        narrow=charts.values_chart(rows, "F1", 350, "F1 per label", "c-narrow") if rows else "",
        reliability=charts.reliability_chart(reliability, "Probability and share coded so", "c-calibration"),
        errors=[{**row, "text": cut(row["text"])} for row in errors[:ERRORS_SHOWN]],
        errors_in_all=len(errors),
    )
    write_text(page, text, [source])
