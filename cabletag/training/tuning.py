"""The encoder with its head: built, probed, fine-tuned, averaged and saved."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from tqdm import tqdm
from transformers import (
    AutoModelForTokenClassification,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    get_linear_schedule_with_warmup,
)

from cabletag.codebook import Codebook
from cabletag.encoders.torch import contributions, weight_files
from cabletag.training.data import collate
from cabletag.training.linear import linear
from cabletag.training.recipe import Recipe

SHARD = "90MB"  # what the hosts of repositories take in one file
SAVED = 200  # steps at most between two checkpoints
PROBED = 3_000  # passages that the head's start is fitted on
Model = Any  # a transformers token classifier; its class is the base model's


def stack(base: str, recipe: Recipe, codebook: Codebook) -> Model:
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
        dtype=torch.float32,
    )
    model.dropout.p = recipe.head_dropout
    model.get_input_embeddings().weight.requires_grad_(False)
    # The lower layers hardly change in tuning (Lee et al. 2019); left as they are, nothing is computed backwards through them.
    if recipe.frozen:
        for part in (model.base_model.embeddings, *model.base_model.encoder.layer[: recipe.frozen]):
            part.requires_grad_(False)
    return model


def probe(model: Model, data: Dataset, recipe: Recipe) -> None:
    """Linear probing before fine-tuning (Kumar et al. 2022): the head starts where the frozen encoder's best head ends."""
    means: dict[int, np.ndarray] = {}
    seen: list[torch.Tensor] = []
    hook = model.classifier.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    if len(data) > PROBED:
        data = data.shuffle(seed=recipe.seed).select(range(PROBED))
    rows = data.to_list()
    order = sorted(range(len(rows)), key=lambda row: rows[row]["length"])
    model.eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for start in tqdm(range(0, len(order), 64), desc="probe"):
            places = order[start : start + 64]
            batch = collate([rows[place] for place in places])
            model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
            mask = batch["attention_mask"].unsqueeze(-1)
            mean = (seen.pop().float() * mask).sum(dim=1) / mask.sum(dim=1)
            means.update(zip(places, mean.numpy(), strict=True))
    hook.remove()
    vectors = np.stack([means[place] for place in range(len(rows))])
    coefficients, bias = linear(LogisticRegression(C=recipe.probe_c, max_iter=200), vectors, data)
    head = model.classifier
    with torch.no_grad():
        head.weight.zero_()
        head.bias.zero_()
        head.weight[: len(bias)] = torch.from_numpy(coefficients)
        head.bias[: len(bias)] = torch.from_numpy(bias)


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
        return {"loss": (losses(logits, labels) * weights).sum(dim=1).mean(), "logits": logits}


def losses(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The loss of each passage and label: of the same shape as both."""
    return torch.nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")


def make_trainer(
    model: Model, tokenizer: Any, readings: Dataset, held_out: Dataset, recipe: Recipe, work: Path
) -> Trainer:
    def metrics(output: Any) -> dict[str, float]:
        gold, logits = output.label_ids, output.predictions
        columns = [column for column in range(gold.shape[1]) if gold[:, column].sum() >= 5]
        return {
            "macro_ap": float(
                np.mean([average_precision_score(gold[:, column], logits[:, column]) for column in columns])
            )
        }

    module = _Module(model, tokenizer, recipe.token_dropout)
    optimizer = torch.optim.AdamW(parameter_groups(model, recipe), fused=True)
    steps = -(-len(readings) // recipe.batch_size)
    epoch = max(1, steps // recipe.epochs)
    arguments = TrainingArguments(
        output_dir=str(work),
        max_steps=steps,  # every reading once
        per_device_train_batch_size=recipe.batch_size,
        per_device_eval_batch_size=64,
        max_grad_norm=1.0,
        bf16=True,
        use_cpu=not torch.cuda.is_available(),
        seed=recipe.seed,
        train_sampling_strategy="group_by_length",
        length_column_name="length",
        label_names=["labels"],
        remove_unused_columns=False,
        eval_strategy="steps",
        eval_steps=epoch,
        save_strategy="steps",
        save_steps=min(epoch, SAVED),
        save_total_limit=1,
        logging_steps=50,
        report_to="none",
        dataloader_pin_memory=False,
    )
    return Trainer(
        model=module,
        args=arguments,
        train_dataset=readings,
        eval_dataset=held_out,
        data_collator=collate,
        compute_metrics=metrics,
        optimizers=(optimizer, schedule(optimizer, steps)),
    )


def parameter_groups(model: Model, recipe: Recipe) -> list[dict[str, Any]]:
    """What is trained, with learning rate and weight decay."""
    head = list(model.classifier.parameters())
    body = [p for p in model.base_model.parameters() if p.requires_grad]
    rate, decay = recipe.learning_rate, recipe.weight_decay
    return [
        {"params": [p for p in body if p.ndim > 1], "lr": rate, "weight_decay": decay},
        {"params": [p for p in body if p.ndim == 1], "lr": rate, "weight_decay": 0.0},
        {"params": head, "lr": recipe.head_learning_rate, "weight_decay": 0.0},
    ]


def schedule(optimizer: Any, steps: int) -> Any:
    """The learning rate goes up over a tenth of the steps, then down to nothing."""
    return get_linear_schedule_with_warmup(optimizer, steps // 10, steps)  # type: ignore[no-untyped-call]


class Clock(TrainerCallback):
    """The time a run took, the parts before it was broken off included."""

    def __init__(self, file: Path, started: float) -> None:
        self.file, self.started = file, started
        self.before = float(file.read_text()) if file.is_file() else 0.0

    def spent(self) -> float:
        return self.before + time.monotonic() - self.started

    def on_save(self, *_: Any, **__: Any) -> None:
        self.file.write_text(f"{self.spent():.0f}")


def average(model: Model, folders: Sequence[Path]) -> None:
    """Set the weights to the mean of its own and those of the checkpoints in `folders`."""
    soup = [
        {name: weight for file in weight_files(folder) for name, weight in load_file(file).items()}
        for folder in folders
    ]
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(torch.stack([weight, *(other[name].to(weight) for other in soup)]).mean(dim=0))


def save(model: Model, tokenizer: Any, output: Path) -> None:
    """The checkpoint in half precision; its config asks for single precision, so that no loader computes in half."""
    model.cpu().half().save_pretrained(output, max_shard_size=SHARD)
    tokenizer.save_pretrained(output)
    config = json.loads((output / "config.json").read_text())
    config["dtype"] = "float32"
    (output / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    for path in output.rglob("*.safetensors"):
        path.chmod(0o644)
