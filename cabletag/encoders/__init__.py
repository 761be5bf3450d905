"""Encoders: texts to logits. A Tagger takes anything that follows the Encoder protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np

from cabletag.ngrams import NgramClassifier

MAX_ROWS, TOKEN_BUDGET = 8, 4096  # small batches keep the activations in the cache: measured faster than 16 or 32


class Encoder(Protocol):
    """Anything that turns texts into logits."""

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Logits, float32 of shape (texts, labels), and the number of windows each text was read in, int of shape (texts,)."""
        ...


class WindowedEncoder:
    """What all tokenizing encoders share: windows over long texts, batches sorted by length, the maximum over windows.

    A subclass gives `run`: token ids and mask, int64 of shape (rows, tokens), to logits (rows, labels). The logits of the
    folder's n-gram classifier, if it has one, are added. `workers` batches run at a time: one thread to a batch keeps all
    cores busy where several threads to an operator wait for one another.
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
        clean = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        rows: list[list[int]] = []
        owner: list[int] = []
        for text, encoding in enumerate(self._tokenizer.encode_batch_fast(clean)):
            for window in (encoding, *encoding.overflowing):
                rows.append(window.ids)
                owner.append(text)
        logits = np.full((len(texts), self._outputs), -np.inf, dtype=np.float32)
        batches = list(_batches([len(row) for row in rows]))
        with ThreadPoolExecutor(self._workers) as pool:
            scored = pool.map(self._score, ([rows[row] for row in batch] for batch in batches))
            for batch, found in zip(batches, scored, strict=True):
                np.maximum.at(logits, [owner[row] for row in batch], found)
        return logits, np.bincount(owner, minlength=len(texts))

    def _score(self, rows: list[list[int]]) -> np.ndarray:
        ids = np.zeros((len(rows), max(len(row) for row in rows)), dtype=np.int64)
        mask = np.zeros_like(ids)
        for line, row in enumerate(rows):
            ids[line, : len(row)] = row
            mask[line, : len(row)] = 1
        found = self.run(ids, mask)
        return found if self._ngrams is None else found + self._ngrams.logits(rows)


def _batches(lengths: list[int]) -> Iterator[list[int]]:
    """Row numbers, longest first, in batches of at most MAX_ROWS rows and TOKEN_BUDGET padded tokens."""
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        if batch and (len(batch) == MAX_ROWS or (len(batch) + 1) * lengths[batch[0]] > TOKEN_BUDGET):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch
