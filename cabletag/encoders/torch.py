"""The torch encoder, for CUDA and MPS, and the reference that an exported graph is checked against."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from cabletag.encoders import WindowedEncoder


class TorchEncoder(WindowedEncoder):
    """Runs a checkpoint folder (sentence-transformers modules: transformer, mean pooling, dense) on a torch device."""

    def __init__(self, folder: Path, max_tokens: int, stride: int, outputs: int, device: str = "cpu") -> None:
        super().__init__(folder, max_tokens, stride, outputs)
        self._model = SentenceTransformer(str(folder), device=device, local_files_only=True).float().eval()

    @torch.inference_mode()
    def run(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Token ids and mask (rows, tokens) to logits (rows, labels)."""
        device = self._model.device
        features = {
            "input_ids": torch.from_numpy(ids).to(device),
            "attention_mask": torch.from_numpy(mask).to(device),
        }
        return np.asarray(self._model(features)["sentence_embedding"].float().cpu())
