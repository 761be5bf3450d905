"""Rows out: Parquet, JSON lines or CSV by the suffix of the output; parts are written whole and joined at the end."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
from pyarrow import parquet

from cabletag.formats import FIXED, column_type
from cabletag.writing import cell, json_line


class Layout:
    """The columns of an output, the same in every format, in this order: place, text, labels, status, p_<label>, kept columns."""

    def __init__(
        self, output: Path, labels: Sequence[str], keep: Sequence[str], with_text: bool = True, evidence: bool = False
    ) -> None:
        self.suffix = output.suffix.lower()
        self.scores = tuple(f"p_{label}" for label in labels)
        self.kept: tuple[str, ...] = ()
        for name in keep:
            while name in (*FIXED, *self.scores, *self.kept):
                name = f"keep_{name}"
            self.kept += (name,)
        present = {"text": with_text, "evidence": evidence}
        fixed = [name for name in FIXED if present.get(name, True)]
        self.columns = (*fixed, *self.scores, *self.kept)

    def encode(self, rows: Sequence[Mapping[str, Any]]) -> bytes:
        """Rows as the bytes of one part. A column that a row does not have is empty."""
        if self.suffix == ".parquet":
            return self._parquet(rows)
        lines = [[row.get(name) for name in self.columns] for row in rows]
        if self.suffix == ".csv":
            return _csv([[cell(value) for value in line] for line in lines])
        return "".join(json_line(dict(zip(self.columns, line, strict=True))) for line in lines).encode()

    def join(self, parts: Sequence[Path], target: BinaryIO) -> None:
        """Write the whole output from its parts, one part in memory at a time."""
        if self.suffix == ".parquet":
            self._join_parquet(parts, target)
            return
        if self.suffix == ".csv":
            target.write(_csv([self.columns]))
        for part in parts:
            with part.open("rb") as file:
                shutil.copyfileobj(file, target)

    def _parquet(self, rows: Sequence[Mapping[str, Any]]) -> bytes:
        schema = self._schema()
        arrays = []
        for field in schema:
            values = [row.get(field.name) for row in rows]
            if field.name in self.kept:
                values = [value if value is None or isinstance(value, str) else _json(value) for value in values]
            arrays.append(pa.array(values, field.type))
        file = io.BytesIO()
        parquet.write_table(pa.Table.from_arrays(arrays, schema=schema), file, compression="zstd")
        return file.getvalue()

    def _join_parquet(self, parts: Sequence[Path], target: BinaryIO) -> None:
        with parquet.ParquetWriter(target, self._schema(), compression="zstd") as writer:
            for part in parts:
                writer.write_table(parquet.read_table(part, partitioning=None))

    def _schema(self) -> pa.Schema:
        return pa.schema([(name, column_type(name, self.scores)) for name in self.columns])


def _csv(lines: Sequence[Sequence[str]]) -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file).writerows(lines)
    return file.getvalue().encode()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
