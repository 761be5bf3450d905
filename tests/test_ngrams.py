import numpy as np
import pytest

from cabletag.ngrams import NgramClassifier, ngram_keys


@pytest.fixture
def classifier():
    """Knows the piece 7 and the pair 7 8; two labels."""
    keys = np.sort(ngram_keys([7, 8], 2)[[0, 2]])
    return NgramClassifier(2, keys, np.array([1.0, 3.0]), np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([-0.5, 0.0]))


def test_keys_of_different_ngrams_differ():
    rows = ([1], [2], [1, 1], [1, 2], [2, 1], [30000, 1], [1, 30000])
    keys = [ngram_keys(row, 2)[-1] for row in rows]
    assert len(set(keys)) == len(rows)


def test_row_shorter_than_the_order_has_its_short_ngrams():
    assert len(ngram_keys([5], 3)) == 1
    assert len(ngram_keys([5, 6, 7], 3)) == 6


def test_features_have_unit_length(classifier):
    found = classifier.logits([[7, 8]])[0] - classifier.bias
    assert found == pytest.approx([1 / np.sqrt(10), 3 / np.sqrt(10)])


def test_unknown_words_leave_the_bias(classifier):
    assert classifier.logits([[1, 2], []]).tolist() == [[-0.5, 0.0]] * 2


def test_saved_is_loaded(classifier, tmp_path):
    classifier.save(tmp_path)
    loaded = NgramClassifier.load(tmp_path)
    assert loaded is not None
    assert loaded.logits([[7, 8, 9]]) == pytest.approx(classifier.logits([[7, 8, 9]]), abs=1e-3)


def test_folder_without_ngrams_has_none(tmp_path):
    assert NgramClassifier.load(tmp_path) is None


def test_weights_agree_with_scikit_learn():
    """The features are those that the classifier was fitted on, by another implementation."""
    from datasets import Dataset
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    from cabletag.training.linear import fit_ngrams
    from cabletag.training.recipe import Recipe

    random = np.random.default_rng(0)
    rows = [random.integers(1, 12, 9).tolist() for _ in range(60)]
    gold = np.array([[7 in row] for row in rows], dtype=float)
    data = Dataset.from_dict({"input_ids": rows, "labels": gold.tolist(), "weights": np.ones_like(gold).tolist()})
    texts = [" ".join(f"w{piece}" for piece in row) for row in rows]
    vectorizer = TfidfVectorizer(token_pattern=r"\S+", ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    model = LogisticRegression(C=Recipe().ngram_c, solver="liblinear").fit(vectorizer.fit_transform(texts), gold[:, 0])
    expected = model.decision_function(vectorizer.transform(texts))
    assert fit_ngrams(data, Recipe()).logits(rows)[:, 0] == pytest.approx(expected, abs=1e-3)
