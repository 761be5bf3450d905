"""An input as a stream of bytes: uncompressed, watched for changes while it is read, or only a slice of it."""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
from typing import Any, BinaryIO, cast

from cabletag.batch.inputs import STANDARD_INPUT, Input
from cabletag.errors import DocumentError


class Opened:
    """An open input: `stream` gives its bytes uncompressed, `position` says how many bytes of the file were read."""

    def __init__(self, item: Input) -> None:
        self.file = sys.stdin.buffer if item.name == STANDARD_INPUT else open(item.path, "rb")  # noqa: SIM115
        self.stream = _uncompressed(cast(BinaryIO, self.file), item.compression)
        if item.slice and item.kind != "parquet":
            self.file.seek(item.slice[0])
            self.stream = cast(BinaryIO, io.BufferedReader(_Limited(self.file, item.slice[1] - item.slice[0])))
        self._state = self._look()
        if item.size is not None and item.size != self._state[0]:
            self._changed(item)

    @property
    def position(self) -> int:
        """Bytes of the file read so far; 0 for standard input, which cannot tell."""
        return self.file.tell() if self.file.seekable() else 0

    def close(self, item: Input) -> None:
        """Close the file. Raises DocumentError if it was written to since it was opened."""
        if self._look() != self._state:
            self._changed(item)
        self.stream.close()
        self.file.close()

    def on_disk(self) -> BinaryIO:
        """The uncompressed bytes as a file in which one can seek, as Parquet needs: a nameless temporary one if need be."""
        if self.stream is self.file and self.file.seekable():
            return self.stream
        copy = tempfile.TemporaryFile()  # noqa: SIM115
        shutil.copyfileobj(self.stream, copy)
        copy.seek(0)
        return cast(BinaryIO, copy)

    def _look(self) -> tuple[int, ...]:
        if not self.file.seekable():
            return ()
        state = os.fstat(self.file.fileno())
        return state.st_size, state.st_mtime_ns

    def _changed(self, item: Input) -> None:
        raise DocumentError(f"{item.name}: expected the file as it was when the run began, found it changed meanwhile")


class _Limited(io.RawIOBase):
    """So many bytes of a file, from where it stands."""

    def __init__(self, file: Any, size: int) -> None:
        self._file, self._left = file, size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = int(self._file.readinto(memoryview(buffer)[: self._left]))
        self._left -= count
        return count


def _uncompressed(file: BinaryIO, compression: str) -> BinaryIO:
    if compression == ".gz":
        import gzip

        return cast(BinaryIO, gzip.GzipFile(fileobj=file))
    if compression == ".zst":
        return cast(BinaryIO, _zstd().ZstdFile(file))
    return file


def _zstd() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


def broken_stream_errors() -> tuple[type[Exception], ...]:
    """What reading a damaged or truncated compressed file raises."""
    import gzip
    import zlib

    return EOFError, gzip.BadGzipFile, zlib.error, _zstd().ZstdError
