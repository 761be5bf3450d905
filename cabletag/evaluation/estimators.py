"""How common a label is, corrected for the classifier's own errors, with intervals that hold the error of the correction. Pure.

Two published methods, for the two kinds of coded set there are:

`rogan_gladen` takes sensitivity and specificity from a coded set of other passages (Rogan & Gladen 1978, interval of Lang & Reiczigel 2014).
It assumes that the model finds and mistakes labels at the same rates in the corpus as in that set.

`post_stratified` takes a random sample of the corpus itself, coded (Holt & Smith 1979), and assumes nothing of the model. For answers that are
yes or no it is prediction-powered inference (Angelopoulos et al. 2023a) with the best tuning (PPI++, Angelopoulos et al. 2023b).

Errors within a document are not independent: both take effective sizes, which `effective_sizes` finds from the documents.

Rogan & Gladen 1978, Am J Epidemiol 107:71. Lang & Reiczigel 2014, Prev Vet Med 113:13. Holt & Smith 1979, JRSS A 142:33. Angelopoulos, Bates,
Fannjiang, Jordan & Zrnic 2023a, Science 382:669. Angelopoulos, Duchi & Zrnic 2023b, arXiv:2311.01453.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, nan, sqrt
from statistics import NormalDist

import numpy as np

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A share between 0 and 1 and its interval; all three are nan where `problem` says why there is none."""

    share: float
    low: float
    high: float
    problem: str = ""


@dataclass(frozen=True)
class ErrorRates:
    """How often the model was right in a coded set: `found` of `positives`, and `passed` of `negatives` left without the label.

    The effective sizes are smaller than the counts where the errors of a document go together.
    """

    found: int
    positives: int
    passed: int
    negatives: int
    positives_effective: float
    negatives_effective: float


@dataclass(frozen=True)
class Stratum:
    """The part of a corpus that the model answered in one way: `size` units, `coded` of them sampled, `hits` of these with the label."""

    size: int
    coded: int
    hits: int
    coded_effective: float


def rogan_gladen(tagged: int, size: int, rates: ErrorRates, size_effective: float | None = None) -> Estimate:
    """The share of `size` units with a label of which the model tagged `tagged`.

    share = (tagged/size + specificity - 1) / (sensitivity + specificity - 1), kept within 0 and 1; the interval adds two
    successes and two failures to each of the three proportions, shifts and widens accordingly (Lang & Reiczigel 2014, section 2). It widens to hold the share.
    """
    if not size or not rates.positives or not rates.negatives:
        what = (
            "units counted" if not size else "units coded with it" if not rates.positives else "units coded without it"
        )
        return Estimate(nan, nan, nan, f"no {what}")
    z = _z()
    apparent, sensitivity, specificity = tagged / size, rates.found / rates.positives, rates.passed / rates.negatives
    drawn = size_effective or size
    n, found, passed = drawn + z * z, rates.positives_effective + 2, rates.negatives_effective + 2
    ap = (drawn * apparent + z * z / 2) / n
    se = (rates.positives_effective * sensitivity + 1) / found
    sp = (rates.negatives_effective * specificity + 1) / passed
    power = se + sp - 1
    if power <= 0 or sensitivity + specificity <= 1:
        return Estimate(nan, nan, nan, "the model does no better than chance on it in the coded set")
    middle = (ap + sp - 1) / power
    missed, false = se * (1 - se) / found, sp * (1 - sp) / passed
    shift = 2 * z * z * (middle * missed - (1 - middle) * false)
    half = z * sqrt(ap * (1 - ap) / n + middle**2 * missed + (1 - middle) ** 2 * false) / power
    low, high = middle + shift - half, middle + shift + half
    if high < 0 or low > 1:
        side = "fewer" if high < 0 else "more"
        return Estimate(
            nan, nan, nan, f"{side} are tagged than the coded set's error rates allow: they do not hold here"
        )
    share = _within((apparent + specificity - 1) / (sensitivity + specificity - 1))
    return Estimate(share, min(_within(low), share), max(_within(high), share))


