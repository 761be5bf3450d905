"""codebook.md, made of the shipped codebook when the site is built."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from cabletag import Codebook, Label

GROUPS = {
    "talking_point": "Talking points",
    "directive": "Directives",
    "response": "Responses",
    "voice": "Voice",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page."""
    files.append(File.generated(config, "codebook.md", content="\n".join(page(Codebook.load()))))
    return files


def page(book: Codebook) -> Iterator[str]:
    """The parts of the page of one codebook."""
    yield f"# {_text(book.title)}\n\n{_text(book.description)}\n"
    yield f"Codebook `{book.id}`, version {book.version}, digest `{book.digest[:12]}`. Unit of coding: {_text(book.unit)}\n"
    yield "`cabletag labels` prints this page's labels, `cabletag labels show ID` one of them.\n"
    yield "## Rules\n"
    yield _list(book.rules)
    for group, title in GROUPS.items():
        labels = [label for label in book.labels if label.group == group]
        if labels:
            yield f"## {title}\n"
            for label in labels:
                yield from _label(label)
    yield "## Facts\n\nWhat is known of the cable, and how well. The labels say which of these they are drawn from.\n"
    yield "| fact | statement | support |\n| --- | --- | --- |"
    for fact in book.facts:
        cells = (f'<span id="fact-{fact.id}">`{fact.id}`</span>', _text(fact.statement), _text(fact.support))
        yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _label(label: Label) -> Iterator[str]:
    setting = "needs a migration setting in the passage" if label.scope == "migration" else "on any subject"
    yield f"### {_text(label.name)} {{ #{label.id} }}\n\n`{label.id}` · {setting}\n\n{_text(label.definition)}\n"
    for title, items in (
        ("Counts", label.counts),
        ("Does not count", label.does_not_count),
        ("Examples", label.examples),
        ("Near miss, not to be coded", (label.near_miss,)),
    ):
        if items:
            yield f"**{title}**\n\n{_list(items)}"
    if label.facts:
        links = (f"[{fact}](#fact-{fact})" for fact in label.facts)
        yield f"Drawn from: {', '.join(links)}\n"


def _list(items: Sequence[str]) -> str:
    return "".join(f"- {_text(item)}\n" for item in items)


def _text(text: str) -> str:
    """Text of the codebook as Markdown that shows it as it is; its own `code` stays code, and label ids become code."""
    parts = re.split(r"(`[^`]+`|\b[a-z]+(?:_[a-z]+)+\b)", html.escape(text, quote=False))
    plain = (re.sub(r"([\\`*_\[\]#])", r"\\\1", part) for part in parts[::2])
    code = (f"`{part.strip('`')}`" for part in parts[1::2])
    return "".join(piece for pair in zip_longest(plain, code, fillvalue="") for piece in pair)
