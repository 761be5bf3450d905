"""Precision, recall, F1, PR-AUC and calibration of multi-label answers, each with its base and a bootstrap interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cabletag.evaluation.events import any_of
from cabletag.metrics import LEAST_SUPPORT, Interval, average_precision, interval, resamples

SAMPLES = 1000
BINS = 10
LEAST_DOCUMENTS = 5  # for an interval over documents


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

    @property
    def coded(self) -> np.ndarray:
        """Whose coding has a content label, bool (passages,)."""
        return np.asarray(self.gold[:, [self.labels.index(label) for label in self.content]].any(axis=1))

    @property
    def policy(self) -> np.ndarray:
        """What the model gives, bool (passages, labels): the voice only to passages that it gives a label."""
        given = self.given.copy()
        if self.voice is not None:
            content = [self.labels.index(label) for label in self.content]
            given[:, self.labels.index(self.voice)] &= given[:, content].any(axis=1)
        return given


def measure(answers: Answers, samples: int = SAMPLES, ranking: bool = True) -> dict[str, Any]:
    """Figures overall, per group and per label, each [value, low, high], or None where there is nothing to measure.

    Intervals are 95% percentile bootstraps (Efron 1979) over passages, or over documents where these are known (the cluster
    bootstrap: Davison & Hinkley 1997, section 3.8; of fewer than LEAST_DOCUMENTS the bounds are None). PR-AUC is average precision; macro figures are means over content labels with at
    least LEAST_SUPPORT positives. The voice is measured on passages whose coding has a label.
    """
    base = np.ones(answers.gold.shape, dtype=bool)
    if answers.voice is not None:
        base[:, answers.labels.index(answers.voice)] = answers.coded
    gold, given = answers.gold & base, answers.given & base
    sets = {"any_label": answers.content, **{f"any_{group}": names for group, names in answers.groups.items()}}
    sets = {**{label: (label,) for label in answers.labels}, **sets}
    gold, given = (any_of(part, answers.labels, sets) for part in (gold, given))
    place = {name: number for number, name in enumerate(sets)}
    sums, areas = [], []
    few = answers.documents is not None and len(np.unique(answers.documents)) < LEAST_DOCUMENTS
    for weights in resamples(len(gold), answers.documents, 0 if few else samples):
        sums.append(np.stack([weights @ part.astype(float) for part in (gold & given, given, gold)]))
        if ranking:
            columns = enumerate(base.T)
            areas.append(
                np.column_stack(
                    [
                        average_precision(weights[:, rows], gold[rows, label], answers.scores[rows, label])
                        for label, rows in columns
                    ]
                )
            )
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
            "macro_f1": interval(macro.mean(axis=1)) if supported else None,
            "macro_average_precision": interval(area[:, columns].mean(axis=1))
            if supported and area is not None
            else None,
            "any": figures([any_event]),
        }

    labels = {}
    for number, label in enumerate(answers.labels):
        labels[label] = {"passages": int(base[:, number].sum()), **figures([label])}
        if area is not None:
            labels[label]["average_precision"] = interval(area[:, number])
    return {
        "overall": several(answers.content, "any_label"),
        "groups": {group: several(names, f"any_{group}") for group, names in answers.groups.items()},
        "labels": labels,
    }


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
        rows = answers.coded
    scores, gold = answers.scores[rows][:, columns].ravel(), answers.gold[rows][:, columns].ravel()
    place = np.minimum((scores * BINS).astype(int), BINS - 1)
    table, gap = [], 0.0
    for number in np.unique(place):
        inside = place == number
        mean, share = float(scores[inside].mean()), float(gold[inside].mean())
        gap += inside.sum() * abs(mean - share)
        table.append([number / BINS, (number + 1) / BINS, int(inside.sum()), round(mean, 4), round(share, 4)])
    error = round(float(gap / len(scores)), 4) if len(scores) else None
    return {"pairs": len(scores), "expected_calibration_error": error, "reliability": table}


def _ratios(counts: np.ndarray) -> dict[str, Interval]:
    hits, said, true = counts
    with np.errstate(invalid="ignore"):
        f1 = np.where(true > 0, 2 * hits / (said + true), np.nan)
        return {"precision": interval(hits / said), "recall": interval(hits / true), "f1": interval(f1)}
