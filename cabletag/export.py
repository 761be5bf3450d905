"""A checkpoint folder to an ONNX graph that reads its weights from the checkpoint's own safetensors files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper

from cabletag.codebook import Codebook
from cabletag.corpus import CodedPassage, gold_matrix
from cabletag.encoders.cpu import GRAPH, CpuEncoder
from cabletag.encoders.torch import TorchEncoder, contributions, load_checkpoint, weight_files
from cabletag.errors import ModelError
from cabletag.evaluation.events import groups
from cabletag.evaluation.measures import Answers, measure
from cabletag.manifest import FILE as MANIFEST
from cabletag.manifest import Manifest, sha256
from cabletag.tagger import Tagger

MOST_OFF = 1e-3  # logits
LEAST_SAME, MOST_CHANGE = 0.99, 0.003
_TYPES = {"F16": TensorProto.FLOAT16, "F32": TensorProto.FLOAT}


class _Logits(torch.nn.Module):
    """The checkpoint and the pooling, with the signature that the graph is to have."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return contributions(self.model(input_ids=input_ids, attention_mask=attention_mask).logits, attention_mask)


def export_onnx(folder: Path) -> None:
    """Write model.onnx into a checkpoint folder.

    The graph computes in single precision; its large weights are references into the safetensors files, so that they
    are stored once. Raises ModelError if they hold a type other than F16 or F32.
    """
    ids, mask = torch.ones((2, 8), dtype=torch.long), torch.ones((2, 8), dtype=torch.long)
    batch, tokens = torch.export.Dim("batch"), torch.export.Dim("tokens", max=512)
    axes = {0: batch, 1: tokens}
    program = torch.onnx.export(
        _Logits(load_checkpoint(folder)).eval(),
        (ids, mask),
        dynamo=True,
        optimize=False,
        verbose=False,
        opset_version=20,
        input_names=["input_ids", "attention_mask"],
        output_names=["contributions"],
        dynamic_shapes={"input_ids": axes, "attention_mask": axes},
    )
    assert program is not None  # only its absence with other options is why the type allows it
    proto = program.model_proto
    _refer_to_weights(proto, weight_files(folder))
    onnx.save(proto, folder / GRAPH)


def _refer_to_weights(proto: onnx.ModelProto, files: Sequence[Path]) -> None:
    """Replace every initializer that stands in a safetensors file by a reference into it, and a cast."""
    tensors: dict[str, tuple[Path, int, dict[str, Any]]] = {}  # file, place of its first tensor, what its header tells
    for weights in files:
        with weights.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(size))
        tensors |= {name: (weights, 8 + size, told) for name, told in header.items() if name != "__metadata__"}
    casts = []
    for initializer in proto.graph.initializer:
        name = next((key for key in tensors if initializer.name.endswith("." + key)), None)
        if name is None:
            continue
        weights, first, told = tensors[name]
        kind, (start, end) = told["dtype"], told["data_offsets"]
        if kind not in _TYPES:
            raise ModelError(
                f"{weights}: expected F16 or F32 tensors, found {kind} in {name}; save the checkpoint anew"
            )
        if list(initializer.dims) != told["shape"]:
            raise ModelError(f"{weights}: expected {name} of shape {list(initializer.dims)}, found {told['shape']}")
        wanted = initializer.name
        initializer.ClearField("raw_data")
        initializer.data_type = _TYPES[kind]
        initializer.data_location = TensorProto.EXTERNAL
        place = {"location": weights.name, "offset": first + start, "length": end - start}
        for key, value in place.items():
            initializer.external_data.add(key=key, value=str(value))
        if kind == "F16":
            initializer.name = wanted + ".half"
            casts.append(helper.make_node("Cast", [initializer.name], [wanted], to=TensorProto.FLOAT))
    nodes = list(proto.graph.node)
    del proto.graph.node[:]
    proto.graph.node.extend(casts + nodes)
    for node in proto.graph.node:  # the exporter's source traces, longer than the graph and full of local paths
        del node.metadata_props[:]


