import hashlib
import json

import pytest

from cabletag.corpus import digest, read_corpus, read_pointers
from cabletag.errors import CorpusError

ROW = {"id": "a", "text": "Some text.", "labels": ["sovereignty"], "genre": "cable", "brief": "tr-01"}
LOCATOR = {"format": "blocks", "unit": "par:3", "start": 0, "end": None}
POINTER = {"id": "a", "repo": "x/y", "path": "f.txt", "locator": LOCATOR, "labels": [], "genre": "cable", "sure": False}


@pytest.fixture
def write(tmp_path):
    def write(name, *rows):
        path = tmp_path / name
        path.write_text("\n".join(json.dumps(row) if isinstance(row, dict) else row for row in rows))
        return path

    return write


def test_rows_become_passages(write, codebook):
    assert read_corpus(write("c.jsonl", ROW), codebook)[0].labels == ("sovereignty",)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({**ROW, "labels": ["sovereign"]}, "c.jsonl:1: unknown label 'sovereign'; did you mean 'sovereignty'"),
        ({**ROW, "labels": ["attributed"]}, "only beside another label"),
        ({**ROW, "labels": ["attributed", "attributed"]}, "only beside another label"),
        ({**ROW, "labels": "sovereignty"}, "expected 'labels' as list"),
        ({**ROW, "text": 3}, "expected 'text' as str, found 3"),
        ("{broken", "c.jsonl:1: expected one JSON object a line"),
        ("[1]", "expected a JSON object, found list"),
    ],
)
def test_bad_row_is_refused_with_its_place(write, codebook, row, message):
    with pytest.raises(CorpusError, match=message):
        read_corpus(write("c.jsonl", row), codebook)


def test_line_separators_inside_a_text_end_no_line(tmp_path, codebook):
    path = tmp_path / "c.jsonl"
    path.write_text(json.dumps({**ROW, "text": "One\u2028two\x85three."}, ensure_ascii=False) + "\n", encoding="utf-8")
    assert read_corpus(path, codebook)[0].text == "One\u2028two\x85three."


def test_duplicate_id_is_refused(write, codebook):
    with pytest.raises(CorpusError, match=r"c\.jsonl:2: the id 'a' is taken"):
        read_corpus(write("c.jsonl", ROW, ROW), codebook)


def test_missing_file_is_refused(tmp_path, codebook):
    with pytest.raises(CorpusError, match="expected a readable JSON-lines file"):
        read_corpus(tmp_path / "none.jsonl", codebook)


def test_pointer_takes_its_text_by_id(write, codebook):
    pointer = {**POINTER, "sha256": hashlib.sha256(b"Some text.").hexdigest()}
    found, _ = read_pointers(write("p.jsonl", pointer), write("t.jsonl", {"id": "a", "text": "Some text."}), codebook)
    assert (found[0].text, found[0].sure) == ("Some text.", False)


def test_pointer_to_a_part_takes_its_span(write, codebook):
    pointer = {**POINTER, "id": "a#5-9", "span": [5, 9], "sha256": hashlib.sha256(b"text").hexdigest()}
    found, _ = read_pointers(write("p.jsonl", pointer), write("t.jsonl", {"id": "a", "text": "Some text."}), codebook)
    assert found[0].text == "text"


def test_file_of_many_documents_is_parted_by_blocks_of_rows(write, codebook):
    pointers = [
        {**POINTER, "id": str(row), "sha256": hashlib.sha256(b"x").hexdigest(), "locator": {**LOCATOR, "unit": unit}}
        for row, unit in enumerate(["row:3", "rows:200-203", "row:251", "par:251"])
    ]
    texts = write("t.jsonl", *({"id": str(row), "text": "x"} for row in range(4)))
    documents = [passage.document for passage in read_pointers(write("p.jsonl", *pointers), texts, codebook)[0]]
    assert documents == ["x/y/f.txt:0", "x/y/f.txt:0", "x/y/f.txt:1", "x/y/f.txt"]


def test_pointer_to_another_text_is_refused(write, codebook):
    pointer = {**POINTER, "sha256": hashlib.sha256(b"Some text.").hexdigest()}
    with pytest.raises(CorpusError, match="is not the one that was coded"):
        read_pointers(write("p.jsonl", pointer), write("t.jsonl", {"id": "a", "text": "Another text."}), codebook)


def test_pointers_without_text_are_counted(write, codebook):
    pointers = [{**POINTER, "id": key, "sha256": hashlib.sha256(b"x").hexdigest()} for key in "ab"]
    found, missing = read_pointers(write("p.jsonl", *pointers), write("t.jsonl", {"id": "a", "text": "x"}), codebook)
    assert ([passage.id for passage in found], missing) == (["a"], 1)


def test_pointers_without_any_text_are_refused(write, codebook):
    with pytest.raises(CorpusError, match=r"expected texts by the ids of .*, found none of the 1"):
        read_pointers(write("p.jsonl", {**POINTER, "sha256": ""}), write("t.jsonl", {"id": "b", "text": "x"}), codebook)


def test_digest_changes_with_a_label(write, codebook):
    one = read_corpus(write("c.jsonl", ROW), codebook)
    two = read_corpus(write("c.jsonl", {**ROW, "labels": []}), codebook)
    assert digest(one) != digest(two)
