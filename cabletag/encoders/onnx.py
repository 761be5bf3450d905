"""The CPU default: ONNX Runtime and tokenizers, no torch."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from cabletag.encoders import WindowedEncoder

GRAPH = "model.onnx"


class OnnxEncoder(WindowedEncoder):
    """Runs models/<name>/model.onnx on so many threads, a batch to each; None means all cores."""

    def __init__(self, folder: Path, max_tokens: int, stride: int, outputs: int, threads: int | None = None) -> None:
        import onnxruntime

        super().__init__(folder, max_tokens, stride, outputs, workers=threads or os.cpu_count() or 1)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(folder / GRAPH), sess_options=options, providers=["CPUExecutionProvider"]
        )

    def run(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Token ids and mask (rows, tokens) to logits (rows, labels)."""
        return np.asarray(self._session.run(["logits"], {"input_ids": ids, "attention_mask": mask})[0])
