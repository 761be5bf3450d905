"""Do the evidence spans hold what the model goes by, and what a coder would underline? Into results/evidence.json.

    python benchmarks/evidence.py

Faithfulness as in ERASER (DeYoung et al. 2020), on the passages and labels of the authored test split that the model tags:
comprehensiveness is the fall in a label's probability when its spans are deleted, sufficiency the fall when nothing else is
kept; beside as many random words, and as many words in one random run. Plausibility on the passages of evidence.jsonl,
underlined by two coders working apart: F1 over characters, beside the coders against each other and random runs of words.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import numpy as np
import reports

from cabletag import Codebook, Tagger
from cabletag.assets import codebook_file
from cabletag.corpus import read_corpus, read_rows

DRAWS, SEED = 5, 0
Spans = list[tuple[int, int]]


def main() -> None:
    codebook, tagger = Codebook.load(), Tagger.from_pretrained(precision="f32")
    corpus = codebook_file().parent / "corpus"
    texts = {passage.id: passage.text for passage in read_corpus(corpus / "test.jsonl", codebook)}
    marks = {row["id"]: row["marks"] for _, row in read_rows(corpus / "evidence.jsonl")}
    report = {
        "date": reports.today(),
        "model": reports.model(tagger),
        "sha256": {
            name: hashlib.sha256((corpus / f"{name}.jsonl").read_bytes()).hexdigest() for name in ("test", "evidence")
        },
        "faithfulness": faithfulness(tagger, list(texts.values())),
        "plausibility": plausibility(tagger, texts, marks),
    }
    reports.write("evidence", report)
    print(json.dumps(report, indent=1))


def faithfulness(tagger: Tagger, texts: list[str]) -> dict[str, Any]:
    """Mean falls in probability over all tagged (passage, label) pairs, with 95% bootstrap intervals."""
    random = np.random.default_rng(SEED)
    cases = [
        (text, label, prediction.scores[label], spans_of(prediction, label))
        for text, prediction in zip(texts, tagger.tag(texts, evidence=True), strict=True)
        for label in prediction.labels
    ]
    ways: dict[str, list[tuple[str, str, float]]] = {}
    for text, label, score, spans in cases:
        words = words_of(text)
        held = [any(start <= at < end for start, end in spans) for at, _ in words]
        chosen = {"evidence": [held]}
        chosen["random words"] = [random.permutation(held).tolist() for _ in range(DRAWS)]
        chosen["random run"] = [
            np.roll(sorted(held, reverse=True), random.integers(len(words))).tolist() for _ in range(DRAWS)
        ]
        for name, draws in chosen.items():
            for draw in draws:
                for way, keep in (("deleted", False), ("alone", True)):
                    left = " ".join(
                        text[a:b] for (a, b), held_here in zip(words, draw, strict=True) if held_here == keep
                    )
                    ways.setdefault(f"{name} {way}", []).append((left, label, score))
    found: dict[str, Any] = {
        "pairs": len(cases),
        "share_of_words": round(float(np.mean([share(t, s) for t, _, _, s in cases])), 4),
    }
    for name, rows in ways.items():
        scores = tagger.predict_proba([left for left, _, _ in rows])
        falls = np.array(
            [score - row[tagger.labels.index(label)] for row, (_, label, score) in zip(scores, rows, strict=True)]
        )
        found[name] = interval(falls.reshape(len(cases), -1).mean(axis=1), random)
    return found


def plausibility(tagger: Tagger, texts: dict[str, str], marks: dict[str, dict[str, list[Spans]]]) -> dict[str, Any]:
    """Character F1 over all underlined (passage, label) pairs taken together, whether the model tags the label or not."""
    random = np.random.default_rng(SEED)
    ids = list(marks)
    predictions = dict(zip(ids, tagger.tag([texts[key] for key in ids], threshold=0.0, evidence=True), strict=True))
    rows = []
    for key in ids:
        words = words_of(texts[key])
        for label, (one, two) in marks[key].items():
            ours = spans_of(predictions[key], label)
            count = sum(any(start <= at < end for start, end in ours) for at, _ in words)
            first = int(random.integers(max(len(words) - count, 0) + 1))
            run = [(words[first][0], words[first + count - 1][1])] if count else []
            rows.append([characters(spans) for spans in (ours, run, one, two)])
    f1 = {
        name: round(2 * sum(len(row[a] & row[b]) for row in rows) / sum(len(row[a]) + len(row[b]) for row in rows), 4)
        for name, a, b in (("model", 0, 2), ("random run", 1, 2), ("second coder", 3, 2))
    }
    touched = sum(bool(row[0] & row[2]) for row in rows) / len(rows)
    return {"passages": len(ids), "pairs": len(rows), "f1": f1, "model_touches": round(touched, 4)}


def spans_of(prediction: Any, label: str) -> Spans:
    return [(span.start, span.end) for span in prediction.evidence if span.label == label]


def words_of(text: str) -> Spans:
    return [match.span() for match in re.finditer(r"\S+", text)]


def share(text: str, spans: Spans) -> float:
    words = words_of(text)
    return sum(any(start <= at < end for start, end in spans) for at, _ in words) / len(words)


def characters(spans: Spans) -> set[int]:
    return {place for start, end in spans for place in range(start, end)}


def interval(values: np.ndarray, random: np.random.Generator) -> list[float]:
    means = [float(random.choice(values, len(values)).mean()) for _ in range(1000)]
    return [round(value, 4) for value in (float(values.mean()), *np.percentile(means, [2.5, 97.5]))]


if __name__ == "__main__":
    main()
