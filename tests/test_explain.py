"""Evidence spans: exact parts of a logit, gathered into words."""

import numpy as np
import pytest

from cabletag import Tagger
from cabletag.encoders import Attribution
from cabletag.explain import evidence, maximal_runs
from cabletag.ngrams import NgramClassifier, ngram_keys


def attribution(text, weights):
    """One token a word, with the weight given for it in the one column."""
    ends = np.cumsum([len(word) + 1 for word in text.split()])
    offsets = np.stack([np.concatenate([[0], ends[:-1]]), ends - 1], axis=1)
    return Attribution(offsets, np.array(weights, dtype=np.float32)[:, None])


def brute_force(scores):
    """Maximal scoring subsequences by their definition: the heaviest run, the shortest of equals, then left and right of it."""

    def parts(low, high):
        runs = [(sum(scores[a:b]), -(b - a), a, b) for a in range(low, high) for b in range(a + 1, high + 1)]
        best = max(runs, default=None)
        if best is None or best[0] <= 0:
            return []
        return [*parts(low, best[2]), (best[2], best[3]), *parts(best[3], high)]

    return parts(0, len(scores))


def test_span_holds_the_words_that_speak_for_the_label():
    text = "the minister said that migrants bring crime to our towns and left for lunch"
    weights = [0, 0, 0, 0, 2, 2, 3, 0, 0, 0, 0, 0, 0, 0]
    (span,) = evidence(text, attribution(text, weights), 0, "crime_framing")
    assert "migrants bring crime" in text[span.start : span.end]
    assert span.end - span.start < 45


def test_two_places_give_two_spans():
    words = ["a"] * 30
    weights = [3.0 if place in (2, 3, 20, 21) else 0.0 for place in range(30)]
    assert len(evidence(" ".join(words), attribution(" ".join(words), weights), 0, "x")) == 2


@pytest.mark.parametrize("text", ["", "!!! ...", "\x00"])
def test_text_without_words_has_no_evidence(text):
    assert evidence(text, Attribution(np.zeros((2, 2), dtype=int), np.ones((2, 1))), 0, "x") == ()


@pytest.mark.parametrize("seed", range(30))
def test_maximal_runs_agree_with_their_definition(seed):
    scores = np.random.default_rng(seed).integers(-5, 6, size=12) + 0.125 * np.arange(12) % 0.07
    assert maximal_runs(scores) == brute_force(scores.tolist())


def test_ngram_contributions_add_up_to_the_logits():
    random = np.random.default_rng(0)
    row = random.integers(5, 12, size=20).tolist()
    keys = np.unique(ngram_keys(random.integers(5, 12, size=60).tolist(), 2))
    model = NgramClassifier(2, keys, random.random(len(keys)), random.normal(size=(len(keys), 3)), np.ones(3))
    assert model.contributions(row).sum(axis=0) + 1 == pytest.approx(model.logits([row])[0], abs=1e-5)


@pytest.fixture(scope="module")
def shipped():
    return Tagger.from_pretrained()


def test_evidence_lies_in_the_text_and_belongs_to_its_labels(shipped):
    text = (
        "We met the minister at noon. Posts should report by Friday on how the host replied. Lunch was served at one."
    )
    (prediction,) = shipped.tag([text], evidence=True)
    assert "reporting_directive" in {span.label for span in prediction.evidence} <= set(prediction.labels)
    (span,) = [span for span in prediction.evidence if span.label == "reporting_directive"][:1]
    assert "report" in text[span.start : span.end]


def test_evidence_of_a_document_counts_its_characters(shipped):
    text = "Nothing happened here on that day at all, the clerk wrote.\n\nPosts should report by Friday on the reply of the host."
    tagged = shipped.tag_document(text, evidence=True)
    spans = [span for prediction in tagged.predictions for span in prediction.evidence]
    assert spans
    assert all(span.start >= text.index("Posts") for span in spans if span.label == "reporting_directive")


def test_a_long_text_takes_the_window_that_decided(shipped):
    text = "The committee met on the usual day in the usual room. " * 60 + "Posts should report by Friday."
    (prediction,) = shipped.tag([text], threshold=0.0, labels=["reporting_directive"], evidence=True)
    assert prediction.windows > 1
    assert "report" in "".join(text[s.start : s.end] for s in prediction.evidence if s.label == "reporting_directive")


def test_evidence_of_odd_text_does_not_raise(shipped):
    shipped.tag(["\ud800 Posts should report by Friday \x00 😀", ""], threshold=0.0, evidence=True)
