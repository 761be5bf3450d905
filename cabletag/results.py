"""The output of `cabletag batch`, read back in bounded memory: Parquet, JSON lines or CSV, with the record of its run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from cabletag.assets import codebook_file
from cabletag.codebook import Codebook
from cabletag.errors import DocumentError, OptionError, did_you_mean

ROWS = 8_192
SPAN = pa.struct([("label", pa.string()), ("start", pa.int64()), ("end", pa.int64())])
FIXED = {
    "document": pa.string(),
    "passage": pa.int64(),
    "paragraph": pa.string(),
    "marking": pa.string(),
    "start": pa.int64(),
    "end": pa.int64(),
    "text": pa.string(),
    "labels": pa.list_(pa.string()),
    "voice": pa.string(),
    "windows": pa.int64(),
    "status": pa.string(),
    "evidence": pa.list_(SPAN),
}
OPTIONAL = ("text", "evidence")
GUARDED = r"^'([=+\-@\t\r])"  # a spreadsheet would run what follows the apostrophe
SUFFIXES = (".parquet", ".jsonl", ".csv")


@dataclass(frozen=True)
class Results:
    """One output of the batch scorer. `labels` are the content labels, `kept` the columns carried through from the input."""

    path: Path
    codebook: Codebook
    run: Mapping[str, Any]  # model, codebook, options, inputs, versions, counts
    columns: tuple[str, ...]

    @classmethod
    def open(cls, path: str | Path, codebook: Codebook | None = None) -> Results:
        """Open an output and check it against its run record and codebook (None: the shipped one that the run names).

        Raises DocumentError for a file that is no batch output, lacks a column, is empty or is of another codebook version.
        """
        path = Path(path)
        if path.suffix not in SUFFIXES or not path.is_file():
            found = "none" if not path.exists() else "a folder" if path.is_dir() else f"'{path.suffix}'"
            raise DocumentError(
                f"{path}: expected an output of `cabletag batch` ({', '.join(SUFFIXES)}), found {found}"
            )
        run = _read_run(path)
        results = cls(path, _codebook(path, run, codebook), run, tuple(_reader(path).names()))
        if not results.columns:
            raise _empty(path)
        for column in (*FIXED, *(f"p_{label}" for label in results.codebook.ids)):
            if column not in results.columns and column not in OPTIONAL:
                raise DocumentError(
                    f"{path}: expected the column '{column}', found none; is it an output of `cabletag batch`?"
                )
        if not any(batch.num_rows for batch in results.batches(["status"])):
            raise _empty(path)
        return results

    @property
    def labels(self) -> tuple[str, ...]:
        """Ids of the content labels, in codebook order."""
        return self.codebook.content_ids

    @property
    def kept(self) -> tuple[str, ...]:
        """Columns carried through from the input, such as year or source; they are read as text."""
        own = {*FIXED, *(f"p_{label}" for label in self.codebook.ids)}
        return tuple(column for column in self.columns if column not in own)

    def kept_column(self, name: str) -> str:
        """The name of a kept column. Raises OptionError for any other."""
        if name not in self.kept:
            hint = did_you_mean(name, self.kept) if self.kept else "; it has none: run `cabletag batch` with --keep"
            raise OptionError(f"{self.path}: expected a column kept from the input, found no '{name}'{hint}")
        return name

    def counts(self) -> tuple[int, int]:
        """Rows that were scored, and rows that were rejected. Reads the whole output once."""
        scored = rows = 0
        for batch in self.batches(["status"]):
            scored += pc.sum(pc.equal(batch["status"], "ok")).as_py() or 0
            rows += batch.num_rows
        return scored, rows - scored

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows in order, in batches of at most ROWS; one schema whatever the file: see FIXED, probabilities float64."""
        wanted = list(self.columns if columns is None else columns)
        schema = pa.schema([(name, self._type(name)) for name in wanted])
        for batch in _reader(self.path).batches(wanted):
            try:
                yield pa.RecordBatch.from_arrays(
                    [_cast(batch[name], schema.field(name).type) for name in wanted], schema=schema
                )
            except (pa.ArrowException, ValueError, TypeError) as error:
                raise _damaged(self.path, error) from error

    def given(self, batch: pa.RecordBatch) -> np.ndarray:
        """The labels of a batch as 0/1, uint8 of shape (rows, labels). Raises DocumentError for a label of no codebook."""
        column = batch["labels"]
        flat = pc.list_flatten(column)
        codes = pc.index_in(flat, value_set=pa.array(self.labels))
        if codes.null_count:
            unknown = flat.filter(pc.is_null(codes))[0].as_py()
            raise DocumentError(f"{self.path}: unknown label '{unknown}'{did_you_mean(str(unknown), self.labels)}")
        matrix = np.zeros((batch.num_rows, len(self.labels)), dtype=np.uint8)
        matrix[pc.list_parent_indices(column).to_numpy(), codes.to_numpy()] = 1
        return matrix

    def _type(self, name: str) -> pa.DataType:
        if name.startswith("p_") and name[2:] in self.codebook.ids:
            return pa.float64()
        return FIXED.get(name, pa.string())


