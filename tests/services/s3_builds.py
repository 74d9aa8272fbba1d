"""A project whose data is in S3, prepared by DVC and compared with the same data on disk."""

from pathlib import Path

import yaml

from sprout.data.listing import Listing
from test_prepare import bytes_of
from test_prepare import run as prepare_with
from workspaces import commit_all, new_project, run


def prepared_as_on_disk(folder: Path, source: list[str], on_disk: Listing) -> Path:
    """Prepare what settings name, and check that the files are those of the listing; return the project.

    Args:
        folder: for the project and for what is made from the listing.
        source: the settings of the section `download`.
        on_disk: the same data.
    """
    project = new_project(folder / "sprout")
    given = ["download=s3", *source, "prepare.test=null", "prepare.val=0.2", "prepare.max_faulty=0.1"]
    (project / "params.yaml").write_text(yaml.safe_dump({"experiment": "digits", "overrides": given}))
    commit_all(project)
    run(project, "dvc", "repro", "prepare")
    settings = yaml.safe_load((project / "build/config.yaml").read_text())["prepare"]
    prepare_with(folder / "disk", on_disk, **settings)
    assert bytes_of(project / "data/prepared") == bytes_of(folder / "disk/prepared")
    return project
