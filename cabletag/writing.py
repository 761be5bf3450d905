"""Text out: never over an input, and a clear line where it cannot be written."""

from collections.abc import Iterable
from pathlib import Path

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
