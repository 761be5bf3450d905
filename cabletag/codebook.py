"""The codebook: what each label means, loaded from YAML and validated, with file and line in every error."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import yaml

from cabletag.assets import codebook_file
from cabletag.errors import CabletagError, CodebookError, OptionError, did_you_mean

GROUPS = ("talking_point", "directive", "response", "voice")
SCOPES = ("migration", "any")

T = TypeVar("T", "Fact", "Label")

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Fact:
    """One thing known of the cable, and how well it is supported."""

    id: str
    statement: str
    support: str


@dataclass(frozen=True)
class Label:
    """One label: its meaning, what counts, what does not, examples of our own writing and a near miss."""

    id: str
    name: str
    group: str
    scope: str
    definition: str
    counts: tuple[str, ...]
    does_not_count: tuple[str, ...]
    examples: tuple[str, ...]
    near_miss: str
    facts: tuple[str, ...]


@dataclass(frozen=True)
class Codebook:
    """A validated codebook. `digest` is the SHA-256 of the file it came from."""

    id: str
    version: str
    title: str
    description: str
    unit: str
    rules: tuple[str, ...]
    facts: tuple[Fact, ...]
    labels: tuple[Label, ...]
    digest: str

    @classmethod
    def load(cls, path: str | Path | None = None) -> Codebook:
        """Load and validate a codebook file; the shipped one for None. Raises CodebookError."""
        return _read(Path(path) if path is not None else codebook_file())

    @property
    def ids(self) -> tuple[str, ...]:
        """All label ids, in codebook order."""
        return tuple(label.id for label in self.labels)

    @property
    def content_ids(self) -> tuple[str, ...]:
        """The ids of the labels that say what a passage carries, without the voice label."""
        return tuple(label.id for label in self.labels if label.group != "voice")

    @property
    def voice_id(self) -> str | None:
        """The id of the voice label, or None if the codebook has none."""
        return next((label.id for label in self.labels if label.group == "voice"), None)

    def label(self, label_id: str) -> Label:
        """The label with this id. Raises OptionError."""
        for label in self.labels:
            if label.id == label_id:
                return label
        raise OptionError(f"unknown label '{label_id}'{did_you_mean(label_id, self.ids)}")


class _At:
    """A YAML node with the place it stands at, so that every complaint can name file and line."""

    def __init__(self, file: Path, node: yaml.Node) -> None:
        self.file, self.node = file, node

    def fail(self, message: str) -> CodebookError:
        return CodebookError(f"{self.file}:{self.node.start_mark.line + 1}: {message}")

    def fields(self, what: str, keys: tuple[str, ...]) -> dict[str, _At]:
        if not isinstance(self.node, yaml.MappingNode):
            raise self.fail(f"expected {what} as a mapping with the keys {', '.join(keys)}")
        found: dict[str, _At] = {}
        for key_node, value in self.node.value:
            at, key = _At(self.file, key_node), str(key_node.value)
            if key not in keys:
                raise at.fail(f"unknown key '{key}' in {what}{did_you_mean(key, keys)}")
            if key in found:
                raise at.fail(f"the key '{key}' stands twice in {what}; keep one")
            found[key] = _At(self.file, value)
        if missing := [key for key in keys if key not in found]:
            raise self.fail(f"{what} lacks the key '{missing[0]}'; add it")
        return found

    def text(self, what: str) -> str:
        value = " ".join(self.node.value.split()) if isinstance(self.node, yaml.ScalarNode) else ""
        if not value or self.node.tag.endswith(":null"):
            raise self.fail(f"expected a text for {what}, found it empty or not a text; write one")
        return value

    def items(self, what: str, at_least: int = 0) -> list[_At]:
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.fail(f"expected a list for {what}; write it with dashes or as []")
        if len(self.node.value) < at_least:
            raise self.fail(f"expected at least {at_least} of {what}, found {len(self.node.value)}; add more")
        return [_At(self.file, node) for node in self.node.value]

    def texts(self, what: str, at_least: int = 0) -> tuple[str, ...]:
        return tuple(item.text(what) for item in self.items(what, at_least))

    def choice(self, what: str, known: tuple[str, ...]) -> str:
        value = self.text(what)
        if value not in known:
            raise self.fail(f"expected {what} to be one of {', '.join(known)}, found '{value}'")
        return value


def _read(path: Path) -> Codebook:
    try:
        raw = path.read_bytes()
        root = yaml.compose(raw.decode("utf-8"), Loader=_Loader)
    except OSError as error:
        raise CodebookError(f"{path}: expected a readable codebook file, found: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CodebookError(f"{path}: expected UTF-8, found byte {error.start}; save it as UTF-8") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "not readable"
        raise CodebookError(f"{path}{line}: expected YAML, found: {problem}; mend the syntax there") from error
    if root is None:
        raise CodebookError(f"{path}:1: expected a codebook, found an empty file")
    keys = ("id", "version", "title", "description", "unit", "rules", "facts", "labels")
    top = _At(path, root).fields("the codebook", keys)
    facts = _unique(top["facts"].items("facts"), _fact, "fact")
    known = tuple(fact.id for fact in facts)
    labels = _unique(top["labels"].items("labels", 1), lambda at: _label(at, known), "label")
    if sum(label.group == "voice" for label in labels) > 1:
        raise top["labels"].fail("expected at most one label of the group 'voice', found more")
    return Codebook(
        id=top["id"].text("id"),
        version=top["version"].text("version"),
        title=top["title"].text("title"),
        description=top["description"].text("description"),
        unit=top["unit"].text("unit"),
        rules=top["rules"].texts("rules"),
        facts=facts,
        labels=labels,
        digest=hashlib.sha256(raw).hexdigest(),
    )


def _unique(nodes: list[_At], read: Callable[[_At], T], what: str) -> tuple[T, ...]:
    found: dict[str, T] = {}
    for at in nodes:
        item = read(at)
        if item.id in found:
            raise at.fail(f"the {what} id '{item.id}' is taken; ids are unique, choose another")
        found[item.id] = item
    return tuple(found.values())


def _fact(at: _At) -> Fact:
    field = at.fields("a fact", ("id", "statement", "support"))
    return Fact(*(field[key].text(key) for key in ("id", "statement", "support")))


def _label(at: _At, facts: tuple[str, ...]) -> Label:
    field = at.fields("a label", tuple(Label.__dataclass_fields__))
    label_id = field["id"].text("id")
    if not label_id.replace("_", "").isalnum() or label_id != label_id.lower():
        raise field["id"].fail(f"expected a label id of lower-case letters, digits and _, found '{label_id}'")
    used = field["facts"].texts("facts")
    if unknown := [fact for fact in used if fact not in facts]:
        raise field["facts"].fail(f"unknown fact '{unknown[0]}'{did_you_mean(unknown[0], facts)}")
    return Label(
        id=label_id,
        name=field["name"].text("name"),
        group=field["group"].choice("group", GROUPS),
        scope=field["scope"].choice("scope", SCOPES),
        definition=field["definition"].text("definition"),
        counts=field["counts"].texts("counts"),
        does_not_count=field["does_not_count"].texts("does_not_count"),
        examples=field["examples"].texts("examples", 2),
        near_miss=field["near_miss"].text("near_miss"),
        facts=used,
    )


def codebook_of(
    owner: str | Path, wanted: tuple[str, str], file: str | Path | None, error: type[CabletagError]
) -> Codebook:
    """The codebook of this id and version, shipped or from a file. Raises `error`, with the `owner` that wants it, where it is neither."""
    if file is None and not codebook_file(wanted[0]).is_file():
        raise error(f"{owner}: expected a shipped codebook, found '{wanted[0]}'; name its file with --codebook FILE")
    book = Codebook.load(file or codebook_file(wanted[0]))
    if (book.id, book.version) != wanted:
        raise error(
            f"{owner}: expected codebook {' '.join(wanted)}, found {book.id} {book.version}; name the right file with --codebook FILE, "
            "or use the cabletag that it came with"
        )
    return book
