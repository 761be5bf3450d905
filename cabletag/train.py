"""Corpus + codebook + base model -> models/<name>/."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import transformers
from transformers import AutoTokenizer

from cabletag.codebook import Codebook
from cabletag.corpus import digest, gold_matrix
from cabletag.encoders.cpu import CpuEncoder
from cabletag.encoders.torch import weight_files
from cabletag.errors import ModelError
from cabletag.export import check_export, export_onnx
from cabletag.golden import golden_texts, write_golden
from cabletag.manifest import FORMAT, Manifest, joint, sha256
from cabletag.modelfolder import check_folder, put
from cabletag.ngrams import NgramClassifier
from cabletag.policy import fit_policy, mixing_share
from cabletag.prediction import calibrate
from cabletag.training.data import dataset, readings, training_data
from cabletag.training.linear import fit_ngrams
from cabletag.training.recipe import Recipe, base_folder
from cabletag.training.tuning import Clock, average, make_trainer, probe, save, stack

CARD_TEXT = """\
# {name}

Tags passages with the labels of: {codebook}. Fine-tuned from {base} by `cabletag train`; `manifest.json` holds the
data digests, the recipe and the log. Not evaluated yet: measure it on passages of your own before you rely on it.
"""


def train(
    output: Path,
    codebook_file: Path,
    corpus: Path,
    recipe: Recipe,
    real_text: Path | None = None,
    work: Path = Path("runs"),
    average_with: Sequence[Path] = (),
    continue_from: Path | None = None,
    say: Callable[[str], None] = print,
) -> Manifest:
    """Fine-tune, calibrate, export and write a model folder.

    `corpus` is a folder with train.jsonl and dev.jsonl and, if `real_text` is given, real.jsonl. A run that was broken
    off goes on from its last checkpoint when it is started again with the same data and recipe. A model that is there is replaced when
    the new one is whole. `average_with` names models tuned from the same base with the same passages held out, whose weights are averaged
    with the new ones before calibration: the mean of two runs often does better than either (model soups, Wortsman et al. 2022).
    `continue_from` names such a model to start from in place of the base and a fresh head: a further cycle of the learning rate
    (warm restarts, Loshchilov and Hutter 2017). Raises CorpusError, ModelError, and OutputError for a folder that holds anything but a model.
    """
    started = time.monotonic()
    check_folder(output)
    codebook = Codebook.load(codebook_file)
    kin = {folder: Manifest.load(folder) for folder in (*average_with, *filter(None, [continue_from]))}
    fit, held_out = training_data(codebook, corpus, recipe, real_text, say)
    for other, its in kin.items():
        _check_kin(other, its, recipe, codebook)
    start = [] if continue_from is None else [kin[continue_from].weights_sha256]
    fingerprint = hashlib.sha256(
        json.dumps([codebook.digest, digest(fit), digest(held_out), asdict(recipe), *start]).encode()
    ).hexdigest()
    folder = work / f"{output.name}-{fingerprint[:12]}"
    say(f"{len(fit):,} passages to train on, {len(held_out):,} held out; work in {folder}")
    transformers.set_seed(recipe.seed)
    base = base_folder(recipe.base)
    try:
        tokenizer = AutoTokenizer.from_pretrained(base)
        model = stack(str(continue_from or base), recipe, codebook)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"expected a base model by id or folder, found '{recipe.base}', which cannot be loaded: {str(error).splitlines()[0]}"
        ) from error
    fit_data, held_out_data = (dataset(tokenizer, codebook, passages, recipe) for passages in (fit, held_out))
    voice = None if codebook.voice_id is None else codebook.ids.index(codebook.voice_id)
    trainer = make_trainer(model, tokenizer, readings(fit_data, voice, recipe), held_out_data, recipe, folder)
    resume = any(folder.glob("checkpoint-*"))
    if not resume and continue_from is None:
        say("starting the head from a logistic-regression probe on the frozen encoder")
        probe(model, fit_data, recipe)
    clock = Clock(folder / "seconds.txt", started)
    trainer.add_callback(clock)
    trainer.train(resume_from_checkpoint=resume)
    if average_with:
        average(model, average_with)
        trainer.evaluate()
    fresh = folder / "model"
    shutil.rmtree(fresh, ignore_errors=True)
    save(model, tokenizer, fresh)
    export_onnx(fresh)
    size = (recipe.max_tokens, recipe.stride, len(codebook.ids))
    texts = [passage.text for passage in held_out]
    gold = gold_matrix(codebook, held_out)
    off = check_export(fresh, *size, texts[:64])
    say(f"the exported graph agrees with the checkpoint: logits within {off:.1e}")
    if recipe.ngram_order:
        say("fitting the n-gram classifier")
        ngrams = fit_ngrams(fit_data, recipe)
        share = mixing_share(
            CpuEncoder(fresh, *size, precision="f32").encode(texts)[0], ngrams.logits(held_out_data["input_ids"]), gold
        )
        NgramClassifier(ngrams.order, ngrams.keys, ngrams.idf, share * ngrams.weights, share * ngrams.bias).save(fresh)
    encoder = CpuEncoder(fresh, *size, precision="f32")
    logits, _ = encoder.encode(texts)
    policy = fit_policy(codebook.ids, logits, gold, codebook.voice_id)
    slope, intercept = np.array([[label.slope, label.intercept] for label in policy]).T
    golden = golden_texts(codebook)
    golden_logits, _ = encoder.encode(golden)
    write_golden(fresh, codebook.ids, golden, calibrate(golden_logits, slope, intercept))
    files = sorted(path.relative_to(fresh).as_posix() for path in fresh.rglob("*") if path.is_file())
    weights = weight_files(Path(base))
    manifest = Manifest(
        format=FORMAT,
        name=output.name,
        codebook={"id": codebook.id, "version": codebook.version, "sha256": codebook.digest},
        voice=codebook.voice_id,
        labels=tuple(policy),
        max_tokens=recipe.max_tokens,
        stride=recipe.stride,
        base_model={
            "id": recipe.base,
            "sha256": joint([sha256(path) for path in weights]) if weights else "from the hub",
        },
        training={
            "date": datetime.now(UTC).date().isoformat(),
            "seconds": round(clock.spent()),
            "recipe": asdict(recipe),
            "averaged_with": [run for folder in average_with for run in _runs(kin[folder])],
            "continued_from": [] if continue_from is None else _runs(kin[continue_from]),
            "passages": {
                "train": len(fit),
                "held_out": len(held_out),
                "real": sum("/" in p.document for p in fit + held_out),
            },
            "sha256": {"train": digest(fit), "held_out": digest(held_out)},
            "log": [
                {**entry, "epoch": round(entry["epoch"] * recipe.epochs, 2)}
                for entry in trainer.state.log_history
                if "eval_loss" in entry
            ],
            "versions": {name: version(name) for name in ("torch", "transformers", "datasets", "scikit-learn", "onnx")},
        },
        files={name: sha256(fresh / name) for name in files},
    )
    manifest.save(fresh)
    put(fresh, output, CARD_TEXT.format(name=output.name, codebook=codebook.title, base=recipe.base))
    say(f"wrote {output} in {manifest.training['seconds']} s")
    return manifest


def _runs(manifest: Manifest) -> list[dict[str, Any]]:
    """The runs that a model's weights come from, the last one first; the digest is that of the model for the first."""
    training = manifest.training
    last = {key: training[key] for key in ("date", "seconds", "recipe", "passages", "sha256")}
    return [{"weights_sha256": manifest.weights_sha256, **last}, *manifest.earlier_runs]


def _check_kin(folder: Path, manifest: Manifest, recipe: Recipe, codebook: Codebook) -> None:
    rule = manifest.training["recipe"]["held_out"]  # else it may have learnt what calibration is fitted on
    found = (manifest.base_model["id"], manifest.codebook["sha256"], manifest.max_tokens, rule)
    if found != (expected := (recipe.base, codebook.digest, recipe.max_tokens, recipe.held_out)):
        raise ModelError(
            f"{folder}: expected a model of the same base, codebook, length and rule for what is held out, {expected}, found {found}; "
            "give a model of one kind with this run"
        )
