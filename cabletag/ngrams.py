"""The lexical half of a model: a linear classifier over word-piece n-grams, in numpy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

FILE = "ngrams.npz"
PIECE_BITS = 21  # three pieces to a 63-bit key, for vocabularies of up to two million


class NgramClassifier:
    """Logits from the words themselves, which an encoder that reads for the gist passes over.

    Features are sublinear tf-idf weights of n-grams of word pieces, normalised to unit length (Salton & Buckley 1988);
    `keys` is sorted, of shape (features,), `idf` likewise, `weights` of shape (features, labels), `bias` (labels,).
    """

    def __init__(self, order: int, keys: np.ndarray, idf: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> None:
        self.order, self.keys, self.idf, self.weights, self.bias = order, keys, idf, weights, bias

    @classmethod
    def load(cls, folder: Path) -> NgramClassifier | None:
        """The classifier of a model folder, None if the model has none."""
        path = folder / FILE
        if not path.is_file():
            return None
        with np.load(path, allow_pickle=False) as stored:
            return cls(
                int(stored["order"]),
                stored["keys"],
                stored["idf"].astype(np.float32),
                stored["weights"],
                stored["bias"],
            )

    def save(self, folder: Path) -> None:
        """Write ngrams.npz, weights in half precision."""
        np.savez(
            folder / FILE,
            order=np.int64(self.order),
            keys=self.keys,
            idf=self.idf.astype(np.float16),
            weights=self.weights.astype(np.float16),
            bias=self.bias,
        )

    def logits(self, rows: Sequence[Sequence[int]]) -> np.ndarray:
        """Token ids of each text to logits, float32 of shape (texts, labels)."""
        return np.stack([self._one(row) for row in rows]) if rows else np.zeros((0, len(self.bias)), dtype=np.float32)

    def contributions(self, row: Sequence[int]) -> np.ndarray:
        """What each token of a text brings to each logit but for the bias: float32 of shape (tokens, labels).

        An n-gram's part is shared evenly by the tokens of all its occurrences.
        """
        keys = ngram_keys(row, self.order)
        unique, first, counts = np.unique(keys, return_inverse=True, return_counts=True)
        place, values, known = self._features(unique, counts)
        parts = np.zeros((len(unique), self.weights.shape[1]), dtype=np.float32)
        parts[known] = values[:, None] * self._weights(place) / counts[known, None]
        found, start = np.zeros((len(row), parts.shape[1]), dtype=np.float32), 0
        for length in range(1, self.order + 1):
            many = max(len(row) - length + 1, 0)
            share = parts[first[start : start + many]] / length
            for offset in range(length):
                found[offset : offset + many] += share
            start += many
        return found

    def _one(self, row: Sequence[int]) -> np.ndarray:
        place, values, _ = self._features(*np.unique(ngram_keys(row, self.order), return_counts=True))
        return np.asarray(values @ self._weights(place) + self.bias, dtype=np.float32)

    def _weights(self, place: np.ndarray) -> np.ndarray:
        return np.asarray(self.weights[place], dtype=np.float32)  # kept in half precision, and half the memory

    def _features(self, keys: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows of the known keys in `weights`, their values, and which of `keys` they are."""
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        known = self.keys[place] == keys
        values = (1 + np.log(counts[known])) * self.idf[place[known]]
        return place[known], values / max(float(np.sqrt((values**2).sum())), 1e-12), known


def ngram_keys(row: Sequence[int], order: int) -> np.ndarray:
    """One 64-bit key for each n-gram of one to `order` ids, in order of length, then place."""
    ids = np.asarray(row, dtype=np.int64) + 1
    keys, found = ids, [ids]
    for length in range(2, order + 1):
        keys = (keys[:-1] << PIECE_BITS) | ids[length - 1 :]
        found.append(keys)
    return np.concatenate(found)
