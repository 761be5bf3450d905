"""cabletag: tag passages of text with the talking points of a diplomatic cable."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cabletag.batch import BatchOptions, Summary, score_corpus
    from cabletag.codebook import Codebook, Label
    from cabletag.errors import (
        CabletagError,
        CodebookError,
        CorpusError,
        DocumentError,
        ModelError,
        OptionError,
        OutputError,
    )
    from cabletag.prediction import Prediction
    from cabletag.tagger import TaggedDocument, Tagger
    from cabletag.text import Document, Passage, Span, split

__version__ = "0.1.0"
__all__ = [
    "BatchOptions",
    "CabletagError",
    "Codebook",
    "CodebookError",
    "CorpusError",
    "Document",
    "DocumentError",
    "Label",
    "ModelError",
    "OptionError",
    "OutputError",
    "Passage",
    "Prediction",
    "Span",
    "Summary",
    "TaggedDocument",
    "Tagger",
    "score_corpus",
    "split",
]

# Loaded when first asked for (PEP 562): half of the time of `cabletag --help` was numpy, which it does not need.
_HOMES = {
    "batch": ("BatchOptions", "Summary", "score_corpus"),
    "codebook": ("Codebook", "Label"),
    "errors": (
        "CabletagError",
        "CodebookError",
        "CorpusError",
        "DocumentError",
        "ModelError",
        "OptionError",
        "OutputError",
    ),
    "prediction": ("Prediction",),
    "tagger": ("TaggedDocument", "Tagger"),
    "text": ("Document", "Passage", "Span", "split"),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"cabletag.{home}"), name)
    raise AttributeError(f"module 'cabletag' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
