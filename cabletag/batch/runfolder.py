"""The folder of a run under way, <output>.run/: its lock, its fingerprint and its finished parts, each of which is whole or absent."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from cabletag.errors import OptionError, OutputError

RUN, LOCK, ROWS, REJECTS, PART = "run.json", "lock", "rows", "rejects.jsonl", "part.json"
_SHOWN = 6  # differences told


class RunFolder:
    """Use as a context: it holds the lock, which dies with the process, and leaves nothing behind but finished parts."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self.folder = Path(f"{output}.run")
        self.rejects = Path(f"{output}.rejects.jsonl")
        self.record = Path(f"{output}.run.json")

    def __enter__(self) -> Self:
        with self.writing():
            self._lock = self._locked()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not (self.folder / RUN).exists():
            with suppress(OSError):  # a finished run, or one refused: the folder held only the lock
                self._clear()
                (self.folder / LOCK).unlink()
                self.folder.rmdir()
        os.close(self._lock)

    @property
    def started(self) -> dict[str, Any] | None:
        """The fingerprint of the run that is under way here, or None."""
        return _read(self.folder / RUN)

    @property
    def finished(self) -> dict[str, Any] | None:
        """What stands beside a finished output: its fingerprint and its counts; or None."""
        return _read(self.record) if self.output.exists() else None

    def start(self, fingerprint: Mapping[str, Any]) -> None:
        """Begin anew: all parts go, then the fingerprint is written."""
        with self.writing():
            (self.folder / RUN).unlink(missing_ok=True)
            self._clear()
            self._replace(self.folder / RUN, _json(fingerprint))

    def parts(self) -> list[dict[str, Any]]:
        """What is known of each finished part, in order. What was left half written is cleared away."""
        found: list[dict[str, Any]] = []
        while (part := _read(self.part(len(found) + 1) / PART)) is not None:
            found.append(part)
        with self.writing():
            for path in self.folder.glob("*.tmp"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        return found

    def part(self, number: int) -> Path:
        """The folder of a finished part, numbered from 1."""
        return self.folder / f"part-{number:06d}"

    def add(self, number: int, rows: bytes, rejects: bytes, part: Mapping[str, Any]) -> None:
        """Write a part: it appears whole, by renaming, or not at all. Raises OutputError."""
        with self.writing():
            folder = self.part(number).with_suffix(".tmp")
            folder.mkdir()
            for name, content in ((ROWS, rows), (REJECTS, rejects), (PART, _json(part))):
                with (folder / name).open("wb") as file:
                    file.write(content)
                    _sync(file)
            _sync_folder(folder)
            folder.rename(self.part(number))
            _sync_folder(self.folder)

    @contextmanager
    def replacing(self, path: Path) -> Iterator[BinaryIO]:
        """A file to write, which takes the place of `path` once it is whole and on disk. Raises OutputError."""
        with self.writing():
            draft = self.folder / f"{path.name}.tmp"
            with draft.open("wb") as file:
                yield file
                _sync(file)
            draft.replace(path)
            _sync_folder(path.parent)

    def finish(self, record: Mapping[str, Any]) -> None:
        """Write the record of the finished run beside its output; then the parts go."""
        with self.writing():
            self._replace(self.record, _json(record))
            (self.folder / RUN).unlink()  # from now on nothing here is of use: a kill leaves rubbish, no half a run
            _sync_folder(self.folder)
            self._clear()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Turns the errors of the file system into OutputError."""
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"{self.output}: expected to write it and {self.folder.name}/ beside it, found: {error.strerror or error}; "
                "finished parts are kept: mend that and run the same command again"
            ) from error

    def _replace(self, path: Path, content: bytes) -> None:
        with self.replacing(path) as file:
            file.write(content)

    def _clear(self) -> None:
        for path in self.folder.iterdir():
            if path.name != LOCK:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _locked(self) -> int:
        """Holds the lock file; one that was deleted between opening and locking is another's, and tried again."""
        import fcntl

        while True:
            self.folder.mkdir(exist_ok=True)
            try:
                lock = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(lock), os.stat(self.folder / LOCK)):
                    return lock
            except FileNotFoundError:
                pass
            except BlockingIOError as error:
                os.close(lock)
                raise OutputError(
                    f"{self.output}: expected no other run on this output, found one at work; wait for it, or name another --output"
                ) from error
            os.close(lock)


def require_same(old: Mapping[str, Any], new: Mapping[str, Any], output: Path) -> None:
    """Raise OptionError, which names what differs, unless a run of fingerprint `old` can be carried on as `new`."""
    found = _differences(old, new)
    if found:
        more = f" and {len(found) - _SHOWN:,} more" if len(found) > _SHOWN else ""
        raise OptionError(
            f"{output}: expected the inputs, model and options of the earlier run, found {'; '.join(found[:_SHOWN])}{more}; "
            "name another --output, or begin anew with --restart"
        )


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    before, after = _flat(old), _flat(new)
    found = []
    for name in dict.fromkeys((*before, *after)):
        if before.get(name) != after.get(name):
            if name.startswith("input "):
                what = "added" if name not in before else "gone" if name not in after else "changed"
                found.append(f"{name} {what}")
            else:
                found.append(f"{name} {_shown(after.get(name))} instead of {_shown(before.get(name))}")
    if not found and old != new:
        found.append("the inputs in another order")
    return found


def _flat(fingerprint: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for part, values in fingerprint.items():
        if part == "inputs":
            flat |= {f"input {item['name']}": item for item in values}
        elif isinstance(values, Mapping):
            flat |= {f"{part} {name}": value for name, value in values.items()}
        else:
            flat[part] = values
    return flat


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"{text[:12]}…" if len(text) > 40 else text


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise OutputError(f"{path}: expected the record of a run, found: {error}; begin anew with --restart") from error
    return found if isinstance(found, dict) else {}


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "surrogateescape")


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
