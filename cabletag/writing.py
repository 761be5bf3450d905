"""Text out: never over an input, and a clear line where it cannot be written."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cabletag.errors import DocumentError, OptionError


def write_text(path: str | Path, text: str, inputs: Iterable[Path] = ()) -> None:
    """Write UTF-8. Raises OptionError if `path` is one of the inputs, DocumentError if it cannot be written."""
    path = Path(path)
    if any(path.resolve() == source.resolve() for source in inputs):
        raise OptionError(f"{path}: expected a file of its own for the output, found an input; choose another name")
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DocumentError(f"{path}: expected a file that can be written, found: {error.strerror}") from error


def json_line(row: dict[str, Any]) -> str:
    """A row as one line, whatever reads it: line separators within a text and lone surrogates are escaped."""
    line = json.dumps(row, ensure_ascii=False)
    return (line if line.isprintable() else json.dumps(row)) + "\n"
