"""The CPU default: the exported graph on OpenVINO and tokenizers, no torch."""

from __future__ import annotations

import os
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np

from cabletag.encoders import WindowedEncoder
from cabletag.errors import OptionError

GRAPH = "model.onnx"
PRECISIONS = ("auto", "f32", "bf16")


class CpuEncoder(WindowedEncoder):
    """Runs models/<name>/model.onnx on so many threads, a batch to each; None means all cores.

    `precision` "auto" computes in bfloat16 where the processor does so natively (AVX-512 BF16, AMX), where it is several
    times as fast, and in single precision elsewhere; "f32" and "bf16" ask for one. What is used stands in `precision`.
    Raises OptionError for another value, or for "bf16" on a processor without it.
    """

    def __init__(
        self,
        folder: Path,
        max_tokens: int,
        stride: int,
        outputs: int,
        threads: int | None = None,
        precision: str = "auto",
    ) -> None:
        import openvino

        workers = threads or os.cpu_count() or 1
        super().__init__(folder, max_tokens, stride, outputs, workers)
        core = openvino.Core()
        self.precision = _precision(precision, core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
        settings = {
            "INFERENCE_PRECISION_HINT": self.precision,
            "NUM_STREAMS": str(workers),
            "INFERENCE_NUM_THREADS": str(workers),
        }
        compiled = core.compile_model(core.read_model(folder / GRAPH), "CPU", settings)
        self._idle: SimpleQueue[Any] = SimpleQueue()
        for _ in range(workers):
            self._idle.put(compiled.create_infer_request())
        # OpenVINO's binding sets itself up in its first call; two first calls at once can wait for each other without end.
        self.run(np.zeros((1, 1), np.int64), np.ones((1, 1), np.int64))

    def run(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Token ids and mask (rows, tokens) to contributions (rows, tokens, labels)."""
        request = self._idle.get()
        try:
            return np.asarray(request.infer({"input_ids": ids, "attention_mask": mask})["contributions"])
        finally:
            self._idle.put(request)


def _precision(wanted: str, capabilities: list[str]) -> str:
    if wanted not in PRECISIONS:
        raise OptionError(f"expected a precision of {', '.join(PRECISIONS)}, found '{wanted}'")
    if wanted == "bf16" and "BF16" not in capabilities:
        raise OptionError("expected a processor that computes in bfloat16, found one without; use precision auto")
    return ("bf16" if "BF16" in capabilities else "f32") if wanted == "auto" else wanted
