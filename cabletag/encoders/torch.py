"""The torch encoder, for CUDA and MPS, and the reference that an exported graph is checked against."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForTokenClassification

from cabletag.encoders import WindowedEncoder


class TorchEncoder(WindowedEncoder):
    """Runs a checkpoint folder on a torch device: on CUDA in bfloat16 unless `precision` is "f32", elsewhere in single precision."""

    def __init__(
        self, folder: Path, max_tokens: int, stride: int, outputs: int, device: str = "cpu", precision: str = "auto"
    ) -> None:
        super().__init__(folder, max_tokens, stride, outputs)
        self._device = torch.device(device)
        self.precision = "bf16" if self._device.type == "cuda" and precision != "f32" else "f32"
        self._model = load_checkpoint(folder).to(self._device)

    @torch.inference_mode()
    def run(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Token ids and mask (rows, tokens) to contributions (rows, tokens, labels)."""
        rows = torch.from_numpy(mask).to(self._device)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            tokens = self._model(input_ids=torch.from_numpy(ids).to(self._device), attention_mask=rows).logits
        return np.asarray(contributions(tokens, rows).cpu())


def load_checkpoint(folder: Path) -> torch.nn.Module:
    """A checkpoint in single precision, ready to be run. Attention is written out: that gives the smaller graph."""
    model = AutoModelForTokenClassification.from_pretrained(
        folder, local_files_only=True, attn_implementation="eager", dtype=torch.float32
    )
    return model.eval()  # type: ignore[no-any-return]


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a checkpoint folder: one, or the shards of a large one."""
    return sorted(folder.glob("model*.safetensors"))


def contributions(tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Token logits (texts, tokens, 2 * labels) and mask (texts, tokens) to what each token brings: (texts, tokens, labels).

    The first half of a token's logits says how far it speaks for each label, the second half how much attention the label
    pays to it (label-wise attention, Mullenbach et al. 2018). A label's argument often stands in one clause of a long
    passage, which a mean over the tokens would dilute; with equal attention this is that mean. Their sum over the tokens
    is the label's logit.
    """
    values, attention = tokens.float().chunk(2, dim=-1)
    weights = attention.masked_fill(mask.unsqueeze(-1) == 0, -1e4).softmax(dim=1)
    return weights * values
