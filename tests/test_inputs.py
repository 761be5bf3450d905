import hashlib
import os
from pathlib import Path

import pytest

from cabletag.batch.inputs import digested, find_inputs
from cabletag.errors import DocumentError, OptionError


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("in/b.csv", "in/a.jsonl.gz", "in/deep/c.MD", "in/photo.jpg", "other.txt", "notes"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(name)
    return Path("out.parquet")


def names(found):
    return [item.name for item in found]


def test_a_folder_is_read_sorted_and_by_kind(corpus):
    found = find_inputs(["in"], None, corpus)
    assert names(found) == ["in/a.jsonl.gz", "in/b.csv", "in/deep/c.MD"]
    assert [(item.kind, item.compression) for item in found] == [("jsonl", ".gz"), ("csv", ""), ("markdown", "")]


def test_the_order_of_names_is_kept_and_a_file_named_twice_is_read_once(corpus):
    assert names(find_inputs(["other.txt", "in/*.csv", "in"], None, corpus))[:2] == ["other.txt", "in/b.csv"]
    assert len(find_inputs(["in", "in"], None, corpus)) == 3


def test_a_file_under_two_spellings_is_read_once(corpus):
    os.symlink("in/b.csv", "link.csv")
    spelled = ["./in/b.csv", "in/../in/b.csv", os.path.abspath("in/b.csv"), "link.csv", "in/b.csv", "-", "-"]
    assert names(find_inputs(spelled, None, corpus)) == ["./in/b.csv", "-"]


def test_the_kind_of_other_names_is_asked_for(corpus):
    with pytest.raises(OptionError, match=r"notes: expected a name that ends in .*--input-format"):
        find_inputs(["notes"], None, corpus)
    assert find_inputs(["notes"], "text", corpus)[0].kind == "text"
    assert find_inputs(["-"], None, corpus)[0].kind == "jsonl"


@pytest.mark.parametrize(
    ("name", "message"),
    [("none.csv", "found none; check the path"), ("*.csv", "in the glob|found none"), ("empty", "found no files")],
)
def test_a_name_that_stands_for_nothing_is_an_error(corpus, name, message):
    Path("empty").mkdir()
    with pytest.raises(DocumentError, match=message):
        find_inputs([name], None, corpus)


def test_a_pipe_is_sent_to_standard_input(corpus):
    os.mkfifo("pipe.jsonl")
    with pytest.raises(DocumentError, match="found a pipe or device"):
        find_inputs(["pipe.jsonl"], None, corpus)


def test_what_a_run_writes_is_not_read(corpus):
    for name in ("in/o.csv", "in/o.csv.rejects.jsonl", "in/o.csv.run/part-000001/rejects.jsonl"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("")
    assert len(find_inputs(["in"], None, Path("in/o.csv"))) == 3
    with pytest.raises(OptionError, match=r"found in/o\.csv as both"):
        find_inputs(["in/o.csv"], None, Path("in/o.csv"))


def test_unknown_input_format_is_told(corpus):
    with pytest.raises(OptionError, match="found 'json'; did you mean 'jsonl'"):
        find_inputs(["in"], "json", corpus)


def test_digest_and_size_say_what_a_file_holds(corpus):
    item = digested(find_inputs(["other.txt"], None, corpus)[0])
    assert item.size == 9
    assert item.sha256 == hashlib.sha256(b"other.txt").hexdigest()
