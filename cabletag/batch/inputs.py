"""What a batch run reads: files, folders, globs and standard input, listed in a fixed order."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cabletag.errors import DocumentError, OptionError, did_you_mean

KINDS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".txt": "text",
    ".md": "markdown",
    ".markdown": "markdown",
}
COMPRESSIONS = (".gz", ".zst")
STANDARD_INPUT = "-"


@dataclass(frozen=True)
class Input:
    """One file of a corpus, or standard input ("-"). `size` (bytes) and `sha256` say what it held when the run began.

    `slice` is a part of it: bytes from line `lines_before` + 1 on, or row groups of a Parquet file. Names are relative to `folder`.
    """

    name: str
    kind: str
    compression: str = ""
    size: int | None = None
    sha256: str | None = None
    slice: tuple[int, int] | None = None
    lines_before: int = 0
    folder: str = ""

    @property
    def path(self) -> str:
        """Where the file is."""
        return os.path.join(self.folder, self.name)

    @property
    def shown(self) -> str:
        """The name in ids and messages; of a name that is not UTF-8, as much as is."""
        return "stdin" if self.name == STANDARD_INPUT else os.fsencode(self.name).decode("utf-8", "replace")

    @property
    def whole(self) -> bool:
        """Whether the file is one document."""
        return self.kind in ("text", "markdown")


def find_inputs(names: Sequence[str], kind: str | None, output: Path) -> list[Input]:
    """Every file that the names stand for, in order; those of a folder or glob sorted, files of other kinds left out.

    `kind` is for names that do not tell it. What a run on `output` writes is never read. Raises OptionError and DocumentError.
    """
    if kind is not None and kind not in KINDS.values():
        known = sorted(set(KINDS.values()))
        raise OptionError(f"expected an input format of {', '.join(known)}, found '{kind}'{did_you_mean(kind, known)}")
    found: dict[str, Input] = {}
    for name in names:
        for item in _expand(name, kind):
            if item.name != STANDARD_INPUT and _written_by(Path(item.name), output):
                if item.name == name:
                    raise OptionError(f"expected an output other than the inputs, found {name} as both; name another")
                continue
            # one file may have several spellings
            found.setdefault(name if name == STANDARD_INPUT else os.path.realpath(item.name), item)
    if not found:
        raise OptionError("expected files, folders, globs or - for standard input, found none")
    return list(found.values())


def _expand(name: str, kind: str | None) -> Iterator[Input]:
    path = Path(name)
    if name == STANDARD_INPUT:
        yield Input(name, kind or "jsonl")
    elif path.is_file():
        yield _known(name) or Input(name, _named(name, kind), _compression(path))
    elif path.is_dir():
        yield from _all_known(
            sorted(str(file) for file in path.rglob("*") if file.is_file()), f"{name}: ", "the folder"
        )
    elif glob.has_magic(name):
        files = [file for file in sorted(glob.glob(name, recursive=True)) if Path(file).is_file()]
        yield from _all_known(files, f"{name}: ", "the glob")
    elif path.exists():
        raise DocumentError(f"{name}: expected a file, found a pipe or device; send it to standard input and name -")
    else:
        raise DocumentError(f"{name}: expected a file or folder, found none; check the path")


def _all_known(files: list[str], place: str, what: str) -> list[Input]:
    found = [item for file in files if (item := _known(file))]
    if not found:
        raise DocumentError(
            f"{place}expected files of {', '.join(KINDS)} in {what}, found {len(files) or 'no'} files, none of them such"
        )
    return found


def _compression(path: Path) -> str:
    return path.suffix.lower() if path.suffix.lower() in COMPRESSIONS else ""


def _known(name: str) -> Input | None:
    path = Path(name)
    compression = _compression(path)
    kind = KINDS.get(Path(path.stem if compression else path.name).suffix.lower())
    return Input(name, kind, compression) if kind else None


def _named(name: str, kind: str | None) -> str:
    if kind is None:
        raise OptionError(f"{name}: expected a name that ends in {', '.join(KINDS)}; say what it is by --input-format")
    return kind


def _written_by(path: Path, output: Path) -> bool:
    try:
        first = path.resolve().relative_to(output.resolve().parent).parts[0]
    except ValueError:
        return False
    return first in {output.name, *(f"{output.name}.{suffix}" for suffix in ("run", "run.json", "rejects.jsonl"))}


def digested(item: Input) -> Input:
    """The input with its size and SHA-256; standard input as it is. Raises DocumentError."""
    if item.name == STANDARD_INPUT:
        return item
    with readable(item), open(item.name, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Input(item.name, item.kind, item.compression, file.tell(), digest)


@contextmanager
def readable(item: Input) -> Iterator[None]:
    """Turns the errors of the file system into DocumentError."""
    try:
        yield
    except FileNotFoundError as error:
        raise DocumentError(f"{item.name}: expected the file that was there before, found none; put it back") from error
    except OSError as error:
        raise DocumentError(f"{item.name}: expected a readable file, found: {error.strerror or error}") from error
