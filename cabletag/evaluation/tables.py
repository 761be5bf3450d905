"""Evaluations and shares as a person sees them on a terminal; every figure stands beside its base."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cabletag.evaluation.measures import LEAST_DOCUMENTS

_MOST_VALUES = 30
UNITS = ("passages", "documents")


def evaluation_tables(result: dict[str, Any]) -> None:
    """The result of `cabletag.evaluation.comparison.evaluate`: headline, groups, labels, calibration, and values of a column."""
    console = Console(highlight=False)
    gold, method = result["gold"], result["method"]
    documents = "" if gold["documents"] is None else f" of {gold['documents']:,} documents"
    told = (
        f" on {gold['passages']:,} coded passages{documents} (digest {gold['sha256'][:12]}), "
        f"codebook {result['codebook']['id']} {result['codebook']['version']}, in {result['precision']}"
    )
    console.print(Text.assemble((result["model"]["name"], "bold"), told))
    console.print(f"A value and its interval: {method['interval']}, {method['samples']:,} samples.", style="dim")
    if gold["repeated_texts"]:
        console.print(
            f"{gold['repeated_texts']:,} passages repeat the text of another, coded alike; each counts.", style="dim"
        )
    blocks = {"all content labels": result["overall"], **result["groups"]}
    table = _table("over the labels of", "coded", "tagged", "prec.", "recall", "F1")
    for name, block in blocks.items():
        table.add_row(name.replace("_", " "), *_ratios(block["micro"]))
    table.add_row("any content label", *_ratios(result["overall"]["any"]))
    console.print(table)
    table = _table("mean of the labels of", "labels", "F1", "PR-AUC", "pairs", "ECE")
    for name, block in blocks.items():
        calibration = result["calibration"].get(name, result["calibration"]["all"])
        error = calibration["expected_calibration_error"]
        figures = (_value(block["macro_f1"]), _value(block["macro_average_precision"]), f"{calibration['pairs']:,}")
        table.add_row(
            name.replace("_", " "), str(len(block["macro_labels"])), *figures, "–" if error is None else f"{error:.3f}"
        )
    console.print(table)
    console.print(f"Means are over labels with {method['macro_needs_positives']} coded passages or more.", style="dim")
    table = _table("label", "coded", "tagged", "prec.", "recall", "F1", "PR-AUC")
    for label, found in result["labels"].items():
        table.add_row(label, *_ratios(found), _value(found["average_precision"]))
    console.print(table)
    table = _table("probability", "pairs of passage and label", "mean probability", "share coded so")
    for low, high, pairs, mean, share in result["calibration"]["all"]["reliability"]:
        table.add_row(f"{low:.1f} to {high:.1f}", f"{pairs:,}", f"{mean:.3f}", f"{share:.3f}")
    console.print(table)
    if "by" in result:
        _by_table(console, result["by"])


def _by_table(console: Console, by: dict[str, Any]) -> None:
    table = _table(by["column"], "passages", "coded", "tagged", "prec.", "recall", "F1", "any label F1")
    ordered = sorted(by["values"].items(), key=lambda item: -item[1]["passages"])
    for value, found in ordered[:_MOST_VALUES]:
        name, passages = Text(value or "(none)"), f"{found['passages']:,}"
        if "note" in found:
            table.add_row(name, passages, f"{found['support']:,}", "", "", "", "too few to measure")
        else:
            table.add_row(name, passages, *_ratios(found["micro"]), _value(found["any"]["f1"]))
    console.print(table)
    if len(ordered) > _MOST_VALUES:
        console.print(f"The {_MOST_VALUES} largest of {len(ordered):,} values; --json has all.", style="dim")
    if any(found.get("documents", LEAST_DOCUMENTS) < LEAST_DOCUMENTS for found in by["values"].values()):
        console.print(f"No interval from fewer than {LEAST_DOCUMENTS} documents.", style="dim")


def prevalence_tables(result: dict[str, Any]) -> None:
    """The result of `cabletag.evaluation.shares.prevalence`: per label, and per value of a column for the labels that were tagged."""
    console = Console(highlight=False)
    whole = result["all"]
    console.print(
        Text(
            f"{result['output']}: {whole['passages']:,} passages of {whole['documents']:,} documents, codebook {result['codebook']['id']} {result['codebook']['version']}, "
            f"in {result['precision']}"
        )
    )
    if result["rows_rejected"]:
        console.print(f"{result['rows_rejected']:,} rejected rows are left out.", style="dim")
    table = _share_table("label")
    for label, entry in whole["labels"].items():
        _add(table, label, entry)
    console.print(table)
    if result["by"]:
        values = result["by"]["values"]
        for label, entry in whole["labels"].items():
            if not entry["passages"]["tagged"]:
                continue
            table = _share_table(result["by"]["column"], title=label)
            for value, part in values.items():
                _add(table, value, part["labels"][label], part)
            console.print(table)
    for text in (*result["notes"], *result["assumes"].values(), *_problems(whole)):
        console.print(Text(text, style="dim"))


def _share_table(first: str, title: str | None = None) -> Table:
    units = [(f"{unit}\ntagged", "share", "corrected\n(95%)") for unit in UNITS]
    table = _table(first, *units[0], *units[1])
    table.title, table.show_edge = Text(title) if title else None, False  # all of it in 80 columns
    for column in table.columns[1:]:
        column.no_wrap = True
    return table


def _add(table: Table, name: str, entry: dict[str, Any], sizes: dict[str, Any] | None = None) -> None:
    cells = []
    for unit in UNITS:
        found = entry[unit]
        tagged = f"{found['tagged']:,}" + (f"\nof {sizes[unit]:,}" if sizes else "")
        cells += [tagged, _percent(found["share_tagged"]), _share(found["corrected"])]
    table.add_row(Text(name), *cells)


def _problems(whole: dict[str, Any]) -> list[str]:
    """Why figures are not corrected, each reason once with what it holds for."""
    reasons: dict[str, list[str]] = {}
    for label, entry in whole["labels"].items():
        for unit, found in entry.items():
            if found.get("problem"):
                reasons.setdefault(f"{unit}: {found['problem']}", []).append(label)
    count = len(whole["labels"])
    return [
        f"Not corrected, {reason} ({'all labels' if len(labels) == count else ', '.join(labels)})."
        for reason, labels in reasons.items()
    ]


def _table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(Text(first), overflow="fold", no_wrap=first == "label", min_width=12)
    for name in others:
        table.add_column(Text(name), justify="right", overflow="fold")
    return table


def _ratios(found: dict[str, Any]) -> tuple[str, ...]:
    ratios = ("–" if found[name] is None else f"{found[name][0]:.2f}" for name in ("precision", "recall"))
    return (f"{found['support']:,}", f"{found['given']:,}", *ratios, _value(found["f1"]))


def _value(interval: list[float] | None) -> str:
    if interval is None or interval[1] is None:
        return "–" if interval is None else f"{interval[0]:.2f}"
    return "{:.2f} {:.2f}–{:.2f}".format(*interval)


def _share(interval: list[float] | None) -> str:
    if interval is None:
        return "–"
    share, low, high = map(_percent, interval)
    return f"{share}\n{low[:-1]}–{high[:-1]}"


def _percent(share: float) -> str:
    return f"{share:.2%}" if 0 < share < 0.01 else f"{share:.1%}"
