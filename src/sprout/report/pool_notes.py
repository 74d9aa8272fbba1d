"""What the figures of the unlabelled pool warn of, in one line each: on the terminal and on the page."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sprout.data.foreign import Comparison
from sprout.data.store import Array
from sprout.evaluate.significance import fisher_p

FEW_KEPT = 0.2
"""A share of predictions that counted below which most of the pool has taught nothing."""
OFTEN = 2.0
"""How many times as often, or as rarely, a class is predicted before it is named."""
UNLIKE = 0.1
"""How much lower the teacher's confidence on the pool is before it is said."""
NOISE = 3.0
"""Standard errors of a mean that are taken for chance."""
BY_CHANCE = 0.01
"""How often a class is named where labels and pool have the same shares, at most."""
SHOWN = 5


def pool_notes(figures: Mapping[str, Any]) -> list[str]:
    """The warnings about a pool, none where all is well.

    Args:
        figures: `pool.json`, see `selftraining.pool_figures`.
    """
    labels, predicted = np.array(figures["label_shares"]), np.array(figures["predicted_shares"])
    examples = figures["examples"]
    on_val, on_pool, spread = (figures[f"confidence_{key}"] for key in ("on_val", "on_pool", "spread"))
    notes = [unlike_labels(on_val, on_pool, spread, figures["val"], examples, figures["noun"])]
    if (kept := figures["kept_share"]) is not None:
        notes += [few_kept(kept), other_shares(labels, predicted, figures["labels"], examples, figures["classes"])]
    return [note for note in notes if note]


def left_out(compared: Comparison | None) -> list[str]:
    """Which examples of the pool are not learned from, in a line; none where all are."""
    if compared is None or not compared.left_out:
        return []
    return [
        f"the pool looks unlike the labels: the teacher's confidence is at most {compared.confidence:.1%} "
        f"on {compared.below_of_pool:.0%} of it, but on only {compared.below_of_known:.0%} of the {compared.known:,} "
        f"{compared.noun} (p = {compared.p:.1g}); these {compared.left_out:,} of {compared.pool:,} unlabelled examples "
        "may belong to no class, and are not learned from (pseudo_label.foreign=keep learns from all)"
    ]


def nothing_left_out(compared: Comparison | None) -> list[str]:
    """That the pool was compared with the labels, and all of it is learned from, in a line; none where it was not."""
    if compared is None or compared.left_out:
        return []
    return [
        f"the teacher is not clearly less sure of the {compared.pool:,} unlabelled examples than of the "
        f"{compared.known:,} {compared.noun} (p = {compared.p:.2g}): none is left out as one of no class"
    ]


def few_kept(share: float) -> str | None:
    """Whether few predictions counted at the end of consistency training.

    Args:
        share: of the last epoch.
    """
    if share >= FEW_KEPT:
        return None
    return (
        f"only {share:.0%} of the student's predictions on the pool counted in its last epoch (kept_share), so it has "
        "learned little from it; label more examples"
    )


def other_shares(labels: Array, predicted: Array, labelled: int, examples: int, classes: Sequence[str]) -> str | None:
    """Whether the student predicts other class shares on the pool than the labels have.

    Args:
        labels: (K,) shares, sum to 1.
        predicted: (K,) the same.
        labelled: how many labels there are.
        examples: how many of the pool were predicted.
        classes: K names.
    """
    found = differing(labels, predicted, labelled, examples)
    if not len(found):
        return None
    named = [f"{classes[i]} {predicted[i]:.0%} (labels {labels[i]:.0%})" for i in found[:SHOWN]]
    more = f" and {len(found) - SHOWN} more classes" if len(found) > SHOWN else ""
    return (
        f"on the pool the student predicts other class shares than the labels have: {', '.join(named)}{more}; if the "
        "pool really has other shares, retrain.method.alignment=none is the right setting"
    )


def differing(labels: Array, predicted: Array, labelled: int, examples: int) -> Array:
    """The classes predicted twice as often as among the labels, or half as often, beyond chance: (n,) int64.

    Labels and pool are both drawn by chance: Fisher's exact test, with Bonferroni's correction for the number of
    classes. Those that differ most come first.
    """
    far = (predicted >= OFTEN * labels) | (predicted <= labels / OFTEN)
    order = np.argsort(-np.abs(predicted - labels), kind="stable")
    counts = zip(np.rint(labels * labelled).tolist(), np.rint(predicted * examples).tolist(), strict=True)
    p = np.array([fisher_p(int(given), labelled, int(found), examples) for given, found in counts])
    beyond: Array = order[(far & (p < BY_CHANCE / len(labels)))[order]]
    return beyond


def unlike_labels(on_val: float, on_pool: float, spread: float, val: int, examples: int, noun: str) -> str | None:
    """Whether the pool looks unlike the labelled examples to the teacher.

    Args:
        on_val: its mean confidence on val, or on the labels, out of fold.
        on_pool: the same on the pool.
        spread: the standard deviation on the pool.
        val: how many these are.
        examples: of the pool.
        noun: what those of val, or the labels, are called.
    """
    spread = max(spread, UNLIKE)  # a few examples may agree by chance
    if on_val - on_pool < max(UNLIKE, NOISE * spread * math.sqrt(1 / val + 1 / examples)):
        return None
    return (
        f"the teacher is less confident on the pool ({on_pool:.0%} on average) than on {val:,} {noun} ({on_val:.0%}): "
        "the pool may show other things than the labels; look through it, and remove what belongs to no class"
    )
