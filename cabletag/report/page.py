"""`cabletag report`: one self-contained HTML page of a batch output, without a network and with every text escaped."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from cabletag.assets import is_shipped
from cabletag.errors import OptionError
from cabletag.evaluation import prevalence
from cabletag.evaluation.sources import read_evaluation
from cabletag.report import charts
from cabletag.report.overview import Overview, Share, overview
from cabletag.report.rendering import LONGEST_TEXT, cut_note, rendered
from cabletag.report.shown import Shown
from cabletag.results import Results
from cabletag.writing import check_output, write_text

MOST_STRONGEST = 100
PANELS = 12
LONGEST_FACT = 2_000
SHARES = "Share of passages and documents per label"


def write_report(
    output: str | Path | Results,
    page: str | Path,
    *,
    by: str | None = None,
    time: str | None = None,
    evaluation: str | Path | None = None,
    strongest: int = 5,
    title: str | None = None,
) -> Overview:
    """Write the page of a batch output; gives the numbers that it shows.

    `by` and `time` are kept columns; `evaluation` is the JSON of `cabletag evaluate --json`, by which shares are corrected;
    `strongest` passages are shown per label. Needs the extra `report`, and `evaluate` for an evaluation. Raises OptionError for a wrong option and DocumentError for a file that is no output.
    """
    if not 0 <= strongest <= MOST_STRONGEST:
        raise OptionError(f"expected --strongest between 0 and {MOST_STRONGEST}, found {strongest}")
    results = Results.open(output)
    inputs = [results.path, Path(f"{results.path}.run.json"), *([Path(evaluation)] if evaluation else [])]
    check_output(page, inputs)
    measured = _measured(Path(evaluation), results) if evaluation is not None else None
    found = overview(results, by, time, strongest)
    names = {label.id: label.name for label in results.codebook.labels}
    order = sorted(found.labels, key=lambda label: (-found.passages(label).count, found.labels.index(label)))
    occurring, pairs = [label for label in order if found.passages(label).count], _pairs(found)
    text = rendered(
        "report.html.j2",
        title=title or f"Talking points in {results.path.name}",
        results=results, codebook=results.codebook, run=results.run, overview=found, names=names, order=order, Share=Share,
        groups={label.id: label.group for label in results.codebook.labels},
        wide=charts.shares_chart(found, names, order, 820, SHARES, "c-wide") if found.scored else "",
        narrow=charts.shares_chart(found, names, order, 350, SHARES, "c-narrow") if found.scored else "",
        over_time=_panels(found, found.times, names, order, True, "t") if time else [],
        over_groups=_panels(found, found.groups, names, order, False, "g") if by else [],
        together=charts.together_chart(found, names, occurring, "Labels that occur together", "c-pairs") if pairs else "",
        pairs=pairs, shipped=is_shipped(results.run["model"].get("name", "")), by=by, time=time, measured=measured, strongest=strongest, shown=_passages(found),
        has_text="text" in results.columns, has_evidence="evidence" in results.columns,
        facts=_facts(results),
    )  # fmt: skip
    write_text(page, text, inputs)
    return found


def _measured(path: Path, results: Results) -> dict[str, Any]:
    """What an evaluation says of each content label, and the shares of passages corrected by it."""
    found, corrected = read_evaluation(path, results), prevalence(results, path)
    entries = {
        label: (found["labels"][label], corrected["all"]["labels"][label]["passages"]) for label in results.labels
    }
    return {"file": path.name, "evaluation": found, "entries": entries, "assumes": list(corrected["assumes"].values())}


def _panels(
    found: Overview, counts: Mapping[str, Any], names: Mapping[str, str], order: Sequence[str], ordered: bool, key: str
) -> list[Any]:
    """Per label: its name, its shares by period or group, and a chart for the most frequent PANELS."""
    panels = []
    for label in order:
        column = found.labels.index(label) + 1
        panels.append((label, {at: Share(int(row[column]), int(row[0])) for at, row in counts.items()}))
    top = charts.top_of([share for _, points in panels[:PANELS] for share in points.values()])
    return [
        {"label": label, "points": points,
         "svg": charts.panel(points, top, ordered, names[label], f"c-{key}{number}") if number < PANELS and found.passages(label).count else ""}
        for number, (label, points) in enumerate(panels)
    ]  # fmt: skip


def _pairs(found: Overview) -> list[dict[str, Any]]:
    """The pairs of labels, commonest first, with how many there would be if the two were independent."""
    pairs: list[dict[str, Any]] = []
    for first, one in enumerate(found.labels):
        for second in range(first + 1, len(found.labels)):
            if both := int(found.pairs[first, second]):
                by_chance = float(found.passage_counts[first]) * float(found.passage_counts[second]) / found.scored
                pairs.append({"one": one, "other": found.labels[second], "both": both, "times": both / by_chance})
    return sorted(pairs, key=lambda pair: -int(pair["both"]))


def _passages(found: Overview) -> list[dict[str, Any]]:
    """The passages to be shown, each once, with its text cut at the ends of its evidence."""
    merged: dict[tuple[Any, ...], dict[str, Any]] = {}
    for shown in [*(shown for best in found.strongest.values() for shown in best), *found.drawn]:
        key = (shown.row["document"], shown.row["passage"], shown.row["start"], shown.row.get("text"))
        entry = merged.setdefault(
            key, {"row": shown.row, "scores": shown.scores, "reasons": [], "pieces": _pieces(shown)}
        )
        entry["reasons"].append(shown.reason)
    return list(merged.values())


def _pieces(shown: Shown) -> list[tuple[str, str]]:
    """The text in pieces, each with the ids of the labels that it is evidence for, joined by spaces; a very long one is cut."""
    whole = shown.row.get("text") or ""
    text, before = whole[:LONGEST_TEXT], shown.row.get("start") or 0  # spans count the characters of the source
    spans = [
        (max(0, span["start"] - before), min(len(text), span["end"] - before), span["label"])
        for span in shown.row.get("evidence") or []
    ]
    edges = sorted({0, len(text), *(edge for start, end, _ in spans if start < end for edge in (start, end))})
    pieces = []
    for start, end in pairwise(edges):
        labels = dict.fromkeys(label for first, last, label in spans if first <= start and end <= last)
        pieces.append((text[start:end], " ".join(labels)))
    return [*pieces, (note, "")] if (note := cut_note(whole)) else pieces


def _facts(results: Results) -> list[tuple[str, str]]:
    """What was run, as name and value, flat."""
    facts: list[tuple[str, Any]] = [("output name", results.path.name)]
    for part, value in results.run.items():
        entries = value.items() if isinstance(value, dict) else [("", value)]
        facts += [(f"{part} {key}".strip(), entry) for key, entry in entries]
    return [(name, _cut(_told(value))) for name, value in facts]


def _told(value: Any) -> str:
    return value if isinstance(value, str) else "none" if value is None else json.dumps(value, ensure_ascii=False)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_FACT else f"{text[:LONGEST_FACT]} … (cut here; whole in the run record)"
