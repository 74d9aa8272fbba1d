"""Runs, in MLflow: what was built, from what, with which result.

The rest of the project says what happened through these names alone. MLflow is imported nowhere else, and
here only once a run is tracked. What a run says goes to a journal on disk (`journal.py`) and from there to
the store in the background (`sender.py`), so that a training never waits for a tracking server.
"""

from sprout.config.workspace import Build
from sprout.tracking.connection import tracking_uri
from sprout.tracking.describe import TRIAL_STATE, InSweep
from sprout.tracking.lineage import GitState, data_hashes, git_state
from sprout.tracking.outbox.sender import all_sent
from sprout.tracking.restored import record_restored
from sprout.tracking.run import Run, build_run, tracked_run
from sprout.tracking.ui import ui

__all__ = [
    "TRIAL_STATE",
    "Build",
    "GitState",
    "InSweep",
    "Run",
    "all_sent",
    "build_run",
    "data_hashes",
    "git_state",
    "record_restored",
    "tracked_run",
    "tracking_uri",
    "ui",
]
