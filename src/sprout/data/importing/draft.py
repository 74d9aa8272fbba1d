"""The config files of a new experiment: drafted and tried, but not written."""

import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import yaml

from sprout.config.compose import compose_config
from sprout.config.exp_run import exp_run_file
from sprout.config.formats import Format
from sprout.config.prepare import Prepare
from sprout.config.validate import section
from sprout.data.importing.check_report import describe_data
from sprout.data.importing.suggest_settings import suggest_settings
from sprout.data.importing.suggested import SuggestedSettings
from sprout.data.importing.user_data import UserData, refuse_unusable
from sprout.data.listing import SPLITS, Array
from sprout.data.prepare.assignment import assign_splits
from sprout.data.prepare.targets import UNKNOWN, Targets
from sprout.runtime.errors import UserError, listed

COMMENTS = {
    ("prepare", "size"): "Height and width in pixels.",
    ("prepare", "resize"): "fit shows the whole image on black, crop fills the frame, none refuses other sizes.",
    ("prepare", "channels"): "1 is grey, 3 is colour.",
    ("prepare", "levels"): "What becomes black and white in images of more than 8 bits: the range of training.",
    ("prepare", "test"): "A fraction or a number to draw; null means the data's own test split.",
    ("prepare", "folds"): "Cross-validation in place of val: all of these few labels are learned from and measured on.",
    ("prepare", "labels"): "How many keep their label, to see what the others are good for; null means all.",
    (
        "model",
        "patch",
    ): "Each patch of so many pixels a side becomes one pixel of the network, so that steps are cheap.",
    ("train", "steps_per_epoch"): "So many steps in an epoch, because a single pass over few labels is short.",
    ("train", "ema"): "The moving average of the weights is steadier than the weights of the last step.",
    ("train", "method"): "weak augments little; in so few steps stronger augmentation slows down learning.",
    ("train", "transforms"): "Probability of mirroring: 0.0 where left and right differ in meaning, as in writing.",
    ("train", "weak"): "The two views of an unlabelled image are mirrored as the labelled images are.",
    ("control", "policies"): "The augmentation of each control, of which val or cross-validation picks one.",
    ("retrain", "epochs"): "More steps may still help, and take longer.",
    ("retrain", "batch_size"): "Labelled examples in a step, beside four times as many unlabelled ones.",
    ("retrain", "schedule"): "The learning rate falls to 0 twice, which often does better than once.",
}
"""(Section, key) → the comment above it."""
FILE_COMMENTS = {
    "/pseudo_label": "No prediction becomes a label for good, as a wrong one would stay wrong.",
    "/retrain": "The student learns from the unlabelled examples at every step; with few labels this has gained most.",
}
"""Config group → the comment above its choice."""


@dataclass(frozen=True)
class Draft:
    """An experiment that can be built."""

    name: str
    files: dict[str, str]
    """Path under `conf/` → text; the last one makes it an experiment."""
    command: str
    """The command that builds it."""
    splits: str
    """How many examples each split has, those included that are drawn."""
    learns: str
    """What its model does with the examples."""
    max_faulty: float
    """The accepted fraction of faulty examples."""


def draft_experiment(conf: Path, name: str, data: UserData) -> Draft:
    """Choose settings for data, and check that they compose and that `prepare` would accept the data.

    Raises:
        UserError: it would not: no usable example, only one class, too few examples of one, or none to learn it from.
    """
    refuse_unusable(data)
    suggested = suggest_settings(data.listing, data.scan)
    if data.min_class_size is not None:
        suggested = replace(suggested, prepare=suggested.prepare | {"min_class_size": data.min_class_size})
    command, description = exp_run_file(name), describe_data(data)
    files = {
        f"download/{name}.yaml": download_text(name, data.detected.format, description),
        f"experiment/{name}.yaml": experiment_text(name, suggested, description, command),
    }
    settings = compose_prepare(conf, name, files)
    assignment = assign_splits(data.listing, data.scan.usable, data.scan.digests, None, settings)
    refuse_untaught(assignment.targets, assignment.rows["train"])
    splits = ", ".join(f"{split} {len(assignment.rows[split]):,}" for split in SPLITS if len(assignment.rows[split]))
    return Draft(name, files, command, splits, suggested.learns, settings.max_faulty)


