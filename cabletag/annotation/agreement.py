"""Coders against each other and against the model: agreement per label, and one settled coding of each passage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cabletag.codebook import Codebook


@dataclass(frozen=True)
class LabelAgreement:
    """One label: how many passages carry it, settled and by the model, and Krippendorff's alpha; None where it is not defined.

    Alpha (Krippendorff 2019, nominal, missing codings allowed) is 1 for full agreement and 0 for that of chance. It needs two
    coders, and passages with and without the label.
    """

    label: str
    coded: int
    model: int
    both: int
    coders_alpha: float | None
    model_alpha: float | None


@dataclass(frozen=True)
class CodedItem:
    """One passage with the labels of each of its coders, the model's labels and the design of its sample."""

    id: str
    document: str
    passage: int
    text: str
    by_coder: Mapping[str, Sequence[str]]
    model: Sequence[str]
    design: Mapping[str, Any]


def settle(by_coder: Mapping[str, Sequence[str]], codebook: Codebook) -> tuple[str, ...]:
    """The labels that more than half of a passage's coders gave, in codebook order; the voice only beside another."""
    labels = [label for label in codebook.ids if 2 * sum(label in given for given in by_coder.values()) > len(by_coder)]
    return tuple(labels) if labels != [codebook.voice_id] else ()


def agreement(items: Sequence[CodedItem], codebook: Codebook) -> list[LabelAgreement]:
    """Per label over all passages; the voice over those where who coded gave another label."""
    coders = sorted({coder for item in items for coder in item.by_coder})
    settled = [settle(item.by_coder, codebook) for item in items]
    found = []
    for label in codebook.ids:
        voice = label == codebook.voice_id
        table = [[_code(item.by_coder.get(coder), label, voice) for item in items] for coder in coders]
        people = [_code(labels, label, voice) for labels in settled]
        model = [_code(item.model, label, voice) for item in items]
        both = sum(one == other == 1 for one, other in zip(people, model, strict=True))
        found.append(
            LabelAgreement(label, people.count(1), model.count(1), both, _alpha(table), _alpha([people, model]))
        )
    return found


def corpus_row(item: CodedItem, codebook: Codebook) -> dict[str, Any]:
    """A row of a coded corpus: `sure` where all coders agree, `coding` with each coder's labels, `sample` as it was drawn."""
    return {
        "id": item.id,
        "document": item.document,
        "passage": item.passage,
        "text": item.text,
        "labels": list(settle(item.by_coder, codebook)),
        "coder": ", ".join(sorted(item.by_coder)),
        "sure": len({frozenset(labels) for labels in item.by_coder.values()}) == 1,
        "coding": {coder: list(labels) for coder, labels in sorted(item.by_coder.items())},
        "model_labels": list(item.model),
        "sample": dict(item.design),
    }


def _code(labels: Sequence[str] | None, label: str, voice: bool) -> float:
    """1 or 0, and nothing for a passage that was not coded, or whose voice was not asked for."""
    if labels is None or (voice and not labels):
        return float("nan")
    return float(label in labels)


def _alpha(table: Sequence[Sequence[float]]) -> float | None:
    import krippendorff

    codes = np.array(table)
    pairable = codes[:, (~np.isnan(codes)).sum(axis=0) > 1] if codes.size else codes
    if len(codes) < 2 or len(np.unique(pairable[~np.isnan(pairable)])) < 2:
        return None
    return round(float(krippendorff.alpha(reliability_data=codes, level_of_measurement="nominal")), 4)
