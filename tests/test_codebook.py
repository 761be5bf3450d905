import pytest

from cabletag.codebook import Codebook
from cabletag.errors import CodebookError, OptionError

SMALL = """\
id: small
version: 1.0.0
title: A title
description: A description.
unit: A passage.
rules: [One rule.]
facts:
  - {id: seen, statement: It was seen., support: one outlet}
labels:
  - id: alpha
    name: Alpha
    group: talking_point
    scope: any
    definition: Says alpha.
    counts: []
    does_not_count: []
    examples: [First alpha., Second alpha.]
    near_miss: Says beta.
    facts: [seen]
"""


@pytest.fixture
def load(tmp_path):
    def load(text):
        path = tmp_path / "codebook.yaml"
        path.write_text(text, encoding="utf-8")
        return Codebook.load(path)

    return load


def test_shipped_codebook_has_twenty_content_labels_and_a_voice(codebook):
    assert len(codebook.content_ids) == 20
    assert codebook.voice_id == "attributed"


def test_small_codebook_loads(load):
    assert load(SMALL).label("alpha").examples == ("First alpha.", "Second alpha.")


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("    scope: any", "    scop: any", 13, "unknown key 'scop' in a label; did you mean 'scope'?"),
        ("    definition: Says alpha.", "    definition: ''", 14, "expected a text for definition"),
        ("    definition: Says alpha.\n", "", 10, "a label lacks the key 'definition'"),
        ("    group: talking_point", "    group: point", 12, "expected group to be one of"),
        ("  - id: alpha", "  - id: Alpha one", 10, "lower-case letters"),
        ("    facts: [seen]", "    facts: [sen]", 19, "unknown fact 'sen'; did you mean 'seen'?"),
        ("[First alpha., Second alpha.]", "[First alpha.]", 17, "expected at least 2 of examples, found 1"),
        ("    scope: any", "    scope: any\n    scope: any", 14, "stands twice"),
        ("version: 1.0.0", "version:", 2, "expected a text for version"),
    ],
)
def test_error_names_file_and_line(load, old, new, line, message):
    with pytest.raises(CodebookError) as caught:
        load(SMALL.replace(old, new))
    assert f"codebook.yaml:{line}: " in str(caught.value)
    assert message in str(caught.value)


def test_duplicate_label_id_is_refused(load):
    label = SMALL[SMALL.index("  - id: alpha") :]
    with pytest.raises(CodebookError, match=r"codebook.yaml:20: the label id 'alpha' is taken"):
        load(SMALL + label)


def test_broken_yaml_is_refused_with_its_line(load):
    with pytest.raises(CodebookError, match=r"codebook.yaml:\d+: expected YAML"):
        load("id: [unclosed\nversion: 1")


def test_empty_file_is_refused(load):
    with pytest.raises(CodebookError, match="found an empty file"):
        load("")


def test_unknown_label_suggests_a_near_one(codebook):
    with pytest.raises(OptionError, match="did you mean 'crime_framing'"):
        codebook.label("crim_framing")
