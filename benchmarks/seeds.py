"""An experiment over several seeds: error of teacher and student, mean and spread, by the true pipeline.

    python -m benchmarks.seeds digits --seeds 10                              # on the test split
    python -m benchmarks.seeds fashion_mnist --seeds 3 --split val [OVERRIDE...]

The seed draws the splits, the labels that are kept, the augmented copies and all chance in training.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from scipy.stats import ttest_rel

from benchmarks.paired import cost, positive
from benchmarks.workspace import copy_project, environment

ROLES = ("teacher", "student")


def errors(experiment: str, overrides: Sequence[str], split: str, seeds: int) -> dict[str, list[float]]:
    """The error of both models on a split, one build after another in one workspace."""
    found: dict[str, list[float]] = {role: [] for role in ROLES}
    with TemporaryDirectory(prefix="sprout-seeds-") as scratch:
        folder, env = Path(scratch, "project"), environment(Path(scratch, "dvc"))
        copy_project(folder, env)
        for seed in range(seeds):
            chance = [f"{section}.seed={seed}" for section in ("prepare", "augment", "train")]
            params = {"experiment": experiment, "overrides": [*overrides, *chance]}
            (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
            took = cost(["dvc", "repro", "evaluate"], folder, env)
            for role in ROLES:
                found[role].append(error(folder, role, split))
            now = ", ".join(f"{role} {found[role][-1]:.2%}" for role in ROLES)
            print(f"seed {seed}: {now} ({took.wall:.0f} s)", file=sys.stderr, flush=True)
    return found


def error(folder: Path, role: str, split: str) -> float:
    """One model's error, as its stage wrote it."""
    if split == "val":
        return float(json.loads((folder / "models" / role / "metrics.json").read_text())["val"]["error_rate"])
    return float(json.loads((folder / "reports/evaluation/metrics.json").read_text())["test"][role]["error_rate"])


def summary(found: dict[str, list[float]]) -> dict[str, Any]:
    """Mean and spread of each, and the paired difference with its 95% interval (Student's t)."""
    described: dict[str, Any] = {
        role: {"mean": mean(values), "stdev": stdev(values), "each": values} for role, values in found.items()
    }
    if found["teacher"] != found["student"]:
        test = ttest_rel(found["teacher"], found["student"])
        interval = test.confidence_interval(0.95)
        described["difference"] = mean(found["teacher"]) - mean(found["student"])
        described["interval"] = [float(interval.low), float(interval.high)]
    return described


if __name__ == "__main__":
    line = argparse.ArgumentParser(prog="python -m benchmarks.seeds", description=__doc__)
    line.formatter_class = argparse.RawDescriptionHelpFormatter
    line.add_argument("experiment", help="a file of conf/experiment/")
    line.add_argument("overrides", nargs="*", help="further overrides")
    line.add_argument("--seeds", type=positive, default=5, help="how many, from 0; at least 2 (default: %(default)s)")
    line.add_argument("--split", choices=["val", "test"], default="test", help="default: %(default)s")
    given = line.parse_intermixed_args()
    if given.seeds < 2:
        line.error("--seeds: a spread needs at least 2")
    measured = errors(given.experiment, given.overrides, given.split, given.seeds)
    print(json.dumps({"name": "seeds", "experiment": given.experiment, "split": given.split, **summary(measured)}))
