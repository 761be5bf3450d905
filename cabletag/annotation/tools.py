"""To coding tools and back: Label Studio (1.x, JSON tasks with predictions) and doccano (1.8, JSON lines).

What comes back is checked against what went out: every item carries its passage id, the digest of its text, the model's labels
and the design of the sample, as plain strings, which both tools keep (Label Studio in `data`, doccano as metadata).
"""

from __future__ import annotations

import hashlib
import io
import json
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cabletag.annotation.agreement import CodedItem
from cabletag.annotation.sampling import Sample
from cabletag.codebook import GROUPS, Codebook
from cabletag.errors import CorpusError, DocumentError, OptionError, did_you_mean
from cabletag.writing import json_line, write_text

TOOLS = ("label-studio", "doccano")


@dataclass(frozen=True)
class Item:
    """One passage as one coder coded it. `model` are the model's labels, `design` how its sample was drawn; `changed` if its text was."""

    id: str
    text: str
    labels: tuple[str, ...]
    coder: str
    model: tuple[str, ...]
    design: Mapping[str, Any]
    changed: bool = False


@dataclass
class Returned:
    """What came back from a tool: coded passages, how many nobody coded, and what was left out and why."""

    items: list[CodedItem] = field(default_factory=list)
    uncoded: int = 0
    problems: list[str] = field(default_factory=list)


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


def read_back(paths: Sequence[Path], codebook: Codebook, tool: str | None = None) -> Returned:
    """Read what tools exported: Label Studio's JSON, doccano's JSON lines or its zip of one file per coder.

    Coders are named by the tool (the user of Label Studio, the file of doccano), with the file's name before it if there are
    several. An unknown label or a changed text leaves its item out and is listed in `problems`. Raises CorpusError and DocumentError.
    """
    if tool is not None and tool not in TOOLS:
        raise OptionError(f"expected a format of {' or '.join(TOOLS)}, found '{tool}'")
    returned = Returned()
    codings: dict[str, dict[str, Item]] = {}
    for path in paths:
        for name, content in _contents(path):
            for place, row in _parsed(name, content, tool):
                found = _coded(place, name.stem, row, len(paths) > 1)
                returned.uncoded += not found
                for item in found:
                    if problem := _problem(item, codebook):
                        returned.problems.append(f"{place}: {problem}; left out")
                    elif codings.setdefault(item.id, {}).setdefault(item.coder, item) is not item:
                        raise CorpusError(
                            f"{place}: expected one coding of '{item.id}' by '{item.coder}', found two; give each coder's file its own name"
                        )
    for key, by_coder in codings.items():
        first = next(iter(by_coder.values()))
        labels = {coder: [label for label in codebook.ids if label in item.labels] for coder, item in by_coder.items()}
        returned.items.append(CodedItem(key, first.text, labels, first.model, first.design))
    if not returned.items:
        left = f"; first: {returned.problems[0]}" if returned.problems else "; are any of them submitted?"
        raise CorpusError(f"{paths[0]}: expected coded passages, found none that can be used{left}")
    return returned


def _prepared(sample: Sample, codebook: Codebook) -> Iterator[tuple[Item, dict[str, Any]]]:
    taken: dict[str, int] = {}
    for row in sample.rows:
        key = f"{row['document']}#{row['passage']}"
        taken[key] = taken.get(key, 0) + 1
        given = {*row["labels"], *([codebook.voice_id] if row["voice"] == "attributed" else [])}
        model = tuple(label for label in codebook.ids if label in given)
        yield (
            Item(key if taken[key] == 1 else f"{key}~{taken[key]}", row["text"] or "", (), "", model, sample.design),
            row,
        )


def _carried(item: Item) -> dict[str, str]:
    return {
        "passage_id": item.id,
        "text_digest": _digest(item.text),
        "model_labels": ";".join(item.model),
        "design": json.dumps(item.design),
    }


def _digest(text: str) -> str:
    """Tools trim and fold white space; the words must be the same."""
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


