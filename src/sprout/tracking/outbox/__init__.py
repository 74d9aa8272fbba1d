"""The outbox: runs are journaled on disk and sent to MLflow in the background."""
