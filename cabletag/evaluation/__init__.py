"""A model against coded passages, and shares of a corpus corrected for the model's errors."""

from cabletag.evaluation.comparison import evaluate
from cabletag.evaluation.gold import GoldPassage, read_gold
from cabletag.evaluation.shares import prevalence

__all__ = ["GoldPassage", "evaluate", "prevalence", "read_gold"]
