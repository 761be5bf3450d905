"""The figures of the pages, made anew from the results by benchmarks/tables.py, and the pages kept beside model and corpus."""

from __future__ import annotations

import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from cabletag import Codebook

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import tables  # noqa: E402  # a script of this repository, no package


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the model card and the agreement figures."""
    model = tables.model_folder()
    for name, source in (
        ("model-card.md", model / "MODEL_CARD.md"),
        ("agreement.md", ROOT / "labels" / Codebook.load().id / "AGREEMENT.md"),
    ):
        files.append(File.generated(config, name, content=source.read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Fill every `<!-- begin NAME -->` of a page."""
    return tables.fill(markdown)
