"""An experiment over several seeds: the figures of teacher and student, mean and spread, by the true pipeline.

    python -m benchmarks.seeds digits --seeds 10                              # on val and test
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
Figures = dict[str, float]


def figures(experiment: str, overrides: Sequence[str], split: str, seeds: range) -> dict[str, list[Figures]]:
    """The figures of both models on val, and on test if that is the split; one build after another in one workspace."""
    found: dict[str, list[Figures]] = {role: [] for role in ROLES}
    with TemporaryDirectory(prefix="sprout-seeds-") as scratch:
        folder, env = Path(scratch, "project"), environment(Path(scratch, "dvc"))
        copy_project(folder, env)
        for seed in seeds:
            chance = [f"{section}.seed={seed}" for section in ("prepare", "augment", "train")]
            params = {"experiment": experiment, "overrides": [*overrides, *chance]}
            (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
            # Val is told when the student is there; the test split stays closed.
            took = cost(["dvc", "repro", "evaluate" if split == "test" else "retrain"], folder, env)
            for role in ROLES:
                found[role].append(told(folder, role, split))
            now = ", ".join(f"{role} {found[role][-1]}" for role in ROLES)
            print(f"seed {seed}: {now} ({took.wall:.0f} s)", file=sys.stderr, flush=True)
    return found


def told(folder: Path, role: str, split: str) -> Figures:
    """One model's figures, as the stages wrote them; each name begins with its split."""
    known = {"val": read(folder / "models" / role / "metrics.json")["val"]}
    if split == "test":
        known["test"] = read(folder / "reports/evaluation/metrics.json")["test"][role]
    return {f"{part}_{name}": value for part in known for name, value in known[part].items() if value is not None}


def read(path: Path) -> Any:
    """A JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def summary(found: dict[str, list[Figures]], split: str) -> dict[str, Any]:
    """Mean and spread of each figure; how much less the student errs on the split, and its 95% interval (by t)."""
    described: dict[str, Any] = {
        role: {name: spread([run[name] for run in runs]) for name in runs[0]} for role, runs in found.items()
    }
    teacher, student = ([run.get(f"{split}_error_rate", 0.0) for run in found[role]] for role in ROLES)
    if teacher != student:
        interval = ttest_rel(teacher, student).confidence_interval(0.95)
        described["difference"] = mean(teacher) - mean(student)
        described["interval"] = [float(interval.low), float(interval.high)]
    return described


def spread(values: list[float]) -> dict[str, Any]:
    """Mean, standard deviation, and the values."""
    return {"mean": mean(values), "stdev": stdev(values), "each": values}


if __name__ == "__main__":
    line = argparse.ArgumentParser(prog="python -m benchmarks.seeds", description=__doc__)
    line.formatter_class = argparse.RawDescriptionHelpFormatter
    line.add_argument("experiment", help="a file of conf/experiment/")
    line.add_argument("overrides", nargs="*", help="further overrides")
    line.add_argument("--seeds", type=positive, default=5, help="how many; at least 2 (default: %(default)s)")
    line.add_argument("--first", type=int, default=0, help="the first of them (default: %(default)s)")
    line.add_argument("--split", choices=["val", "test"], default="test", help="default: %(default)s")
    given = line.parse_intermixed_args()
    if given.seeds < 2:
        line.error("--seeds: a spread needs at least 2")
    measured = figures(given.experiment, given.overrides, given.split, range(given.first, given.first + given.seeds))
    print(
        json.dumps(
            {"name": "seeds", "experiment": given.experiment, "split": given.split, **summary(measured, given.split)}
        )
    )