def compose_prepare(conf: Path, name: str, files: dict[str, str]) -> Prepare:
    """Compose the experiment in a copy of `conf/` with these files; return its section `prepare`."""
    with TemporaryDirectory(prefix="sprout-") as folder:
        copy = Path(folder) / "conf"
        shutil.copytree(conf, copy)
        for path, text in files.items():
            (copy / path).write_text(text, encoding="utf-8")
        return section("prepare", compose_config(copy, name, []).config["prepare"], Prepare)


def refuse_untaught(targets: Targets, train: Array) -> None:
    """Refuse data with a class that occurs in other splits only.

    Raises:
        UserError: a class has no labelled training example.
    """
    known = targets.index[train]
    counts = np.bincount(known[known != UNKNOWN], minlength=len(targets.classes))
    absent = [repr(name) for name, count in zip(targets.classes, counts, strict=True) if not count]
    if absent:
        raise UserError(
            f"train: no labelled example of class {listed(absent)}; each class needs some: label some, "
            "or leave the class out by --min-class-size=1 (prepare.min_class_size)"
        )


def too_many_faults(draft: Draft, data: UserData, left_out: Collection[str]) -> str | None:
    """Return a warning if faulty examples would end the build; those of these paths are not in it."""
    outside = [row for row in data.scan.faults if data.listing.origin[row].as_py() in left_out]
    faulty, count = len(data.scan.faults) - len(outside), len(data.scan.shapes) - len(outside)
    if faulty <= draft.max_faulty * count:
        return None
    return (
        f"{faulty:,} of {count:,} examples are faulty, more than prepare.max_faulty={draft.max_faulty}, so the build "
        f"would fail; fix or remove them, or raise prepare.max_faulty in conf/experiment/{draft.name}.yaml"
    )


class Dumper(yaml.SafeDumper):
    """Writes YAML whose texts Hydra reads back unchanged."""


def represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Quote everything but plain words, and escape `${`, so that it is not an interpolation."""
    plain = text.replace("_", "").replace("/", "").isalpha() and text.isascii()
    escaped = text.replace("${", "\\${")
    return dumper.represent_scalar("tag:yaml.org,2002:str", escaped, style=None if plain else '"')


Dumper.add_representer(str, represent_text)


def download_text(name: str, data_format: Format, description: str) -> str:
    """Return the text of `conf/download/NAME.yaml`."""
    lines = [
        f"# Your own data in data/source/{name}: {description}.",
        "source: local",
        f"name: {to_yaml(name)}",
        "format:",
        *(f"  {key}: {to_yaml(value)}" for key, value in asdict(data_format).items()),
    ]
    return "\n".join(lines) + "\n"


def experiment_text(name: str, suggested: SuggestedSettings, description: str, command: str) -> str:
    """Return the text of `conf/experiment/NAME.yaml`; `config.catalogue.read_head` reads its first lines."""
    lines = [
        "# @package _global_",
        f"# Your own data in data/source/{name}: {description}.",
        f"# command: {command}",
        "# result: not measured yet",
        "# time: not measured yet",
        "defaults:",
        *file_lines({"/download": name, **suggested.files}),
    ]
    sections = {
        "prepare": suggested.prepare,
        "model": suggested.model,
        "train": suggested.train,
        "control": suggested.control,
        "retrain": suggested.retrain,
    }
    for key, settings in sections.items():
        lines += section_lines(key, settings)
    return "\n".join(lines) + "\n"


def file_lines(files: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines that choose config files, some below a comment."""
    for group, file in files.items():
        if comment := FILE_COMMENTS.get(group):
            yield f"  # {comment}"
        yield f"  - override {group}: {file}"


def section_lines(name: str, settings: Mapping[str, Any]) -> list[str]:
    """Return the lines of one section, each setting below its comment."""
    if not settings:
        return []
    lines = ["", f"{name}:"]
    for key, value in settings.items():
        if comment := COMMENTS.get((name, key)):
            lines.append(f"  # {comment}")
        if isinstance(value, dict):
            lines += [f"  {key}:", *(f"    {inner}: {to_yaml(setting)}" for inner, setting in value.items())]
        else:
            lines.append(f"  {key}: {to_yaml(value)}")
    return lines


def to_yaml(value: object) -> str:
    """Return a value as YAML on one line of any length."""
    text: str = yaml.dump(value, Dumper=Dumper, allow_unicode=True, width=10**9, default_flow_style=True)
    return text.removesuffix("...\n").strip()
