"""Precision, recall, F1, PR-AUC and calibration of multi-label answers, each with its base and a bootstrap interval."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cabletag.codebook import GROUPS, Codebook
from cabletag.metrics import LEAST_SUPPORT, calibration_error

SAMPLES = 1000
BINS = 10
LEAST_DOCUMENTS = 5  # for an interval over documents
_BLOCK = 50  # bootstrap samples held in memory at once

Interval = list[float | None] | None


@dataclass(frozen=True)
class Answers:
    """What was coded and what the model said of the same passages.

    `gold` and `given` are bool and `scores` probabilities, all (passages, labels); `groups` names the labels of each group of the
    codebook, `voice` the label that is measured on coded passages only, `documents` the document of each passage, if known.
    """

    labels: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]]
    voice: str | None
    gold: np.ndarray
    given: np.ndarray
    scores: np.ndarray
    documents: np.ndarray | None = None

    def pick(self, rows: np.ndarray) -> Answers:
        """The same for some of the passages."""
        documents = None if self.documents is None else self.documents[rows]
        parts = {name: getattr(self, name)[rows] for name in ("gold", "given", "scores")}
        return replace(self, **parts, documents=documents)

    @property
    def content(self) -> tuple[str, ...]:
        """The labels but for the voice."""
        return tuple(label for label in self.labels if label != self.voice)


def measure(answers: Answers, samples: int = SAMPLES, seed: int = 0, ranking: bool = True) -> dict[str, Any]:
    """Figures overall, per group and per label, each [value, low, high], or None where there is nothing to measure.

    Intervals are 95% percentile bootstraps (Efron 1979) over passages, or over documents where these are known (the cluster
    bootstrap: Davison & Hinkley 1997, section 3.8; of fewer than LEAST_DOCUMENTS the bounds are None). PR-AUC is average precision; macro figures are means over content labels with at
    least LEAST_SUPPORT positives. The voice is measured on passages whose coding has a label.
    """
    coded = answers.gold[:, [answers.labels.index(label) for label in answers.content]].any(axis=1)
    base = np.ones(answers.gold.shape, dtype=bool)
    if answers.voice is not None:
        base[:, answers.labels.index(answers.voice)] = coded
    gold, given = answers.gold & base, answers.given & base
    sets = {"any_label": answers.content, **{f"any_{group}": names for group, names in answers.groups.items()}}
    sets = {**{label: (label,) for label in answers.labels}, **sets}
    gold, given = (any_of(part, answers.labels, sets) for part in (gold, given))
    place = {name: number for number, name in enumerate(sets)}
    sums, areas = [], []
    few = answers.documents is not None and len(np.unique(answers.documents)) < LEAST_DOCUMENTS
    for weights in resamples(len(gold), answers.documents, 0 if few else samples, seed):
        sums.append(np.stack([weights @ part.astype(float) for part in (gold & given, given, gold)]))
        if ranking:
            areas.append(_areas(weights, gold, answers.scores, base))
    counts = np.concatenate(sums, axis=1)  # (hits, given, gold) x samples x events
    area = np.concatenate(areas) if ranking else None

    def figures(names: Sequence[str]) -> dict[str, Any]:
        found = counts[:, :, [place[name] for name in names]].sum(axis=2)
        return {"support": int(found[2, 0]), "given": int(found[1, 0]), **_ratios(found)}

    def several(names: Sequence[str], any_event: str) -> dict[str, Any]:
        supported = [name for name in names if gold[:, place[name]].sum() >= LEAST_SUPPORT]
        columns = [place[name] for name in supported]
        hits, said, true = counts[:, :, columns]
        macro = 2 * hits / np.maximum(said + true, 1)
        return {
            "passages": len(gold),
            "micro": figures(names),
            "macro_labels": supported,
            "macro_f1": _interval(macro.mean(axis=1)) if supported else None,
            "macro_average_precision": _interval(area[:, columns].mean(axis=1))
            if supported and area is not None
            else None,
            "any": figures([any_event]),
        }

    labels = {}
    for number, label in enumerate(answers.labels):
        labels[label] = {"passages": int(base[:, number].sum()), **figures([label])}
        if area is not None:
            labels[label]["average_precision"] = _interval(area[:, number])
    return {
        "overall": several(answers.content, "any_label"),
        "groups": {group: several(names, f"any_{group}") for group, names in answers.groups.items()},
        "labels": labels,
    }


def groups(codebook: Codebook) -> dict[str, tuple[str, ...]]:
    """The ids of each group of the codebook that has labels."""
    found = {group: tuple(label.id for label in codebook.labels if label.group == group) for group in GROUPS}
    return {group: names for group, names in found.items() if names}


def events(codebook: Codebook) -> dict[str, tuple[str, ...]]:
    """What is counted of a passage: each label, any content label, and any label of each content group."""
    several = {f"any_{group}": names for group, names in groups(codebook).items() if group != "voice"}
    return {**{label: (label,) for label in codebook.ids}, "any_label": codebook.content_ids, **several}


def any_of(matrix: np.ndarray, labels: Sequence[str], sets: Mapping[str, Sequence[str]]) -> np.ndarray:
    """From bool (passages, labels) to bool (passages, sets): whether any label of the set is there."""
    return np.column_stack([matrix[:, [labels.index(name) for name in names]].any(axis=1) for names in sets.values()])


def resamples(size: int, documents: np.ndarray | None, samples: int, seed: int) -> Iterator[np.ndarray]:
    """Bootstrap weights of `size` passages, in blocks of rows; the first row is the sample itself. Documents are drawn whole."""
    yield np.ones((1, size))
    random = np.random.default_rng(seed)
    codes = np.arange(size) if documents is None else np.unique(documents, return_inverse=True)[1]
    units = int(codes.max()) + 1
    for start in range(0, samples, _BLOCK):
        drawn = random.multinomial(units, np.full(units, 1 / units), size=min(_BLOCK, samples - start))
        yield drawn[:, codes].astype(float)


def calibration(answers: Answers) -> dict[str, Any]:
    """Expected calibration error (Naeini et al. 2015) and reliability table over all content labels, and per group.

    A row of the table is one of BINS equal bins of probability: [from, to, pairs of passage and label, mean probability, share that carry it].
    """
    found = {"all": _calibration(answers, answers.content)}
    return {**found, **{group: _calibration(answers, names) for group, names in answers.groups.items()}}


def _calibration(answers: Answers, names: Sequence[str]) -> dict[str, Any]:
    columns = [answers.labels.index(label) for label in names]
    rows: Any = slice(None)
    if list(names) == [answers.voice]:
        rows = answers.gold[:, [answers.labels.index(label) for label in answers.content]].any(axis=1)
    scores, gold = answers.scores[rows][:, columns].ravel(), answers.gold[rows][:, columns].ravel()
    place = np.minimum((scores * BINS).astype(int), BINS - 1)
    table = []
    for number in np.unique(place):
        inside = place == number
        mean, share = float(scores[inside].mean()), float(gold[inside].mean())
        table.append([number / BINS, (number + 1) / BINS, int(inside.sum()), round(mean, 4), round(share, 4)])
    error = round(calibration_error(scores, gold.astype(float), BINS), 4) if len(scores) else None
    return {"pairs": len(scores), "expected_calibration_error": error, "reliability": table}


def _areas(weights: np.ndarray, gold: np.ndarray, scores: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Average precision of every label under every row of weights: as scikit-learn's with sample_weight, for many weights at once."""
    found = np.full((len(weights), scores.shape[1]), np.nan)
    for column in range(scores.shape[1]):
        rows = np.flatnonzero(base[:, column])
        rows = rows[np.argsort(-scores[rows, column], kind="stable")]
        if not gold[rows, column].any():
            continue
        last = np.append(np.diff(scores[rows, column]) != 0, True)  # equal scores are one step
        picked = weights[:, rows]
        hits = np.cumsum(picked * gold[rows, column], axis=1)[:, last]
        said = np.cumsum(picked, axis=1)[:, last]
        steps = np.diff(hits, axis=1, prepend=0.0)
        with np.errstate(invalid="ignore"):
            found[:, column] = (steps * hits / np.maximum(said, 1)).sum(axis=1) / hits[:, -1]
    return found


def _ratios(counts: np.ndarray) -> dict[str, Interval]:
    hits, said, true = counts
    with np.errstate(invalid="ignore"):
        f1 = np.where(true > 0, 2 * hits / (said + true), np.nan)
        return {"precision": _interval(hits / said), "recall": _interval(hits / true), "f1": _interval(f1)}


def _interval(values: np.ndarray) -> Interval:
    if np.isnan(values[0]):
        return None
    drawn = values[1:][~np.isnan(values[1:])]
    bounds = [round(float(bound), 4) for bound in np.percentile(drawn, [2.5, 97.5])] if len(drawn) else [None, None]
    return [round(float(values[0]), 4), *bounds]
