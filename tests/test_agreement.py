"""Agreement per label, against figures worked out by hand."""

import pytest

from cabletag.annotation.agreement import CodedItem, agreement, settle


def item(number, by_coder, model=()):
    return CodedItem(str(number), "d", 1, "text", by_coder, model, {})


def test_alpha_is_that_of_the_hand_worked_example(codebook):
    # Krippendorff, "Computing Krippendorff's alpha-reliability" (2011), example A: binary, two coders, ten units: 0.095
    first, second = (0, 1, 0, 0, 0, 0, 0, 0, 1, 0), (1, 1, 1, 0, 0, 1, 0, 0, 0, 0)
    items = [
        item(number, {"a": ["sovereignty"] * one, "b": ["sovereignty"] * two})
        for number, (one, two) in enumerate(zip(first, second, strict=True))
    ]
    found = {entry.label: entry for entry in agreement(items, codebook)}
    assert found["sovereignty"].coders_alpha == pytest.approx(0.095, abs=5e-4)
    assert found["crime_framing"].coders_alpha is None


def test_model_is_compared_with_the_settled_labels(codebook):
    items = [
        item(1, {"a": ["sovereignty"]}, ["sovereignty"]),
        item(2, {"a": []}, ["sovereignty"]),
        item(3, {"a": []}),
        item(4, {"a": []}),
    ]
    entry = next(entry for entry in agreement(items, codebook) if entry.label == "sovereignty")
    assert (entry.coded, entry.model, entry.both, entry.coders_alpha) == (1, 2, 1, None)
    assert entry.model_alpha == pytest.approx(
        1 - 7 * 2 / (2 * 3 * 5), abs=1e-4
    )  # 1 - (n - 1) * disagreements / (ones * zeros)


def test_voice_is_compared_where_a_coder_gave_a_label(codebook):
    items = [
        item(1, {"a": ["sovereignty", "attributed"], "b": ["sovereignty", "attributed"]}),
        item(2, {"a": ["sovereignty"], "b": ["sovereignty"]}),
        item(3, {"a": [], "b": ["sovereignty", "attributed"]}),
    ]
    entry = next(entry for entry in agreement(items, codebook) if entry.label == "attributed")
    assert entry.coders_alpha == 1.0


@pytest.mark.parametrize(
    ("given", "settled"),
    [
        ([["sovereignty"], []], ()),
        ([["sovereignty"], ["sovereignty", "crime_framing"]], ("sovereignty",)),
        ([["sovereignty", "attributed"], ["crime_framing", "attributed"], []], ()),
        ([["root_causes", "crime_framing"]], ("crime_framing", "root_causes")),
    ],
)
def test_more_than_half_decide_and_the_voice_stands_beside_a_label_only(codebook, given, settled):
    assert settle({str(number): labels for number, labels in enumerate(given)}, codebook) == settled
