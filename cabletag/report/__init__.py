"""Self-contained HTML pages: of a batch output, and of an evaluation."""

from cabletag.report.evaluated import write_evaluation
from cabletag.report.page import write_report

__all__ = ["write_evaluation", "write_report"]
