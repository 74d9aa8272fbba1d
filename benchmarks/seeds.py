"""Metrics of teacher, control and student over several seeds, mean and standard deviation, by the complete pipeline.

    python -m benchmarks.seeds digits --seeds 10                              # on val and test
    python -m benchmarks.seeds fashion_mnist --seeds 3 --split val [OVERRIDE...]

The seed decides the splits, the kept labels, the augmented copies and all random draws of the training.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from scipy.stats import ttest_rel

from benchmarks.paired import cost, positive
from benchmarks.workspace import copy_project, environment

ROLES = ("teacher", "control", "student")
"""There is no control where the student learns from nothing that the teacher has not."""
Metrics = dict[str, float]
Further = Callable[[Path, Mapping[str, str], int], dict[str, Metrics]]
"""Of a workspace, the environment of its commands and the seed."""


def run_seeds(
    experiment: str, overrides: Sequence[str], split: str, seeds: range, further: Further | None = None
) -> dict[str, list[Metrics]]:
    """Build each seed in one workspace; return the metrics of each model on val, and on test if that is the split.

    `further` measures more in a workspace that is built.
    """
    results: dict[str, list[Metrics]] = {}
    with TemporaryDirectory(prefix="sprout-seeds-") as scratch:
        folder, env = Path(scratch, "project"), environment(Path(scratch, "dvc"))
        copy_project(folder, env)
        for seed in seeds:
            write_params(folder, experiment, overrides, seed)
            # For val the build ends with the student, so that the test split is not read.
            took = cost(["dvc", "repro", "evaluate" if split == "test" else "retrain"], folder, env)
            found = {role: read_metrics(folder, role, split) for role in trained(folder)}
            found |= further(folder, env, seed) if further else {}
            for role, metrics in found.items():
                results.setdefault(role, []).append(metrics)
            latest = ", ".join(f"{role} {runs[-1]}" for role, runs in results.items())
            print(f"seed {seed}: {latest} ({took.wall:.0f} s)", file=sys.stderr, flush=True)
    return results


def write_params(folder: Path, experiment: str, overrides: Sequence[str], seed: int) -> None:
    """Let a workspace build an experiment with this seed."""
    seeded = [f"{section}.seed={seed}" for section in ("prepare", "augment", "train")]
    params = {"experiment": experiment, "overrides": [*overrides, *seeded]}
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")


def trained(folder: Path) -> list[str]:
    """Return the models that a build has."""
    return [role for role in ROLES if (folder / "models" / role / "metrics.json").exists()]


def read_metrics(folder: Path, role: str, split: str) -> Metrics:
    """Return the metrics of one model, as the stages wrote them; each name begins with the split.

    Those of the student are of what is handed on as the student, which may be its rival.
    """
    known = {"val": read_json(folder / "models" / role / "metrics.json")["val"]}
    if split == "test":
        evaluated = read_json(folder / "reports/evaluation/metrics.json")
        known["test"] = evaluated["test"][evaluated["handed_on"] if role == "student" else role]
    return {
        f"{prefix}_{name}": value
        for prefix, metrics in known.items()
        for name, value in metrics.items()
        if value is not None
    }


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def summary(results: dict[str, list[Metrics]], split: str) -> dict[str, Any]:
    """Return mean and standard deviation of each metric, and the mean difference of the error rates on the split.

    The difference is that of the student and its rival, the control or else the teacher, paired by seed, with its 95%
    t interval.
    """
    described: dict[str, Any] = {
        role: {name: describe_values([run[name] for run in runs]) for name in runs[0]} for role, runs in results.items()
    }
    rival, student = errors(results, rival_of(results), split), errors(results, "student", split)
    if rival != student:
        interval = ttest_rel(rival, student).confidence_interval(0.95)
        described["rival"] = rival_of(results)
        described["difference"] = mean(rival) - mean(student)
        described["interval"] = [float(interval.low), float(interval.high)]
    return described


def rival_of(results: dict[str, list[Metrics]]) -> str:
    """Return the model that the student is compared with."""
    return "control" if "control" in results else "teacher"


def errors(results: dict[str, list[Metrics]], role: str, split: str) -> list[float]:
    """Return the error rate of each seed."""
    return [run.get(f"{split}_error_rate", 0.0) for run in results[role]]


def describe_values(values: list[float]) -> dict[str, Any]:
    """Return mean, standard deviation and the values."""
    return {"mean": mean(values), "stdev": stdev(values), "each": values}


if __name__ == "__main__":
    line = argparse.ArgumentParser(prog="python -m benchmarks.seeds", description=__doc__)
    line.formatter_class = argparse.RawDescriptionHelpFormatter
    line.add_argument("experiment", help="the name of a file in conf/experiment/")
    line.add_argument("overrides", nargs="*", help="further overrides")
    line.add_argument("--seeds", type=positive, default=5, help="number of seeds, at least 2 (default: %(default)s)")
    line.add_argument("--first", type=int, default=0, help="the first seed (default: %(default)s)")
    line.add_argument("--split", choices=["val", "test"], default="test", help="default: %(default)s")
    given = line.parse_intermixed_args()
    if given.seeds < 2:
        line.error("--seeds: a standard deviation needs at least 2")
    measured = run_seeds(given.experiment, given.overrides, given.split, range(given.first, given.first + given.seeds))
    print(
        json.dumps(
            {"name": "seeds", "experiment": given.experiment, "split": given.split, **summary(measured, given.split)}
        )
    )
