"""What the data on disk was made with: the settings that `dvc.lock` keeps of the stages that made it."""

from pathlib import Path
from typing import Any

from dvc.utils.serialize import ParseError, load_yaml

from sprout.config.workspace import BUILD
from sprout.runtime.errors import UserError, one_line

STAGES = ("download", "prepare", "augment", "pretrained")
LOCK = Path("dvc.lock")


def made_with(lock: Path = LOCK) -> dict[str, dict[str, Any]]:
    """The sections that each of the data's stages had when it last ended well, by stage.

    `build/config.yaml` says less: it is what was composed last, also where a stage has failed since.
    DVC's own parser reads the lock: PyYAML takes the 1e-05 that DVC writes for a text.

    Raises:
        UserError: the lock is missing or damaged, or one of the stages never ended well here.
    """
    stages = read_lock(lock).get("stages") or {}
    return {name: sections(lock, name, stages.get(name, {})) for name in STAGES}


def read_lock(lock: Path) -> dict[str, Any]:
    """The lock's content."""
    try:
        content: dict[str, Any] = load_yaml(lock)
    except FileNotFoundError:
        raise UserError(f"{lock}: not found: the data was never built here; run `dvc repro`") from None
    except (ParseError, OSError, ValueError) as error:
        raise UserError(f"{lock}: not readable ({one_line(error)}); run `dvc repro`") from None
    return content


def sections(lock: Path, name: str, stage: dict[str, Any]) -> dict[str, Any]:
    """The sections of the composed config that a stage had; its own is always among them."""
    found: dict[str, Any] = stage.get("params", {}).get(BUILD.as_posix(), {})
    if name not in found:
        raise UserError(
            f"{lock}: says nothing of the settings of the stage {name}: its data was never built here; run `dvc repro`"
        )
    return found
