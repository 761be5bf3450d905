"""The CPU default: the exported graph on OpenVINO and tokenizers, no torch."""

from __future__ import annotations

import ctypes
import mmap
import os
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import Any

import numpy as np

from cabletag.encoders import STEP, WindowedEncoder
from cabletag.errors import OptionError
from cabletag.manifest import WEIGHTS

GRAPH = "model.onnx"
VECTORS = "vectors"  # between the encoder and the head
PRECISIONS = ("auto", "f32", "bf16")
_FIRST_CALL = Lock()


class CpuEncoder(WindowedEncoder):
    """Runs models/<name>/model.onnx on so many threads, a batch to each; None means all cores.

    `precision` "auto" computes all but the head in bfloat16 where the processor does so natively (AVX-512 BF16, AMX), where it is several
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
        workers = threads or os.cpu_count() or 1
        super().__init__(folder, max_tokens, stride, outputs, workers)
        self.precision, compiled = _compile(folder / GRAPH, workers, precision)
        self._idle: SimpleQueue[list[Any]] = SimpleQueue()
        for _ in range(workers):
            self._idle.put([part.create_infer_request() for part in compiled])
        # OpenVINO's binding sets itself up in its first call; two first calls at once can wait for each other without end. The
        # shape is one that passages have: for a single token it would arrange all weights once more, and keep both.
        with _FIRST_CALL:
            self.run(np.zeros((1, STEP), np.int64), np.ones((1, STEP), np.int64))
        _unmap_weights(folder)

    def run(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Token ids and mask (rows, tokens) to contributions (rows, tokens, labels)."""
        requests = self._idle.get()
        try:
            *body, last = requests
            given = {"input_ids": ids}
            for request in body:
                given = {VECTORS: request.infer({**given, "attention_mask": mask})[VECTORS]}
            return np.asarray(last.infer({**given, "attention_mask": mask})["contributions"])
        finally:
            self._idle.put(requests)


def _compile(path: Path, workers: int, precision: str) -> tuple[str, list[Any]]:
    """The precision that is used, and the graph ready to run in it, in one part or two."""
    import openvino

    core = openvino.Core()
    precision = _precision(precision, core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    settings = {"NUM_STREAMS": str(workers), "INFERENCE_NUM_THREADS": str(workers)}
    graph = core.read_model(path)
    _keep_halves(graph)
    parts = [(graph, "f32")] if precision == "f32" else zip(_cut(graph), ("bf16", "f32"), strict=True)
    return precision, [
        core.compile_model(part, "CPU", {"INFERENCE_PRECISION_HINT": each, **settings}) for part, each in parts
    ]


def _keep_halves(graph: Any) -> None:
    """Have the weights stay as they are stored, in half precision, until an operator takes them; else they are held in single precision beside what the operator makes of them."""
    for node in graph.get_ops():
        if node.get_type_name() == "Convert" and node.input_value(0).get_node().get_type_name() == "Constant":
            node.get_rt_info()["decompression_0"] = True  # OpenVINO's own mark of a conversion that it shall not fold


def _unmap_weights(folder: Path) -> None:
    """On Linux, take the weights' files out of this process's memory: OpenVINO keeps them mapped after it has made its own of them. What it reads again comes back by itself."""
    maps = Path("/proc/self/maps")
    if not maps.is_file():
        return
    advise = ctypes.CDLL(None).madvise
    for line in maps.read_text(errors="replace").splitlines():
        if line.endswith(WEIGHTS) and str(folder.resolve()) in line:
            start, end = (int(address, 16) for address in line.split()[0].split("-"))
            advise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), mmap.MADV_DONTNEED)


def _cut(graph: Any) -> tuple[Any, Any]:
    """The encoder, which makes a vector of each token, and the head. The head's product is small, and in bfloat16 it would take more labels than all the rest."""
    from openvino import Model, opset13

    parameters = graph.get_parameters()
    product = [node for node in graph.get_ordered_ops() if node.get_type_name() == "MatMul"][-1]
    vectors = product.input_value(0)
    vectors.get_tensor().set_names({VECTORS})
    encoder = Model([vectors], parameters, "encoder")
    entry = opset13.parameter(vectors.get_partial_shape(), vectors.get_element_type(), name=VECTORS)
    entry.output(0).get_tensor().set_names({VECTORS})
    product.input(0).replace_source_output(entry.output(0))
    mask = [parameter for parameter in parameters if "attention_mask" in parameter.output(0).get_names()]
    return encoder, Model(graph.get_results(), [entry, *mask], "head")


def _precision(wanted: str, capabilities: list[str]) -> str:
    if wanted not in PRECISIONS:
        raise OptionError(f"expected a precision of {', '.join(PRECISIONS)}, found '{wanted}'")
    if wanted == "bf16" and "BF16" not in capabilities:
        raise OptionError("expected a processor that computes in bfloat16, found one without; use precision auto")
    return ("bf16" if "BF16" in capabilities else "f32") if wanted == "auto" else wanted
