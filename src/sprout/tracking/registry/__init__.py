"""The model registry: one registered model per MLflow experiment, a version of it per build, and its champion."""