def _contents(path: Path) -> Iterator[tuple[Path, str]]:
    """The file, or the JSON-lines files of a zip."""
    try:
        raw = path.read_bytes()
        if not zipfile.is_zipfile(io.BytesIO(raw)):
            yield path, raw.decode("utf-8")
            return
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            for name in archive.namelist():
                if name.endswith(".jsonl"):
                    yield path / Path(name).name, archive.read(name).decode("utf-8")
    except OSError as error:
        raise DocumentError(f"{path}: expected the export of a coding tool, found: {error.strerror}") from error
    except (UnicodeDecodeError, zipfile.BadZipFile) as error:
        raise DocumentError(
            f"{path}: expected the export of a coding tool in UTF-8, found: {error}; export it anew"
        ) from error


def _parsed(path: Path, content: str, tool: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows with their place. A JSON list is Label Studio's, JSON lines are doccano's."""
    listed = content.lstrip().startswith("[")
    if tool is not None and listed != (tool == "label-studio"):
        raise DocumentError(
            f"{path}: expected the {'JSON' if tool == 'label-studio' else 'JSON lines'} of {tool}, found another form"
        )
    try:
        rows = json.loads(content) if listed else [json.loads(line) for line in content.split("\n") if line.strip()]
    except ValueError as error:
        raise DocumentError(
            f"{path}: expected Label Studio's JSON or doccano's JSON lines, found: {error}; export it anew"
        ) from error
    if not rows:
        raise DocumentError(
            f"{path}: expected coded passages, found an empty export; are any of them submitted or approved?"
        )
    for number, row in enumerate(rows, 1):
        kind = "label-studio" if listed else "doccano"
        carried = row.get("data") if listed and isinstance(row, dict) else row
        if not isinstance(carried, dict) or not all(
            isinstance(carried.get(key), str) for key in ("text", "passage_id", "text_digest")
        ):
            hint = "; choose JSON, not JSON-MIN or CSV, in Label Studio" if listed else ""
            raise DocumentError(
                f"{path}:{number}: expected an item of `cabletag annotate export --to {kind}`, found another{hint}"
            )
        yield f"{path}:{number}", row


def _coded(place: str, stem: str, row: dict[str, Any], several: bool) -> list[Item]:
    """The codings of one passage: of Label Studio the last submitted one of each user, of doccano the one of the file's coder."""
    try:
        if "annotations" not in row:
            if not isinstance(row["label"], list):
                raise TypeError("no list of labels; is it a project for text classification?")
            return [_item(row, row["label"], stem)]
        coded: dict[str, list[str]] = {}
        for annotation in row["annotations"]:
            if not annotation.get("was_cancelled"):
                user = annotation.get("completed_by")
                name = str(user.get("email") or user.get("id")) if isinstance(user, dict) else str(user)
                chosen = [part["value"]["choices"] for part in annotation["result"] if part["type"] == "choices"]
                coded[f"{stem}/{name}" if several else name] = [label for labels in chosen for label in labels]
        return [_item(row["data"], labels, coder) for coder, labels in coded.items()]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DocumentError(
            f"{place}: expected a coded item of Label Studio or doccano, found: {error!r}; export it anew"
        ) from error


def _item(data: dict[str, Any], labels: list[Any], coder: str) -> Item:
    model = tuple(label for label in data["model_labels"].split(";") if label)
    changed = _digest(data["text"]) != data["text_digest"]
    return Item(
        data["passage_id"],
        data["text"],
        tuple(map(str, labels)),
        coder,
        model,
        dict(json.loads(data["design"])),
        changed,
    )


def _problem(item: Item, codebook: Codebook) -> str | None:
    unknown = [label for label in item.labels if label not in codebook.ids]
    if item.changed:
        return f"the text of '{item.id}' is not the one that was exported"
    if unknown:
        return f"unknown label '{unknown[0]}'{did_you_mean(unknown[0], codebook.ids)}"
    if set(item.labels) == {codebook.voice_id}:
        return f"'{codebook.voice_id}' stands alone, the voice needs another label beside it"
    return None
