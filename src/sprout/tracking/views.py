"""Addresses of MLflow's page, and the view of an experiment that shows its figures in the list of runs.

MLflow's page shows no metric in its list of runs by default. It has no address for columns either, but opens a view
that is saved in a tag of the experiment: JSON with the facets of the list, in which MLflow 3 names columns as below.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

VIEW = "results"
TAG = f"mlflow.sharedViewState.{VIEW}"
WORKFLOW = "workflowType=machine_learning"
"""Opens the pages on trainings; otherwise those on chat models appear."""
OF_TRAININGS = ("best_epoch", "training_seconds")
DESCRIPTION = "attributes.`Description`"
WIDTH, WIDE = 180, 420
"""Pixels of a column with a figure, and of the description."""


def runs_address(experiment: str) -> str:
    """Return the part of the address, after the server's, of an experiment's runs."""
    return f"#/experiments/{experiment}/runs?{WORKFLOW}&viewStateShareKey={VIEW}"


def run_address(experiment: str, run: str) -> str:
    """Return the part of the address, after the server's, of a run."""
    return f"#/experiments/{experiment}/runs/{run}?{WORKFLOW}"


def save_view(client: "MlflowClient", experiment: str, metrics: Sequence[str]) -> None:
    """Save the view of an experiment's runs with these metrics as columns, unless it is saved already."""
    figures = [f"metrics.`{name}`" for name in (*metrics, *OF_TRAININGS)]
    columns = [*figures, DESCRIPTION]
    state = {
        "searchFilter": "",
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": columns,
        "columnOrder": columns,
        "columnWidths": {**dict.fromkeys(figures, WIDTH), DESCRIPTION: WIDE},
    }
    view = json.dumps({"name": "Results", "createdAt": 0, "state": json.dumps(state)})
    if client.get_experiment(experiment).tags.get(TAG) != view:
        client.set_experiment_tag(experiment, TAG, view)
