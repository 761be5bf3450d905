"""The numbers of the page: counted by hand on small outputs, and by brute force on random ones."""

from collections import defaultdict

import numpy as np
import pytest

from cabletag.errors import OptionError
from cabletag.report.overview import SHOWN_GROUPS, Share, overview
from cabletag.results import MOST_VALUES, Results


def test_interval_is_wilsons():
    assert Share(10, 100).interval == pytest.approx(
        (0.0552, 0.1744), abs=1e-4
    )  # Newcombe 1998 gives the method's figures
    assert Share(0, 20).interval == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert Share(20, 20).interval[1] == 1.0


def test_share_of_nothing_is_no_number():
    assert np.isnan([Share(0, 0).value, *Share(0, 0).interval]).all()


def test_rejected_rows_are_in_no_base(write_output):
    rows = [{"labels": ["sovereignty"]}, {}, {"status": "error", "passage": 0, "document": "b"}]
    found = overview(Results.open(write_output(rows)))
    assert (found.scored, found.rejected, found.documents) == (2, 1, 1)
    assert found.passages("sovereignty") == Share(1, 2)
    assert found.in_documents("sovereignty") == Share(1, 1)


def test_streamed_counts_are_those_of_counting_row_by_row(write_output, codebook, monkeypatch):
    monkeypatch.setattr("cabletag.formats.ROWS", 7)
    rng = np.random.default_rng(3)
    rows = [
        {
            "document": f"d{rng.integers(9)}",  # ids come back later in the file
            "labels": [label for label in codebook.content_ids if rng.random() < 0.2],
            "voice": str(rng.choice(["own", "attributed"])),
            "year": str(rng.integers(2000, 2004)),
        }
        for _ in range(100)
    ]
    found = overview(Results.open(write_output(rows)), by="year", time="year")
    documents, years = defaultdict(set), defaultdict(int)
    for row in rows:
        documents[row["document"]].update(row["labels"])
        years[row["year"]] += 1
    for number, label in enumerate(codebook.content_ids):
        carried = [row for row in rows if label in row["labels"]]
        assert found.passages(label) == Share(len(carried), 100)
        assert found.in_documents(label) == Share(sum(label in labels for labels in documents.values()), len(documents))
        assert found.attributed[number] == sum(row["voice"] == "attributed" for row in carried)
        for other, name in enumerate(codebook.content_ids):
            assert found.pairs[number, other] == sum(name in row["labels"] for row in carried)
        for year, size in years.items():
            assert found.times[year][[0, number + 1]].tolist() == [size, sum(row["year"] == year for row in carried)]
            assert found.groups[year].tolist() == found.times[year].tolist()


def test_empty_value_is_in_the_group_without_one(write_output):
    rows = [{"year": "2021"}, {"year": ""}, {"year": None}]
    groups = overview(Results.open(write_output(rows)), by="year").groups
    assert {value: int(counts[0]) for value, counts in groups.items()} == {"(no value)": 2, "2021": 1}


def test_strongest_are_distinct_texts_most_probable_first(write_output, monkeypatch):
    monkeypatch.setattr("cabletag.formats.ROWS", 2)
    given = [("a", 0.7), ("b", 0.9), ("b", 0.95), ("c", 0.8), ("a", 0.7), ("d", 0.6), ("e", 0.99)]
    rows = [{"text": text, "labels": ["sovereignty"], "p_sovereignty": score} for text, score in given]
    rows.append({"text": "not given", "p_sovereignty": 0.999})
    found = overview(Results.open(write_output(rows)), strongest=3).strongest["sovereignty"]
    assert [(shown.row["text"], shown.scores["sovereignty"]) for shown in found] == [
        ("e", 0.99),
        ("b", 0.95),
        ("c", 0.8),
    ]


def test_strongest_of_none_is_none(write_output):
    assert (
        overview(Results.open(write_output([{"labels": ["sovereignty"]}])), strongest=0).strongest["sovereignty"] == []
    )


def test_lot_takes_tagged_passages_alike_often(write_output, monkeypatch):
    monkeypatch.setattr("cabletag.formats.ROWS", 8)
    rows = [{"labels": ["sovereignty"] if number % 2 else []} for number in range(24)]
    results, times = Results.open(write_output(rows)), defaultdict(int)
    for seed in range(100):
        drawn = overview(results, strongest=0, drawn=4, seed=seed).drawn
        assert len({shown.row["passage"] for shown in drawn}) == 4
        for shown in drawn:
            times[shown.row["passage"]] += 1
    assert set(times) == set(range(2, 25, 2))
    assert 12 < min(times.values()) <= max(times.values()) < 60  # 33 each on average


@pytest.mark.parametrize(
    ("values", "periods"),
    [
        (["2021", "2022-03-01", "2021-05"], ["2021", "2022"]),
        (["2021-01-02", "2021-02-03", "2021-02-09"], ["2021-01", "2021-02"]),
        (["2001-01-02", "2021-02-03", "2011-02-09"], ["2001", "2011", "2021"]),
    ],
)
def test_dates_become_years_or_months(write_output, values, periods):
    found = overview(Results.open(write_output([{"date": value} for value in values])), time="date")
    assert list(found.times) == periods


def test_rows_without_a_date_are_counted_apart(write_output):
    found = overview(Results.open(write_output([{"date": "2021"}, {"date": None}, {"date": "yesterday"}])), time="date")
    assert (found.undated, list(found.times)) == (2, ["2021"])


def test_column_without_any_date_is_told(write_output):
    with pytest.raises(OptionError, match="expected dates such as 2021"):
        overview(Results.open(write_output([{"source": "tv"}])), time="source")


def test_small_groups_are_put_together(write_output):
    rows = [{"source": f"s{number:02d}"} for number in range(20) for _ in range(21 - number)] + [{"source": None}]
    groups = overview(Results.open(write_output(rows)), by="source").groups
    assert len(groups) == SHOWN_GROUPS
    assert list(groups)[-1] == "(10 others together)"
    assert sum(int(counts[0]) for counts in groups.values()) == len(rows)


def test_column_with_too_many_values_is_told(write_output):
    with pytest.raises(OptionError, match="choose a coarser one"):
        overview(Results.open(write_output([{"key": str(number)} for number in range(MOST_VALUES + 1)])), by="key")
