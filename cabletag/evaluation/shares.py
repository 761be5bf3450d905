"""The shares of a batch output: counted, corrected by an evaluation or by a coded sample, and what each figure assumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cabletag.evaluation.estimators import (
    ErrorRates,
    Estimate,
    Stratum,
    effective_from_moments,
    joint_effect,
    post_stratified,
    rogan_gladen,
)
from cabletag.evaluation.events import events
from cabletag.evaluation.sources import read_evaluation, read_sample
from cabletag.evaluation.tally import Tally, tally
from cabletag.results import Results

LEAST_SAMPLED = 30  # coded passages or documents for a share of their own
LENGTHS_ALIKE = 1.5  # how many times as long documents may be as the coded ones, on average
RANDOM_WITHIN = 5.0  # standard errors between the share tagged in a random sample and in the whole

ASSUMES = {
    "rogan_gladen": "Rogan & Gladen 1978, interval of Lang & Reiczigel 2014: assumes that the model errs in this corpus at the rates of "
    "the coded set, in every value of a column alike. A coded set of other kinds of text, or richer in hard cases, breaks this.",
    "post_stratified": "Post-stratification of a coded random sample by the model's answers (Holt & Smith 1979; for yes and no it is prediction-powered "
    "inference, Angelopoulos et al. 2023): assumes that the sample was drawn at random from this output and coded rightly.",
    "uncorrected": "Uncorrected: what the model tagged, its errors included. Not a share of what the corpus carries.",
}


def prevalence(
    output: str | Path | Results,
    evaluation: str | Path | None = None,
    by: str | None = None,
    sample: Path | None = None,
    codebook: Path | None = None,
) -> dict[str, Any]:
    """Shares of passages and documents per label, and per value of the column `by`, with 95% intervals.

    `evaluation` is the JSON of `cabletag evaluate --json`; `sample` a coded random sample of the output, with the columns document, passage and labels
    (and text, which is not compared). A value with LEAST_SAMPLED coded passages takes the sample, others the evaluation, and what has neither stays uncorrected.
    Raises DocumentError, CorpusError, OptionError; OptionError too for an evaluation of another model, codebook or threshold.
    """
    results = Results.open(output, codebook)
    measured = read_evaluation(evaluation, results) if evaluation else None
    coded = read_sample(sample, results.codebook) if sample else None
    parts, rejected = tally(results, by, coded, measured and measured["thresholds"])
    whole, names = parts.pop(None), list(events(results.codebook))
    found = _shares(whole, names, measured, coded is not None)
    values = {value: _shares(parts[value], names, measured, coded is not None) for value in sorted(filter(None, parts))}
    shown = [
        entry for part in (found, *values.values()) for units in part["labels"].values() for entry in units.values()
    ]
    used = {entry["method"] for entry in shown}
    return {
        "kind": "cabletag prevalence 1",
        "output": results.path.name,
        "codebook": {"id": results.codebook.id, "version": results.codebook.version},
        "model": results.run["model"],
        "precision": results.run["precision"],
        "evaluation": measured and {name: measured[name] for name in ("date", "model", "precision", "gold")},
        "rows_rejected": rejected,
        "coded_passages": len(coded or {}),
        "interval": 0.95,
        "assumes": {method: text for method, text in ASSUMES.items() if method in used},
        "notes": _notes(whole, names.index("any_label")),
        "all": found,
        "by": {"column": by, "values": values} if by is not None else None,
    }


def _shares(part: Tally, names: list[str], measured: dict[str, Any] | None, any_sample: bool) -> dict[str, Any]:
    """Per event, passages and documents: counted, share as tagged, method, corrected share with its interval, or why there is none."""
    passages, documents = np.full(len(names), part.passages), np.full(len(names), part.documents)
    squared = np.full(len(names), part.passages_squared)
    effective = effective_from_moments(
        part.tagged, passages, part.tagged_squared, part.tagged_by_passages, squared, documents
    )
    coded = sum(len(each.gold) for each in part.sample)
    sampled = _by_passages(part) if coded >= LEAST_SAMPLED else None
    whole = [each for each in part.sample if len(each.gold) == each.passages]
    drawn = _by_documents(part) if len(whole) == len(part.sample) >= LEAST_SAMPLED else None
    labels = {}
    for number, name in enumerate(names):
        tagged, tagged_documents = int(part.tagged[number]), int(part.tagged_documents[number])
        estimates: dict[str, Estimate | None] = {
            "passages": sampled[number] if sampled else None,
            "documents": drawn[number] if drawn else None,
        }
        method = {unit: "post_stratified" if estimates[unit] else "uncorrected" for unit in estimates}
        problem = {"passages": f"{coded} coded passages, {LEAST_SAMPLED} needed" if any_sample else "", "documents": ""}
        if measured and not estimates["passages"]:
            rates = _rates(measured["confusion"][name])
            estimates["passages"] = rogan_gladen(tagged, part.passages, rates, float(effective[number]))
            method["passages"] = "rogan_gladen"
        if not estimates["documents"]:
            problem["documents"] = _why_not_documents(part, measured, any_sample)
            if not problem["documents"] and measured:
                rates = _rates(measured["document_confusion"][name])
                estimates["documents"] = rogan_gladen(tagged_documents, part.documents, rates)
                method["documents"] = "rogan_gladen"
        labels[name] = {
            unit: _entry(count, size, method[unit], estimates[unit], problem[unit])
            for unit, count, size in (
                ("passages", tagged, part.passages),
                ("documents", tagged_documents, part.documents),
            )
        }
    return {"passages": part.passages, "documents": part.documents, "labels": labels}


def _entry(tagged: int, size: int, method: str, estimate: Estimate | None, problem: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "tagged": tagged,
        "share_tagged": round(tagged / size, 6),
        "method": method,
        "corrected": None,
    }
    if estimate is not None and not estimate.problem:
        return {**entry, "corrected": [round(value, 6) for value in (estimate.share, estimate.low, estimate.high)]}
    return {**entry, "method": "uncorrected", "problem": estimate.problem if estimate else problem}


def _by_passages(part: Tally) -> list[Estimate]:
    given = [np.array([(each.given == side).sum(axis=0) for each in part.sample]) for side in (True, False)]
    hits = [
        np.array([((each.given == side) & each.gold).sum(axis=0) for each in part.sample]) for side in (True, False)
    ]
    return _stratified(np.array(hits), np.array(given), np.array([part.tagged, part.passages - part.tagged]))


def _by_documents(part: Tally) -> list[Estimate]:
    tagged = np.array([each.tagged for each in part.sample])
    true = np.array([each.gold.any(axis=0) for each in part.sample])
    sides = np.array([tagged, ~tagged])
    return _stratified(
        (sides & true).astype(int),
        sides.astype(int),
        np.array([part.tagged_documents, part.documents - part.tagged_documents]),
    )


def _stratified(hits: np.ndarray, sizes: np.ndarray, whole: np.ndarray) -> list[Estimate]:
    """One estimate per event; hits and sizes (strata, documents, events), whole (strata, events)."""
    effect = joint_effect(hits, sizes, whole / whole.sum(axis=0))
    found, coded = hits.sum(axis=1), sizes.sum(axis=1)
    return [
        post_stratified(
            [
                Stratum(
                    int(whole[side, number]),
                    int(coded[side, number]),
                    int(found[side, number]),
                    coded[side, number] / effect[number],
                )
                for side in (0, 1)
            ]
        )
        for number in range(whole.shape[1])
    ]


def _why_not_documents(part: Tally, measured: dict[str, Any] | None, any_sample: bool) -> str:
    """Why a share of documents cannot be corrected: errors per document need documents coded whole, and of like length."""
    if not measured:
        return f"needs a sample of {LEAST_SAMPLED} documents or more, each coded whole" if any_sample else ""
    if not measured["document_confusion"]:
        return "errors of passages say nothing of documents; evaluate on documents coded whole, with --whole-documents"
    coded = measured["gold"]["passages"] / measured["gold"]["documents"]
    here = part.passages / part.documents
    if not 1 / LENGTHS_ALIKE <= here / coded <= LENGTHS_ALIKE:
        return f"documents have {here:.1f} passages here and {coded:.1f} in the coded set; errors per document grow with length"
    return ""


def _notes(whole: Tally, any_label: int) -> list[str]:
    """What speaks against a random sample."""
    if not whole.sample:
        return []
    given = np.concatenate([each.given for each in whole.sample])[:, any_label]
    share, here = whole.tagged[any_label] / whole.passages, float(given.mean())
    error = float(np.sqrt(share * (1 - share) / len(whole.sample))) or 1.0
    if abs(here - share) <= RANDOM_WITHIN * error:
        return []
    return [
        f"{here:.0%} of the coded passages are tagged, and {share:.0%} of all: this is hardly a random sample, and shares from it are not to be relied on"
    ]


def _rates(counts: dict[str, float]) -> ErrorRates:
    tp, fp, fn, tn = (int(counts[name]) for name in ("tp", "fp", "fn", "tn"))
    return ErrorRates(tp, tp + fn, tn, tn + fp, counts["positives_effective"], counts["negatives_effective"])
