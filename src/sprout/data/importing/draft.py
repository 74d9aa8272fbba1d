"""The experiment that data would become: chosen, composed and tried, but not written."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sprout.config.compose import compose_config
from sprout.data.importing.choices import choose
from sprout.data.importing.examine import Examined, refuse_nothing
from sprout.data.importing.findings import described
from sprout.data.importing.look import Look
from sprout.data.importing.write_conf import download_text, experiment_text
from sprout.data.prepare.shares import share_out

SHARING = ("strata", "duplicates", "first", "test", "val", "labels", "labels_per_class", "seed")
"""What of the section `prepare` decides about the splits."""


@dataclass(frozen=True)
class Draft:
    """An experiment that can be built."""

    name: str
    files: dict[str, str]
    """Path under `conf/` → text; the last one makes it an experiment."""
    command: str
    """What builds it."""
    learns: str
    """What its model does with them."""
    max_faulty: float
    """The share of faulty examples that it takes."""


def drafted(conf: Path, name: str, data: Examined) -> Draft:
    """Choose settings for data, and see that they compose and that `prepare` would take them.

    Raises:
        UserError: it would not: no sound example, one class only, too few examples of one.
    """
    refuse_nothing(data)
    chosen = choose(data.listing, data.seen)
    command = f"dvc exp run -S experiment={name}"
    words = described(data.found, data.listing, data.seen)
    files = {
        f"download/{name}.yaml": download_text(name, data.found.form, words),
        f"experiment/{name}.yaml": experiment_text(name, chosen, words, command),
    }
    prepare = composed(conf, name, files)["prepare"]
    share_out(data.listing, data.seen.sound, data.seen.digests, None, **{name: prepare[name] for name in SHARING})
    return Draft(name, files, command, chosen.learns, prepare["max_faulty"])


def composed(conf: Path, name: str, files: dict[str, str]) -> dict[str, Any]:
    """The config of the experiment, from a copy of `conf/` with these files in it."""
    with TemporaryDirectory(prefix="sprout-") as folder:
        copy = Path(folder) / "conf"
        shutil.copytree(conf, copy)
        for path, text in files.items():
            (copy / path).write_text(text, encoding="utf-8")
        return compose_config(copy, name, []).config


def too_many_faults(draft: Draft, seen: Look) -> str | None:
    """What is said where the build would end because of faulty examples."""
    faulty, count = len(seen.faults), len(seen.shapes)
    if faulty <= draft.max_faulty * count:
        return None
    return (
        f"{faulty:,} of {count:,} examples are faulty, more than prepare.max_faulty={draft.max_faulty}, so the build "
        f"would end there; mend or remove them, or raise prepare.max_faulty in conf/experiment/{draft.name}.yaml"
    )
