import gzip
import io
import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from cabletag.batch import lines as lines_module
from cabletag.batch import rows
from cabletag.batch.inputs import Input, find_inputs
from cabletag.batch.opened import _zstd
from cabletag.batch.readers import Columns
from cabletag.batch.rows import read_records
from cabletag.errors import DocumentError

zstd = _zstd()
PLAIN = Columns()
GOOD = {"id": "a", "text": "A text."}


@pytest.fixture
def read(tmp_path):
    """Writes bytes under a name and reads them back as records."""

    def call(name, raw, columns=PLAIN, encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(raw)
        return list(read_records(find_inputs([str(path)], None, tmp_path / "out.csv")[0], columns, encoding))

    return call


def lines(*given):
    return b"".join((row if isinstance(row, bytes) else json.dumps(row).encode()) + b"\n" for row in given)


def table(given, **options):
    file = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(given), file, **options)
    return file.getvalue()


CSV = b"id,text,date\na,A text.,2026\n"
MANY = {
    "x.jsonl": lines({**GOOD, "date": "2026"}),
    "x.NDJSON": lines({**GOOD, "date": "2026"}),
    "x.csv": CSV,
    "x.tsv": CSV.replace(b",", b"\t"),
    "x.parquet": table([{**GOOD, "date": "2026"}]),
}


@pytest.mark.parametrize("pack", ["", ".gz", ".zst"])
@pytest.mark.parametrize("name", MANY)
def test_every_kind_gives_the_same_record(read, name, pack):
    raw = {"": bytes, ".gz": gzip.compress, ".zst": zstd.compress}[pack](MANY[name])
    (record,) = read(name + pack, raw, Columns(id="id", keep=("date",)))
    assert (record.id, record.text, record.kept, record.error) == ("a", "A text.", ("2026",), None)


@pytest.mark.parametrize(("name", "format"), [("a.txt", "auto"), ("a.md", "markdown"), ("a.txt.gz", "auto")])
def test_a_text_file_is_one_document_named_by_its_path(read, tmp_path, name, format):
    raw = b"One.\n\nTwo.\n"
    (record,) = read(name, gzip.compress(raw) if name.endswith("gz") else raw)
    assert (record.id, record.text, record.format) == (str(tmp_path / name), raw.decode(), format)


def test_without_an_id_column_file_and_line_name_the_document(read, tmp_path):
    assert read("a.csv", CSV)[0].id == f"{tmp_path / 'a.csv'}:2"


