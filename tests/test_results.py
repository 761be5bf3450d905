"""Reading a batch output back: three formats, one schema, and a clear line for what is no output."""

import pyarrow as pa
import pytest

from cabletag.errors import DocumentError, OptionError
from cabletag.results import Results

FORMATS = ("out.parquet", "out.jsonl", "out.csv")
ROWS = [
    {"text": "=SUM(1)", "labels": ["crime_framing", "sovereignty"], "year": 2021, "evidence": [{"label": "sovereignty", "start": 1, "end": 4}]},
    {"text": "Two\nlines, \"quoted\"; and 'more", "labels": [], "year": 2022, "evidence": []},
    {"passage": 0, "text": None, "labels": [], "status": "error", "year": None, "evidence": []},
]  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_all_formats_give_the_same_rows(write_output, name):
    rows = pa.Table.from_batches(Results.open(write_output(ROWS, name)).batches()).to_pylist()
    assert [row["text"] for row in rows] == ["=SUM(1)", 'Two\nlines, "quoted"; and \'more', None]
    assert [row["labels"] for row in rows] == [["crime_framing", "sovereignty"], [], []]
    assert rows[0]["evidence"] == [{"label": "sovereignty", "start": 1, "end": 4}]
    assert [row["year"] for row in rows] == ["2021", "2022", None]
    assert [row["voice"] for row in rows] == ["own", None, None]
    assert rows[0]["p_crime_framing"] == 0.9


@pytest.mark.parametrize("name", FORMATS)
def test_counts_kept_columns_and_labels(write_output, codebook, name):
    results = Results.open(write_output(ROWS, name))
    assert results.counts() == (2, 1)
    assert results.kept == ("year",)
    given = results.given(next(results.batches(["labels"])))
    assert given.sum(axis=1).tolist() == [2, 0, 0]
    assert [results.labels[column] for column in given[0].nonzero()[0]] == ["crime_framing", "sovereignty"]


@pytest.mark.parametrize("name", FORMATS)
def test_rows_come_in_batches_of_bounded_size(write_output, monkeypatch, name):
    monkeypatch.setattr("cabletag.formats.ROWS", 2)
    batches = list(Results.open(write_output(ROWS, name)).batches(["passage"]))
    assert [batch["passage"].to_pylist() for batch in batches] == [[1, 2], [0]]


@pytest.mark.parametrize("name", FORMATS)
def test_output_without_texts_opens(write_output, name):
    assert "text" not in Results.open(write_output(ROWS, name, drop=("text", "evidence"))).columns


@pytest.mark.parametrize("name", FORMATS)
def test_missing_column_is_named(write_output, name):
    with pytest.raises(DocumentError, match="expected the column 'p_root_causes', found none"):
        Results.open(write_output(ROWS, name, drop=("p_root_causes",)))


def test_other_codebook_version_is_refused(write_output):
    with pytest.raises(DocumentError, match=r"expected codebook cable-2025-11-21 0\.9, found .* 1\.0\.0"):
        Results.open(write_output(ROWS, version="0.9"))


@pytest.mark.parametrize("name", FORMATS)
def test_empty_output_is_told(write_output, name):
    with pytest.raises(DocumentError, match="found an empty output"):
        Results.open(write_output([], name))


@pytest.mark.parametrize("name", FORMATS)
def test_file_that_is_no_output_is_told(write_output, name):
    path = write_output(ROWS, name)
    path.write_bytes(b"\x00 not an output")
    with pytest.raises(DocumentError, match="expected"):
        Results.open(path)


@pytest.mark.parametrize("name", ["out.parquet", "out.jsonl"])
def test_cut_off_file_is_told(write_output, name):
    path = write_output(ROWS, name)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DocumentError, match="run it anew"):
        Results.open(path).counts()


def test_missing_run_record_is_told(write_output):
    path = write_output(ROWS)
    path.with_name("out.parquet.run.json").unlink()
    with pytest.raises(DocumentError, match=r"out\.parquet\.run\.json: expected the record of the run"):
        Results.open(path)


@pytest.mark.parametrize("name", ["none.parquet", "out.txt", ""])
def test_missing_file_folder_and_other_suffix_are_told(tmp_path, name):
    (tmp_path / "out.txt").write_text("x")
    with pytest.raises(DocumentError, match="expected an output of `cabletag batch`"):
        Results.open(tmp_path / name)


def test_label_of_no_codebook_is_told(write_output):
    results = Results.open(write_output([{"labels": ["crim"]}]))
    with pytest.raises(DocumentError, match="unknown label 'crim'; did you mean 'crime_framing'"):
        results.given(next(results.batches(["labels"])))


def test_column_that_was_not_kept_is_told(write_output):
    with pytest.raises(OptionError, match="expected the column 'yera', found none; did you mean 'year'"):
        Results.open(write_output(ROWS)).kept_column("yera")
