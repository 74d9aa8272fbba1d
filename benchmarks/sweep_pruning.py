"""The epochs of a pruned sweep ÷ those of an unpruned one over the same settings, and how far its best value is off.

32 trials of 16 epochs on 10,000 images of Fashion-MNIST. Chance draws the settings, so that both sweeps try the same
ones, in the same order. The simple rule 'one epoch for all, the best K to the end' is worked out from the unpruned
sweep's curves.
"""

import json
import sys
from statistics import mean, median

from optuna.study import Study
from optuna.trial import FrozenTrial

from benchmarks.paired import parser, positive
from benchmarks.sweeps import FASHION, run_sweep, workspace

GOAL = 0.25
WITHIN = 0.003
"""How far the best value may be off: 0.3 points."""
PRUNERS = ["successive_halving", "hyperband", "median"]
KEPT = (1, 2, 3, 4, 6)


def measure(pruners: list[str], seeds: int, trials: int, epochs: int, experiment: str, overrides: list[str]) -> None:
    """Run sweeps; prints a figure for each pruner.

    Args:
        pruners: names of the setting `sweep.pruner`.
        seeds: pairs of sweeps.
        trials: of each.
        epochs: of each trial.
        experiment: whose data and model.
        overrides: further ones.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    with workspace(experiment, [*overrides, f"train.epochs={epochs}"]) as folder:
        for seed in range(seeds):
            given = ["sweep.workers=2", f"sweep.trials={trials}", "sweep.sampler=random", f"sweep.seed={seed}"]
            unpruned = run_sweep(folder, f"none{seed}", [*given, "sweep.pruner=none"])
            for pruner in pruners:
                study = run_sweep(folder, f"{pruner}{seed}", [*given, f"sweep.pruner={pruner}"])
                share = sum(map(last_epoch, study.trials)) / (trials * epochs)
                found.setdefault(pruner, []).append((share, unpruned.best_value - study.best_value))
                print(f"{pruner}{seed}: {share:.3f} of the epochs", file=sys.stderr, flush=True)
            for kept in [kept for kept in KEPT if kept <= trials]:
                found.setdefault(f"top {kept}", []).append(simple_rule(unpruned, kept, epochs))
    for rule, pairs in found.items():
        shares, losses = zip(*pairs, strict=True)
        figure = {
            "name": "sweep_pruning",
            "pruner": rule,
            "ratio": round(median(shares), 3),
            "interval": [round(min(shares), 3), round(max(shares), 3)],
            "goal": GOAL,
            "best_value_lost": [round(loss, 4) for loss in losses],
            "within": bool(mean(losses) <= WITHIN),
            "unit": "",
        }
        print(json.dumps(figure), flush=True)


def last_epoch(trial: FrozenTrial) -> int:
    """How many epochs it ran."""
    return max(trial.intermediate_values, default=0)


def simple_rule(unpruned: Study, kept: int, epochs: int) -> tuple[float, float]:
    """The share of epochs of 'one for all, the best to the end', and what its best value loses."""
    last = sorted(unpruned.trials, key=lambda trial: trial.intermediate_values[1])[-kept:]
    share = (len(unpruned.trials) + kept * (epochs - 1)) / (len(unpruned.trials) * epochs)
    return share, unpruned.best_value - max(trial.values[0] for trial in last)


if __name__ == "__main__":
    line = parser("sweep_pruning", __doc__, pairs=None)
    line.add_argument("overrides", nargs="*", help="further overrides, such as download.mirror=FOLDER")
    line.add_argument("--seeds", type=positive, default=3, help="pairs of sweeps (default: %(default)s)")
    line.add_argument("--trials", type=positive, default=32, help="of a sweep (default: %(default)s)")
    line.add_argument("--epochs", type=positive, default=16, help="of a trial (default: %(default)s)")
    line.add_argument("--experiment", default="fashion_mnist", help="default: %(default)s")
    line.add_argument("--pruner", action="append", choices=PRUNERS, help="may be repeated (default: the first)")
    asked = line.parse_intermixed_args()
    base = FASHION if asked.experiment == "fashion_mnist" else []
    print("epochs do not depend on how busy the machine is", file=sys.stderr)
    measure(
        asked.pruner or PRUNERS[:1],
        asked.seeds,
        asked.trials,
        asked.epochs,
        asked.experiment,
        [*base, *asked.overrides],
    )
