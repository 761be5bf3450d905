"""A sample of an output to coders and back, with the agreement between them and with the model."""

from cabletag.annotation.agreement import CodedItem, LabelAgreement, agreement, corpus_row
from cabletag.annotation.codings import read_back
from cabletag.annotation.sampling import Sample, draw
from cabletag.annotation.tasks import export

__all__ = ["CodedItem", "LabelAgreement", "Sample", "agreement", "corpus_row", "draw", "export", "read_back"]
