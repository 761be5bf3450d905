"""Passages whose labels are disputed most by a model that has not seen them, to be coded once more, blind.

    python labels/scripts/disputed.py OUT --real-text FILE [--corpus FOLDER] [--epochs 3] [--count 540]

Cross-validation over documents and briefs in two halves: a model trained on one half reads the other. A passage's dispute is the
largest log odds, over its content labels, that the model gives against the code; the `--count` most disputed authored and real
passages are written as JSON lines {id, text, labels, dispute, label, real}. OUT holds real text: keep it out of the repository. The idea
is that of confident learning (Northcutt et al. 2021), the ranking plainer. What a dispute is worth is for a coder to say.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from pathlib import Path

import numpy as np

from cabletag.codebook import Codebook
from cabletag.corpus import CodedPassage, gold_matrix, read_rows
from cabletag.tagger import Tagger
from cabletag.train import train
from cabletag.training.data import training_data
from cabletag.training.recipe import MINILM, Recipe

FOLDER = Path(__file__).resolve().parents[1] / "cable-2025-11-21"
LEAST = 1e-4  # a probability nearer to 0 or 1 says no more


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--real-text", type=Path, required=True)
    parser.add_argument("--corpus", type=Path, default=FOLDER / "corpus")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--count", type=int, default=540)
    arguments = parser.parse_args()
    codebook, recipe = Codebook.load(FOLDER / "codebook.yaml"), Recipe.of(MINILM, epochs=arguments.epochs)
    passages, _ = training_data(codebook, arguments.corpus, recipe, arguments.real_text, print)
    found: list[dict] = []
    for half in (0, 1):
        unseen = [passage for passage in passages if _half(passage) == half]
        with tempfile.TemporaryDirectory() as scratch:
            _without(arguments.corpus, Path(scratch), {passage.id for passage in unseen})
            model = Path(scratch) / "model"
            train(model, FOLDER / "codebook.yaml", Path(scratch), recipe, arguments.real_text, Path(scratch) / "runs")
            tagger = Tagger.from_pretrained(model, precision="f32")
        found += disputes(tagger, codebook, [passage for passage in unseen if "#" not in passage.id])
    found.sort(key=lambda row: -row["dispute"])
    with arguments.output.open("w", encoding="utf-8") as file:
        for real in (False, True):
            for row in [row for row in found if row["real"] == real][: arguments.count]:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _half(passage: CodedPassage) -> int:
    return int(hashlib.sha256(f"half {passage.document}".encode()).hexdigest(), 16) % 2


def _without(source: Path, target: Path, left_out: set[str]) -> None:
    """The corpus but for some passages, in another folder."""
    for name in ("train", "dev", "real"):
        rows = [row for _, row in read_rows(source / f"{name}.jsonl") if row["id"] not in left_out]
        (target / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def disputes(tagger: Tagger, codebook: Codebook, passages: list[CodedPassage]) -> list[dict]:
    """What the model holds most against each passage's code."""
    scores = np.clip(tagger.predict_proba([passage.text for passage in passages]), LEAST, 1 - LEAST)
    odds = np.log(scores / (1 - scores))
    content = [codebook.ids.index(label) for label in codebook.content_ids]
    against = np.where(gold_matrix(codebook, passages) > 0, -odds, odds)[:, content]
    return [
        {
            "id": passage.id,
            "text": passage.text,
            "labels": list(passage.labels),
            "dispute": round(float(row.max()), 3),
            "label": codebook.content_ids[int(row.argmax())],
            "real": "/" in passage.document,
        }
        for passage, row in zip(passages, against, strict=True)
    ]


if __name__ == "__main__":
    main()
