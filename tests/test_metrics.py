import numpy as np

from cabletag.metrics import calibration_error


def test_calibration_error_of_a_sure_and_wrong_model_is_one():
    assert calibration_error(np.ones(10), np.zeros(10), bins=10) == 1.0


def test_calibration_error_of_a_right_rate_is_nought():
    assert calibration_error(np.full(10, 0.5), np.array([0, 1] * 5), bins=10) == 0.0
