"""The figures of the pages, taken from the parts of README.md that benchmarks/tables.py writes, and the pages kept beside model and corpus."""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

from cabletag import Codebook
from cabletag.assets import model_folder

ROOT = Path(__file__).resolve().parents[2]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the model card and the agreement figures."""
    for name, source in (
        ("model-card.md", model_folder() / "MODEL_CARD.md"),
        ("agreement.md", ROOT / "labels" / Codebook.load().id / "AGREEMENT.md"),
    ):
        files.append(File.generated(config, name, content=source.read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Put README's part in the place of every `<!-- README: NAME -->`. Raises PluginError for a part that it does not have."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    parts = dict(re.findall(r"<!-- begin ([\w-]+) -->\n(.*?)<!-- end \1 -->", readme, re.DOTALL))

    def part(match: re.Match[str]) -> str:
        if match[1] not in parts:
            raise PluginError(f"expected the part '{match[1]}' in README.md, found {', '.join(parts)}")
        return parts[match[1]] or "Not measured yet."

    return re.sub(r"<!-- README: ([\w-]+) -->", part, markdown)
