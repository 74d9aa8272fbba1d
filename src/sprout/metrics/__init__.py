"""Figures of a model on one split, a file for each task."""

from sprout.metrics.classification import PER_CLASS, classification_metrics, per_class
from sprout.metrics.clustering import clustering_metrics
from sprout.metrics.reconstruction import reconstruction_metrics
from sprout.metrics.regression import regression_metrics

Figures = dict[str, float | None]
"""By name; None where there is nothing to take a figure from."""

__all__ = [
    "PER_CLASS",
    "Figures",
    "classification_metrics",
    "clustering_metrics",
    "per_class",
    "reconstruction_metrics",
    "regression_metrics",
]
