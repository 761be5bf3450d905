"""Counts over a batch output, read once and in bounded memory: passages and documents per event, and the coded ones among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from cabletag.errors import CorpusError, DocumentError, OptionError
from cabletag.evaluation.events import any_of, events
from cabletag.results import NO_VALUE, Results

ROUNDED = 1e-3  # probabilities in a file may be rounded
Key = tuple[str, str]  # document and passage number


@dataclass(frozen=True)
class SampledDocument:
    """The coded passages of one document: `given` and `gold` are bool (coded passages, events); `passages` are all that it has."""

    passages: int
    given: np.ndarray
    gold: np.ndarray
    tagged: np.ndarray  # (events,), whether any passage of it, coded or not, is tagged


@dataclass
class Tally:
    """Counts per event, arrays of shape (events,), over one value of a column; with the sums that effective sizes need."""

    passages: int
    documents: int
    tagged: np.ndarray
    tagged_documents: np.ndarray
    tagged_squared: np.ndarray
    tagged_by_passages: np.ndarray
    passages_squared: int
    sample: list[SampledDocument] = field(default_factory=list)

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


@dataclass
class _Run:
    """The rows of one document, or those of them with one value."""

    tagged: np.ndarray
    passages: int = 0
    given: list[np.ndarray] = field(default_factory=list)
    gold: list[np.ndarray] = field(default_factory=list)

    def tally(self) -> Tally:
        hits, size = self.tagged, self.passages
        found = Tally(size, 1, hits, (hits > 0).astype(int), hits * hits, hits * size, size * size)
        if self.given:
            found.sample.append(SampledDocument(size, np.array(self.given), np.array(self.gold), hits > 0))
        return found


def tally(
    results: Results,
    by: str | None = None,
    sample: Mapping[Key, frozenset[str]] | None = None,
    thresholds: Mapping[str, float] | None = None,
) -> tuple[dict[str | None, Tally], int]:
    """Tallies of the whole (None) and per value of the column `by`, and how many rows were rejected. `sample` is labels by document and passage.

    Rows of a document stand together, as the batch scorer writes them. Raises DocumentError for an output that cannot be read, OptionError for a
    column that is not there or labels given at other `thresholds`, CorpusError for sampled passages that are not in the output, or in it twice.
    """
    kept = [] if by is None else [results.kept_column(by)]
    sets = events(results.codebook)
    labels = (*results.labels, *([results.codebook.voice_id] if results.codebook.voice_id else []))
    found: dict[str | None, Tally] = {}
    sample = sample or {}
    missing = set(sample)
    current: str | None = None
    runs: dict[str | None, _Run] = {}
    rejected = 0

    def close() -> None:
        for value, run in runs.items():
            found[value] = found[value] + run.tally() if value in found else run.tally()
        runs.clear()
        results.few_values(len(found) - 1, str(by))

    for batch, left_out in results.scored(["document", "passage", "labels", "voice", *results.scores, *kept]):
        rejected += left_out
        given = np.column_stack([results.given(batch) == 1, results.attributed(batch)])
        _check_thresholds(results, batch, given, thresholds or {})
        values = [value or NO_VALUE for value in batch[by].to_pylist()] if by else [None] * batch.num_rows
        places = zip(batch["document"].to_pylist(), batch["passage"].to_pylist(), values, strict=True)
        for (document, passage, value), happened in zip(places, any_of(given, labels, sets), strict=True):
            if document != current:
                close()
                current = document
            key = (document, str(passage))
            gold = None
            if (coded := sample.get(key)) is not None:
                if key not in missing:
                    raise CorpusError(
                        f"{results.path}: expected one passage {passage} of document '{document}', found two, and cannot tell which of "
                        "them was coded; run `cabletag batch` anew and give --id-column an id of its own for each row, or none"
                    )
                missing.remove(key)
                gold = np.array([not coded.isdisjoint(names) for names in sets.values()])
            for part in {None, value}:
                run = runs.setdefault(part, _Run(np.zeros(len(sets), dtype=np.int64)))
                run.passages += 1
                run.tagged += happened
                if gold is not None:
                    run.given.append(happened)
                    run.gold.append(gold)
    if current is None:
        raise DocumentError(f"{results.path}: expected scored passages, found none ({rejected:,} rows rejected)")
    close()
    if missing:
        document, passage = next(key for key in sample if key in missing)
        raise CorpusError(
            f"{results.path}: expected the {len(sample):,} coded passages in it, found {len(missing):,} of them missing, "
            f"first document '{document}' passage {passage}; give the output that the sample was drawn from"
        )
    return found, rejected


def _check_thresholds(
    results: Results, batch: pa.RecordBatch, given: np.ndarray, thresholds: Mapping[str, float]
) -> None:
    """Raise OptionError for a label that these thresholds would have given otherwise."""
    for column, label in enumerate(results.labels if thresholds else ()):
        gap = batch[f"p_{label}"].to_numpy(zero_copy_only=False) - thresholds[label]
        for row in np.flatnonzero((np.abs(gap) > ROUNDED) & ((gap > 0) != given[:, column]))[:1]:
            raise OptionError(
                f"{results.path}: expected labels given at the thresholds of the evaluation, found '{label}' "
                f"{'given' if gap[row] < 0 else 'not given'} at {gap[row] + thresholds[label]:.2f} (document '{batch['document'][row]}', "
                f"passage {batch['passage'][row]}; threshold {thresholds[label]:.2f}); score and evaluate with the same options"
            )
