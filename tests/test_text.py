import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cabletag.errors import OptionError
from cabletag.text import split

CABLE = """\
UNCLASSIFIED
FM AMEMBASSY SOMEWHERE
TO SECSTATE WASHDC
SUBJECT: HOST VIEWS ON
  MIGRATION
REF: A. 25 STATE 1

1. (SBU) Summary. The minister met us on Nov. 21.
In 1.5 hours he said little.

BACKGROUND
----------

2. (C/NF) The U.S. note of paragraph
12. was read aloud. See No. 5.

3. Comment. Post agrees.

SMITH
"""


def covered(text, document):
    marked = [" "] * len(text)
    for span in [*document.passages, *document.outside]:
        for place in range(span.start, span.end):
            assert marked[place] == " ", "two spans share a character"
            marked[place] = "x"
    return all(mark == "x" or character.isspace() for mark, character in zip(marked, text, strict=True))


def test_cable_paragraphs_carry_number_and_marking():
    found = [(p.paragraph, p.marking) for p in split(CABLE).passages]
    assert found == [("1", "SBU"), ("2", "C/NF"), ("3", None)]


def test_cable_header_is_recognised_and_unfolded():
    header = split(CABLE).header
    assert header["subject"] == "HOST VIEWS ON MIGRATION"
    assert header["from"] == "AMEMBASSY SOMEWHERE"
    assert header["references"] == "A. 25 STATE 1"


def test_cable_headings_and_signature_are_no_passages():
    kinds = {CABLE[s.start : s.end]: s.kind for s in split(CABLE).outside}
    assert kinds["BACKGROUND\n----------"] == "heading"
    assert kinds["SMITH"] == "closing"


def test_decimal_at_the_start_of_a_line_is_no_paragraph():
    cable = "SUBJECT: X\nFROM: Y\n\n1. (U) Some\n2.5 million people moved.\n\n2. (U) The second paragraph."
    assert [passage.paragraph for passage in split(cable).passages] == ["1", "2"]


def test_passage_starts_after_number_and_mark():
    assert split(CABLE).passages[0].text.startswith("Summary. The minister")


def test_numbered_list_in_prose_is_no_cable():
    assert split("Shopping:\n1. Milk.\n2. Bread.\n").format == "prose"


@pytest.mark.parametrize(
    "sentence",
    [
        "The U.S. Embassy called Mr. Smith on Nov. 21 about No. 5.",
        "Dr. J. R. Hall asked at 5 p.m. about Art. 3.",
        'He said: "We will not. It is ours."',
    ],
)
def test_abbreviations_and_quotations_do_not_end_a_sentence(sentence):
    filler = (
        "This second sentence is long enough to stand as a passage of its own " + "and goes on " * 20 + "to its end."
    )
    assert split(f"{sentence * 1} {filler}").passages[0].text.startswith(sentence)


def test_long_paragraph_is_cut_into_passages_of_at_most_four_sentences():
    text = " ".join(f"Sentence number {n} has exactly these many words." for n in range(12))
    assert [p.text.count("Sentence number") for p in split(text).passages] == [4, 4, 4]


def test_passages_do_not_cross_blank_lines():
    assert len(split("One short line.\n \nAnother short line.").passages) == 2


def test_markdown_leaves_headings_and_code_out():
    document = split("# Title here\n\n- An item of a list.\n\n```\ncode here\n```\n\n> A quoted line.\n", "markdown")
    assert [p.text for p in document.passages] == ["An item of a list.", "A quoted line."]
    assert {s.kind for s in document.outside} == {"markup"}


def test_markdown_leaves_tables_out():
    document = split("A paragraph here.\n\n| one | two |\n|---|---|\n| cell | cell |\n\nAnd another.\n", "markdown")
    assert [p.text for p in document.passages] == ["A paragraph here.", "And another."]


def test_markdown_with_the_line_ends_of_old_macs_is_whole():
    document = split("# Title\r\rOne line\rand its end.\r\r- An item.\r", "markdown")
    assert [p.text for p in document.passages] == ["One line\rand its end.", "An item."]


def test_unknown_format_is_refused():
    with pytest.raises(OptionError, match="expected a format of auto"):
        split("text", "pdf")


@pytest.mark.parametrize("text", ["", "   ", "\x00", "\u200b\u200b", "😀", "\ud800", "日本語。次の文。", "\u202eabc"])
def test_any_text_is_taken(text):
    assert covered(text, split(text))


PIECES = [
    "1. (SBU) ",
    "2. ",
    "\n",
    "\n\n",
    "SUBJECT: A\n",
    "TAGS: B\n",
    "U.S. ",
    "Word. ",
    "word ",
    "# ",
    "- ",
    "> ",
    "```\n",
    "é ",
    "\r\n",
    "\r",
    "| a |\n",
    "|---|\n",
    "\t",
    '"',
    "SMITH",
]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(PIECES)).map("".join), st.sampled_from(["auto", "prose", "markdown", "cable"]))
def test_every_character_is_in_one_span_and_offsets_hold(text, format):
    document = split(text, format)
    assert covered(text, document)
    assert all(text[p.start : p.end] == p.text for p in document.passages)
    starts = [p.start for p in document.passages]
    assert starts == sorted(starts)
