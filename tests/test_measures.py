import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_fscore_support

from cabletag.evaluation.events import any_of, events
from cabletag.evaluation.measures import Answers, calibration, measure
from cabletag.metrics import average_precision, resamples

RANDOM = np.random.default_rng(5)
LABELS = ("a", "b", "c", "voice")
SCORES = RANDOM.random((300, 4)).round(2)
GOLD = RANDOM.random((300, 4)) < 0.2 + 0.5 * SCORES
GOLD[:, 3] &= GOLD[:, :3].any(axis=1)


def answers(documents=None):
    groups = {"talking_point": ("a", "b"), "response": ("c",), "voice": ("voice",)}
    return Answers(LABELS, groups, "voice", GOLD, SCORES >= 0.5, SCORES, documents)


@pytest.fixture(scope="module")
def result():
    return measure(answers(), samples=200)


@pytest.mark.parametrize("column", range(3))
def test_label_figures_are_those_of_scikit_learn(result, column):
    found = result["labels"][LABELS[column]]
    expected = precision_recall_fscore_support(GOLD[:, column], SCORES[:, column] >= 0.5, average="binary")[:3]
    assert [found[name][0] for name in ("precision", "recall", "f1")] == pytest.approx(expected, abs=1e-4)
    assert found["average_precision"][0] == pytest.approx(
        average_precision_score(GOLD[:, column], SCORES[:, column]), abs=1e-4
    )


def test_resampled_average_precision_is_that_of_scikit_learn_with_weights():
    weights = RANDOM.multinomial(300, np.full(300, 1 / 300), size=3).astype(float)
    found = np.column_stack([average_precision(weights, GOLD[:, c], SCORES[:, c]) for c in range(4)])
    expected = [
        [average_precision_score(GOLD[:, c], SCORES[:, c], sample_weight=row) for c in range(4)] for row in weights
    ]
    assert found == pytest.approx(np.array(expected))


def test_voice_is_measured_on_coded_passages(result):
    coded = GOLD[:, :3].any(axis=1)
    expected = precision_recall_fscore_support(GOLD[coded, 3], SCORES[coded, 3] >= 0.5, average="binary")[0]
    assert result["labels"]["voice"]["passages"] == coded.sum()
    assert result["labels"]["voice"]["precision"][0] == pytest.approx(expected, abs=1e-4)


def test_overall_figures_leave_the_voice_out(result):
    expected = precision_recall_fscore_support(GOLD[:, :3].ravel(), SCORES[:, :3].ravel() >= 0.5, average="binary")[2]
    assert result["overall"]["micro"]["f1"][0] == pytest.approx(expected, abs=1e-4)
    assert result["groups"]["talking_point"]["macro_f1"][0] == pytest.approx(
        np.mean([result["labels"][label]["f1"][0] for label in "ab"]), abs=1e-3
    )


def test_intervals_hold_their_value(result):
    for found in result["labels"].values():
        value, low, high = found["f1"]
        assert low < value < high


def test_intervals_over_documents_are_wider_where_documents_are_alike():
    twice = np.repeat(np.arange(100), 3)
    gold = np.repeat(GOLD[:100], 3, axis=0)
    scores = np.repeat(SCORES[:100], 3, axis=0)
    groups = {"talking_point": ("a", "b", "c")}
    single, whole = (
        measure(Answers(LABELS, groups, "voice", gold, scores >= 0.5, scores, documents), 300)["overall"]["micro"]["f1"]
        for documents in (None, twice)
    )
    assert whole[2] - whole[1] > 1.4 * (single[2] - single[1])


def test_few_documents_give_no_interval():
    found = measure(answers(np.arange(300) % 4), samples=200)["overall"]["micro"]["f1"]
    assert found[0] > 0
    assert found[1:] == [None, None]


def test_label_without_positives_has_no_recall():
    gold = GOLD.copy()
    gold[:, 0] = False
    found = measure(Answers(LABELS, {}, "voice", gold, SCORES >= 0.5, SCORES), 100)["labels"]["a"]
    assert (found["support"], found["recall"], found["f1"], found["average_precision"]) == (0, None, None, None)
    assert found["given"] > 0
    assert found["precision"][0] == 0


def test_documents_are_drawn_whole():
    documents = np.array(["x", "y", "x", "z"])
    for weights in list(resamples(4, documents, 60))[1:]:
        assert (weights[:, 0] == weights[:, 2]).all()
        assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()


def test_reliability_counts_every_pair_once():
    found = calibration(answers())["all"]
    assert sum(row[2] for row in found["reliability"]) == found["pairs"] == 900
    low, high, pairs, mean, share = found["reliability"][0]
    inside = SCORES[:, :3] < 0.1
    assert (low, high, pairs) == (0.0, 0.1, inside.sum())
    assert (mean, share) == pytest.approx((SCORES[:, :3][inside].mean(), GOLD[:, :3][inside].mean()), abs=1e-4)


@pytest.mark.parametrize(("score", "gold", "error"), [(1.0, [0, 0, 0, 0], 1.0), (0.5, [0, 1, 0, 1], 0.0)])
def test_calibration_error_is_the_gap_between_probability_and_share(score, gold, error):
    coded, scores = np.array([gold]).T == 1, np.full((4, 1), score)
    found = calibration(Answers(("a",), {}, None, coded, scores >= 0.5, scores))
    assert found["all"]["expected_calibration_error"] == error


def test_events_are_labels_and_any_of_each_group(codebook):
    found = events(codebook)
    assert list(found)[: len(codebook.ids)] == list(codebook.ids)
    assert found["any_label"] == codebook.content_ids
    assert "any_voice" not in found
    matrix = np.zeros((1, len(codebook.ids)), dtype=bool)
    matrix[0, codebook.ids.index("root_causes")] = True
    given = dict(zip(found, any_of(matrix, codebook.ids, found)[0], strict=True))
    assert [name for name, there in given.items() if there] == ["root_causes", "any_label", "any_response"]


def test_labels_with_little_support_are_left_out_of_the_macro():
    picked = answers().pick(np.arange(20))
    least = [label for label in "abc" if picked.gold[:, LABELS.index(label)].sum() >= 10]
    assert 0 < len(least) < 3
    assert measure(picked, samples=0)["overall"]["macro_labels"] == least
