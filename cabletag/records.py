"""Documents in: files and standard input to text, with every reason why one cannot be read."""

from __future__ import annotations

import codecs
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cabletag.errors import DocumentError

LONGEST_LINE = 1_000_000
_MARKDOWN = {".md", ".markdown"}
_WIDE = re.compile("utf[-_]?(16|32)", re.IGNORECASE)  # of these every other byte may be a NUL
_WIDE_MARKS = (  # those of UTF-32 first, for one of them begins like one of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class Source:
    """One input: its text, or the reason why there is none; `format` as in `cabletag.split`."""

    name: str
    text: str = ""
    format: str = "auto"
    error: str | None = None


def read_sources(names: Iterable[str], encoding: str = "utf-8") -> Iterator[Source]:
    """Read files by path, and standard input for "-". A file that cannot be read is a Source with its `error`."""
    for name in names:
        format = "markdown" if Path(name).suffix.lower() in _MARKDOWN else "auto"
        try:
            yield Source(name, decode(_read(name), name, encoding), format)
        except DocumentError as error:
            yield Source(name, error=str(error))


def read_text(text: str) -> list[Source]:
    """A text given as such, as the one source; empty text is an error, as an empty file is."""
    return [Source("text", text) if text.strip() else Source("text", error="text: expected text, found an empty one")]


def _read(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    path = Path(name)
    if path.is_dir():
        raise DocumentError(f"{name}: expected a text file, found a folder; name its files, e.g. {path / '*.txt'}")
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DocumentError(f"{name}: expected a text file, found none; check the path") from error
    except PermissionError as error:
        raise DocumentError(
            f"{name}: expected a readable file, found no permission; check the rights of it and its folder"
        ) from error
    except OSError as error:
        raise DocumentError(f"{name}: expected a readable file, found: {error.strerror}") from error


def decode(raw: bytes, name: str, encoding: str = "utf-8") -> str:
    """Bytes to text. Raises DocumentError for what is empty, binary, in another encoding, or one endless line."""
    encoding = "utf-8-sig" if raw.startswith(codecs.BOM_UTF8) else wide_encoding(raw) or encoding
    if not raw.strip():
        raise DocumentError(f"{name}: expected text, found an empty file")
    if not _WIDE.match(encoding) and _is_binary(raw[:8192]):
        raise DocumentError(f"{name}: expected plain text or Markdown, found a binary file; extract its text first")
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DocumentError(
            f"{name}:{line}: expected {encoding}, found byte 0x{raw[error.start]:02x}; "
            f"name the right one, e.g. --encoding {'utf-8' if _is_utf8(raw) else 'windows-1252'}"
        ) from error
    except LookupError as error:
        raise DocumentError(
            f"{name}: expected a known encoding, found '{encoding}'; try utf-8 or windows-1252"
        ) from error
    for number, line_text in enumerate(text.split("\n"), 1):
        if len(line_text) > LONGEST_LINE:
            raise DocumentError(
                f"{name}:{number}: expected lines of at most {LONGEST_LINE:,} characters, found {len(line_text):,}; "
                "break it into paragraphs first, e.g. with `fold -s -w 2000`"
            )
    return text


def wide_encoding(head: bytes) -> str | None:
    """The encoding that a byte-order mark of UTF-16 or UTF-32 tells, from the first four bytes of a file."""
    return next((encoding for mark, encoding in _WIDE_MARKS if head.startswith(mark)), None)


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _is_binary(head: bytes) -> bool:
    """More than a trace of control bytes: no text file of any encoding has them, a stray NUL is let pass."""
    control = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head)
    return control > max(2, len(head) // 50)
