"""Logistic regression per label: the n-gram classifier, and the probe that the head starts from."""

from __future__ import annotations

from typing import Any

import numpy as np
from datasets import Dataset
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression

from cabletag.ngrams import NgramClassifier, ngram_keys
from cabletag.training.recipe import Recipe


def fit_ngrams(fit: Dataset, recipe: Recipe) -> NgramClassifier:
    """Logistic regression per label over the n-grams that stand in two passages or more."""
    rows = [np.unique(ngram_keys(ids, recipe.ngram_order), return_counts=True) for ids in fit["input_ids"]]
    keys, spread = np.unique(np.concatenate([found for found, _ in rows]), return_counts=True)
    keys = keys[spread >= 2]
    columns = [np.searchsorted(keys, found) for found, _ in rows]
    known = [keys[np.minimum(place, len(keys) - 1)] == found for place, (found, _) in zip(columns, rows, strict=True)]
    counts = csr_matrix(
        (
            np.concatenate([count[keep] for keep, (_, count) in zip(known, rows, strict=True)]).astype(float),
            np.concatenate([place[keep] for keep, place in zip(known, columns, strict=True)]),
            np.cumsum([0, *(keep.sum() for keep in known)]),
        ),
        shape=(len(rows), len(keys)),
    )
    tfidf = TfidfTransformer(sublinear_tf=True).fit(counts)
    model = LogisticRegression(C=recipe.ngram_c, solver="liblinear")
    coefficients, bias = linear(model, tfidf.transform(counts), fit)
    return NgramClassifier(recipe.ngram_order, keys, tfidf.idf_, coefficients.T, bias)


def linear(model: LogisticRegression, features: Any, data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (labels, features) and biases (labels,) of `model` fitted to each label; a label of one kind only is never given."""
    gold, weights = np.array(data["labels"]), np.array(data["weights"])
    coefficients, bias = np.zeros((gold.shape[1], features.shape[1])), np.full(gold.shape[1], -5.0)
    for column in range(gold.shape[1]):
        if len(np.unique(gold[weights[:, column] > 0, column])) == 2:
            model.fit(features, gold[:, column], sample_weight=weights[:, column])
            coefficients[column], bias[column] = model.coef_[0], model.intercept_[0]
    return coefficients, bias
