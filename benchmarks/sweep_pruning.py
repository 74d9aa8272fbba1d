"""The epochs of a pruned sweep ÷ those of an unpruned one over the same settings, and how much worse its best value is.

32 trials of 16 epochs on 10,000 images of Fashion-MNIST. The settings are drawn at random, so that both sweeps try the
same ones in the same order. The rule 'one epoch for all, the best K trained to the end' is computed from the learning
curves of the unpruned sweep.
"""

import json
import sys
from pathlib import Path
from statistics import mean, median

from optuna.study import Study
from optuna.trial import FrozenTrial

from benchmarks.paired import parser, positive
from benchmarks.sweeps import FASHION, run_sweep, workspace

GOAL = 0.20
WITHIN = 0.002
"""Accepted difference of the best values: 0.2 points."""
PRUNERS = ["successive_halving", "hyperband", "median"]
KEPT = (1, 2, 3, 4, 6)
WORKERS = 2


def measure(
    pruners: list[str],
    seeds: int,
    trials: int,
    epochs: int,
    experiment: str,
    overrides: list[str],
    prepared: Path | None = None,
) -> None:
    """Run sweeps and print the result of each pruner.

    Args:
        pruners: names of the setting `sweep.pruner`.
        seeds: number of pairs of sweeps.
        trials: trials of each sweep.
        epochs: epochs of each trial.
        experiment: the experiment whose data and model are used.
        overrides: further overrides.
        prepared: a workspace with prepared data; None makes one.
    """
    results: dict[str, list[tuple[float, float]]] = {}
    with workspace(experiment, [*overrides, f"train.epochs={epochs}"], prepared) as folder:
        for seed in range(seeds):
            settings = [
                f"sweep.workers={WORKERS}",
                f"sweep.trials={trials}",
                "sweep.sampler=random",
                f"sweep.seed={seed}",
            ]
            unpruned = run_sweep(folder, f"none{seed}", [*settings, "sweep.pruner=none"])
            for pruner in pruners:
                study = run_sweep(folder, f"{pruner}{seed}", [*settings, f"sweep.pruner={pruner}"])
                share = sum(map(last_epoch, study.trials)) / (trials * epochs)
                results.setdefault(pruner, []).append((share, unpruned.best_value - study.best_value))
                print(f"{pruner}{seed}: {share:.3f} of the epochs", file=sys.stderr, flush=True)
            for kept in [kept for kept in KEPT if kept <= trials]:
                results.setdefault(f"top {kept}", []).append(simple_rule(unpruned, kept, epochs))
    for rule, pairs in results.items():
        shares, losses = zip(*pairs, strict=True)
        result = {
            "name": "sweep_pruning",
            "pruner": rule,
            "ratio": round(median(shares), 3),
            "interval": [round(min(shares), 3), round(max(shares), 3)],
            "goal": GOAL,
            "best_value_lost": [round(loss, 4) for loss in losses],
            "within": bool(mean(losses) <= WITHIN),
            "unit": "",
        }
        print(json.dumps(result), flush=True)


def last_epoch(trial: FrozenTrial) -> int:
    """Return how many epochs a trial ran."""
    return max(trial.intermediate_values, default=0)


def simple_rule(unpruned: Study, kept: int, epochs: int) -> tuple[float, float]:
    """Return the fraction of the epochs that the simple rule runs, and how much worse its best value is."""
    last = sorted(unpruned.trials, key=lambda trial: trial.intermediate_values[1])[-kept:]
    share = (len(unpruned.trials) + kept * (epochs - 1)) / (len(unpruned.trials) * epochs)
    return share, unpruned.best_value - max(trial.values[0] for trial in last)


if __name__ == "__main__":
    line = parser("sweep_pruning", __doc__, pairs=None)
    line.add_argument("overrides", nargs="*", help="further overrides, such as download.mirror=FOLDER")
    line.add_argument("--seeds", type=positive, default=3, help="number of pairs of sweeps (default: %(default)s)")
    line.add_argument("--trials", type=positive, default=32, help="trials of a sweep (default: %(default)s)")
    line.add_argument("--epochs", type=positive, default=16, help="epochs of a trial (default: %(default)s)")
    line.add_argument("--experiment", default="fashion_mnist", help="default: %(default)s")
    line.add_argument("--pruner", action="append", choices=PRUNERS, help="may be repeated (default: the first)")
    asked = line.parse_intermixed_args()
    base = FASHION if asked.experiment == "fashion_mnist" else []
    print("epochs are counted, so the result does not depend on the load of the machine", file=sys.stderr)
    measure(
        asked.pruner or PRUNERS[:1],
        asked.seeds,
        asked.trials,
        asked.epochs,
        asked.experiment,
        [*base, *asked.overrides],
    )
