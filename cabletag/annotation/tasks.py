"""A sample to coding tools: Label Studio (1.x, JSON tasks with predictions) and doccano (1.8, JSON lines).

What comes back is checked against what goes out: every item carries its document and passage, the digest of its text, the model's
labels and the design of the sample, as plain strings, which both tools keep (Label Studio in `data`, doccano as metadata).
"""

from __future__ import annotations

import hashlib
import json
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cabletag.annotation.sampling import Sample
from cabletag.codebook import GROUPS, Codebook
from cabletag.errors import OptionError
from cabletag.writing import json_line, write_text

TOOLS = ("label-studio", "doccano")


@dataclass(frozen=True)
class Item:
    """One passage as one coder coded it. `model` are the model's labels, `design` how its sample was drawn; `changed` if its text was."""

    id: str
    document: str
    passage: int
    text: str
    labels: tuple[str, ...]
    coder: str
    model: tuple[str, ...]
    design: Mapping[str, Any]
    changed: bool = False


def export(sample: Sample, codebook: Codebook, tool: str, path: Path, source: Path, blind: bool = False) -> Path:
    """Write a sample of the output `source` for a tool, and beside it the tool's own set-up of the labels; gives the path of the latter.

    `blind` leaves the model's labels off the screen; they travel along all the same. Raises OptionError for an unknown tool.
    """
    if tool not in TOOLS:
        raise OptionError(f"expected a tool of {' or '.join(TOOLS)}, found '{tool}'")
    items = list(_prepared(sample, codebook))
    if tool == "label-studio":
        tasks = [_task(item, row, codebook, sample, blind) for item, row in items]
        text = json.dumps(tasks, ensure_ascii=False, indent=1) + "\n"
        setup, setup_text = path.with_suffix(".config.xml"), labelling_config(codebook)
    else:
        lines = [{"text": item.text, "label": [] if blind else list(item.model), **_carried(item)} for item, _ in items]
        text = "".join(map(json_line, lines))
        setup = path.with_suffix(".labels.json")
        setup_text = json.dumps([{"text": label} for label in codebook.ids], indent=1) + "\n"
    write_text(path, text, [source])
    write_text(setup, setup_text, [source])
    return setup


def labelling_config(codebook: Codebook) -> str:
    """The labelling interface of Label Studio: the text, and the labels by group with their definitions as hints."""
    view = ET.Element("View")
    ET.SubElement(view, "Text", {"name": "text", "value": "$text", "valueType": "text"})
    for group in GROUPS:
        labels = [label for label in codebook.labels if label.group == group]
        if labels:
            ET.SubElement(view, "Header", {"value": group.replace("_", " ").capitalize(), "size": "5"})
            choices = ET.SubElement(
                view, "Choices", {"name": group, "toName": "text", "choice": "multiple", "showInline": "true"}
            )
            for label in labels:
                ET.SubElement(choices, "Choice", {"value": label.id, "hint": label.definition})
    ET.indent(view)
    return ET.tostring(view, encoding="unicode") + "\n"


def _prepared(sample: Sample, codebook: Codebook) -> Iterator[tuple[Item, dict[str, Any]]]:
    taken: Counter[str] = Counter()
    for row in sample.rows:
        document, passage = row["document"], row["passage"]
        key = f"{document}#{passage}"
        taken[key] += 1
        given = {*row["labels"], *([codebook.voice_id] if row["voice"] == "attributed" else [])}
        model = tuple(label for label in codebook.ids if label in given)
        name = key if taken[key] == 1 else f"{key}~{taken[key]}"
        yield Item(name, document, passage, row["text"] or "", (), "", model, sample.design), row


def _carried(item: Item) -> dict[str, str]:
    return {
        "passage_id": item.id,
        "document": item.document,
        "passage": str(item.passage),
        "text_digest": digest(item.text),
        "model_labels": ";".join(item.model),
        "design": json.dumps(item.design),
    }


def digest(text: str) -> str:
    """Of the words of a text. Tools trim and fold white space; the words must be the same."""
    return hashlib.sha256(" ".join(text.split()).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _task(item: Item, row: dict[str, Any], codebook: Codebook, sample: Sample, blind: bool) -> dict[str, Any]:
    result = [
        {"from_name": group, "to_name": "text", "type": "choices", "value": {"choices": chosen}}
        for group in GROUPS
        if (chosen := [label for label in item.model if codebook.label(label).group == group])
    ]
    score = max(row[f"p_{label}"] for label in codebook.content_ids)
    prediction = {"model_version": str(sample.design["model"].get("name")), "score": score, "result": result}
    return {"data": {"text": item.text, **_carried(item)}, "predictions": [] if blind else [prediction]}
