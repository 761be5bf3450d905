"""The output of `cabletag batch`, read back in bounded memory: Parquet, JSON lines or CSV, with the record of its run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cabletag.codebook import Codebook, codebook_of
from cabletag.errors import DocumentError, OptionError, did_you_mean, no_column
from cabletag.formats import FIXED, OPTIONAL, SUFFIXES, column_names, column_type, read_batches
from cabletag.reading import read_json

MOST_VALUES = 1_000  # of a kept column that rows are grouped by
NO_VALUE = "(no value)"
RECORD = ("model", "codebook", "precision", "options", "inputs", "versions", "counts")


@dataclass(frozen=True)
class Results:
    """One output of the batch scorer. `run` is the record beside it, and `columns` are the names of all columns."""

    path: Path
    codebook: Codebook
    run: Mapping[str, Any]  # has the keys of RECORD
    columns: tuple[str, ...]

    @classmethod
    def open(cls, path: str | Path | Results, codebook: str | Path | None = None) -> Results:
        """Open an output and check it against its run record and codebook (None: the shipped one that the run names).

        Raises DocumentError for a file that is no batch output, lacks a column, is empty or is of another codebook version.
        """
        if isinstance(path, Results):
            return path
        path = Path(path)
        if path.suffix.lower() not in SUFFIXES or not path.is_file():
            found = "none" if not path.exists() else "a folder" if path.is_dir() else f"'{path.suffix}'"
            raise DocumentError(
                f"{path}: expected an output of `cabletag batch` ({', '.join(SUFFIXES)}), found {found}"
            )
        run = read_json(
            Path(f"{path}.run.json"), "the record of the run beside its output", RECORD, "copy both, or run it anew"
        )
        wanted = str(run["codebook"].get("id")), str(run["codebook"].get("version"))
        results = cls(path, codebook_of(path, wanted, codebook, DocumentError), run, tuple(column_names(path)))
        for column in (*FIXED, *results.scores) if results.columns else ():
            if column not in (*results.columns, *OPTIONAL):
                raise DocumentError(f"{path}: {no_column(column, results.columns)}")
        if not results.columns or not any(batch.num_rows for batch in results.batches(["status"])):
            raise DocumentError(f"{path}: expected one passage or more, found an empty output; check the run's inputs")
        return results

    @property
    def labels(self) -> tuple[str, ...]:
        """Ids of the content labels, in codebook order."""
        return self.codebook.content_ids

    @property
    def scores(self) -> tuple[str, ...]:
        """The columns of probabilities: of all labels, the voice included."""
        return tuple(f"p_{label}" for label in self.codebook.ids)

    @property
    def kept(self) -> tuple[str, ...]:
        """Columns carried through from the input, such as year or source; they are read as text."""
        return tuple(column for column in self.columns if column not in (*FIXED, *self.scores))

    def kept_column(self, name: str) -> str:
        """The name of a kept column. Raises OptionError for any other."""
        if name not in self.kept:
            raise OptionError(
                f"{self.path}: {no_column(name, self.kept)}; `cabletag batch --keep` carries columns through"
            )
        return name

    def few_values(self, count: int, name: str) -> None:
        """Raise OptionError if there are more than MOST_VALUES of a column that rows are grouped by."""
        if count > MOST_VALUES:
            raise OptionError(
                f"{self.path}: expected a column of at most {MOST_VALUES:,} different values, found more in '{name}'; "
                "choose a coarser one"
            )

    def counts(self) -> tuple[int, int]:
        """Rows that were scored, and rows that were rejected. Reads the whole output once."""
        sizes = np.array([(batch.num_rows, rejected) for batch, rejected in self.scored(["status"])])
        return int(sizes[:, 0].sum()), int(sizes[:, 1].sum())

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows in order, in batches of bounded size; types as in `cabletag.formats`, whatever the file."""
        wanted = self.columns if columns is None else columns
        return read_batches(self.path, pa.schema([(name, column_type(name, self.scores)) for name in wanted]))

    def scored(self, columns: Sequence[str]) -> Iterator[tuple[pa.RecordBatch, int]]:
        """The scored rows of each batch, and how many others there were in it."""
        for batch in self.batches(list(dict.fromkeys((*columns, "status")))):
            scored = batch.filter(pc.equal(batch["status"], "ok"))
            yield scored, batch.num_rows - scored.num_rows

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

    def attributed(self, batch: pa.RecordBatch) -> np.ndarray:
        """Whether each row of a batch presents its labels as someone else's, bool of shape (rows,)."""
        return np.asarray(pc.equal(batch["voice"], "attributed").fill_null(False).to_numpy(zero_copy_only=False))