BAD = {
    "malformed": (b'{"text": "A te', "expected one JSON object a line, found: Unterminated string"),
    "not an object": (b'["text"]', "expected a JSON object, found a list"),
    "not a number of JSON": (b'{"text": "t", "x": NaN}', "NaN, which is not JSON"),
    "a key that stands twice": (b'{"text": "one", "text": "two"}', "the key 'text' twice"),
    "brackets without end": (b"[" * 100_000, "expected one JSON object a line, found:"),
    "number without end": (b'{"text": ' + b"1" * 5000 + b"}", "expected one JSON object a line, found:"),
    "no column": (b'{"txt": "t"}', "expected a text in 'text', found no such column"),
    "null": (b'{"text": null}', "expected a text in 'text', found null"),
    "number": (b'{"text": 5}', "expected a text in 'text', found a number"),
    "list": (b'{"text": ["t"]}', "expected a text in 'text', found a list"),
    "empty": (b'{"text": " "}', "found an empty one"),
    "NUL": (b'{"text": "ab\\u0000"}', "found a NUL character at 3"),
    "raw NUL": (b'{"text": "ab\0"}', "found: Invalid control character"),
    "bad byte": (b'{"text": "caf\xe9"}', "found byte 0xe9; name it, e.g. --encoding windows-1252"),
    "half a pair": (b'{"text": "\\ud83d"}', "found half of a surrogate pair, \\ud83d"),
    "bad kept column": (b'{"text": "t", "date": {"x": "\\ud83d"}}', "in the kept columns"),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_json_line_is_told_and_its_neighbours_are_read(read, bad):
    raw, reason = BAD[bad]
    before, found, after = read("a.jsonl", lines(GOOD, raw, GOOD), Columns(keep=("date",)))
    assert reason in found.error
    assert (found.line, found.text) == (2, "")
    assert before.text == after.text == "A text."


@pytest.mark.parametrize("id", ["null", '""', "[1]", "true", '"\\ud800"'])
def test_an_id_that_is_none_is_a_reject(read, id):
    (record,) = read("a.jsonl", f'{{"id": {id}, "text": "t"}}'.encode(), Columns(id="id"))
    assert "'id'" in record.error


def test_a_number_is_an_id(read):
    assert read("a.jsonl", b'{"id": 17, "text": "t"}', Columns(id="id"))[0].id == "17"


def test_a_huge_line_is_skipped_and_the_next_is_read(read, monkeypatch):
    monkeypatch.setattr(lines_module, "LONGEST_ROW", 1000)
    found = read("a.jsonl", lines(GOOD, {"text": "word " * 10_000}, GOOD))
    assert "expected rows of at most 1,000 characters, found 50,0" in found[1].error
    assert [record.line for record in found if not record.error] == [1, 3]


@pytest.mark.parametrize(("limit", "what"), [("LONGEST_FIELD", "texts"), ("LONGEST_LINE", "lines")])
def test_a_huge_text_is_a_reject(read, monkeypatch, limit, what):
    monkeypatch.setattr(rows, limit, 1000)
    assert f"expected {what} of at most 1,000 characters" in read("a.jsonl", lines({"text": "word " * 500}))[0].error


def test_blank_lines_and_a_byte_order_mark_do_not_matter(read):
    assert [record.line for record in read("a.jsonl", b"\xef\xbb\xbf" + lines(GOOD, b"", GOOD))] == [1, 3]


def test_utf16_as_spreadsheets_write_it_is_known_by_its_mark(read):
    found = read("a.tsv", "id\ttext\na\tZürich\n".encode("utf-16"))
    assert [record.text for record in found] == ["Zürich"]


def test_named_encoding_is_used(read):
    assert read("a.csv", "text\ncafé\n".encode("windows-1252"), encoding="windows-1252")[0].text == "café"


CSV_BAD = {
    "wrong quoting": (b'b,"a" text,2026', "expected quoting as in RFC 4180"),
    "quote never closed": (b'b,"a text,2026', "expected quoting as in RFC 4180"),
    "a field too few": (b"b,a text", "expected 3 fields as in the header, found 2"),
    "a field too many": (b"b,a,text,2026", "expected 3 fields as in the header, found 4"),
    "NUL": (b"b,a\0text,2026", "NUL"),
    "bad byte": (b"b,caf\xe9,2026", "found byte 0xe9"),
    "empty": (b"b,,2026", "found an empty one"),
}


@pytest.mark.parametrize("after", [b"c,plain,1\n", b'c,"quoted, so",1\n', b'c,"two\nlines",1\n', b""])
@pytest.mark.parametrize("bad", CSV_BAD)
def test_a_bad_csv_line_costs_itself_alone(read, bad, after):
    raw, reason = CSV_BAD[bad]
    found = read("a.csv", CSV + raw + b"\n" + after)
    assert reason in found[1].error
    assert [record.line for record in found] == [2, 3, 4][: 2 + bool(after)]
    assert not any(record.error for record in (found[0], *found[2:]))


def test_a_quoted_field_may_have_lines_and_quotes(read):
    assert read("a.csv", b'text\n"one\n""two"""\n')[0].text == 'one\n"two"'


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_a_file_without_the_column_is_one_reject_that_suggests_another(read, name):
    raw = table([{"texts": "t"}]) if name.endswith("parquet") else b"texts\nt\nt\n"
    (found,) = read(name, raw)
    assert (found.line, found.error) == (0, "expected the column 'text', found none; did you mean 'texts'?")


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_a_column_that_is_read_may_not_stand_twice(read, name):
    raw = b"id,text,text\na,One.,Two.\n"
    if name.endswith("parquet"):
        file = io.BytesIO()
        parquet.write_table(pa.Table.from_arrays([pa.array([row]) for row in "abc"], ["id", "text", "text"]), file)
        raw = file.getvalue()
    (found,) = read(name, raw)
    assert (found.line, found.error) == (
        0,
        "expected the column 'text' once, found it twice; rename or drop one",
    )


def test_another_column_may_stand_twice(read):
    assert read("a.csv", b"x,text,x\n1,A text.,2\n")[0].text == "A text."


def test_an_empty_csv_is_a_reject(read):
    assert "expected a header" in read("a.csv", b"")[0].error


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
def test_rows_before_the_break_of_a_compressed_file_are_kept(read, pack):
    raw = lines(*({"text": f"Row {number} of many: {hash(str(number))}"} for number in range(5000)))
    found = read(f"a.jsonl.{'gz' if pack is gzip.compress else 'zst'}", pack(raw)[:-2000])
    assert len(found) > 1000
    assert "expected a whole file, found it broken after line" in found[-1].error
    assert [record.line for record in found] == list(range(1, len(found) + 1))
    assert not any(record.error for record in found[:-1])


def test_a_text_cut_short_is_no_document(read):
    (found,) = read("a.txt.gz", gzip.compress(b"A text. " * 1000)[:-9])
    assert "broken from the start" in found.error


def test_a_text_that_is_rejected_keeps_its_name(read, tmp_path):
    (found,) = read("a.txt", b"One.\n\ncaf\xe9\n")
    assert (found.id, found.line) == (str(tmp_path / "a.txt"), 3)
    assert "found byte 0xe9" in found.error


def test_what_is_no_gzip_is_told(read):
    assert "Not a gzipped file" in read("a.txt.gz", b"A text.")[0].error


def test_a_truncated_parquet_file_is_a_reject(read):
    (found,) = read("a.parquet", table([GOOD] * 100)[:-10])
    assert "expected a whole Parquet file" in found.error


def test_a_damaged_row_group_costs_itself_alone(read):
    raw = bytearray(
        table([{"text": f"{number:>500}"} for number in range(300)], row_group_size=100, compression="gzip")
    )
    start = parquet.ParquetFile(io.BytesIO(bytes(raw))).metadata.row_group(1).column(0).data_page_offset
    raw[start : start + 200] = bytes(200)
    found = read("a.parquet", bytes(raw))
    assert [record.line for record in found] == [*range(1, 102), *range(201, 301)]
    assert "expected readable rows 101 to 200" in found[100].error
    assert sum(record.error is not None for record in found) == 1


def test_bad_values_of_parquet_are_rejects(read):
    raw = pa.array([b"good", b"caf\xe9", None], pa.binary()).view(pa.string())
    file = io.BytesIO()
    parquet.write_table(pa.table({"text": raw}), file)
    errors = [record.error or "" for record in read("a.parquet", file.getvalue())]
    assert errors[0] == ""
    assert "byte 0xe9" in errors[1]
    assert "found null" in errors[2]


def test_a_column_of_numbers_is_a_reject_a_row(read):
    assert [record.error for record in read("a.parquet", table([{"text": 1}, {"text": 2}]))] == [
        "expected a text in 'text', found a number"
    ] * 2


def test_kept_values_stay_what_json_can_hold(read):
    raw = b'{"text": "t", "n": 1.5, "o": {"a": [1]}, "z": null}'
    assert read("a.jsonl", raw, Columns(keep=("n", "o", "z", "none")))[0].kept == (1.5, {"a": [1]}, None, None)


def test_a_file_that_vanished_stops_the_run(tmp_path):
    with pytest.raises(DocumentError, match=r"gone\.jsonl: expected the file that was there before, found none"):
        list(read_records(Input(str(tmp_path / "gone.jsonl"), "jsonl", size=1), Columns()))


def test_a_file_of_another_size_stops_the_run(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines(GOOD))
    with pytest.raises(DocumentError, match="changed meanwhile"):
        list(read_records(Input(str(path), "jsonl", size=1), Columns()))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["jsonl", "csv", "tsv", "text", "parquet", "jsonl.gz", "csv.zst"]), st.binary(max_size=300))
