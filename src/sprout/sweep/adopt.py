"""Write the winner of a sweep as an experiment."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from sprout.config import cluster
from sprout.config.compose import Composed, compose_config
from sprout.config.exp_run import exp_run_file, section_of
from sprout.config.overrides import key_of, picks_file
from sprout.runtime.errors import UserError
from sprout.runtime.files import atomic_write
from sprout.sweep import trials


def refuse_taken(conf: Path, name: str) -> None:
    """Refuse, before the first trial, the name of an experiment that exists."""
    path = conf / "experiment" / f"{name}.yaml"
    if path.exists():
        raise UserError(f"--adopt {name}: {path} exists; choose another name")


def refuse_unadoptable(conf: Path, searched: Composed, study: Study, number: int | None) -> None:
    """Refuse, before the first trial, what cannot be adopted in the end.

    Raises:
        UserError: there are several objectives and no number, or an override that no experiment can hold.
    """
    if number is None and len(study.directions) > 1:
        front = ", ".join(str(trial.number) for trial in trials.best(study)) or "none is complete yet"
        raise UserError(f"--adopt: several objectives have no single best trial; choose one by --trial: {front}")
    split(conf, searched)


def winner(study: Study, number: int | None) -> FrozenTrial:
    """Return the trial to adopt: the one of the number, or the best.

    Raises:
        UserError: there is no such trial, or no single best one, or it is not complete.
    """
    best = trials.best(study)
    if number is None:
        if len(best) == 1:
            return best[0]
        front = ", ".join(str(trial.number) for trial in best) or "none is complete yet"
        raise UserError(f"--adopt: there is no single best trial; choose one by --trial: {front}")
    complete = {t.number: t for t in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))}
    if number not in complete:
        raise UserError(
            f"--trial {number}: is not a complete trial; accepted: {', '.join(map(str, complete)) or 'none yet'}"
        )
    return complete[number]


def adopt(conf: Path, name: str, trial: Composed, sentence: str, result: str) -> Path:
    """Write `conf/experiment/NAME.yaml`, whose build trains as the trial did; return its path.

    Args:
        conf: the folder of config groups.
        name: of the new experiment.
        trial: the config of the trial.
        sentence: where it comes from.
        result: its metrics.

    Raises:
        UserError: the trial has an override that no experiment can hold, or `conf` has changed since.
    """
    path = conf / "experiment" / f"{name}.yaml"
    with atomic_write(path) as beside:
        beside.write_text(text(conf, name, trial, sentence, result), encoding="utf-8")
    made = compose_config(conf, name, [])
    if made.config | {"experiment": trial.experiment} != trial.config:
        path.unlink()
        raise UserError(f"--adopt {name}: conf/ has changed since the trial: the experiment would build something else")
    return path


def text(conf: Path, name: str, trial: Composed, sentence: str, result: str) -> str:
    """Return the content of the file: the searched experiment and the overrides of the trial."""
    files, values = split(conf, trial)
    lines = [
        "# @package _global_",
        f"# {sentence}",
        f"# command: {exp_run_file(name)}",
        f"# result: {result}",
        "# time: not measured yet",
    ]
    defaults = [trial.experiment, *({f"override /{group}": file} for group, file in files.items()), "_self_"]
    for part in ({"defaults": defaults}, *({section: inner} for section, inner in values.items())):
        lines += ["", yaml.safe_dump(part, sort_keys=False, allow_unicode=True).rstrip()]
    return "\n".join(lines).replace("yet\n\ndefaults", "yet\ndefaults") + "\n"


def split(conf: Path, trial: Composed) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the files that the overrides pick, by group, and the values they set, nested; the last one counts."""
    files: dict[str, str] = {}
    values: dict[str, Any] = {}
    for override in trial.overrides:
        key = key_of(override)
        if key == "experiment" or section_of(override) in ("sweep", cluster.SECTION):
            continue
        if override.is_delete() or "@" in key:
            raise UserError(f"--adopt: {override.input_line}: an experiment cannot hold this override")
        if picks_file(conf, override):
            files[key] = str(override.value())
        else:
            put(values, key.replace("/", ".").split("."), override.value())
    return files, values


def put(tree: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Set a value in nested dictionaries; a dictionary is merged into what is there."""
    for step in path[:-1]:
        tree = tree.setdefault(step, {})
    if isinstance(value, dict):
        for key, inner in value.items():
            put(tree, [*path[-1:], str(key)], inner)
    else:
        tree[path[-1]] = value
