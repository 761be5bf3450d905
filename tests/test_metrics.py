import numpy as np
import pytest

from cabletag.metrics import calibration_error, evaluate

GOLD = np.array([[1, 0, 1], [1, 1, 0], [0, 0, 0], [0, 1, 1]])
GIVEN = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 1], [0, 1, 1]])


@pytest.fixture
def result():
    return evaluate(["a", "b", "voice"], GIVEN, GOLD, voice="voice", least_support=1, samples=50)


def test_per_label_figures(result):
    label = result["labels"]["a"]
    assert (label["support"], label["precision"], label["recall"], label["f1"][0]) == (2, 0.5, 0.5, 0.5)
    assert result["labels"]["b"]["f1"][0] == 1.0


def test_macro_and_micro_leave_the_voice_out(result):
    assert result["macro_f1"][0] == 0.75
    assert result["micro_f1"][0] == 0.75


def test_voice_is_measured_on_labelled_passages(result):
    assert result["labels"]["voice"]["precision"] == 1.0
    assert result["labels"]["voice"]["recall"] == 0.5


def test_labels_with_little_support_are_left_out_of_the_macro():
    assert evaluate(["a", "b", "voice"], GIVEN, GOLD, voice="voice", least_support=3)["macro_f1"] is None


def test_interval_holds_the_value(result):
    value, low, high = result["micro_f1"]
    assert low <= value <= high


def test_calibration_error_of_a_sure_and_wrong_model_is_one():
    assert calibration_error(np.ones(10), np.zeros(10)) == 1.0


def test_calibration_error_of_a_right_rate_is_nought():
    assert calibration_error(np.full(10, 0.5), np.array([0, 1] * 5)) == 0.0
