import numpy as np
import pandas as pd
import pytest

from cabletag.errors import OptionError


def test_tag_gives_one_prediction_a_text_in_order(tagger):
    found = tagger.tag(["sovereignty here", "nothing", "root_causes there"])
    assert [p.labels for p in found] == [("sovereignty",), (), ("root_causes",)]


def test_predict_proba_has_one_column_a_label(tagger, codebook):
    assert tagger.predict_proba(["a", "b"]).shape == (2, len(codebook.ids))


def test_no_texts_give_no_rows(tagger):
    assert tagger.predict_proba([]).shape == (0, len(tagger.labels))
    assert tagger.tag([]) == []


def test_one_string_is_refused(tagger):
    with pytest.raises(OptionError, match="found NoneType"):
        tagger.tag(None)
    with pytest.raises(OptionError, match=r"write tag\(\[text\]\)"):
        tagger.tag("text")


def test_a_number_is_refused_with_its_place(tagger):
    with pytest.raises(OptionError, match="text number 1 to be a string, found int"):
        tagger.tag(["a", 3])


@pytest.mark.parametrize("threshold", [-0.1, 1.5, float("nan")])
def test_threshold_out_of_range_is_refused(tagger, threshold):
    with pytest.raises(OptionError, match="between 0 and 1"):
        tagger.tag(["a"], threshold=threshold)


def test_threshold_replaces_every_label_s_own(tagger):
    assert tagger.tag(["sovereignty"], threshold=0.99)[0].labels == ()


def test_unknown_label_is_refused_with_a_suggestion(tagger):
    with pytest.raises(OptionError, match="unknown label 'sovereign'; did you mean 'sovereignty'"):
        tagger.tag(["a"], labels=["sovereign"])


def test_voice_is_no_label_to_ask_for(tagger):
    with pytest.raises(OptionError, match="'attributed' is the voice"):
        tagger.tag(["a"], labels=["attributed"])


def test_labels_limit_what_is_given(tagger):
    assert tagger.tag(["sovereignty root_causes"], labels=["root_causes"])[0].labels == ("root_causes",)


def test_tag_document_pairs_passages_with_predictions(tagger):
    tagged = tagger.tag_document("Long live sovereignty.\n\nNothing here.")
    assert [p.text for p in tagged.passages] == ["Long live sovereignty.", "Nothing here."]
    assert [p.labels for p in tagged.predictions] == [("sovereignty",), ()]


def test_probabilities_are_probabilities(tagger):
    found = tagger.predict_proba(["sovereignty", ""])
    assert np.all((found >= 0) & (found <= 1))


def test_evidence_of_a_series_is_that_of_its_own_text(tagger):
    texts = pd.Series({1: "here is sovereignty", 0: "nothing"})
    found = tagger.tag(texts, evidence=True)
    assert [(span.label, span.start) for span in found[0].evidence] == [("sovereignty", 8)]
