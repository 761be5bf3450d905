"""Samples: by lot each passage alike, near the thresholds where the model was least decided."""

from collections import Counter

import pytest

from cabletag.annotation.sampling import draw
from cabletag.errors import OptionError
from cabletag.results import Results

ROWS = [{"document": f"d{number}", "passage": 1} for number in range(30)]


def ids(sample):
    return [row["document"] for row in sample.rows]


def test_random_sample_is_that_of_its_seed_and_names_its_design(write_output, monkeypatch):
    monkeypatch.setattr("cabletag.formats.ROWS", 7)
    results = Results.open(write_output([*ROWS, {"status": "error", "passage": 0}]))
    sample = draw(results, "random", 10, 5)
    assert ids(sample) == ids(draw(results, "random", 10, 5)) != ids(draw(results, "random", 10, 6))
    assert len(set(ids(sample))) == 10
    assert sample.design | {"model": None} == {
        "sample": "random", "seed": 5, "size": 10, "of": 30, "output": "out.parquet", "model": None,
        "codebook": results.codebook.id, "version": results.codebook.version,
    }  # fmt: skip


def test_every_passage_comes_alike_often_and_the_head_is_a_sample_too(write_output):
    results = Results.open(write_output(ROWS))
    drawn = [ids(draw(results, "random", 6, seed)) for seed in range(200)]
    for part, mean in ((6, 40), (3, 20)):
        times = Counter(document for sample in drawn for document in sample[:part])
        assert len(times) == 30
        assert all(mean / 3 < count < 2 * mean for count in times.values())


def test_threshold_sample_takes_the_nearest_of_each_label_in_turn(write_output, monkeypatch):
    monkeypatch.setattr("cabletag.formats.ROWS", 3)
    rows = [
        {"document": name, "labels": ["sovereignty"] if score >= 0.5 else [], "p_sovereignty": score}
        for name, score in [("far", 0.05), ("below", 0.45), ("sure", 0.97), ("above", 0.52), ("low", 0.2), ("mid", 0.7)]
    ]
    rows += [
        {"document": "c1", "labels": ["crime_framing"], "p_crime_framing": 0.6},
        {"document": "c2", "p_crime_framing": 0.57},
    ]
    sample = draw(Results.open(write_output(rows)), "threshold", 4)
    assert {*ids(sample)[::2]} == {"c1", "c2"}
    assert {*ids(sample)[1::2]} == {"below", "above"}
    assert sample.design["seed"] is None


def test_sample_greater_than_the_output_is_all_of_it(write_output):
    sample = draw(Results.open(write_output(ROWS)), "random", 500)
    assert sample.design["size"] == len(sample.rows) == 30


@pytest.mark.parametrize(
    ("rows", "drop", "how", "size", "message"),
    [
        (ROWS, (), "best", 5, "expected a sample of random or threshold, found 'best'"),
        (ROWS, (), "random", 0, "expected a sample of one passage or more, found 0"),
        (ROWS, ("text",), "random", 5, "expected texts to be coded, found none"),
        (ROWS, (), "threshold", 5, "expected labels on some passages, found none"),
        ([{"status": "error"}], (), "random", 5, "found rejected rows only"),
    ],
)
def test_sample_that_cannot_be_drawn_is_told(write_output, rows, drop, how, size, message):
    with pytest.raises(OptionError, match=message):
        draw(Results.open(write_output(rows, drop=drop)), how, size)
