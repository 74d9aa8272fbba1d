"""A workspace that was moved or copied: its store finds the artifacts where they are now.

MLflow keeps the absolute address of each artifact folder. A relative one would depend on the working directory of the
process that reads it, and `mlflow-artifacts:` needs a server: only an absolute one is read by `mlflow ui`, `sprout ui`
and the Python API alike. So the addresses are changed when sprout connects to the store.
"""

from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

FOLDER = "/mlruns/artifacts/"
"""What the addresses of a workspace's artifacts have in common."""


def relocate(file: Path, root: Path) -> None:
    """Let every address of an artifact folder below another workspace's `mlruns/artifacts` be one below `root`.

    One whose folder is there and not below `root` stays: another workspace records into this store.

    Args:
        file: a SQLite store in the workspace; the caller holds its lock.
        root: the folder of this workspace's artifacts.
    """
    from mlflow.store.model_registry.dbmodels.models import SqlModelVersion
    from mlflow.store.tracking.dbmodels.models import SqlExperiment, SqlLoggedModel, SqlRun
    from sqlalchemy import create_engine, select
    from sqlalchemy.orm import Session
    from sqlalchemy.pool import NullPool

    addresses = (
        SqlExperiment.artifact_location,
        SqlRun.artifact_uri,
        SqlLoggedModel.artifact_location,
        SqlModelVersion.source,
        SqlModelVersion.storage_location,
    )
    here = f"{root.as_uri()}/"
    engine = create_engine(f"sqlite:///{file}", poolclass=NullPool)
    with Session(engine) as session, session.begin():
        for address in addresses:
            elsewhere = (
                address.startswith("file:") & address.contains(FOLDER) & ~address.startswith(here, autoescape=True)
            )
            for row in session.scalars(select(address.class_).where(elsewhere)):
                found = getattr(row, address.key)
                moved = here + found.rpartition(FOLDER)[2]
                if not folder_of(found).exists() or folder_of(moved).exists():
                    setattr(row, address.key, moved)


def folder_of(address: str) -> Path:
    """The folder of a `file:` address."""
    return Path(url2pathname(urlsplit(address).path))
