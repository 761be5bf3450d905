"""Documents into passages with character offsets: prose, Markdown and cable format. Pure; reads no files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from cabletag.errors import OptionError

FORMATS = ("auto", "prose", "markdown", "cable")
MAX_SENTENCES, TARGET_WORDS, LEAST_WORDS = 4, 60, 10


@dataclass(frozen=True)
class Passage:
    """A passage of a document: `document[start:end] == text`, offsets in characters.

    `paragraph` and `marking` are the paragraph number ("4") and portion mark ("SBU") of a cable, else None.
    """

    text: str
    start: int
    end: int
    paragraph: str | None = None
    marking: str | None = None


@dataclass(frozen=True)
class Span:
    """A stretch of a document that is in no passage, and why: header, number, heading, closing or markup."""

    start: int
    end: int
    kind: str


@dataclass(frozen=True)
class Document:
    """A text cut into passages. Passages and `outside` together cover every character that is not white space."""

    format: str
    passages: tuple[Passage, ...]
    outside: tuple[Span, ...] = ()
    header: Mapping[str, str] = field(default_factory=dict)


def split(text: str, format: str = "auto") -> Document:
    """Cut a document into passages of one to four sentences, about 10 to 120 words.

    `auto` takes numbered paragraphs under a cable's header, or with portion marks, for a cable, and anything
    else for prose; so does `cable` where there are no numbered paragraphs. Raises OptionError for an unknown format.
    """
    if format not in FORMATS:
        raise OptionError(f"expected a format of {', '.join(FORMATS)}, found '{format}'")
    if format == "markdown":
        return _markdown(text)
    numbered = [] if format == "prose" else _numbered(text)
    if numbered and (format == "cable" or (len(numbered) > 1 and _like_a_cable(text, numbered))):
        return _cable(text, numbered)
    blocks = [passage for start, end in _blocks(text, 0, len(text)) for passage in _pack(text, start, end)]
    return Document("prose", tuple(blocks))


# ---- sentences to passages


def _blocks(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Stretches between blank lines, without the white space around them."""
    for match in re.finditer(r"\S(?:.|\n(?![^\S\n]*\n))*", text[start:end]):
        yield start + match.start(), start + match.start() + len(match.group().rstrip())


def _pack(text: str, start: int, end: int, paragraph: str | None = None, marking: str | None = None) -> list[Passage]:
    """Sentences of one block, joined while the passage stays within MAX_SENTENCES and about TARGET_WORDS."""
    from sentencex import get_sentence_boundaries

    spans: list[list[int]] = []  # start, end, words, sentences
    for bound in get_sentence_boundaries("en", text[start:end].encode("utf-8", "replace").decode()):
        words = len(bound["text"].split())
        if not words:
            continue
        last = spans[-1] if spans else None
        fits = last and last[2] + words <= TARGET_WORDS and last[3] < MAX_SENTENCES
        if last and (fits or (last[2] < LEAST_WORDS and last[2] + words <= 2 * TARGET_WORDS)):
            last[1], last[2], last[3] = bound["end_index"], last[2] + words, last[3] + 1
        else:
            spans.append([bound["start_index"], bound["end_index"], words, 1])
    if len(spans) > 1 and spans[-1][2] < LEAST_WORDS and spans[-1][2] + spans[-2][2] <= 2 * TARGET_WORDS:
        tail = spans.pop()
        spans[-1][1] = tail[1]
    found = []
    for left, right, _, _ in spans:
        raw = text[start + left : start + right]
        left = start + left + len(raw) - len(raw.lstrip())
        found.append(Passage(raw.strip(), left, left + len(raw.strip()), paragraph, marking))
    return found


# ---- cable format

