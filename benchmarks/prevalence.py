"""Do the corrected shares cover the true one as often as they say? A simulation with known truth, into results/prevalence.json.

    python benchmarks/prevalence.py [--rounds 400]

Every round draws a corpus and a coded set anew, with independent errors or with errors that go together within a document; the
intervals are those that `cabletag prevalence` gives. `naive` counts what the model tagged, with Wilson's interval. In the last setting
the model makes more errors in the corpus than in the coded set, which only a sample of the corpus itself can know.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import reports

from cabletag.evaluation.estimators import (
    ErrorRates,
    Estimate,
    Stratum,
    effective_sizes,
    joint_effect,
    post_stratified,
    rogan_gladen,
    wilson,
)

PREVALENCES = (0.01, 0.05, 0.2, 0.5)
SENSITIVITIES = (0.5, 0.7, 0.9)
SPECIFICITIES = (0.95, 0.99, 0.999)
CODED = (300, 1000, 3000)
CORPUS = (1000, 100_000)
POSITIVES_CODED = 0.2  # a coded set is richer in a label than a corpus
DOCUMENTS, PASSAGES, ALIKE = 400, 15, 0.15  # of the corpus with documents; ALIKE is the correlation within one
CODED_DOCUMENTS = 80

Pair = tuple[float, Estimate]


def naive(tagged: int, size: int) -> Estimate:
    return Estimate(tagged / size, *wilson(tagged / size, size))


def independent(
    random: np.random.Generator,
    prevalence: float,
    se: float,
    sp: float,
    coded: int,
    size: int,
    se_coded: float,
    sp_coded: float,
) -> dict[str, Pair]:
    """One corpus of `size` passages and two coded sets of `coded`: one of other passages, one drawn from the corpus."""
    carrying = int(random.binomial(size, prevalence))
    hit, false = int(random.binomial(carrying, se)), int(random.binomial(size - carrying, 1 - sp))
    positives = max(int(random.binomial(coded, POSITIVES_CODED)), 1)
    found, passed = int(random.binomial(positives, se_coded)), int(random.binomial(coded - positives, sp_coded))
    rates = ErrorRates(found, positives, passed, coded - positives, positives, coded - positives)
    cells = np.array([hit, false, carrying - hit, size - carrying - false])
    drawn = random.multivariate_hypergeometric(cells, min(coded, size))
    strata = [
        Stratum(int(cells[pair].sum()), int(drawn[pair].sum()), int(drawn[pair[0]]), float(drawn[pair].sum()))
        for pair in ([0, 1], [2, 3])
    ]
    truth, tagged = carrying / size, hit + false
    return {
        "naive": (truth, naive(tagged, size)),
        "rogan_gladen": (truth, rogan_gladen(tagged, size, rates)),
        "post_stratified": (truth, post_stratified(strata)),
    }


def documents(
    random: np.random.Generator, number: int, prevalence: float, se: float, sp: float
) -> tuple[np.ndarray, np.ndarray]:
    """Labels and answers, bool of shape (documents, passages): each document has rates of its own, beta-distributed about the given ones."""

    def rates(mean: float) -> np.ndarray:
        spread = 1 / ALIKE - 1
        return random.beta(mean * spread, (1 - mean) * spread, size=(number, 1))

    gold = random.random((number, PASSAGES)) < rates(prevalence)
    given = random.random((number, PASSAGES)) < np.where(gold, rates(se), 1 - rates(sp))
    return gold, given


def clustered(random: np.random.Generator, prevalence: float, se: float, sp: float) -> dict[str, Pair]:
    """A corpus of documents, a coded set of other documents, and whole documents drawn from the corpus; passages and documents counted."""
    gold, given = documents(random, DOCUMENTS, prevalence, se, sp)
    truth, tagged, size = float(gold.mean()), int(given.sum()), gold.size
    corpus = float(effective_sizes(given.sum(axis=1)[:, None], np.full((DOCUMENTS, 1), PASSAGES))[0])
    coded, said = documents(random, CODED_DOCUMENTS, prevalence, se, sp)
    counts = [int(part.sum()) for part in (coded & said, coded, ~coded & ~said, ~coded)]
    effective = [
        float(effective_sizes((right & side).sum(axis=1)[:, None], side.sum(axis=1)[:, None])[0])
        for side, right in ((coded, said), (~coded, ~said))
    ]
    drawn = random.choice(DOCUMENTS, CODED_DOCUMENTS, replace=False)
    sides = np.stack([given, ~given])
    hits, sizes = (gold & sides)[:, drawn].sum(axis=2), sides[:, drawn].sum(axis=2)
    shares = sides.mean(axis=(1, 2))
    effect = float(joint_effect(hits[:, :, None], sizes[:, :, None], shares[:, None])[0])
    strata, plain = (
        [
            Stratum(int(sides[side].sum()), int(sizes[side].sum()), int(hits[side].sum()), sizes[side].sum() / by)
            for side in (0, 1)
        ]
        for by in (effect, 1.0)
    )
    whole, whole_said, coded_whole, coded_said = (part.any(axis=1) for part in (gold, given, coded, said))
    of_documents = [
        int(part.sum()) for part in (coded_whole & coded_said, coded_whole, ~coded_whole & ~coded_said, ~coded_whole)
    ]
    document_strata = [
        Stratum(int(side.sum()), int(side[drawn].sum()), int((whole & side)[drawn].sum()), float(side[drawn].sum()))
        for side in (whole_said, ~whole_said)
    ]
    tagged_documents, true_documents = int(whole_said.sum()), float(whole.mean())
    return {
        "naive": (truth, naive(tagged, size)),
        "rogan_gladen": (truth, rogan_gladen(tagged, size, ErrorRates(*counts, *effective), corpus)),
        "rogan_gladen, documents ignored": (
            truth,
            rogan_gladen(tagged, size, ErrorRates(*counts, counts[1], counts[3])),
        ),
        "post_stratified": (truth, post_stratified(strata)),
        "post_stratified, documents ignored": (truth, post_stratified(plain)),
        "naive, share of documents": (true_documents, naive(tagged_documents, DOCUMENTS)),
        "rogan_gladen, share of documents": (
            true_documents,
            rogan_gladen(tagged_documents, DOCUMENTS, ErrorRates(*of_documents, of_documents[1], of_documents[3])),
        ),
        "post_stratified, share of documents": (true_documents, post_stratified(document_strata)),
    }


def settings() -> Iterator[tuple[str, dict[str, Any]]]:
    """Name of the setting and the values of one scenario in it."""
    grid = product(PREVALENCES, SENSITIVITIES, SPECIFICITIES, CODED, CORPUS)
    for prevalence, se, sp, coded, size in grid:
        rates = {"prevalence": prevalence, "se": se, "sp": sp, "coded": coded, "size": size}
        yield "independent errors", {**rates, "se_coded": se, "sp_coded": sp}
    for prevalence, se, sp in product(PREVALENCES, SENSITIVITIES, SPECIFICITIES):
        yield "errors alike within documents", {"prevalence": prevalence, "se": se, "sp": sp}
    for prevalence in PREVALENCES:
        rates = {"prevalence": prevalence, "se": 0.6, "sp": 0.98, "se_coded": 0.75, "sp_coded": 0.99}
        yield "more errors in the corpus than in the coded set", {**rates, "coded": 1000, "size": 100_000}


def covers(rounds: list[dict[str, Pair]]) -> dict[str, dict[str, float]]:
    """Per method: how often the interval holds the truth, how wide it is, how far the share is off, how often there is none."""
    found = {}
    for method in rounds[0]:
        pairs = [drawn[method] for drawn in rounds]
        given = [(truth, estimate) for truth, estimate in pairs if not estimate.problem]
        inside = sum(estimate.low - 1e-12 <= truth <= estimate.high + 1e-12 for truth, estimate in given)
        found[method] = {
            "coverage": round(inside / len(given), 4) if given else None,
            "width": round(float(np.mean([estimate.high - estimate.low for _, estimate in given])), 5)
            if given
            else None,
            "bias": round(float(np.mean([estimate.share - truth for truth, estimate in given])), 5) if given else None,
            "none_given": round(1 - len(given) / len(pairs), 4),
        }
    return found


def summary(scenarios: list[dict[str, Any]]) -> dict[str, Any]:
    """Per method, over the scenarios of one setting: mean coverage, its lowest values, and the scenarios it falls short in."""
    found = {}
    for method in scenarios[0]["methods"]:
        rates = np.array(
            [
                each["methods"][method]["coverage"]
                for each in scenarios
                if each["methods"][method]["coverage"] is not None
            ]
        )
        found[method] = {
            "scenarios": len(rates),
            "mean_coverage": round(float(rates.mean()), 4),
            "lowest_coverage": round(float(rates.min()), 4),
            "below_0.93": int((rates < 0.93).sum()),
            "below_0.90": int((rates < 0.90).sum()),
            "mean_width": round(float(np.mean([each["methods"][method]["width"] or 0 for each in scenarios])), 5),
            "mean_absolute_bias": round(
                float(np.mean([abs(each["methods"][method]["bias"] or 0) for each in scenarios])), 5
            ),
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    random = np.random.default_rng(arguments.seed)
    found: dict[str, list[dict[str, Any]]] = {}
    for setting, values in settings():
        draw = clustered if "coded" not in values else independent
        rounds = [draw(random, **values) for _ in range(arguments.rounds)]
        found.setdefault(setting, []).append({**values, "methods": covers(rounds)})
    report = {
        "date": reports.today(),
        "rounds": arguments.rounds,
        "seed": arguments.seed,
        "nominal": 0.95,
        "documents": {"corpus": DOCUMENTS, "coded": CODED_DOCUMENTS, "passages_each": PASSAGES, "correlation": ALIKE},
        "summary": {setting: summary(scenarios) for setting, scenarios in found.items()},
        "scenarios": found,
    }
    for setting, methods in report["summary"].items():
        for method, figures in methods.items():
            print(
                f"{setting:<48} {method:<36} mean {figures['mean_coverage']:.3f} lowest {figures['lowest_coverage']:.3f}"
            )
    reports.write("prevalence", report)


if __name__ == "__main__":
    main()
