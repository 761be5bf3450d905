"""Agreement as a person sees it on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from cabletag.annotation.agreement import LabelAgreement


def agreement_table(found: Sequence[LabelAgreement]) -> None:
    """Agreement of coders with each other and with the model, for the labels that anyone gave."""
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("Label", "Coders", "Model", "Both", "Alpha of coders", "Alpha with model"):
        table.add_column(column, justify="left" if column == "Label" else "right")
    for entry in found:
        if entry.coded or entry.model:
            alphas = ("" if alpha is None else f"{alpha:.2f}" for alpha in (entry.coders_alpha, entry.model_alpha))
            table.add_row(entry.label, *map(str, (entry.coded, entry.model, entry.both)), *alphas)
    console = Console(highlight=False)
    console.print(table)
    console.print(
        "Passages with the label by most coders, by the model, by both; Krippendorff's alpha, 1 for full agreement. Empty: not defined. "
        "Coders who saw the model's labels agree with it more than others would.",
        style="dim",
    )
