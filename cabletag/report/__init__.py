"""One self-contained HTML page of a batch output."""

from cabletag.report.page import write_report

__all__ = ["write_report"]