def test_no_bytes_break_the_reader(tmp_path_factory, kind, raw):
    path = tmp_path_factory.mktemp("fuzz") / f"a.{kind.replace('text', 'txt')}"
    path.write_bytes((b"text\n" if kind in ("csv", "tsv") else b"") + raw)
    for record in read_records(find_inputs([str(path)], None, Path("out.csv"))[0], Columns()):
        assert bool(record.error) != bool(record.text)
        record.text.encode()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(min_size=1).filter(str.strip), max_size=20), st.data())
def test_good_texts_come_back_whatever_stands_between_them(tmp_path_factory, texts, data):
    texts = [text for text in texts if "\0" not in text]
    rubbish = st.sampled_from([raw for raw, _ in BAD.values() if b"\n" not in raw])
    mixed = []
    for text in texts:
        mixed += [*data.draw(st.lists(rubbish, max_size=2)), {"text": text}]
    path = tmp_path_factory.mktemp("mixed") / "a.jsonl"
    path.write_bytes(lines(*mixed))
    found = list(read_records(find_inputs([str(path)], None, Path("out.csv"))[0], Columns(keep=("date",))))
    assert [record.text for record in found if not record.error] == texts
    assert len(found) == len(mixed)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1).filter(str.strip))
)
def test_csv_as_python_writes_it_comes_back(tmp_path_factory, texts):
    import csv

    path = tmp_path_factory.mktemp("csv") / "a.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["id", "text"], *([number, text] for number, text in enumerate(texts))])
    found = list(read_records(find_inputs([str(path)], None, Path("out.csv"))[0], Columns(id="id")))
    assert [(record.id, record.text) for record in found] == [(str(n), text) for n, text in enumerate(texts)]
