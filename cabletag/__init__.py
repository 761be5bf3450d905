"""cabletag: tag passages of text with the talking points of a diplomatic cable."""

from cabletag.codebook import Codebook, Label
from cabletag.errors import (
    CabletagError,
    CodebookError,
    CorpusError,
    DocumentError,
    ModelError,
    OptionError,
)
from cabletag.prediction import Prediction
from cabletag.tagger import TaggedDocument, Tagger
from cabletag.text import Document, Passage, Span, split

__version__ = "0.1.0"
__all__ = [
    "CabletagError",
    "Codebook",
    "CodebookError",
    "CorpusError",
    "Document",
    "DocumentError",
    "Label",
    "ModelError",
    "OptionError",
    "Passage",
    "Prediction",
    "Span",
    "TaggedDocument",
    "Tagger",
    "split",
]
