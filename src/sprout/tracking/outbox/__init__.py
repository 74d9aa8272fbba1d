"""The outbox: what runs have to say to MLflow, on disk first, sent in the background."""