def post_stratified(strata: Sequence[Stratum]) -> Estimate:
    """The share of units with a label in a corpus, from a coded random sample of it and the model's answer for every unit.

    share = sum over strata of size/total * hits/coded. The interval joins the Wilson intervals of the strata (MOVER: Zou & Donner 2008), with the finite
    population's correction. A stratum with units of which none is coded takes the sample's share, and an interval from 0 to 1.
    """
    total, coded = sum(part.size for part in strata), sum(part.coded for part in strata)
    if not total or not coded:
        return Estimate(nan, nan, nan, "no units coded")
    overall = sum(part.hits for part in strata) / coded
    share = below = above = 0.0
    for part in strata:
        rate = part.hits / part.coded if part.coded else overall
        low, high = wilson(rate, _infinite_population(part)) if part.coded else (0.0, 1.0)
        weight = part.size / total
        share += weight * rate
        below += (weight * (rate - low)) ** 2
        above += (weight * (high - rate)) ** 2
    return Estimate(share, _within(share - sqrt(below)), _within(share + sqrt(above)))


def wilson(rate: float, size: float) -> tuple[float, float]:
    """The interval of Wilson (1927) of a proportion found in `size` independent units; `size` may be infinite or a fraction."""
    z = _z()
    if size == inf:
        return rate, rate
    middle = (rate + z * z / (2 * size)) / (1 + z * z / size)
    half = z / (1 + z * z / size) * sqrt(rate * (1 - rate) / size + z * z / (4 * size * size))
    return max(min(middle - half, rate), 0.0), min(max(middle + half, rate), 1.0)


def effective_sizes(hits: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """How many independent units the units of some documents are worth, for each label; never more than there are.

    `hits` and `sizes` are (documents, labels): how many of each document's units are hits, of how many. The size is divided by the
    design effect, and made up for few documents by Student's t (Korn & Graubard 1998). A label with no hits or nothing but hits has
    no design effect of its own and takes the median one.
    """
    moments = [part.sum(axis=0) for part in (hits, sizes, hits * hits, hits * sizes, sizes * sizes, sizes > 0)]
    return effective_from_moments(*moments)


def effective_from_moments(
    hits: np.ndarray,
    sizes: np.ndarray,
    hits_squared: np.ndarray,
    hits_by_sizes: np.ndarray,
    sizes_squared: np.ndarray,
    documents: np.ndarray,
) -> np.ndarray:
    """`effective_sizes` from sums over documents, each of shape (labels,), so that a corpus need not be held."""
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = hits / sizes
        spread = hits_squared - 2 * rate * hits_by_sizes + rate**2 * sizes_squared
        effect = spread * documents / (documents - 1) / (sizes * rate * (1 - rate))
    return np.asarray(sizes / _made_whole(effect, sizes, documents))


def joint_effect(hits: np.ndarray, sizes: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """By how much documents lessen a sample's size for `post_stratified`, for each label: divide every stratum's `coded` by it.

    `hits` and `sizes` are (strata, documents, labels), `shares` (strata, labels) of the corpus. The strata are taken together, since they share documents:
    the variance of the linearised estimate between documents (Särndal, Swensson & Wretman 1992, chapter 7) over that of independent units.
    """
    coded = sizes.sum(axis=1)
    documents = (sizes.sum(axis=0) > 0).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = np.where(coded > 0, hits.sum(axis=1) / coded, 0.0)
        scale = np.where(coded > 0, shares / coded, 0.0)
        between = (scale[:, None] * (hits - rate[:, None] * sizes)).sum(axis=0)
        alone = (scale**2 * coded * rate * (1 - rate)).sum(axis=0)
        effect = (between**2).sum(axis=0) * documents / (documents - 1) / alone
    return _made_whole(effect, coded.sum(axis=0), documents)


def _made_whole(effect: np.ndarray, sizes: np.ndarray, documents: np.ndarray) -> np.ndarray:
    """Design effects of at least 1: 1 where every unit has a document of its own, the median where there is none, more for few documents."""
    from scipy.stats import t

    together = documents < sizes
    known = np.isfinite(effect) & together
    effect = np.where(known, effect, np.median(effect[known]) if known.any() else 1.0)
    level = (1 + LEVEL) / 2
    few = (t.ppf(level, np.maximum(documents - 1, 1)) / t.ppf(level, np.maximum(sizes - 1, 1))) ** 2
    return np.asarray(np.where(together, np.maximum(np.maximum(effect, 1.0) * few, 1.0), 1.0))


def _infinite_population(part: Stratum) -> float:
    """The size of a sample from an endless population that is worth the sample from this stratum."""
    if part.coded >= part.size:
        return inf
    return part.coded_effective * (part.size - 1) / (part.size - part.coded)


def _within(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def _z() -> float:
    return NormalDist().inv_cdf((1 + LEVEL) / 2)
