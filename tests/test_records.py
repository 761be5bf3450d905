import os

import pytest

from cabletag.errors import DocumentError
from cabletag.records import decode, read_sources


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "f: expected text, found an empty file"),
        (b" \n\t", "found an empty file"),
        (bytes(range(32)) * 20, "found a binary file"),
        ("Zürich\ncafé".encode("latin-1"), r"f:1: expected utf-8, found byte 0xfc; .*--encoding windows-1252"),
        (b"word " * 1_000_000, r"f:1: expected lines of at most 1,000,000 characters, found 5,000,000"),
    ],
)
def test_bad_bytes_are_refused(raw, message):
    with pytest.raises(DocumentError, match=message):
        decode(raw, "f")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks_decide_the_encoding(encoding):
    assert decode("Zürich".encode(encoding), "f") == "Zürich"


def test_named_encoding_is_used():
    assert decode("café".encode("windows-1252"), "f", "windows-1252") == "café"


def test_named_wide_encoding_is_not_taken_for_binary():
    assert decode("a text without a mark".encode("utf-16-le"), "f", "utf-16-le") == "a text without a mark"


def test_wrongly_named_encoding_of_utf8_is_told():
    with pytest.raises(DocumentError, match="--encoding utf-8"):
        decode("Zürich!".encode(), "f", "ascii")


def test_unknown_encoding_is_refused():
    with pytest.raises(DocumentError, match="expected a known encoding, found 'utf-9'"):
        decode(b"text", "f", "utf-9")


def test_a_stray_nul_is_let_pass():
    assert decode(b"some text\x00 and more", "f") == "some text\x00 and more"


def test_missing_file_and_folder_are_sources_with_an_error(tmp_path):
    good = tmp_path / "good.txt"
    good.write_text("text")
    found = list(read_sources([str(tmp_path / "none"), str(tmp_path), str(good)]))
    assert "found none; check the path" in found[0].error
    assert "found a folder" in found[1].error
    assert found[2].text == "text"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_folder_without_permission_is_named(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o000)
    assert "no permission" in next(read_sources([str(closed / "f.txt")])).error


def test_markdown_is_known_by_its_suffix(tmp_path):
    path = tmp_path / "a.MD"
    path.write_text("# T")
    assert next(read_sources([str(path)])).format == "markdown"