_FIELD = re.compile(
    r"^[ \t]*(?P<key>SUBJECT|SUBJ|REFTEL|REFERENCES?|REFS?|TAGS|FROM|FM|TO|INFO|ACTION|DTG|DATE|MRN|CAPTIONS?|"
    r"CLASSIFIED BY|REASON|DECLASSIFY ON|E\.?O\.? ?\d{5})\b[ \t]*:?[ \t]*",
    re.MULTILINE | re.IGNORECASE,
)
_PARAGRAPH = re.compile(
    r"^[ \t]*(?P<number>\d{1,3})\.(?!\d)[ \t]*(?:\((?P<marking>(?:U|SBU|C|S|TS|CUI|LOU|FOUO)(?:[/-]+[A-Z]+)*)\))?[ \t]*(?=\S)",
    re.MULTILINE,
)


def _numbered(text: str) -> list[re.Match[str]]:
    """The paragraph starts whose numbers run 1, 2, 3, …; other numbers at a line's start are text."""
    found: list[re.Match[str]] = []
    for match in _PARAGRAPH.finditer(text):
        if int(match["number"]) == len(found) + 1:
            found.append(match)
    return found


def _like_a_cable(text: str, numbered: list[re.Match[str]]) -> bool:
    keys = {match["key"].upper() for match in _FIELD.finditer(text[: numbered[0].start()])}
    subject = bool(keys & {"SUBJECT", "SUBJ"}) and len(keys) > 1
    return subject or sum(match["marking"] is not None for match in numbered) > 1


def _cable(text: str, numbered: list[re.Match[str]]) -> Document:
    first = numbered[0].start()
    passages: list[Passage] = []
    outside = [Span(start, end, "header") for start, end in _blocks(text, 0, first)]
    for match, after in zip(numbered, [*numbered[1:], None], strict=True):
        left = match.start() + len(match[0]) - len(match[0].lstrip())
        outside.append(Span(left, match.end(), "number"))
        for start, end in _blocks(text, match.end(), after.start() if after else len(text)):
            block = text[start:end]
            if start > match.end() and _is_heading(block):
                outside.append(Span(start, end, "heading" if after else "closing"))
            else:
                passages += _pack(text, start, end, match["number"], match["marking"])
    return Document("cable", tuple(passages), tuple(outside), _header(text[:first]))


def _is_heading(block: str) -> bool:
    """A short block of capitals, title case or rules, with no end of a sentence: a section title or a signature."""
    words = re.findall(r"[^\W\d_]+", block)
    return len(words) <= 8 and block[-1] not in ".?!:;" and (not words or block.upper() == block or block.istitle())


def _header(head: str) -> dict[str, str]:
    fields = list(_FIELD.finditer(head))
    found: dict[str, str] = {}
    for match, after in zip(fields, [*fields[1:], None], strict=False):
        value = re.split(r"\n[^\S\n]*\n", head[match.end() : after.start() if after else len(head)])[0]
        key = match["key"].lower()
        key = {"subj": "subject", "fm": "from"}.get(key, "references" if key.startswith("ref") else key)
        found.setdefault(key, " ".join(value.split()))
    return found


# ---- Markdown


def _markdown(text: str) -> Document:
    """Paragraphs, list items and quotations are passages; headings, code, tables and HTML are not."""
    from markdown_it import MarkdownIt

    starts = [0] + [match.end() for match in re.finditer(r"\r\n?|\n", text)] + [len(text)]
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    passages: list[Passage] = []
    covered = 0
    outside: list[Span] = []

    def leave(end: int) -> None:
        outside.extend(Span(left, right, "markup") for left, right in _blocks(text, covered, end))

    for opening, inline in pairwise(tokens):
        if opening.type == "paragraph_open" and inline.map:
            start, end = starts[inline.map[0]], starts[min(inline.map[1], len(starts) - 1)]
            marks = re.match(r"[\s>]*(?:(?:[-*+]|\d+[.)])\s+)*[\s>]*", text[start:end])
            start = max(start + (marks.end() if marks else 0), covered)
            leave(start)
            passages += _pack(text, start, end)
            covered = end
    leave(len(text))
    return Document("markdown", tuple(passages), tuple(outside))
