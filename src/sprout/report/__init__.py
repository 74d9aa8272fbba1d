"""The report: one self-contained page that answers "did it work, and can I trust it?"."""

from sprout.report.page import write_report

__all__ = ["write_report"]
