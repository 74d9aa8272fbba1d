"""Sends metrics to MLflow, with the logged model and the data that they were measured of."""

from itertools import islice
from typing import TYPE_CHECKING, Any

from sprout.tracking.describe import dataset_of
from sprout.tracking.logged_model import newest_model
from sprout.tracking.outbox.journal import Record
from sprout.tracking.tags import BUILD_TAG, DATA, ROLE

if TYPE_CHECKING:
    from mlflow import MlflowClient

BATCH = 1000
"""Metrics in one request, MLflow's limit."""


def send_metrics(client: "MlflowClient", experiment: str, run_id: str, records: list[Record]) -> None:
    """Send the records of metrics that were measured of the same model, in batches."""
    from mlflow.entities import Metric

    link = links(client, experiment, run_id, records[0]["of"]) if "of" in records[0] else {}
    metrics = (
        Metric(name, value, record["time"], record["step"], **link)
        for record in records
        for name, value in record["values"].items()
    )
    while batch := list(islice(metrics, BATCH)):
        client.log_batch(run_id, metrics=batch)


def links(client: "MlflowClient", experiment: str, run_id: str, of: Record) -> dict[str, Any]:
    """What links a metric to the newest logged model of the same build, and to the data; nothing where none is.

    The run is linked to the model as well, also that of the build.
    """
    from mlflow.entities import LoggedModelOutput

    run = client.get_run(run_id)
    tags, linked = run.data.tags, {each.model_id for each in run.outputs.model_outputs} if run.outputs else set()
    wanted = f"tags.`{BUILD_TAG}` = '{tags[BUILD_TAG]}' and tags.`{ROLE}` = '{of['role']}'"
    found = newest_model(client, [experiment], wanted)
    if found is None:
        return {}
    if found.model_id not in linked:
        client.log_outputs(run_id, [LoggedModelOutput(found.model_id, step=0)])
    name, digest = dataset_of(of["data"], tags.get(DATA + of["data"], ""))
    return {"model_id": found.model_id, "run_id": run_id, "dataset_name": name, "dataset_digest": digest}
