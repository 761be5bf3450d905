"""Text out: never over an input, nothing that a spreadsheet would run, and a clear line where it cannot be written."""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from cabletag.errors import OptionError, OutputError

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_FORMULA = re.compile("'*[=+@\t\r\n＝＋－＠-]")  # as OWASP lists them for CSV injection
GUARDED = f"^'({_FORMULA.pattern})"  # where `guarded` put an apostrophe: what it put it before is the group


def check_output(path: str | Path, inputs: Iterable[Path] = (), suffixes: Sequence[str] = ()) -> None:
    """Raise OptionError for a name without any of the `suffixes` or one of the inputs, OutputError where there is no folder."""
    path = Path(path)
    if suffixes and path.suffix.lower() not in suffixes:
        raise OptionError(f"{path}: expected an output that ends in {', '.join(suffixes)}, found '{path.suffix}'")
    if any(path.resolve() == source.resolve() for source in inputs):
        raise OptionError(f"{path}: expected a file of its own for the output, found an input; choose another name")
    if not path.resolve().parent.is_dir():
        raise OutputError(
            f"{path}: expected a file that can be written, found no such folder; make it, or name another"
        )


def write_text(path: str | Path, text: str, inputs: Iterable[Path] = ()) -> None:
    """Write UTF-8, with "?" for a lone surrogate. Raises OptionError if `path` is one of the inputs, OutputError if it cannot be written."""
    check_output(path, inputs)
    try:
        Path(path).write_text(text, encoding="utf-8", errors="replace", newline="")
    except OSError as error:
        raise OutputError(f"{path}: expected a file that can be written, found: {error.strerror}") from error


def json_line(row: dict[str, Any]) -> str:
    """A row as one line, whatever reads it: line separators within a text and lone surrogates are escaped."""
    line = json.dumps(row, ensure_ascii=False)
    return (line if line.isprintable() else json.dumps(row)) + "\n"


def guarded(text: str) -> str:
    """Text as a cell: an apostrophe goes before what a spreadsheet would take for a formula. See GUARDED for the way back."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def cell(value: Any) -> str:
    """A value as a CSV cell: nothing for None, texts of a list joined by semicolons, other values as JSON; guarded."""
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        value = ";".join(value)
    return guarded(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
