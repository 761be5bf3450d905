"""Validate a codebook's corpus: shape, coding trail, variety, and no passage near another across splits.

    python labels/scripts/check_corpus.py [labels/cable-2025-11-21]

Prints the figures and leaves with 1 if any requirement is not met.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import yaml
from sklearn.feature_extraction.text import TfidfVectorizer

from cabletag.codebook import Codebook
from cabletag.corpus import SPLITS, CodedPassage, checked_labels, read_corpus, read_rows

LEAST_PASSAGES, LEAST_POSITIVES, LEAST_GENRES = 5000, 150, 10
LEAST_UNLABELLED, LEAST_MULTI = 0.40, 0.25
WORDS = (8, 120)
NEAR = 0.6  # cosine of character 5-grams; passages of one brief on one subject stay under 0.4


def main(folder: Path) -> int:
    codebook = Codebook.load(folder / "codebook.yaml")
    briefs = {brief["id"]: brief for brief in yaml.safe_load((folder / "corpus" / "briefs.yaml").read_text())["briefs"]}
    splits = {split: read_corpus(folder / "corpus" / f"{split}.jsonl", codebook) for split in SPLITS}
    passages = [passage for split in SPLITS for passage in splits[split]]
    problems = [
        *_shape(codebook, splits, briefs),
        *_balance(codebook, passages),
        *_near(splits, {key for key, brief in briefs.items() if brief.get("style") == "contrast"}),
        *_pointers(folder / "corpus" / "real.jsonl", codebook),
    ]
    for problem in problems:
        print(f"problem: {problem}")
    return 1 if problems else 0


def _shape(codebook: Codebook, splits: dict[str, list[CodedPassage]], briefs: dict) -> list[str]:
    problems = []
    ids = Counter(passage.id for rows in splits.values() for passage in rows)
    problems += [f"the id {key} stands {count} times" for key, count in ids.items() if count > 1]
    for split, rows in splits.items():
        for passage in rows:
            brief = briefs.get(passage.document)
            if brief is None or brief["split"] != split:
                problems.append(f"{passage.id}: expected a brief of the {split} split, found {passage.document}")
            words = len(passage.text.split())
            if not WORDS[0] <= words <= WORDS[1]:
                problems.append(f"{passage.id}: expected {WORDS[0]} to {WORDS[1]} words, found {words}")
            trail = passage.coding
            if set(trail) - {"again"} != {"writer", "coder", "settled"}:
                problems.append(f"{passage.id}: expected the codes of writer and coder and how they were settled")
            elif trail["settled"] == "agreed" and not set(trail["writer"]) == set(trail["coder"]) == set(
                trail["again"]["before"] if "again" in trail else passage.labels
            ):
                problems.append(f"{passage.id}: said to be agreed, but the codes differ")
    return problems


def _balance(codebook: Codebook, passages: list[CodedPassage]) -> list[str]:
    problems = []
    labelled = [passage for passage in passages if passage.labels]
    multi = sum(sum(label != codebook.voice_id for label in passage.labels) > 1 for passage in labelled)
    genres = Counter(passage.genre for passage in passages)
    positives = Counter(label for passage in passages for label in passage.labels)
    unlabelled = 1 - len(labelled) / len(passages)
    print(
        f"{len(passages):,} passages, {unlabelled:.0%} without a label, {multi / len(labelled):.0%} of the labelled with two or more, {len(genres)} genres"
    )
    print(", ".join(f"{label} {positives[label]}" for label in codebook.ids))
    if len(passages) < LEAST_PASSAGES:
        problems.append(f"expected at least {LEAST_PASSAGES} passages, found {len(passages)}")
    if unlabelled < LEAST_UNLABELLED:
        problems.append(f"expected at least {LEAST_UNLABELLED:.0%} without a label, found {unlabelled:.1%}")
    if multi / len(labelled) < LEAST_MULTI:
        problems.append(
            f"expected at least {LEAST_MULTI:.0%} of the labelled with two or more, found {multi / len(labelled):.1%}"
        )
    if len(genres) < LEAST_GENRES:
        problems.append(f"expected at least {LEAST_GENRES} genres, found {len(genres)}")
    problems += [
        f"expected at least {LEAST_POSITIVES} positives of {label}, found {positives[label]}"
        for label in codebook.ids
        if positives[label] < LEAST_POSITIVES
    ]
    return problems


def _near(splits: dict[str, list[CodedPassage]], contrast: set[str]) -> list[str]:
    """Pairs of passages that are almost the same, within a split or across two; in one contrast brief they are meant to be."""
    rows = [(split, passage) for split in SPLITS for passage in splits[split]]
    matrix = TfidfVectorizer(analyzer="char_wb", ngram_range=(5, 5)).fit_transform(passage.text for _, passage in rows)
    closeness = (matrix @ matrix.T).tocoo()
    pairs = [
        (value, rows[one], rows[two])
        for one, two, value in zip(closeness.row, closeness.col, closeness.data, strict=True)
        if one < two and value >= NEAR and not _meant(rows[one][1], rows[two][1], contrast)
    ]
    across = [
        value
        for one, two, value in zip(closeness.row, closeness.col, closeness.data, strict=True)
        if one < two and rows[one][0] != rows[two][0]
    ]
    print(
        f"closest pair across splits: cosine {max(across):.2f}; 99.99th percentile of pairs with a shared 5-gram {np.percentile(across, 99.99):.2f}"
    )
    phrases: dict[str, set[int]] = {}
    for number, (_, passage) in enumerate(rows):
        words = passage.text.lower().split()
        for start in range(len(words) - 9):
            phrases.setdefault(" ".join(words[start : start + 10]), set()).add(number)
    shared = {pair for found in phrases.values() for pair in combinations(sorted(found), 2)}
    return [
        f"{one[0]}/{one[1].id} and {two[0]}/{two[1].id} are near-duplicates (cosine {value:.2f})"
        for value, one, two in pairs
    ] + [
        f"{rows[one][0]}/{rows[one][1].id} and {rows[two][0]}/{rows[two][1].id} share ten words in a row"
        for one, two in sorted(shared)
        if not _meant(rows[one][1], rows[two][1], contrast)
    ]


def _meant(one: CodedPassage, two: CodedPassage, contrast: set[str]) -> bool:
    return one.document == two.document and one.document in contrast


def _pointers(path: Path, codebook: Codebook) -> list[str]:
    problems = []
    wanted = {
        "id",
        "repo",
        "commit",
        "path",
        "locator",
        "sha256",
        "genre",
        "year",
        "source",
        "labels",
        "sure",
        "passes",
    }
    for place, row in read_rows(path):
        checked_labels(row, codebook, place)
        if set(row) - {"span", "again"} != wanted:
            problems.append(
                f"{place}: expected the fields {sorted(wanted)}, found {sorted(row)}; text is never committed"
            )
        if len(json.dumps(row["locator"])) > 300:
            problems.append(f"{place}: a locator of that length may hold text")
    return problems


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "labels/cable-2025-11-21")))
