"""Runs in MLflow: what was built, from what, and with which result.

The rest of the project records runs through the names below. MLflow is imported nowhere else, and here only once a run
is tracked. A run writes to a journal on disk (`outbox/journal.py`), which is sent to the store in the background
(`outbox/sender.py`): a training never waits for a tracking server.
"""

from sprout.tracking.address import tracking_uri
from sprout.tracking.describe import InSweep, RunInfo, experiment_name
from sprout.tracking.lineage import ORIGINS, GitState, data_hashes, git_state, trained_on
from sprout.tracking.outbox.sender import all_sent
from sprout.tracking.results import log_results, record_restored, rounded
from sprout.tracking.run import Candidate, Measured, Run, tracked_run
from sprout.tracking.tags import BUILD, HANDED_ON, TRIAL_STATE
from sprout.tracking.ui import serve_ui

__all__ = [
    "BUILD",
    "HANDED_ON",
    "ORIGINS",
    "TRIAL_STATE",
    "Candidate",
    "GitState",
    "InSweep",
    "Measured",
    "Run",
    "RunInfo",
    "all_sent",
    "data_hashes",
    "experiment_name",
    "git_state",
    "log_results",
    "record_restored",
    "rounded",
    "serve_ui",
    "tracked_run",
    "tracking_uri",
    "trained_on",
]
