"""Finding the runs that a user names."""

from typing import TYPE_CHECKING

from sprout.runtime.errors import UserError, listed

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

ID_LENGTH = 32
SHORTEST = 4
"""Characters of an id that may stand for it."""
SHOWN = 100


def find_run(client: "MlflowClient", text: str) -> "Run":
    """Return the run with this id, or whose id begins so, or the newest one of this name.

    Raises:
        UserError: there is none, or several ids begin so.
    """
    experiments = [each.experiment_id for each in client.search_experiments()]
    if is_id(text):
        found = client.search_runs(experiments, f"attributes.run_id LIKE '{text}%'", max_results=SHOWN)
        if len(found) == 1:
            return found[0]
        if found:
            raise UserError(f"run {text}: several ids begin so: {listed([run.info.run_id for run in found])}")
    quoted = text.replace("'", "''")
    named = client.search_runs(
        experiments, f"attributes.run_name = '{quoted}'", order_by=["attributes.start_time DESC"], max_results=1
    )
    if not named:
        raise UserError(f"run {text}: not found; give an id, its first {SHORTEST} characters or more, or a name")
    return named[0]


def is_id(text: str) -> bool:
    """Whether a text may be an id or its beginning."""
    return SHORTEST <= len(text) <= ID_LENGTH and all(letter in "0123456789abcdef" for letter in text)
