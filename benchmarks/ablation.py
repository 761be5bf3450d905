"""What each part of the recipe and of the data buys, into results/ablation.json.

    python benchmarks/ablation.py --real-text FILE [--share 3] [--epochs 2] [--only NAME ...]

Every variant is trained from scratch on the same share of the passages and scored on the whole held-out data of the shipped model, whose
thresholds it does not need: macro average precision over content labels with five positives or more. A full run each would take
hours on two cores, so differences are what counts, not levels. Variants that the file holds already, for the same
setting and data, are not run again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import reports
from sklearn.metrics import average_precision_score

from cabletag import Codebook
from cabletag.assets import codebook_file
from cabletag.corpus import SPLITS, CodedPassage, digest, gold_matrix, read_rows
from cabletag.encoders.cpu import CpuEncoder
from cabletag.ngrams import FILE as NGRAMS
from cabletag.train import Recipe, train, training_data

LEAST_POSITIVES = 5
Row = dict[str, Any]

# Name: what is changed in the recipe, and which training rows stay.
VARIANTS: dict[str, tuple[dict[str, Any], Callable[[Row], bool]]] = {
    "as shipped": ({}, lambda row: True),
    "without token dropout": ({"token_dropout": 0.0}, lambda row: True),
    "without joined passages": ({"joined": 0.0}, lambda row: True),
    "unsure passages at full weight": ({"unsure_weight": 1.0}, lambda row: True),
    "twice the learning rate": ({"learning_rate": 1.6e-4}, lambda row: True),
    "half the learning rate": ({"learning_rate": 4e-5}, lambda row: True),
    "without single sentences of real passages": ({}, lambda row: "span" not in row),
    "without real passages": ({}, lambda row: "sha256" not in row),
    "without authored passages": ({}, lambda row: "sha256" in row),
}


def sampled(source: Path, target: Path, share: int, keeps: Callable[[Row], bool]) -> None:
    """A corpus folder with one training passage in `share`, chosen by hash (a part with its whole), and only the rows that `keeps` wants."""
    for name in (*SPLITS, "real"):
        rows = [row for _, row in read_rows(source / f"{name}.jsonl")]
        if name in ("train", "real"):
            rows = [row for row in rows if _drawn(str(row["id"]).partition("#")[0], share) and keeps(row)]
        (target / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _drawn(key: str, share: int) -> bool:
    return int(hashlib.sha256(f"ablation {key}".encode()).hexdigest(), 16) % share == 0


def macro_ap(codebook: Codebook, logits: np.ndarray, passages: list[CodedPassage], picked: np.ndarray) -> float:
    """Mean average precision over the content labels with enough positives among the picked passages."""
    gold = gold_matrix(codebook, passages)[picked]
    columns = [
        column
        for column, label in enumerate(codebook.ids)
        if label != codebook.voice_id and gold[:, column].sum() >= LEAST_POSITIVES
    ]
    found = [average_precision_score(gold[:, column], logits[picked, column]) for column in columns]
    return round(float(np.mean(found)), 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real-text", type=Path, required=True)
    parser.add_argument("--share", type=int, default=3, help="train on one passage in so many")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--only", action="append", choices=list(VARIANTS))
    arguments = parser.parse_args()
    codebook, corpus = Codebook.load(), codebook_file().parent / "corpus"
    base = replace(Recipe(), epochs=arguments.epochs)
    fit, held_out = training_data(codebook, corpus, base, arguments.real_text, print)
    setting = {
        "recipe": asdict(base),
        "share": arguments.share,
        "epochs": arguments.epochs,
        "train_sha256": digest(fit),
        "held_out_sha256": digest(held_out),
    }
    report = reports.read("ablation")
    if report.get("setting") != setting:
        report = {"setting": setting, "variants": {}}
    texts = [passage.text for passage in held_out]
    real = np.array(["/" in passage.document for passage in held_out])
    parts = {"all": np.ones(len(real), dtype=bool), "real": real, "authored": ~real}
    for name in arguments.only or VARIANTS:
        if name in report["variants"]:
            continue
        changes, keeps = VARIANTS[name]
        with tempfile.TemporaryDirectory() as scratch:
            sampled(corpus, Path(scratch), arguments.share, keeps)
            recipe, model = replace(base, **changes), Path(scratch) / "model"
            manifest = train(
                model, codebook_file(), Path(scratch), recipe, arguments.real_text, Path(scratch) / "runs", print
            )
            size = (recipe.max_tokens, recipe.stride, len(codebook.ids))
            whole, _ = CpuEncoder(model, *size, precision="f32").encode(texts)
            (model / NGRAMS).unlink()
            encoder, _ = CpuEncoder(model, *size, precision="f32").encode(texts)
        report["variants"][name] = {
            "date": reports.today(),
            "passages": manifest.training["passages"]["train"],
            "seconds": manifest.training["seconds"],
            "macro_ap": {part: macro_ap(codebook, whole, held_out, rows) for part, rows in parts.items()},
            "macro_ap_without_ngrams": {
                part: macro_ap(codebook, encoder, held_out, rows) for part, rows in parts.items()
            },
        }
        reports.write("ablation", report)
        print(name, report["variants"][name], flush=True)


if __name__ == "__main__":
    main()
