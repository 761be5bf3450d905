"""models/<name>/manifest.json: the contract between training and tagging, read once and frozen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from cabletag.errors import ModelError

FORMAT = 1
FILE = "manifest.json"
WEIGHTS = ".safetensors"


@dataclass(frozen=True)
class LabelPolicy:
    """How one logit becomes a decision: probability = sigmoid(slope * logit + intercept), given at `threshold`."""

    id: str
    threshold: float
    slope: float
    intercept: float


class Member(NamedTuple):
    """A model of a cascade: its folder stands beside the cascade's, and its manifest has this digest."""

    name: str
    digest: str


@dataclass(frozen=True)
class Cascade:
    """Two models as one; `cabletag.encoders.cascade` says how. `share` is that of the first in the mean of both."""

    first: Member
    second: Member
    share: float
    cleared_below: float


@dataclass(frozen=True)
class Manifest:
    """Everything that decides what a model says, and the SHA-256 of every file that it is made of."""

    format: int
    name: str
    codebook: Mapping[str, str]  # id, version, sha256 of the codebook file
    voice: str | None
    labels: tuple[LabelPolicy, ...]
    max_tokens: int
    stride: int
    base_model: Mapping[str, str]  # id, sha256 of its weights
    training: Mapping[str, Any]
    files: Mapping[str, str]
    cascade: Cascade | None = None  # of a model without weights of its own

    @classmethod
    def load(cls, folder: Path, unchecked: str = "") -> Manifest:
        """Read the manifest of a model folder and check every file but `unchecked` against it. Raises ModelError."""
        manifest = cls.read(folder)
        manifest._verify(folder, [name for name in manifest.files if name != unchecked])
        manifest.members(folder)
        return manifest

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read the manifest of a model folder, for files that are `verified` while they are loaded. Raises ModelError."""
        if not folder.is_dir():
            raise ModelError(f"{folder}: expected a model folder, found none; see `cabletag models`")
        try:
            raw = json.loads((folder / FILE).read_text(encoding="utf-8"))
            if raw["format"] != FORMAT:
                raise ModelError(
                    f"{folder / FILE}: expected format {FORMAT}, found {raw['format']}; update cabletag or the model"
                )
            labels = tuple(LabelPolicy(**label) for label in raw.pop("labels"))
            if cascade := raw.pop("cascade", None):
                first, second = Member(*cascade.pop("first")), Member(*cascade.pop("second"))
                cascade = Cascade(first, second, **cascade)
            return cls(labels=labels, cascade=cascade, **raw)
        except OSError as error:
            raise ModelError(
                f"{folder}: expected a model folder with its {FILE}, found: {error.strerror}; check the path, or copy the model anew"
            ) from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ModelError(
                f"{folder / FILE}: expected a manifest of format {FORMAT}, found: {error}; train the model anew"
            ) from error

    @contextmanager
    def verified(self, folder: Path) -> Iterator[None]:
        """Check every file against the manifest, the weights while the block loads them: to hash them takes a processor as long as to read them.

        Raises ModelError before the block or when it ends, in place of what a damaged file made of the block.
        """
        weights = [name for name in self.files if name.endswith(WEIGHTS)]
        self._verify(folder, [name for name in self.files if name not in weights])
        with ThreadPoolExecutor(1) as pool:
            check = pool.submit(self._verify, folder, weights)
            try:
                yield
            finally:
                check.result()

    def members(self, folder: Path) -> list[tuple[Path, Manifest]]:
        """The models of a cascade in `folder`, first and second, by folder; none of another model. Raises ModelError."""
        found = []
        for name, digest in () if self.cascade is None else (self.cascade.first, self.cascade.second):
            place = folder.resolve().parent / name
            if not place.is_dir():
                raise ModelError(
                    f"{folder}: expected {name}, which {self.name} is made of, in the same folder, found none; copy it there"
                )
            member = Manifest.read(place)
            if member.digest != digest:
                raise ModelError(
                    f"{place}: expected the model {digest[:12]}… that {self.name} was made of, found {member.digest[:12]}…; "
                    f"copy it anew, or make {self.name} anew with `cabletag cascade`"
                )
            found.append((place, member))
        return found

    def require(self, folder: Path, codebook_id: str, version: str) -> None:
        """Raise ModelError unless the model was trained for this codebook and version."""
        found = (self.codebook["id"], self.codebook["version"])
        if found != (codebook_id, version):
            raise ModelError(
                f"{folder}: expected a model of codebook {codebook_id} {version}, found {found[0]} {found[1]}; "
                "train one with `cabletag train` or install the matching cabletag"
            )

    def _verify(self, folder: Path, names: Sequence[str]) -> None:
        for name in names:
            path = folder / name
            if not path.is_file():
                raise ModelError(f"{path}: expected this file of the model, found none; copy the folder anew")
            if (found := sha256(path)) != self.files[name]:
                raise ModelError(
                    f"{path}: expected SHA-256 {self.files[name][:12]}…, found {found[:12]}…; the file was changed, copy the folder anew"
                )

    def save(self, folder: Path) -> None:
        """Write manifest.json into the folder."""
        text = json.dumps(asdict(self), indent=1, ensure_ascii=False)
        (folder / FILE).write_text(text + "\n", encoding="utf-8")

    @property
    def digest(self) -> str:
        """SHA-256 over all of the manifest, and so over every file, threshold and calibration of the model."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @property
    def weights_sha256(self) -> str:
        """The digest of the weights; see `joint`. Of a cascade, that of its models."""
        if self.cascade is not None:
            return joint([self.cascade.first.digest, self.cascade.second.digest])
        return joint([digest for name, digest in sorted(self.files.items()) if name.endswith(WEIGHTS)])

    @property
    def ids(self) -> tuple[str, ...]:
        """Label ids in the order of the model's outputs."""
        return tuple(label.id for label in self.labels)

    @property
    def earlier_runs(self) -> list[dict[str, Any]]:
        """The training runs before the last one, from which it went on or with which its weights were averaged."""
        return [run for how in ("continued_from", "averaged_with") for run in self.training.get(how, ())]


def load_all(models: Path) -> tuple[list[Manifest], dict[str, str]]:
    """The manifests of the model folders in a folder, and by name what is wrong with the others."""
    manifests, problems = [], {}
    for folder in sorted(path for path in models.iterdir() if path.is_dir()):
        try:
            manifests.append(Manifest.load(folder))
        except ModelError as error:
            problems[folder.name] = str(error)
    return manifests, problems


def joint(digests: Sequence[str]) -> str:
    """The one digest, or that of the digests where a checkpoint is in several files."""
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
