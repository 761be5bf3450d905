import sys
from collections.abc import Sequence

import numpy as np
import pytest

from cabletag.codebook import Codebook
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
