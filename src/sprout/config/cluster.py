"""Section `cluster`: where tasks run. No stage depends on it, as outputs are the same. `engine` selects a class."""

import hashlib
import os
import socket
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator
from pydantic.dataclasses import dataclass

from sprout.config import validate
from sprout.config.fields import STRICT, Count, Name, known_name
from sprout.config.workspace import read_yaml
from sprout.runtime.cpu_kernels import VARIABLES, Capability, check_supported
from sprout.runtime.engine import Engine, LocalProcesses, RayTasks
from sprout.runtime.launch import use_variables
from sprout.runtime.objects import Objects, SharedFolder, objects_at

SECTION = "cluster"
"""Its name, which a task has as well."""
VARIABLE = "SPROUT_CLUSTER"
"""Of the environment: names a file of `conf/cluster/` that counts instead of the section."""
CLUSTER = Path("build/cluster.yaml")
"""The section of the last composition."""


def address(value: str | None) -> str | None:
    """Check where an object store is.

    Raises:
        ValueError: it is no address.
    """
    if value is not None:
        objects_at(value)
    return value


Address = Annotated[str | None, AfterValidator(address)]


@dataclass(frozen=True, config=STRICT)
class Local:
    engine: Literal["local"]
    """The processes of this machine."""
    store: Address
    """As that of a Ray cluster."""

    def start(self) -> Engine:
        """Return the engine."""
        return LocalProcesses()

    def with_kernels(self) -> Self:
        """Return this: there is one machine, whose libraries choose their CPU kernels."""
        return self

    def shared(self, folder: Path) -> Path:
        """Return the folder for temporary files of its tasks: a workspace's own, on a disk of this machine."""
        return folder

    def objects(self) -> Objects | None:
        """Return where the examples of stores go; None for data/prepared."""
        return None if self.store is None else objects_at(self.store)


@dataclass(frozen=True, config=STRICT)
class Ray:
    engine: Literal["ray"]
    """Tasks of an existing Ray cluster; needs the extra `ray`."""
    address: Name
    """auto for the cluster that this machine belongs to, or HOST:PORT of its head."""
    slots: Count | None
    """How many tasks run at once; null means one for each CPU of the cluster."""
    store: Address
    """Where `prepare` writes examples, each file named by its SHA-256: the absolute path of a folder that all machines
    share, which then has temporary files as well, or s3://BUCKET/PREFIX; null means data/prepared."""
    cpu_capability: Capability | None
    """The CPU kernels of all machines and of the stage itself; null means the best of each, which must be the same."""

    def start(self) -> Engine:
        """Return the engine; it connects when it has something to run."""
        return RayTasks(self.address, self.slots)

    def with_kernels(self) -> Self:
        """Return this in a process that computes with the kernels of `cpu_capability`; this one may start anew for it.

        Raises:
            UserError: this CPU does not have them.
        """
        if self.cpu_capability is not None:
            use_variables(VARIABLES[self.cpu_capability])
            check_supported()
        return self

    def shared(self, folder: Path) -> Path:
        """Return the folder of temporary files that takes the place of a workspace's, on this machine.

        Raises:
            UserError: there is no folder `store`.
        """
        objects = self.objects()
        if not isinstance(objects, SharedFolder):
            return folder
        objects.check_reached()
        name = f"{socket.gethostname()} {folder.absolute()}"
        return Path(objects.address) / f"sprout-{hashlib.sha256(name.encode()).hexdigest()[:16]}"

    def objects(self) -> Objects | None:
        """Return where the examples of stores go; None for data/prepared."""
        return None if self.store is None else objects_at(self.store)


Cluster = Local | Ray
CLUSTERS: dict[str, type[Cluster]] = {"local": Local, "ray": Ray}
"""Dataclass of the section by its key `engine`."""


def read_cluster(path: Path = CLUSTER, conf: Path = Path("conf")) -> Cluster:
    """Read where the tasks of a stage run: what the environment variable names, else the section that was composed.

    Raises:
        UserError: the variable names no file, or a value is not accepted.
    """
    if name := os.environ.get(VARIABLE):
        known_name(VARIABLE, name, sorted(path.stem for path in (conf / "cluster").glob("*.yaml")))
        path = conf / "cluster" / f"{name}.yaml"
    return typed(read_yaml(path))


def chosen(section: dict[str, Any], conf: Path = Path("conf")) -> Cluster:
    """The same for a command that has composed a config itself."""
    return read_cluster(conf=conf) if os.environ.get(VARIABLE) else typed(section)


def typed(section: Any) -> Cluster:
    """Return the section as its dataclass."""
    return validate.choice(SECTION, section, "engine", CLUSTERS)
