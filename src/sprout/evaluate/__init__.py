"""Measure teacher and student on the test split, a file for each task; and the pseudo-labels against the truth."""

from sprout.evaluate.curves import write_curves
from sprout.evaluate.evaluate import evaluate, write_evaluation
from sprout.evaluate.pseudo_labels import pseudo_label_quality

__all__ = ["evaluate", "pseudo_label_quality", "write_curves", "write_evaluation"]
