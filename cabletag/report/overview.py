"""One pass over a batch output: how many passages and documents carry each label, which go together, and which to show."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from cabletag.errors import OptionError
from cabletag.evaluation.estimators import wilson
from cabletag.report.shown import Lot, Shown, keep_strongest
from cabletag.results import NO_VALUE, Results

SHOWN_GROUPS = 12
MONTHS_SHOWN = 36
_DATE = re.compile(r"(\d{4})(?:-(\d{2}))?(?!\d)")
_PLACE = ("document", "passage", "paragraph", "start", "end", "text", "labels", "voice", "evidence")


@dataclass(frozen=True)
class Share:
    """`count` of `base`, with the 95% interval of Wilson (1927); NaN for a base of nothing."""

    count: int
    base: int

    @property
    def value(self) -> float:
        """The share itself, 0 to 1."""
        return self.count / self.base if self.base else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper bound, 0 to 1."""
        return wilson(self.value, self.base) if self.base else (float("nan"), float("nan"))


@dataclass
class Overview:
    """The numbers of one output. Arrays are over `labels`; bases are scored passages, and documents with one or more of them."""

    labels: tuple[str, ...]
    passage_counts: np.ndarray
    document_counts: np.ndarray
    attributed: np.ndarray
    pairs: np.ndarray  # (labels, labels)
    strongest: dict[str, list[Shown]]
    drawn: list[Shown] = field(default_factory=list)
    scored: int = 0
    rejected: int = 0
    documents: int = 0
    any_passages: int = 0
    groups: dict[str, np.ndarray] = field(default_factory=dict)  # value -> base, then counts per label
    times: dict[str, np.ndarray] = field(default_factory=dict)  # year or month -> base, then counts per label
    undated: int = 0

    def passages(self, label: str) -> Share:
        """Share of scored passages that carry the label."""
        return Share(int(self.passage_counts[self.labels.index(label)]), self.scored)

    def in_documents(self, label: str) -> Share:
        """Share of documents in which one passage or more carries the label."""
        return Share(int(self.document_counts[self.labels.index(label)]), self.documents)


def overview(
    results: Results, by: str | None = None, time: str | None = None, strongest: int = 5, drawn: int = 30, seed: int = 0
) -> Overview:
    """Read an output once, in bounded memory: a hash and a byte per label for each document, and the passages to be shown.

    `by` groups by a kept column, `time` by the year or month at the head of one. `strongest` distinct texts are kept per label,
    the most probable first, and `drawn` of all tagged passages by lot. Raises OptionError for a column that cannot serve.
    """
    for column in (by, time):
        if column is not None:
            results.kept_column(column)
    size = len(results.labels)
    none = np.zeros((size + 1, size), dtype=np.int64)
    best: dict[str, list[Shown]] = {label: [] for label in results.labels}
    found = Overview(results.labels, none[0].copy(), none[0].copy(), none[0].copy(), none[1:], best)
    documents, lot = _Documents(size), Lot(drawn, np.random.default_rng(seed))
    kept = [column for column in dict.fromkeys((by, time)) if column]
    fixed = [column for column in _PLACE if column in results.columns]
    for scored, rejected in results.scored([*fixed, *kept, *results.scores]):
        found.rejected += rejected
        if not scored.num_rows:
            continue
        given = results.given(scored)
        wide = given.astype(np.int64)
        found.scored += len(given)
        found.any_passages += int(given.any(axis=1).sum())
        found.passage_counts += wide.sum(axis=0)
        found.attributed += wide[results.attributed(scored)].sum(axis=0)
        found.pairs += wide.T @ wide
        documents.add(scored["document"], given)
        if by:
            _add(found.groups, scored[by], wide)
            results.few_values(len(found.groups), by)
        if time:
            found.undated += _add_time(found.times, scored[time], wide)
        for number, label in enumerate(results.labels):
            keep_strongest(found.strongest[label], scored, given[:, number], label, results.labels, strongest)
        lot.draw(scored, given, results.labels)
    found.drawn = lot.passages()
    found.documents, found.document_counts = documents.counts()
    found.groups = _largest(found.groups)
    if time:
        found.times = _periods(found.times, results, time)
    return found


class _Documents:
    """Which labels each document carries, by a 64-bit hash of its id and a byte per label; ids may come back later."""

    def __init__(self, size: int) -> None:
        self._keys = [np.zeros(0, dtype=np.int64)]
        self._given = [np.zeros((0, size), dtype=np.uint8)]

    def add(self, ids: pa.Array, given: np.ndarray) -> None:
        keys, given = _merged(np.fromiter(map(hash, ids.to_pylist()), dtype=np.int64, count=len(ids)), given)
        self._keys.append(keys)
        self._given.append(given)

    def counts(self) -> tuple[int, np.ndarray]:
        """Documents, and those with each label."""
        _, given = _merged(np.concatenate(self._keys), np.concatenate(self._given))
        return len(given), given.sum(axis=0, dtype=np.int64)


def _merged(keys: np.ndarray, given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One row a key: what any of its rows carries."""
    if not len(keys):
        return keys, given
    order = np.argsort(keys, kind="stable")
    keys, given = keys[order], given[order]
    first = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    return keys[first], np.bitwise_or.reduceat(given, first, axis=0)


def _add(groups: dict[str, np.ndarray], column: pa.Array, given: np.ndarray) -> None:
    coded = column.fill_null(NO_VALUE).dictionary_encode()
    codes = coded.indices.to_numpy()
    sums = np.zeros((len(coded.dictionary), given.shape[1] + 1), dtype=np.int64)
    np.add.at(sums, codes, np.column_stack([np.ones(len(given), dtype=np.int64), given]))
    for value, counts in zip(coded.dictionary.to_pylist(), sums, strict=True):
        group = value or NO_VALUE
        groups[group] = groups.get(group, 0) + counts


def _add_time(times: dict[str, np.ndarray], column: pa.Array, given: np.ndarray) -> int:
    """Add a batch under "2021" or "2021-03"; gives how many rows have no date."""
    dates: dict[str, np.ndarray] = {}
    _add(dates, column, given)
    undated = 0
    for value, counts in dates.items():
        match = _DATE.match(value.strip())
        if match is None:
            undated += int(counts[0])
        else:
            key = "-".join(part for part in match.groups() if part)
            times[key] = times.get(key, 0) + counts
    return undated


def _periods(times: dict[str, np.ndarray], results: Results, column: str) -> dict[str, np.ndarray]:
    """Months where every date has one and they lie within MONTHS_SHOWN, else years."""
    if not times:
        raise OptionError(
            f"{results.path}: expected dates such as 2021 or 2021-03-04 in '{column}' for --time, found none; use --by for other values"
        )
    by_month = all("-" in key for key in times) and _months(max(times)) - _months(min(times)) < MONTHS_SHOWN
    found: dict[str, np.ndarray] = {}
    for key in sorted(times):
        period = key if by_month else key[:4]
        found[period] = found.get(period, 0) + times[key]
    return found


def _months(period: str) -> int:
    return 12 * int(period[:4]) + int(period[5:])


def _largest(groups: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The groups with most passages first; those beyond SHOWN_GROUPS together as one."""
    ordered = sorted(groups.items(), key=lambda item: (-int(item[1][0]), item[0]))
    if len(ordered) <= SHOWN_GROUPS:
        return dict(ordered)
    rest = ordered[SHOWN_GROUPS - 1 :]
    return {
        **dict(ordered[: SHOWN_GROUPS - 1]),
        f"({len(rest)} others together)": np.sum([counts for _, counts in rest], axis=0),
    }
