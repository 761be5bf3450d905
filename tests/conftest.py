import re
import sys
from collections.abc import Sequence

import numpy as np
import pytest

from cabletag.codebook import Codebook
from cabletag.encoders import Attribution
from cabletag.manifest import FORMAT, LabelPolicy, Manifest
from cabletag.tagger import Tagger


class FakeEncoder:
    """Logit +4 for a label whose id stands in the text, else -4; counts the calls."""

    precision = "f32"

    def __init__(self, ids: Sequence[str]) -> None:
        self.ids, self.calls = ids, 0

    def encode(self, texts):
        self.calls += 1
        logits = [[4.0 if label in text else -4.0 for label in self.ids] for text in texts]
        return np.array(logits, dtype=np.float32), np.ones(len(texts), dtype=int)

    def explain(self, texts):
        words = [[match.span() for match in re.finditer(r"\S+", text)] for text in texts]
        return [
            Attribution(
                np.array(spans).reshape(-1, 2),
                np.array([[4.0 * (label in text[a:b]) for label in self.ids] for a, b in spans]).reshape(
                    -1, len(self.ids)
                ),
            )
            for text, spans in zip(texts, words, strict=True)
        ]


@pytest.fixture(scope="session")
def codebook():
    return Codebook.load()


@pytest.fixture(scope="session")
def manifest(codebook):
    return Manifest(
        format=FORMAT,
        name="fake",
        codebook={"id": codebook.id, "version": codebook.version, "sha256": codebook.digest},
        voice=codebook.voice_id,
        labels=tuple(LabelPolicy(label, 0.5, 1.0, 0.0) for label in codebook.ids),
        max_tokens=32,
        stride=8,
        base_model={"id": "none", "sha256": ""},
        training={"date": "2026-01-01", "seconds": 0, "passages": {"train": 0, "held_out": 0}},
        files={},
    )


@pytest.fixture
def tagger(codebook, manifest):
    return Tagger(FakeEncoder(codebook.ids), manifest)


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs the command line as a person does: arguments in, (exit code, stdout, stderr) out."""

    def call(*arguments):
        from cabletag.cli import main

        monkeypatch.setattr(sys, "argv", ["cabletag", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture(scope="session")
def write_output(tmp_path_factory, codebook, manifest):
    """Writes rows as an output of `cabletag batch` with its run record; columns that a row lacks get plain values."""
    import csv
    import json

    import pyarrow as pa
    import pyarrow.parquet as pq

    from cabletag.formats import FIXED
    from cabletag.writing import guarded

    def guard(cell):
        if isinstance(cell, list):
            return json.dumps(cell) if cell and isinstance(cell[0], dict) else ";".join(cell)
        return guarded(cell) if isinstance(cell, str) else cell

    def call(rows, name="out.parquet", version=codebook.version, drop=()):
        full = []
        for number, row in enumerate(rows, 1):
            labels = row.get("labels") or []
            plain = {
                "document": "a", "passage": number, "paragraph": None, "marking": None, "start": 0, "end": 9,
                "text": f"Passage {number}.", "labels": [], "voice": "own" if labels else None, "windows": 1, "status": "ok",
            }  # fmt: skip
            scores = {f"p_{label}": 0.9 if label in labels else 0.1 for label in codebook.ids}
            full.append({key: value for key, value in (plain | scores | row).items() if key not in drop})
        path = tmp_path_factory.mktemp("output") / name
        names = list(full[0]) if full else [*FIXED, *(f"p_{label}" for label in codebook.ids)]
        if path.suffix == ".parquet":
            kinds = [FIXED.get(key, pa.float64() if key.startswith("p_") else None) for key in names]
            arrays = [pa.array([row[key] for row in full], kind) for key, kind in zip(names, kinds, strict=True)]
            pq.write_table(pa.table(arrays, names=names), path)
        elif path.suffix == ".csv":
            with path.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(names)
                writer.writerows([guard(cell) for cell in row.values()] for row in full)
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in full), encoding="utf-8")
        run = {
            "model": {"name": manifest.name, "digest": manifest.digest},
            "codebook": {"id": codebook.id, "version": version, "sha256": codebook.digest},
            "options": {"threshold": None},
            "precision": "f32",
            "inputs": [{"name": "talks.jsonl"}],
            "versions": {"cabletag": "0.1.0"},
            "counts": {"documents": 1, "passages": len(full), "rejected": 0, "labels": {}},
            "output": {"size": path.stat().st_size, "sha256": "cd" * 32},
            "engine": "local",
        }
        path.with_name(f"{name}.run.json").write_text(json.dumps(run), encoding="utf-8")
        return path

    return call
