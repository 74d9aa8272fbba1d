"""The report: one self-contained page that answers "did it work, and can I trust it?".

`page.py` makes the sections that every task has; `pages/` holds what only one task shows, with its template.

A new picture takes four files: a function in `figures.py` that returns the drawing, a call of it in `pages/<task>.py`,
a `<figure>` in `pages/<task>.html.j2`, and a test.
"""

from sprout.report.page import write_report

__all__ = ["write_report"]
