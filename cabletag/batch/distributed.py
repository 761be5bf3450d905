"""The batch scorer on Ray Data: files in slices, a pool of workers with a model each, the same rows out in the same order.

Each worker reads its own slices, so the files must be where the workers are: on this machine, or on storage that all machines
share under the same path. A worker that dies is replaced, and its slice done again.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cabletag.assets import is_shipped, model_folder
from cabletag.batch.engines import Job
from cabletag.batch.inputs import STANDARD_INPUT, Input, readable
from cabletag.batch.outputs import Layout
from cabletag.batch.parts import BatchOptions, Scored, cut_into_parts, records_of, score_part
from cabletag.errors import CabletagError, DocumentError, ModelError, OptionError, OutputError
from cabletag.manifest import Manifest
from cabletag.records import wide_encoding
from cabletag.tagger import Tagger

if TYPE_CHECKING:
    import pyarrow as pa

SLICE_BYTES = 4_000_000
_BLOCK = 1 << 20


class OnRay:
    """An engine for `score_corpus`: so many workers of so many threads, on this machine or on the cluster at `address`."""

    name = "ray"

    def __init__(self, *, workers: int = 2, threads: int = 1, address: str | None = None) -> None:
        self._workers, self._threads, self._address = workers, threads, address

    def check(self, files: Sequence[Input]) -> None:
        """Raise OptionError for inputs that cannot be read by many workers."""
        for item in files:
            if item.name == STANDARD_INPUT or item.kind not in ("jsonl", "parquet"):
                raise OptionError(
                    f"{item.shown}: expected Parquet or JSON lines for --engine ray, found {item.kind}; use --engine local"
                )

    def score(self, job: Job) -> Iterator[Scored]:
        """See cabletag.batch.Engine. The position of a part is its slice, and how many parts of that slice are done with it."""
        import ray

        if job.model is None and job.tagger.manifest != Manifest.load(model_folder()):
            raise OptionError(
                "expected the name or folder of the tagger's model for an engine on Ray, found none; give model= too"
            )
        slices = slices_of(job.files, job.options.encoding)
        done = tuple(job.finished[-1]["position"]) if job.finished else (0, 0)
        own = not ray.is_initialized()
        if own:
            self._start()
        try:
            for row in self._rows(slices, done[0], job):
                if row["error"]:
                    raise DocumentError(row["error"])
                known = json.loads(row["known"])
                if tuple(known["position"]) > done:
                    yield Scored(row["rows"], row["rejects"], known)
        except ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[-1]
            raise OutputError(f"expected the workers to go on, found: {reason}; finished parts are kept") from error
        finally:
            if own:
                ray.shutdown()

    def _start(self) -> None:
        import ray

        quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
        try:
            if self._address:
                ray.init(address=self._address, **quiet)
            else:
                ray.init("local", num_cpus=self._workers * self._threads, include_dashboard=False, **quiet)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise OptionError(
                f"expected a Ray cluster at {self._address or 'this machine'}, found: {str(error).splitlines()[0]}"
            ) from error

    def _rows(self, slices: Sequence[Slice], first: int, job: Job) -> Iterator[dict[str, Any]]:
        import ray.data

        if first >= len(slices):
            return
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        count = len(slices) - first
        known = job.model is None or is_shipped(job.model)  # each machine has these at a place of its own
        given = {
            "slices": slices[first:],
            "first": first,
            "model": job.model if known else Path(str(job.model)).resolve(),
            "manifest": job.tagger.manifest,
            "precision": job.tagger.precision,
            "threads": self._threads,
            "options": job.options,
            "layout": job.layout,
        }
        # Items, not a range: a range is read by tasks, which wait without end for a core where the workers have them all.
        numbers = ray.data.from_items([{"id": number} for number in range(count)], override_num_blocks=count)
        data = numbers.map_batches(
            _Worker,
            fn_constructor_kwargs=given,
            batch_size=1,
            num_cpus=self._threads,
            compute=ray.data.ActorPoolStrategy(size=min(self._workers, count)),
        )
        data.context.execution_options.preserve_order = True
        data.context.enable_progress_bars = False
        yield from data.iter_rows()


class _Worker:
    """Holds one model, and scores one slice at a time."""

    def __init__(
        self,
        slices: Sequence[Slice],
        first: int,
        model: str | Path | None,
        manifest: Manifest,
        precision: str,
        threads: int,
        options: BatchOptions,
        layout: Layout,
    ) -> None:
        self._slices, self._first, self._options, self._layout = slices, first, options, layout
        self._manifest, self._precision = manifest, precision
        self._tagger = Tagger.from_pretrained(model, threads=threads, precision="f32" if precision == "f32" else "auto")

    def __call__(self, batch: dict[str, Any]) -> Iterator[pa.Table]:
        """The parts of the slices of this number, one row each; of a file that cannot be read, a row that says so."""
        import pyarrow as pa

        for number in batch["id"].tolist():
            item, before = self._slices[number]
            try:
                if self._tagger.manifest != self._manifest:
                    raise ModelError(
                        "expected the same model on all machines, found another; install the same cabletag"
                    )
                if self._tagger.precision != self._precision:
                    raise ModelError(
                        f"expected scores in {self._precision} on all machines, as the run began, found {self._tagger.precision} on one; "
                        "use machines of one kind, or f32 for the precision"
                    )
                parts = cut_into_parts(records_of([item], self._options), self._options)
                for done, part in enumerate(parts, 1):
                    rows, rejects, known = score_part(part, self._tagger, self._options, self._layout)
                    known |= {"position": (self._first + number, done), "read": before + known["read"]}
                    row = {"rows": rows, "rejects": rejects, "known": json.dumps(known), "error": ""}
                    yield pa.Table.from_pylist([row])
            except CabletagError as error:
                yield pa.Table.from_pylist([{"rows": b"", "rejects": b"", "known": "", "error": str(error)}])


class Slice(NamedTuple):
    """What one task reads: some lines or row groups of a file, and the bytes of all files before it."""

    item: Input
    before: int


def slices_of(files: Iterable[Input], encoding: str = "utf-8") -> list[Slice]:
    """Slices of about SLICE_BYTES: whole lines, or whole row groups. A compressed file is one slice."""
    found: list[Slice] = []
    before = 0
    for item in files:
        item = replace(item, folder=os.getcwd())
        with readable(item):
            parts = [item] if item.compression else _groups(item) if item.kind == "parquet" else _lines(item, encoding)
            found += [Slice(part, before) for part in parts]
        before += item.size or 0
    return found


def _lines(item: Input, encoding: str) -> Iterator[Input]:
    with open(item.path, "rb") as file:
        if wide_encoding(file.read(4)) or "\n".encode(encoding) != b"\n":
            yield item  # bytes do not tell where its lines end
            return
        start = lines = file.seek(0)
        while start < (item.size or 0):
            count = 0
            while file.tell() - start < SLICE_BYTES and (block := file.read(_BLOCK)):
                count += block.count(b"\n")
            while (rest := file.readline(_BLOCK)) and not rest.endswith(b"\n"):
                pass
            count += rest.endswith(b"\n")
            yield replace(item, slice=(start, file.tell()), lines_before=lines)
            start, lines = file.tell(), lines + count


def _groups(item: Input) -> Iterator[Input]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        described = parquet.read_metadata(item.path)
    except (pa.ArrowException, OSError):
        yield item  # broken: its reader says how
        return
    start = size = 0
    for group in range(described.num_row_groups):
        size += described.row_group(group).total_byte_size
        if size >= SLICE_BYTES or group == described.num_row_groups - 1:
            yield replace(item, slice=(start, group + 1))
            start, size = group + 1, 0
