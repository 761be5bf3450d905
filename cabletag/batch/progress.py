"""What a person or a log sees of a batch run: a bar with rate and time left, or a line now and then, and a summary at the end."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cabletag.batch.scorer import Progress, Summary

LOG_SECONDS = 30.0


@contextmanager
def shown(seconds: float = LOG_SECONDS) -> Iterator[Callable[[Progress], None]]:
    """A receiver of progress that shows it on standard error: a bar on a terminal, else a line every so many seconds."""
    started = time.monotonic()
    try:
        if sys.stderr.isatty():
            with _bar() as show:
                yield show
        else:
            yield _lines(started, seconds)
    except KeyboardInterrupt:
        print("stopped; finished parts are kept, and the same command goes on from there", file=sys.stderr)
        raise


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Bar(*columns, TextColumn("left"), TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None)
        rate = _Rate()

        def show(state: Progress) -> None:
            said = f"{state.passages:,} passages, {rate(state):,.0f}/s"
            said += f", {state.rejected:,} rejected" if state.rejected else ""
            bar.update(task, completed=state.read, total=state.total or None, description=said)

        yield show


def _lines(started: float, seconds: float) -> Callable[[Progress], None]:
    rate = _Rate()
    last = started

    def show(state: Progress) -> None:
        nonlocal last
        speed, left, now = rate(state), rate.left(state), time.monotonic()
        if now - last >= seconds:
            last = now
            share = f"{state.read / state.total:.0%}, " if state.total else ""
            said = f"{share}{state.passages:,} passages, {speed:,.0f}/s, {state.rejected:,} rejected{left}"
            print(f"{_time(now - started)}: {said}", file=sys.stderr, flush=True)

    return show


class _Rate:
    """Passages per second, and time left, by what this run did; what an earlier one scored is left aside."""

    def __init__(self) -> None:
        self._first: tuple[float, Progress] | None = None

    def __call__(self, state: Progress) -> float:
        if self._first is None:
            self._first = (time.monotonic(), state)
        spent = time.monotonic() - self._first[0]
        return (state.passages - self._first[1].passages) / spent if spent else 0.0

    def left(self, state: Progress) -> str:
        if self._first is None or not state.total or (done := state.read - self._first[1].read) <= 0:
            return ""
        spent = time.monotonic() - self._first[0]
        return f", about {_time(spent / done * (state.total - state.read))} left"


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


def tell(summary: Summary, output: Path) -> None:
    """What the run did, on standard error."""
    if summary.already_finished:
        print(f"{output}: finished by an earlier run of this command; nothing to do", file=sys.stderr)
    kept = f", {summary.resumed:,} rows of them from an earlier run" if summary.resumed else ""
    print(
        f"{output}: {_count(summary.documents, 'document')}, {_count(summary.passages, 'passage')}, "
        f"{summary.rejected:,} rejected{kept}",
        file=sys.stderr,
    )
    for label, count in sorted(summary.labels.items(), key=lambda item: -item[1]):
        print(f"  {label:<28} {count:>9,}  {count / summary.passages:>6.1%}", file=sys.stderr)
    if summary.rejected:
        _tell_rejects(Path(f"{output}.rejects.jsonl"))
    if summary.empty and summary.passages:
        names = ", ".join(f"'{name}'" for name in summary.empty)
        print(f"warning: expected values to keep in {names}, found none in any passage; check --keep", file=sys.stderr)


def _tell_rejects(rejects: Path) -> None:
    try:
        with rejects.open(encoding="utf-8") as file:
            first = json.loads(next(file))
    except (OSError, StopIteration):  # of a run that had finished, someone may have taken it away
        return
    line = f" line {first['line']}" if first["line"] else ""
    print(f"rejected rows and reasons: {rejects}; the first, {first['file']}{line}: {first['reason']}", file=sys.stderr)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' if number != 1 else ''}"
