"""A generator run in a thread of its own, a few items ahead of who uses them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from queue import Full, Queue
from threading import Event, Thread
from typing import TypeVar

Item = TypeVar("Item")
_POLL = 0.2  # seconds after which a waiting producer looks whether it is still wanted


def ahead(items: Iterable[Item], most: int = 1) -> Iterator[Item]:
    """The items in order, at most so many of them prepared in advance; errors of the producer are raised here."""
    queue: Queue[tuple[Item | None, BaseException | None, bool]] = Queue(most)
    unwanted = Event()

    def put(item: Item | None = None, error: BaseException | None = None, last: bool = False) -> None:
        while not unwanted.is_set():
            try:
                return queue.put((item, error, last), timeout=_POLL)
            except Full:
                continue

    def produce() -> None:
        try:
            for item in items:
                put(item)
                if unwanted.is_set():
                    return
        except BaseException as error:
            put(error=error)
        else:
            put(last=True)

    Thread(target=produce, daemon=True, name="cabletag-reader").start()
    try:
        while True:
            item, error, last = queue.get()
            if error is not None:
                raise error
            if last:
                return
            yield item  # type: ignore[misc]  # neither an error nor the end: an item
    finally:
        unwanted.set()
