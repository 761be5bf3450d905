"""The batch scorer: a corpus of any size in, one row a passage out, resumable after any kill."""

from cabletag.batch.engines import Engine, Local
from cabletag.batch.parts import BatchOptions
from cabletag.batch.scorer import Progress, Summary, score_corpus

__all__ = ["BatchOptions", "Engine", "Local", "Progress", "Summary", "score_corpus"]
