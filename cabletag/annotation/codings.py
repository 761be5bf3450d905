"""Back from coding tools: Label Studio's JSON, doccano's JSON lines, checked item by item against what `tasks` wrote."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cabletag.annotation.agreement import CodedItem
from cabletag.annotation.tasks import TOOLS, Item, digest
from cabletag.codebook import Codebook
from cabletag.corpus import checked_labels
from cabletag.errors import CorpusError, DocumentError, OptionError


@dataclass
class Returned:
    """What came back from a tool: coded passages, how many nobody coded, and what was left out and why."""

    items: list[CodedItem] = field(default_factory=list)
    uncoded: int = 0
    problems: list[str] = field(default_factory=list)


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
                    if problem := _problem(item, codebook, place):
                        returned.problems.append(f"{problem}; left out")
                    elif codings.setdefault(item.id, {}).setdefault(item.coder, item) is not item:
                        raise CorpusError(
                            f"{place}: expected one coding of '{item.id}' by '{item.coder}', found two; give each coder's file its own name"
                        )
    for key, by_coder in codings.items():
        first = next(iter(by_coder.values()))
        labels = {coder: [label for label in codebook.ids if label in item.labels] for coder, item in by_coder.items()}
        returned.items.append(
            CodedItem(key, first.document, first.passage, first.text, labels, first.model, first.design)
        )
    if not returned.items:
        left = f"; first: {returned.problems[0]}" if returned.problems else "; are any of them submitted?"
        raise CorpusError(f"{paths[0]}: expected coded passages, found none that can be used{left}")
    return returned


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
            isinstance(carried.get(key), str) for key in ("text", "passage_id", "document", "passage", "text_digest")
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
    changed = digest(data["text"]) != data["text_digest"]
    return Item(
        data["passage_id"],
        data["document"],
        int(data["passage"]),
        data["text"],
        tuple(map(str, labels)),
        coder,
        model,
        dict(json.loads(data["design"])),
        changed,
    )


def _problem(item: Item, codebook: Codebook, place: str) -> str | None:
    if item.changed:
        return f"{place}: the text of '{item.id}' is not the one that was exported"
    try:
        checked_labels({"labels": list(item.labels)}, codebook, place)
    except CorpusError as error:
        return str(error)
    return None
