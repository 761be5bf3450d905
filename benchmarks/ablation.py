"""What each part of the recipe and of the data buys, into results/ablation.json.

    python benchmarks/ablation.py --real-text FILE [--share 6] [--epochs 3] [--only NAME ...]

Every variant is trained from scratch on the same share of the passages and scored on the whole held-out data of the shipped model, whose
thresholds it does not need: macro average precision over content labels with five positives or more. A full run each would take
hours on two cores, so differences are what counts, not levels. The base is the small one where a variant names no other. Variants that the file
holds already, for the same setting and data, are not run again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import reports
import torch
from sklearn.metrics import average_precision_score
from torch.nn import functional

from cabletag import Codebook
from cabletag.assets import codebook_file
from cabletag.corpus import SPLITS, CodedPassage, digest, gold_matrix, read_rows
from cabletag.encoders.cpu import CpuEncoder
from cabletag.encoders.torch import contributions
from cabletag.ngrams import FILE as NGRAMS
from cabletag.train import train
from cabletag.training.data import training_data
from cabletag.training.recipe import MINILM, MPNET, Recipe
from cabletag.training.tuning import parameter_groups

LEAST_POSITIVES = 5
Row = dict[str, Any]


# ---- what is changed


@dataclass(frozen=True)
class Variant:
    """A changed recipe, the rows that stay, functions of the package that are replaced, by dotted name, and seeds of further runs to be averaged with."""

    recipe: dict[str, Any] = field(default_factory=dict)
    keeps: Callable[[Row], bool] = lambda row: True
    replaced: dict[str, Callable[..., Any]] = field(default_factory=dict)
    seeds: tuple[int, ...] = ()


def weighted(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy in which a positive counts twice."""
    twice = torch.full((logits.shape[1],), 2.0)
    return functional.binary_cross_entropy_with_logits(logits, labels, pos_weight=twice, reduction="none")


def asymmetric(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Asymmetric loss (Ridnik et al. 2021) with its authors' values: easy negatives count little, the easiest nothing."""
    wrong = (torch.sigmoid(logits) - 0.05).clamp(min=0)
    return -labels * functional.logsigmoid(logits) - (1 - labels) * wrong**4 * torch.log1p(-wrong)


def smoothed(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy towards .02 and .95 in place of 0 and 1."""
    return functional.binary_cross_entropy_with_logits(logits, 0.02 + 0.93 * labels, reduction="none")


def decayed(model: Any, recipe: Recipe) -> list[dict[str, Any]]:
    """Parameter groups with a learning rate that is .85 of that of the layer above."""
    layers = model.base_model.encoder.layer
    rates = {id(p): 0.85 ** (len(layers) - place) for place, layer in enumerate(layers, 1) for p in layer.parameters()}
    return [
        {**group, "params": [p], "lr": group["lr"] * (1 if head else rates.get(id(p), 0.85 ** len(layers)))}
        for group, head in zip(parameter_groups(model, recipe), (False, False, True), strict=True)
        for p in group["params"]
    ]


def restarted(optimizer: Any, steps: int) -> Any:
    """The learning rate goes up and comes down twice (warm restarts: Loshchilov & Hutter 2017)."""
    half = -(-steps // 2)
    warm = max(1, half // 10)

    def factor(step: int) -> float:
        place = step % half
        return (place + 1) / warm if place < warm else (half - place) / (half - warm)

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def mean_pooled(tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Contributions in which all labels pay equal attention to all tokens."""
    values, attention = tokens.chunk(2, dim=-1)
    return contributions(torch.cat([values, torch.zeros_like(attention)], dim=-1), mask)


LOSS, POOLING = (
    "cabletag.training.tuning.losses",
    [f"cabletag.{name}.contributions" for name in ("training.tuning", "export", "encoders.torch")],
)
VARIANTS = {
    "one run of the recipe": Variant(),
    "two cycles of the learning rate": Variant(replaced={"cabletag.training.tuning.schedule": restarted}),
    "all-mpnet-base-v2 for a base": Variant({"base": MPNET, "learning_rate": 4e-5}),
    "twice the learning rate": Variant({"learning_rate": 1.6e-4}),
    "half the learning rate": Variant({"learning_rate": 4e-5}),
    "learning rate decaying by layer": Variant(replaced={"cabletag.training.tuning.parameter_groups": decayed}),
    "weighted loss": Variant(replaced={LOSS: weighted}),
    "asymmetric loss": Variant(replaced={LOSS: asymmetric}),
    "smoothed labels": Variant(replaced={LOSS: smoothed}),
    "mean pooling": Variant(replaced=dict.fromkeys(POOLING, mean_pooled)),
    "96 tokens": Variant({"max_tokens": 96, "stride": 24}),
    "without token dropout": Variant({"token_dropout": 0.0}),
    "without joined passages": Variant({"joined": 0.0}),
    "unsure passages at full weight": Variant({"unsure_weight": 1.0}),
    "n-grams of three": Variant({"ngram_order": 3}),
    "averaged with a run of another seed": Variant(seeds=(14,)),
    "without single sentences of real passages": Variant(keeps=lambda row: "span" not in row),
    "without real passages": Variant(keeps=lambda row: "sha256" not in row),
    "without authored passages": Variant(keeps=lambda row: "sha256" in row),
}


# ---- data and measure


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
    parser.add_argument("--share", type=int, default=6, help="train on one passage in so many")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--only", action="append", choices=list(VARIANTS))
    arguments = parser.parse_args()
    codebook, corpus = Codebook.load(), codebook_file().parent / "corpus"
    base = Recipe.of(MINILM, epochs=arguments.epochs)
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
        variant = VARIANTS[name]
        with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
            for dotted, other in variant.replaced.items():
                stack.enter_context(patch(dotted, other))
            sampled(corpus, Path(scratch), arguments.share, variant.keeps)
            recipe, model = replace(base, **variant.recipe), Path(scratch) / "model"
            data = (codebook_file(), Path(scratch))
            with_text = {"real_text": arguments.real_text, "work": Path(scratch) / "runs"}
            others = [Path(scratch) / f"seed-{seed}" for seed in variant.seeds]
            for seed, folder in zip(variant.seeds, others, strict=True):
                train(folder, *data, replace(recipe, seed=seed), **with_text)
            manifest = train(model, *data, recipe, **with_text, average_with=others)
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
