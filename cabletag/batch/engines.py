"""Where a batch run is scored: an engine takes a job and gives its parts in order. This machine is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cabletag.batch.ahead import ahead
from cabletag.batch.inputs import Input
from cabletag.batch.outputs import Layout
from cabletag.batch.parts import BatchOptions, Scored, cut_into_parts, records_of, score_part
from cabletag.tagger import Tagger


@dataclass(frozen=True)
class Job:
    """What an engine scores, with the parts that an earlier run finished. `tell` hears of progress inside a part."""

    files: Sequence[Input]
    model: str | Path | None
    tagger: Tagger
    options: BatchOptions
    layout: Layout
    finished: Sequence[Mapping[str, Any]]
    tell: Callable[[float, int], None] = lambda *_: None


class Engine(Protocol):
    """Where the scoring is done."""

    name: str

    def check(self, files: Sequence[Input]) -> None:
        """Raise OptionError for inputs that it cannot score."""
        ...

    def score(self, job: Job) -> Iterator[Scored]:
        """The parts that are still to be scored, in order."""
        ...


class Local:
    """This machine: one thread reads and cuts the next part while the present one is scored."""

    name = "local"

    def check(self, files: Sequence[Input]) -> None:
        """All inputs will do."""

    def score(self, job: Job) -> Iterator[Scored]:
        """See Engine.score."""
        position = tuple(job.finished[-1]["position"]) if job.finished else (0, 0)
        parts = cut_into_parts(records_of(job.files, job.options), job.options, position)
        read = job.finished[-1]["read"] if job.finished else 0
        for part in ahead(parts):
            before, more = read, part.read - read

            def tell(share: float, passages: int, before: float = before, more: float = more) -> None:
                job.tell(before + share * more, passages)

            yield score_part(part, job.tagger, job.options, job.layout, tell)
            read = part.read
