import json

import pytest

from cabletag.errors import CorpusError
from cabletag.evaluation.gold import digest, read_gold, repeated


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_json_lines_and_tables_give_the_same_passages(tmp_path, codebook):
    rows = [
        {"text": "Ours,\nhe said\u2028so.", "labels": ["sovereignty", "crime_framing"]},
        {"text": "Nothing.", "labels": []},
    ]
    one = write(tmp_path / "a.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n\n" for row in rows))
    two = write(
        tmp_path / "a.csv", '\ufefftext,labels\n"Ours,\nhe said\u2028so.",sovereignty; crime_framing\nNothing.,\n'
    )
    three = write(
        tmp_path / "a.tsv", 'text\tlabels\n"Ours,\nhe said\u2028so."\tsovereignty,crime_framing\nNothing.\t\n'
    )
    found = [read_gold(path, codebook) for path in (one, two, three)]
    assert [passage.labels for passage in found[0]] == [("crime_framing", "sovereignty"), ()]
    assert len({digest(passages) for passages in found}) == 1


def test_digest_knows_the_labels(tmp_path, codebook):
    one = write(tmp_path / "a.csv", "text,labels\nA.,sovereignty\n")
    two = write(tmp_path / "b.csv", "text,labels\nA.,crime_framing\n")
    assert digest(read_gold(one, codebook)) != digest(read_gold(two, codebook))


def test_further_columns_are_kept_as_text(tmp_path, codebook):
    path = write(tmp_path / "a.jsonl", '{"text": "A.", "labels": [], "year": 2025, "note": null}\n')
    assert read_gold(path, codebook)[0].columns == {"year": "2025", "note": ""}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "a.jsonl",
            '\n{"text": "A.", "labels": ["crim"]}',
            r"a\.jsonl:2: unknown label 'crim'; did you mean 'crime_framing'\?",
        ),
        ("a.csv", 'text,labels\n"A\nB",\nC,crim\n', r"a\.csv:4: unknown label 'crim'"),
        ("a.jsonl", '{"text": "A.", "labels": null}', "expected 'labels' as a list of label ids, found None"),
        ("a.jsonl", '{"text": 3, "labels": []}', "expected a text in 'text', found 3"),
        ("a.jsonl", "[]", "expected a JSON object, found list"),
        ("a.jsonl", "{", "expected one JSON object a line"),
        ("a.csv", "txt,labels\nA.,\n", "expected the column 'text', found none; did you mean 'txt'"),
        ("a.csv", "text,labels\n", "expected coded passages, found none below the header"),
        ("a.csv", "text,labels\nA, b.,\n", r"a\.csv:2: expected 2 cells as in the header, found 3"),
        ("a.csv", 'text,labels\n"A.,\n', r"a\.csv:2: expected a table"),
        ("a.csv", "text,text,labels\nA.,,\n", "the column 'text' stands twice"),
        ("a.csv", "text,labels\nA.,attributed\n", "expected 'attributed' only beside another label"),
        ("a.xlsx", "text", "expected a file named .jsonl, .csv or .tsv"),
    ],
)
def test_bad_sets_are_told_with_their_line(tmp_path, codebook, name, text, message):
    with pytest.raises(CorpusError, match=message):
        read_gold(write(tmp_path / name, text), codebook)


def test_repeated_texts_are_counted_if_coded_alike(tmp_path, codebook):
    path = write(tmp_path / "a.csv", "text,labels\nOne  text.,sovereignty\nOne text. ,sovereignty\nTwo.,\n")
    assert repeated(read_gold(path, codebook)) == 1


def test_repeated_texts_coded_in_two_ways_are_refused(tmp_path, codebook):
    path = write(tmp_path / "a.csv", "text,labels\nOne text.,sovereignty\nOne text.,\n")
    with pytest.raises(
        CorpusError,
        match=r"a\.csv:3: expected the labels that the same text has at .*a\.csv:2 \(sovereignty\), found none",
    ):
        repeated(read_gold(path, codebook))
