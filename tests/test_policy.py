import numpy as np
import pytest

from cabletag.policy import fit_policy
from cabletag.prediction import calibrate


@pytest.fixture
def sample():
    random = np.random.default_rng(3)
    gold = (random.random((2000, 3)) < [0.3, 0.2, 0.5]).astype(int)
    logits = 3 * (2 * gold - 1) + random.normal(0, 2, gold.shape)
    return logits, gold


def test_calibrated_scores_match_frequencies(sample):
    logits, gold = sample
    policy = fit_policy(["a", "b", "c"], logits, gold)
    slope, intercept = np.array([[p.slope, p.intercept] for p in policy]).T
    scores = calibrate(logits, slope, intercept)
    assert scores.mean(axis=0) == pytest.approx(gold.mean(axis=0), abs=0.01)


def test_threshold_is_near_the_best_for_f1(sample):
    logits, gold = sample
    for label in fit_policy(["a", "b", "c"], logits, gold):
        assert 0.2 < label.threshold < 0.7


@pytest.mark.parametrize("everywhere", [0, 1])
def test_label_of_one_kind_only_takes_the_common_policy(sample, everywhere):
    logits, gold = sample
    gold = gold.copy()
    gold[:, 1] = everywhere
    policy = fit_policy(["a", "b", "c"], logits, gold)
    assert policy[1].slope > 0
    assert 0 < policy[1].threshold < 1


def test_voice_is_fitted_on_labelled_passages_only(sample):
    logits, gold = sample
    noisy = logits.copy()
    noisy[gold[:, :2].sum(axis=1) == 0, 2] = 50
    with_noise = fit_policy(["a", "b", "c"], noisy, gold, voice="c")[2]
    assert with_noise == fit_policy(["a", "b", "c"], logits, gold, voice="c")[2]
