"""What is counted of a passage or document: each label, any content label, and any label of each group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cabletag.codebook import GROUPS, Codebook


def groups(codebook: Codebook) -> dict[str, tuple[str, ...]]:
    """The ids of each group of the codebook that has labels."""
    found = {group: tuple(label.id for label in codebook.labels if label.group == group) for group in GROUPS}
    return {group: names for group, names in found.items() if names}


def events(codebook: Codebook) -> dict[str, tuple[str, ...]]:
    """The labels of each event: each label by itself, "any_label" of the content labels, "any_<group>" of their groups."""
    several = {f"any_{group}": names for group, names in groups(codebook).items() if group != "voice"}
    return {**{label: (label,) for label in codebook.ids}, "any_label": codebook.content_ids, **several}


def any_of(matrix: np.ndarray, labels: Sequence[str], sets: Mapping[str, Sequence[str]]) -> np.ndarray:
    """From bool (passages, labels) to bool (passages, sets): whether any label of the set is there."""
    return np.column_stack([matrix[:, [labels.index(name) for name in names]].any(axis=1) for names in sets.values()])
