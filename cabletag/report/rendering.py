"""Templates to self-contained HTML: every value escaped, and a policy that lets nothing but the page's own style and script in."""

from __future__ import annotations

import base64
import datetime
import hashlib
from importlib import resources
from typing import Any

from cabletag import __version__
from cabletag.report.overview import Share

LONGEST_TEXT = 5_000  # characters


def cut(text: str) -> str:
    """A text that is too long for the page, cut, with a word of it."""
    return text[:LONGEST_TEXT] + cut_note(text)


def cut_note(text: str) -> str:
    """What the page says where it cuts a text; empty if it does not."""
    more = len(text) - LONGEST_TEXT
    return f" … (cut here; {more:,} more characters in the file)" if more > 0 else ""


def rendered(template: str, **values: Any) -> str:
    """A template of `templates/` as a page; it finds `style`, `script`, `today` and `version` beside the values."""
    import jinja2

    style, script = _asset("report.css"), _asset("report.js")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_asset),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=_percent, interval=_interval, number=lambda value: f"{value:,}")
    page = {"style": style, "script": script, "style_hash": _hash(style), "script_hash": _hash(script)}
    today = datetime.date.today().isoformat()
    return environment.get_template(template).render(**page, today=today, version=__version__, **values)


def _percent(value: float) -> str:
    if value != value:
        return "–"
    return f"{100 * value:.2f}%" if 0 < value < 0.01 else f"{100 * value:.1f}%"


def _interval(share: Share) -> str:
    low, high = share.interval
    digits = 2 if high < 0.01 else 1
    return "–" if low != low else f"{100 * low:.{digits}f}–{100 * high:.{digits}f}%"


def _asset(name: str) -> str:
    return resources.files("cabletag.report").joinpath("templates", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """The source expression that lets this very text, and no other, run or style (Content Security Policy, level 2)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
