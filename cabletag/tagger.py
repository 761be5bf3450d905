"""The library's front door: load a model, tag texts and documents."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cabletag.assets import codebook_file, model_folder
from cabletag.codebook import Codebook, codebook_of
from cabletag.encoders import Encoder
from cabletag.errors import OptionError, did_you_mean
from cabletag.extras import need
from cabletag.manifest import Manifest, sha256
from cabletag.prediction import Prediction, calibrate, decide
from cabletag.text import Document, Passage, split


@dataclass(frozen=True)
class TaggedDocument:
    """A document and one prediction per passage, in the same order."""

    document: Document
    predictions: tuple[Prediction, ...]

    @property
    def passages(self) -> tuple[Passage, ...]:
        """The passages of the document."""
        return self.document.passages


def passage_row(passage: Passage, prediction: Prediction) -> dict[str, Any]:
    """What every row of an output says of a passage: its place, text, labels and voice, ready for JSON."""
    return {
        "paragraph": passage.paragraph,
        "marking": passage.marking,
        "start": passage.start,
        "end": passage.end,
        "text": passage.text,
        "labels": list(prediction.labels),
        "voice": prediction.voice,
    }


class Tagger:
    """Tags passages with the labels of a codebook.

    Examples:
        >>> tagger = Tagger.from_pretrained()
        >>> tagger.tag(["Posts should report by Friday."])[0].labels
        ('reporting_directive',)
    """

    def __init__(self, encoder: Encoder, manifest: Manifest) -> None:
        self.manifest = manifest
        self._encoder = encoder
        self._slope, self._intercept = _calibration(manifest)

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path | None = None,
        *,
        device: str = "cpu",
        threads: int | None = None,
        precision: str = "auto",
    ) -> Tagger:
        """Load a shipped model by name, a model folder by path, or the embedded model for None. Needs no network.

        `device` "cpu" runs on OpenVINO with `threads` threads (None: all cores) in `precision`: "auto" is bfloat16 where
        the processor has it and single precision elsewhere, "f32" gives the same scores everywhere. Any other device is
        torch's, of which "cuda" computes in bfloat16 unless "f32" is asked for, and needs the extra `train`. Raises ModelError for a folder that is missing, damaged or of another
        codebook.
        """
        folder = model_folder(model)
        manifest = Manifest.read(folder)
        shipped = codebook_file(manifest.codebook["id"])
        if shipped.is_file() and sha256(shipped) != manifest.codebook["sha256"]:
            codebook = Codebook.load(shipped)
            manifest.require(folder, codebook.id, codebook.version)
        return cls(_encoder(folder, manifest, device, threads, precision), manifest)

    def codebook(self, path: Path | None = None) -> Codebook:
        """The codebook of the model, shipped or from a file. Raises OptionError where it is neither, or another one."""
        name = self.manifest.name
        book = codebook_of(name, (self.manifest.codebook["id"], self.manifest.codebook["version"]), path, OptionError)
        if odd := set(book.ids) ^ set(self.labels):
            raise OptionError(
                f"{name}: expected the labels of the model in the codebook, found a difference in '{min(odd)}'"
            )
        return book

    @property
    def labels(self) -> tuple[str, ...]:
        """Label ids in the order of the columns of `predict_proba`."""
        return self.manifest.ids

    @property
    def precision(self) -> str:
        """The arithmetic that scores are computed in, such as "f32" or "bf16"."""
        return self._encoder.precision

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Calibrated probabilities, float64 of shape (texts, labels). Raises OptionError for anything but strings."""
        return self._scores(texts)[0]

    def tag(
        self,
        texts: Sequence[str],
        *,
        threshold: float | None = None,
        labels: Collection[str] | None = None,
        evidence: bool = False,
    ) -> list[Prediction]:
        """One Prediction per text, in order; each text is read as one passage.

        `threshold` between 0 and 1 replaces the model's own threshold of every content label; `labels` limits which
        content labels may be given; `evidence` asks for the words that carry each label (see `cabletag.explain`), at the
        cost of a second reading of the texts that have any. Raises OptionError for a wrong option or anything but strings.
        """
        thresholds = self.thresholds(threshold)
        self._check_labels(labels)
        scores, windows = self._scores(texts)
        predictions = [
            decide(
                dict(zip(self.labels, row.tolist(), strict=True)), thresholds, self.manifest.voice, labels, int(count)
            )
            for row, count in zip(scores, windows, strict=True)
        ]
        return self._with_evidence(texts, predictions) if evidence else predictions

    def tag_document(
        self,
        text: str,
        *,
        format: str = "auto",
        threshold: float | None = None,
        labels: Collection[str] | None = None,
        evidence: bool = False,
    ) -> TaggedDocument:
        """Cut a document into passages (see `cabletag.split`) and tag each of them; options as for `tag`."""
        document = split(text, format)
        texts = [passage.text for passage in document.passages]
        predictions = self.tag(texts, threshold=threshold, labels=labels, evidence=evidence)
        shifted = (
            replace(prediction, evidence=tuple(span.shifted(passage.start) for span in prediction.evidence))
            for passage, prediction in zip(document.passages, predictions, strict=True)
        )
        return TaggedDocument(document, tuple(shifted))

    def thresholds(self, threshold: float | None = None) -> dict[str, float]:
        """The probability from which each label is given: its own, or `threshold` for all but the voice. Raises OptionError outside 0 to 1."""
        if threshold is not None and not 0 <= threshold <= 1:
            raise OptionError(f"expected a threshold between 0 and 1, found {threshold}")
        own = {label.id: label.threshold for label in self.manifest.labels}
        if threshold is None:
            return own
        return {label: value if label == self.manifest.voice else threshold for label, value in own.items()}

    def _with_evidence(self, texts: Sequence[str], predictions: list[Prediction]) -> list[Prediction]:
        from cabletag.explain import evidence

        texts = list(texts)  # a pandas Series is indexed by its labels
        tagged = [number for number, prediction in enumerate(predictions) if prediction.labels]
        found = self._encoder.explain([texts[number] for number in tagged])
        column = {label: number for number, label in enumerate(self.labels)}
        for number, attribution in zip(tagged, found, strict=True):
            spans = [
                span
                for label in predictions[number].labels
                for span in evidence(texts[number], attribution, column[label], label)
            ]
            predictions[number] = replace(predictions[number], evidence=tuple(spans))
        return predictions

    def _scores(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        if isinstance(texts, str) or not hasattr(texts, "__len__"):
            found = "one string" if isinstance(texts, str) else type(texts).__name__
            raise OptionError(f"expected a sequence of texts, found {found}; write tag([text])")
        for number, text in enumerate(texts):
            if not isinstance(text, str):
                raise OptionError(f"expected text number {number} to be a string, found {type(text).__name__}")
        if not len(texts):
            return np.zeros((0, len(self.labels))), np.zeros(0, dtype=int)
        logits, windows = self._encoder.encode(texts)
        return calibrate(logits.astype(np.float64), self._slope, self._intercept), windows

    def _check_labels(self, labels: Collection[str] | None) -> None:
        known = tuple(label for label in self.labels if label != self.manifest.voice)
        if labels is not None and not any(labels):
            raise OptionError("expected one label or more, found none; see `cabletag labels`")
        for label in labels or ():
            if label == self.manifest.voice:
                raise OptionError(f"'{label}' is the voice, which every tagged passage gets; name content labels only")
            if label not in known:
                raise OptionError(f"unknown label '{label}'{did_you_mean(label, known)}")


def _calibration(manifest: Manifest) -> tuple[np.ndarray, np.ndarray]:
    """Slopes and intercepts, each of shape (labels,)."""
    return np.array([label.slope for label in manifest.labels]), np.array(
        [label.intercept for label in manifest.labels]
    )


def _encoder(folder: Path, manifest: Manifest, device: str, threads: int | None, precision: str) -> Encoder:
    with manifest.verified(folder):
        if (cascade := manifest.cascade) is not None:
            from cabletag.encoders.cascade import CascadeEncoder, Stage

            def stage(place: Path, member: Manifest) -> Stage:
                return Stage(_encoder(place, member, device, threads, precision), *_calibration(member))

            # Side by side they load sooner; but torch's loader changes what all threads share.
            with ThreadPoolExecutor(2 if device == "cpu" else 1) as pool:
                first, second = pool.map(stage, *zip(*manifest.members(folder), strict=True))
            content = np.array([label != manifest.voice for label in manifest.ids])
            return CascadeEncoder(first, second, cascade.share, cascade.cleared_below, content)
        size = (manifest.max_tokens, manifest.stride, len(manifest.labels))
        if device == "cpu":
            from cabletag.encoders.cpu import CpuEncoder

            return CpuEncoder(folder, *size, threads=threads, precision=precision)
        need("train", "torch", "transformers")
        from cabletag.encoders.torch import TorchEncoder

        return TorchEncoder(folder, *size, device=device, precision=precision)