def _read_run(path: Path) -> dict[str, Any]:
    record = Path(f"{path}.run.json")
    try:
        run = json.loads(record.read_text(encoding="utf-8"))
        if not all(isinstance(run[key], dict) for key in ("model", "codebook", "options")):
            raise ValueError("no model, codebook or options in it")
        return {"counts": {}, "inputs": [], "versions": {}, **run}
    except OSError as error:
        raise DocumentError(
            f"{record}: expected the record of the run beside its output, found none; copy both files, or run `cabletag batch` anew"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise DocumentError(
            f"{record}: expected the record of a run, found: {error}; run `cabletag batch` anew"
        ) from error


def _codebook(path: Path, run: Mapping[str, Any], given: Codebook | None) -> Codebook:
    key, version = str(run["codebook"].get("id")), str(run["codebook"].get("version"))
    if given is None and not codebook_file(key).is_file():
        raise DocumentError(f"{path}: expected a shipped codebook, found '{key}'; name its file with --codebook FILE")
    codebook = given or Codebook.load(codebook_file(key))
    if (codebook.id, codebook.version) != (key, version):
        raise DocumentError(
            f"{path}: expected an output of codebook {codebook.id} {codebook.version}, found {key} {version}; "
            "run `cabletag batch` anew, or use the cabletag or --codebook that belongs to it"
        )
    return codebook


class _Parquet:
    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> list[str]:
        with _open(self.path, pa.parquet.ParquetFile) as file:
            return list(file.schema_arrow.names)

    def batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        with _open(self.path, pa.parquet.ParquetFile) as file:
            yield from _guarded(self.path, file.iter_batches(ROWS, columns=columns))


class _Csv:
    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> list[str]:
        with _open(self.path, _csv) as file:
            return list(file.schema.names)

    def batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        names = self.names()
        with _open(self.path, lambda path: _csv(path, names)) as file:
            for batch in _guarded(self.path, file):
                for start in range(0, batch.num_rows, ROWS):
                    part = batch.slice(start, ROWS).select(columns)
                    yield pa.RecordBatch.from_arrays([_cell(part[name]) for name in columns], names=columns)


class _Jsonl:
    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> list[str]:
        return list(next(self._rows(), {}))

    def batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        rows = self._rows()
        while part := list(islice(rows, ROWS)):
            arrays = []
            for name in columns:
                values = [row.get(name) for row in part]
                if name not in FIXED and not name.startswith("p_"):
                    values = [
                        value if value is None or isinstance(value, str) else json.dumps(value) for value in values
                    ]
                arrays.append(_damaging(self.path, partial(pa.array, values, FIXED.get(name))))
            yield pa.RecordBatch.from_arrays(arrays, names=columns)

    def _rows(self) -> Iterator[dict[str, Any]]:
        try:
            with self.path.open(encoding="utf-8") as lines:
                for number, line in enumerate(lines, 1):
                    row = json.loads(line)
                    if not isinstance(row, dict):
                        raise ValueError(f"line {number} holds no JSON object")
                    yield row
        except ValueError as error:
            raise _damaged(self.path, error) from error


def _reader(path: Path) -> _Parquet | _Csv | _Jsonl:
    if path.suffix == ".jsonl":
        return _Jsonl(path)
    return _Csv(path) if path.suffix == ".csv" else _Parquet(path)


def _csv(path: Path, names: Sequence[str] = ()) -> Any:
    return pa.csv.open_csv(
        path,
        read_options=pa.csv.ReadOptions(block_size=1 << 23, use_threads=False),
        parse_options=pa.csv.ParseOptions(newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
    )


def _cell(column: pa.Array) -> pa.Array:
    """A CSV cell as it was: no guard against spreadsheets, nothing for an empty one."""
    bare = pc.replace_substring_regex(column, GUARDED, r"\1")
    return pc.if_else(pc.equal(bare, ""), pa.scalar(None, pa.string()), bare)


def _cast(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if column.type == kind:
        return column
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), kind)
    if pa.types.is_list(kind) and pa.types.is_string(column.type):
        if kind.value_type == SPAN:
            return pa.array([json.loads(cell) if cell else [] for cell in column.to_pylist()], type=kind)
        return pa.array([cell.split(";") if cell else [] for cell in column.to_pylist()], type=kind)
    return column.cast(kind)


def _open(path: Path, opener: Callable[[Path], Any]) -> Any:
    return _damaging(path, lambda: opener(path))


def _guarded(path: Path, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    iterator = iter(batches)
    while (batch := _damaging(path, lambda: next(iterator, None))) is not None:
        yield batch


def _damaging(path: Path, action: Callable[[], Any]) -> Any:
    try:
        return action()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged(path, error) from error


def _empty(path: Path) -> DocumentError:
    return DocumentError(f"{path}: expected one passage or more, found an empty output; check the inputs of the run")


def _damaged(path: Path, error: Exception) -> DocumentError:
    what = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DocumentError(f"{path}: expected an output of `cabletag batch`, found: {what}; run it anew")
