"""Coded passages as training reads them: split, weighted, joined, in token ids and batches."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset

from cabletag.codebook import Codebook
from cabletag.corpus import CodedPassage, gold_matrix, read_corpus, read_pointers
from cabletag.encoders import padded
from cabletag.errors import CorpusError
from cabletag.training.recipe import Recipe


def training_data(
    codebook: Codebook, corpus: Path, recipe: Recipe, real_text: Path | None, say: Callable[[str], None]
) -> tuple[list[CodedPassage], list[CodedPassage]]:
    """What a run is fitted on, and what is held out for calibration and thresholds.

    The authored dev split is held out, and one real document in `recipe.held_out`, chosen by the hash of its name.
    """
    fit = read_corpus(corpus / "train.jsonl", codebook)
    held_out = read_corpus(corpus / "dev.jsonl", codebook)
    if real_text is None:
        say("no --real-text: the authored corpus alone is read; a model of it tags real passages less well")
    else:
        real, missing = read_pointers(corpus / "real.jsonl", real_text, codebook)
        if missing:
            say(f"{real_text}: no text for {missing:,} of {missing + len(real):,} real passages, which are left out")
        for passage in real:
            if int(hashlib.sha256(passage.document.encode()).hexdigest(), 16) % recipe.held_out:
                fit.append(passage)
            elif "#" not in passage.id:  # a part of a passage teaches, but is not what users tag
                held_out.append(passage)
    if not all(any(passage.labels for passage in part) for part in (fit, held_out)):
        raise CorpusError(
            f"{corpus}: expected passages with labels in train.jsonl and in dev.jsonl, found none in one of them; code some"
        )
    return fit, held_out


def dataset(tokenizer: Any, codebook: Codebook, passages: list[CodedPassage], recipe: Recipe) -> Dataset:
    texts = [passage.text for passage in passages]
    ids: list[list[int]] = tokenizer(texts, truncation=True, max_length=recipe.max_tokens)["input_ids"]
    return Dataset.from_dict(
        {
            "input_ids": ids,
            "labels": gold_matrix(codebook, passages).tolist(),
            "weights": _weights(codebook, passages, recipe.unsure_weight).tolist(),
            "length": [len(row) for row in ids],
        }
    )


def _weights(codebook: Codebook, passages: list[CodedPassage], unsure: float) -> np.ndarray:
    """Loss weights (passages, labels): less where the coder was unsure, none for the voice of a passage without labels."""
    weights = np.array(
        [[1.0 if passage.sure else unsure] * len(codebook.ids) for passage in passages], dtype=np.float32
    )
    if codebook.voice_id is not None:
        weights[[not passage.labels for passage in passages], codebook.ids.index(codebook.voice_id)] = 0.0
    return weights


def readings(fit: Dataset, voice: int | None, recipe: Recipe) -> Dataset:
    """The passages once per epoch, in a row; each time a share of the short ones is joined with another short one.

    A joined passage carries the labels of both, so that a label hangs on the words that carry it and not on what stands beside them.
    """
    chance, rows = random.Random(recipe.seed), fit.to_list()
    short = [row for row in rows if row["length"] <= recipe.max_tokens // 2]
    readings = []
    for _ in range(recipe.epochs):
        for row in rows:
            if row["length"] <= recipe.max_tokens // 2 and chance.random() < recipe.joined:
                first, second = chance.sample([row, chance.choice(short)], 2)
                readings.append(joined(first, second, voice))
            else:
                readings.append(row)
    return Dataset.from_list(readings).shuffle(seed=recipe.seed)


def joined(first: dict[str, Any], second: dict[str, Any], voice: int | None) -> dict[str, Any]:
    ids = first["input_ids"][:-1] + second["input_ids"][1:]
    weights = np.minimum(first["weights"], second["weights"])
    if voice is not None:  # it is told by the passage that has labels, and by nobody where two disagree
        told = [row["labels"][voice] for row in (first, second) if row["weights"][voice]]
        weights[voice] = max(first["weights"][voice], second["weights"][voice]) if len(set(told)) == 1 else 0.0
    labels = np.maximum(first["labels"], second["labels"]).tolist()
    return {"input_ids": ids, "labels": labels, "weights": weights.tolist(), "length": len(ids)}


def collate(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    ids, mask = padded([row["input_ids"] for row in rows])
    return {
        "input_ids": torch.from_numpy(ids),
        "attention_mask": torch.from_numpy(mask),
        "labels": torch.tensor([row["labels"] for row in rows]),
        "weights": torch.tensor([row["weights"] for row in rows]),
    }
