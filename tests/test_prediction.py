import numpy as np
import pytest

from cabletag.prediction import calibrate, decide

THRESHOLDS = {"a": 0.5, "b": 0.3, "voice": 0.5}


def test_label_at_its_threshold_is_given():
    assert decide({"a": 0.5, "b": 0.29, "voice": 0.0}, THRESHOLDS, "voice").labels == ("a",)


def test_labels_come_most_probable_first():
    assert decide({"a": 0.6, "b": 0.9, "voice": 0.0}, THRESHOLDS, "voice").labels == ("b", "a")


@pytest.mark.parametrize(("score", "voice"), [(0.6, "attributed"), (0.4, "own")])
def test_voice_of_a_labelled_passage(score, voice):
    assert decide({"a": 0.9, "b": 0.0, "voice": score}, THRESHOLDS, "voice").voice == voice


def test_passage_without_labels_has_no_voice():
    assert decide({"a": 0.1, "b": 0.1, "voice": 0.9}, THRESHOLDS, "voice").voice is None


def test_only_limits_labels_and_keeps_scores():
    prediction = decide({"a": 0.9, "b": 0.9, "voice": 0.1}, THRESHOLDS, "voice", only=["b"])
    assert prediction.labels == ("b",)
    assert prediction.scores["a"] == 0.9


def test_calibrate_is_the_logistic_of_slope_and_intercept():
    found = calibrate(np.array([[0.0, 2.0]]), np.array([1.0, 0.5]), np.array([0.0, -1.0]))
    assert found.tolist() == [[0.5, 0.5]]


def test_calibrate_takes_extreme_logits():
    found = calibrate(np.array([[1e9, -1e9]]), np.ones(2), np.zeros(2))
    assert np.isfinite(found).all()
