"""Encoders: texts to logits. A Tagger takes anything that follows the Encoder protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from cabletag.ngrams import NgramClassifier

Scored = TypeVar("Scored")
MAX_ROWS, MAX_TOKENS = 16, 512  # of a batch: more of them takes more memory and is no faster
STEP = 8  # a row is padded to its own next multiple: one shape, and so one score, whatever stands beside it


class Encoder(Protocol):
    """Anything that turns texts into logits; `precision` names the arithmetic, such as "f32" or "bf16"."""

    precision: str

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Logits, float32 of shape (texts, labels), and the number of windows each text was read in, int of shape (texts,)."""
        ...

    def explain(self, texts: Sequence[str]) -> list[Attribution]:
        """What each token of each text brings to each logit."""
        ...


class Attribution(NamedTuple):
    """The tokens of a text, as character offsets of shape (tokens, 2), and what each brings to each logit, (tokens, labels).

    Special tokens have offsets (0, 0). Of a text read in several windows, a label's contributions are those of the window
    that decided its logit, and 0 elsewhere.
    """

    offsets: np.ndarray
    contributions: np.ndarray


class WindowedEncoder:
    """What all tokenizing encoders share: windows over long texts, batches of one length, the maximum over windows.

    A subclass gives `run`: token ids and mask, int64 of shape (rows, tokens), to what each token brings to each label's
    logit, float32 of shape (rows, tokens, labels). The logits of the folder's n-gram classifier, if it has one, are added.
    `workers` batches run at a time: one thread to a batch keeps all cores busy where several threads to an operator wait
    for one another.
    """

    def __init__(self, folder: Path, max_tokens: int, stride: int, outputs: int, workers: int = 1) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_length=max_tokens, stride=stride)
        self._outputs = outputs
        self._workers = workers
        self._ngrams = NgramClassifier.load(folder)

    def run(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """See Encoder.encode. Lone surrogates are read as "?", since no tokenizer takes them."""
        rows: list[list[int]] = []
        owner: list[int] = []
        for text, encoding in enumerate(self._tokenizer.encode_batch_fast(_clean(texts))):
            for window in (encoding, *encoding.overflowing):
                rows.append(window.ids)
                owner.append(text)
        logits = np.full((len(texts), self._outputs), -np.inf, dtype=np.float32)
        for batch, found in self._in_batches(rows, self._score):
            np.maximum.at(logits, [owner[row] for row in batch], found)
        return logits, np.bincount(owner, minlength=len(texts))

    def explain(self, texts: Sequence[str]) -> list[Attribution]:
        """See Encoder.explain."""
        encodings = self._tokenizer.encode_batch(_clean(texts))
        windows = [window for encoding in encodings for window in (encoding, *encoding.overflowing)]
        parts: list[np.ndarray] = [np.empty(0)] * len(windows)
        for batch, found in self._in_batches([window.ids for window in windows], self._contributions):
            for row, part in zip(batch, found, strict=True):
                parts[row] = part
        attributions, start = [], 0
        for encoding in encodings:
            end = start + 1 + len(encoding.overflowing)
            deciding = np.argmax([part.sum(axis=0) for part in parts[start:end]], axis=0)
            kept = [part * (deciding == number) for number, part in enumerate(parts[start:end])]
            offsets = np.concatenate([np.array(window.offsets).reshape(-1, 2) for window in windows[start:end]])
            attributions.append(Attribution(offsets, np.concatenate(kept)))
            start = end
        return attributions

    def _in_batches(
        self, rows: list[list[int]], score: Callable[[list[list[int]]], Scored]
    ) -> Iterator[tuple[list[int], Scored]]:
        """Row numbers and what `score` gives for those rows, batch by batch."""
        batches = list(_batches([len(row) for row in rows]))
        with ThreadPoolExecutor(self._workers) as pool:
            yield from zip(batches, pool.map(score, ([rows[row] for row in batch] for batch in batches)), strict=True)

    def _score(self, rows: list[list[int]]) -> np.ndarray:
        found = np.asarray(self._run(rows).sum(axis=1))
        return found if self._ngrams is None else found + self._ngrams.logits(rows)

    def _contributions(self, rows: list[list[int]]) -> list[np.ndarray]:
        found = [part[: len(row)] for row, part in zip(rows, self._run(rows), strict=True)]
        if self._ngrams is None:
            return found
        return [part + self._ngrams.contributions(row) for row, part in zip(rows, found, strict=True)]

    def _run(self, rows: list[list[int]]) -> np.ndarray:
        return self.run(*padded(rows))


def padded(rows: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Token ids and mask, int64 of shape (rows, tokens), padded to a multiple of STEP tokens."""
    ids = np.zeros((len(rows), _padded(max(map(len, rows)))), dtype=np.int64)
    mask = np.zeros_like(ids)
    for line, row in enumerate(rows):
        ids[line, : len(row)] = row
        mask[line, : len(row)] = 1
    return ids, mask


def _clean(texts: Sequence[str]) -> list[str]:
    return [text.encode("utf-8", "replace").decode("utf-8") for text in texts]


def _padded(length: int) -> int:
    return -(-length // STEP) * STEP


def _batches(lengths: list[int]) -> Iterator[list[int]]:
    """Row numbers, longest first, in batches of one padded length, at most MAX_ROWS rows and, but for a single row, MAX_TOKENS tokens."""
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        size = _padded(lengths[row])
        if batch and (len(batch) == min(MAX_ROWS, MAX_TOKENS // size or 1) or size != _padded(lengths[batch[0]])):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch
