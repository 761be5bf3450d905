"""What a person sees: rich tables for a terminal."""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import groupby

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cabletag.codebook import Codebook, Label
from cabletag.manifest import Manifest
from cabletag.prediction import Prediction
from cabletag.tagger import TaggedDocument
from cabletag.text import Passage

_COLOURS = {"talking_point": "cyan", "directive": "magenta", "response": "green"}


def tag_table(source: str, tagged: TaggedDocument, codebook: Codebook, all_scores: bool, show_empty: bool) -> None:
    """The tagged passages of one document, and how many there are."""
    console = Console(highlight=False)
    table = Table(box=box.SIMPLE_HEAD, title=Text(source), title_justify="left", title_style="bold", padding=(0, 1))
    table.add_column("¶" if tagged.document.format == "cable" else "No.", justify="right", style="dim", no_wrap=True)
    table.add_column("Passage", ratio=3, overflow="fold")
    table.add_column("Labels", ratio=2)
    table.add_column("Voice", no_wrap=True)
    hits = 0
    for number, (passage, prediction) in enumerate(zip(tagged.passages, tagged.predictions, strict=True), 1):
        hits += bool(prediction.labels)
        if prediction.labels or show_empty or all_scores:
            place = passage.paragraph or str(number)
            table.add_row(
                place,
                _marked(passage, prediction),
                _labels(prediction, codebook, all_scores),
                prediction.voice or "",
                end_section=True,
            )
    if table.row_count:
        console.print(table)
    total = len(tagged.passages)
    subject = f"{source}: " if not table.row_count else ""
    told = f"{subject}{hits} of {total} passage{'s' if total != 1 else ''} carr{'ies' if hits == 1 else 'y'} a label"
    console.print(Text(told, style="dim"))


def _labels(prediction: Prediction, codebook: Codebook, all_scores: bool) -> Text:
    text = Text()
    shown = sorted(prediction.scores, key=lambda label: -prediction.scores[label]) if all_scores else prediction.labels
    groups = {label.id: label.group for label in codebook.labels}
    for label in shown:
        style = _COLOURS.get(groups.get(label, ""), "") if label in prediction.labels else "dim"
        text.append(f"{label} {prediction.scores[label]:.2f}\n", style=style)
    if not prediction.labels and not all_scores:
        text.append("none", style="dim")
    text.rstrip()
    return text


def _marked(passage: Passage, prediction: Prediction) -> Text:
    """The passage on one line, the words that carry a label underlined."""
    inside = {
        place for span in prediction.evidence for place in range(span.start - passage.start, span.end - passage.start)
    }
    text = Text(style="" if prediction.labels else "dim")
    for marked, pairs in groupby(enumerate(_printable(passage.text)), key=lambda pair: pair[0] in inside):
        text.append(re.sub(r"\s+", " ", "".join(character for _, character in pairs)), "underline" if marked else "")
    return text


def _printable(text: str) -> str:
    """The text without control characters, which would act on the terminal."""
    return "".join(character if character.isprintable() or character.isspace() else "�" for character in text)


def label_table(codebook: Codebook) -> None:
    """All labels of a codebook with their definitions."""
    table = Table(
        box=box.SIMPLE_HEAD,
        title=Text(f"{codebook.title} ({codebook.id} {codebook.version})"),
        title_justify="left",
        title_style="bold",
    )
    for column in ("Label", "Group", "Scope", "Carries it"):
        table.add_column(column, no_wrap=column != "Carries it")
    for label in codebook.labels:
        group = Text(label.group.replace("_", " "), style=_COLOURS.get(label.group, ""))
        table.add_row(Text(label.id, style="bold"), group, label.scope, Text(label.definition))
    Console().print(table)


def label_page(label: Label, codebook: Codebook) -> None:
    """One label as a coder would want it explained."""
    console = Console(highlight=False)
    facts = {fact.id: fact for fact in codebook.facts}
    scope = "needs a migration setting in the passage" if label.scope == "migration" else "needs no migration setting"
    console.print(Text.assemble((label.id, "bold"), f"  {label.name}"))
    console.print(Text(f"{label.group.replace('_', ' ')}, scope {label.scope}: {scope}\n", style="dim"))
    console.print(Text(label.definition))
    for title, items in (
        ("Counts", label.counts),
        ("Does not count", label.does_not_count),
        ("Examples (of our own writing)", label.examples),
        ("Near miss, carries nothing of this label", (label.near_miss,)),
        ("Drawn from", tuple(f"{facts[fact].statement} [{facts[fact].support}]" for fact in label.facts)),
    ):
        if items:
            console.print(Text(f"\n{title}", style="bold"))
            for item in items:
                grid = Table.grid(padding=(0, 1))
                grid.add_row("  -", Text(item))
                console.print(grid)


def model_table(manifests: list[Manifest], problems: dict[str, str], default: str) -> None:
    """Model folders with what they were trained for; `default` is the name of the one that is taken where none is named."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("Model", "Codebook", "Base model", "Trained", "State"):
        table.add_column(column, overflow="fold", no_wrap=column == "Model")
    for manifest in manifests:
        table.add_row(
            manifest.name,
            manifest.codebook["id"],
            manifest.base_model["id"].rpartition("/")[2],
            manifest.training["date"],
            "verified",
        )
    for name, problem in problems.items():
        table.add_row(name, "", "", "", Text(problem, style="red"))
    Console().print(table)
    print(f"{default} is taken where no model is named")


def _cascade(manifest: Manifest) -> list[tuple[str, str]]:
    if (cascade := manifest.cascade) is None:
        return []
    return [
        ("first", f"{cascade.first.name}, clears passages whose labels are all under {cascade.cleared_below}"),
        (
            "second",
            f"{cascade.second.name}, reads the others; of the mean {cascade.first.name} has {cascade.share:.0%}",
        ),
    ]


def model_page(manifest: Manifest) -> None:
    """One model: its data, recipe and decision thresholds."""
    console = Console(highlight=False)
    training = manifest.training
    console.print(Text(manifest.name, style="bold"))
    lines: Collection[tuple[str, str]] = (
        ("codebook", f"{manifest.codebook['id']} {manifest.codebook['version']}"),
        ("base model", f"{manifest.base_model['id']} (SHA-256 {manifest.base_model['sha256'][:12]}…)"),
        (
            "trained",
            f"{training['date']}, {training['seconds']} s, {training['passages']['train']:,} passages, {training['passages']['held_out']:,} held out",
        ),
        ("window", f"{manifest.max_tokens} tokens, overlap {manifest.stride}"),
        *_cascade(manifest),
    )
    for key, value in lines:
        console.print(f"  {key:<11} {value}")
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("Label", "Threshold", "Slope", "Intercept"):
        table.add_column(column, justify="left" if column == "Label" else "right")
    for label in manifest.labels:
        table.add_row(label.id, f"{label.threshold:.2f}", f"{label.slope:.2f}", f"{label.intercept:.2f}")
    console.print(table)
