"""A sample of passages to be coded by people: by lot, or those that the model was least decided about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cabletag.errors import OptionError
from cabletag.results import Results

DESIGNS = ("random", "threshold")


@dataclass(frozen=True)
class Sample:
    """Rows of an output in the order in which they are to be coded, and how they were chosen."""

    rows: tuple[dict[str, Any], ...]
    design: dict[str, Any]  # sample, seed, size, of, output, model, codebook, version


def draw(results: Results, how: str = "random", size: int = 200, seed: int = 0) -> Sample:
    """Choose `size` scored passages, or all if there are fewer.

    "random" is simple random sampling without replacement, in random order: any first part of it is a random sample too, and it
    may serve to estimate prevalence. "threshold" takes, label by label in turn, the passages nearest to the label's threshold
    (uncertainty sampling, Lewis and Gale 1994): good for finding errors, of no use for shares. Raises OptionError.
    """
    if how not in DESIGNS:
        raise OptionError(f"expected a sample of {' or '.join(DESIGNS)}, found '{how}'")
    if size < 1:
        raise OptionError(f"expected a sample of one passage or more, found {size}")
    if "text" not in results.columns:
        raise OptionError(
            f"{results.path}: expected texts to be coded, found none; run `cabletag batch` without --no-text"
        )
    scored, _ = results.counts()
    if not scored:
        raise OptionError(f"{results.path}: expected a scored passage, found rejected rows only; nothing to sample")
    size = min(size, scored)
    by_lot = how == "random"
    chosen = np.random.default_rng(seed).permutation(scored)[:size] if by_lot else _nearest(results, size)
    design = {
        "sample": how,
        "seed": seed if by_lot else None,
        "size": len(chosen),
        "of": scored,
        "output": results.path.name,
        "model": results.run["model"],
        "codebook": results.codebook.id,
        "version": results.codebook.version,
    }
    return Sample(_fetch(results, chosen), design)


def _nearest(results: Results, size: int) -> np.ndarray:
    """Numbers of the passages nearest to a threshold, label by label in turn, each once."""
    thresholds = _thresholds(results)
    near: list[list[tuple[float, int]]] = [[] for _ in results.labels]
    start = 0
    for scored, _ in results.scored(results.scores):
        for number, label in enumerate(results.labels):
            if np.isnan(thresholds[number]):
                continue
            gaps = np.abs(scored[f"p_{label}"].to_numpy(zero_copy_only=False) - thresholds[number])
            best = np.argsort(gaps, kind="stable")[:size]
            found = near[number] + [(float(gaps[row]), start + int(row)) for row in best]
            near[number] = sorted(found)[:size]
        start += scored.num_rows
    chosen: dict[int, None] = {}
    for turn in range(size):
        for ranked in near:
            if turn < len(ranked):
                chosen.setdefault(ranked[turn][1])
    if not chosen:
        raise OptionError(f"{results.path}: expected labels on some passages, found none; take --sample random")
    return np.array(list(chosen)[:size])


def _thresholds(results: Results) -> np.ndarray:
    """Where each label begins in this output: halfway between the highest probability without and the lowest with it."""
    without, given_from = np.zeros(len(results.labels)), np.full(len(results.labels), np.nan)
    for scored, _ in results.scored(["labels", *results.scores]):
        given = results.given(scored) == 1
        for number, label in enumerate(results.labels):
            scores = scored[f"p_{label}"].to_numpy(zero_copy_only=False)
            without[number] = max(without[number], scores[~given[:, number]].max(initial=0.0))
            if given[:, number].any():
                given_from[number] = np.fmin(given_from[number], scores[given[:, number]].min())
    return np.asarray((without + given_from) / 2)


def _fetch(results: Results, chosen: np.ndarray) -> tuple[dict[str, Any], ...]:
    """The rows of these numbers, counted over scored passages, in the order given."""
    columns = ["document", "passage", "text", "labels", "voice", *results.scores]
    found: dict[int, dict[str, Any]] = {}
    start = 0
    for scored, _ in results.scored(columns):
        for number in chosen[(chosen >= start) & (chosen < start + scored.num_rows)]:
            found[int(number)] = scored.slice(int(number) - start, 1).to_pylist()[0]
        start += scored.num_rows
    return tuple(found[int(number)] for number in chosen)