def renew(folder: Path, codebook: Codebook, passages: Sequence[CodedPassage]) -> tuple[float, Comparison]:
    """Export the checkpoint of a model folder anew, check it, and put the graph's digest into the manifest.

    Gives the largest difference in logits between graph and checkpoint, and what this machine's own precision changes. Raises ModelError, and leaves the folder as it was, where the graph does not agree with its checkpoint.
    """
    manifest = Manifest.load(folder, unchecked=GRAPH)
    if manifest.cascade is not None:
        raise ModelError(
            f"{folder}: expected a model with weights of its own, found a cascade; export {manifest.cascade.first.name} and {manifest.cascade.second.name}"
        )
    manifest.require(folder, codebook.id, codebook.version)
    before = {name: (folder / name).read_bytes() for name in (GRAPH, MANIFEST) if (folder / name).is_file()}
    try:
        export_onnx(folder)
        replace(manifest, files={**manifest.files, GRAPH: sha256(folder / GRAPH)}).save(folder)
        texts = [passage.text for passage in passages[:64]]
        off = check_export(folder, manifest.max_tokens, manifest.stride, len(manifest.labels), texts)
        return off, check_labels(folder, codebook, passages)
    except BaseException:
        (folder / GRAPH).unlink(missing_ok=True)
        for name, content in before.items():
            (folder / name).write_bytes(content)
        raise


def check_export(folder: Path, max_tokens: int, stride: int, outputs: int, texts: list[str]) -> float:
    """The largest difference in logits between the graph and the checkpoint on these texts. Raises ModelError above MOST_OFF."""
    graph, _ = CpuEncoder(folder, max_tokens, stride, outputs, precision="f32").encode(texts)
    reference, _ = TorchEncoder(folder, max_tokens, stride, outputs).encode(texts)
    worst = float(np.abs(graph - reference).max())
    if worst > MOST_OFF:
        raise ModelError(
            f"{folder / GRAPH}: expected the checkpoint's logits within {MOST_OFF}, found {worst:.4f} off; export anew"
        )
    return worst


class Comparison(NamedTuple):
    """What a precision changes against single precision on coded passages.

    `same` is the share of passages with the same labels and voice, `macro_f1` the figure in single precision and in this
    one (None where no label has enough positives), `largest_change` that of a probability.
    """

    precision: str
    same: float
    macro_f1: tuple[float, float] | None
    largest_change: float

    @property
    def macro_change(self) -> float:
        """By how much macro-F1 moves."""
        return abs(self.macro_f1[0] - self.macro_f1[1]) if self.macro_f1 else 0.0


def compare(single: Tagger, own: Tagger, codebook: Codebook, passages: Sequence[CodedPassage]) -> Comparison:
    """One model in two precisions on the same passages."""
    texts, gold = [passage.text for passage in passages], gold_matrix(codebook, passages) > 0
    found = [tagger.tag(texts) for tagger in (single, own)]
    told = [[(set(answer.labels), answer.voice) for answer in answers] for answers in found]
    scores = [np.array([list(answer.scores.values()) for answer in answers]) for answers in found]
    given = [np.array([[label in labels for label in codebook.ids] for labels, _ in each]) for each in told]
    answers = [Answers(codebook.ids, groups(codebook), codebook.voice_id, gold, each, each) for each in given]
    macro = [measure(each, samples=0, ranking=False)["overall"]["macro_f1"] for each in answers]
    return Comparison(
        own.precision,
        sum(one == two for one, two in zip(*told, strict=True)) / len(texts),
        (macro[0][0], macro[1][0]) if macro[0] else None,
        float(np.abs(scores[0] - scores[1]).max()),
    )


def check_labels(folder: Path, codebook: Codebook, passages: Sequence[CodedPassage]) -> Comparison:
    """Compare this machine's default precision with single precision.

    Raises ModelError if the share is under LEAST_SAME or macro-F1 moves by more than MOST_CHANGE.
    """
    taggers = Tagger.from_pretrained(folder, precision="f32"), Tagger.from_pretrained(folder)
    found = compare(*taggers, codebook, passages)
    if found.same < LEAST_SAME or found.macro_change > MOST_CHANGE:
        raise ModelError(
            f"{folder / GRAPH}: expected {found.precision} to keep the labels of {LEAST_SAME:.0%} of the passages and macro-F1 within {MOST_CHANGE}, "
            f"found {found.same:.1%} and {found.macro_change:.4f}; run the model in precision f32"
        )
    return found
