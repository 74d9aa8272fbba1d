"""`sprout result`: the result of the last build in one line."""

import html
import re
from pathlib import Path

PAGE = Path("reports/index.html")
TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)


def result() -> None:
    """Print the result of the last build. It is the headline of its report."""
    from sprout.runtime.errors import UserError
    from sprout.runtime.workspace import enter_workspace

    enter_workspace()
    if not PAGE.is_file():
        raise UserError(f"{PAGE}: not found, so nothing was built here yet; run `dvc repro`")
    title = TITLE.search(PAGE.read_text(encoding="utf-8"))
    if title is None:
        raise UserError(f"{PAGE}: is no report; run `dvc repro` to write it again")
    print(f"{html.unescape(title[1])}; {PAGE}")
