"""A DVC remote on S3: what one member pushes, a fresh clone pulls."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from conftest import Member
from workspaces import commit_all, git, run

BUCKET = "team"
KEYS = {"AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": "something", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of S3 on loopback, with an empty bucket."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    boto3.client("s3", endpoint_url=address).create_bucket(Bucket=BUCKET)
    yield address
    server.stop()


def test_a_clone_pulls_what_was_pushed(first: Member, s3: str, tmp_path: Path) -> None:
    run(first.folder, "dvc", "remote", "add", "--default", "--force", "team", f"s3://{BUCKET}/sprout")
    run(first.folder, "dvc", "remote", "modify", "team", "endpointurl", s3)
    commit_all(first.folder)
    assert " pushed" in run(first.folder, "dvc", "push")
    git(tmp_path, "clone", "--quiet", str(first.folder), "clone")
    clone = tmp_path / "clone"
    run(clone, "dvc", "pull")
    assert "up to date" in run(clone, "dvc", "status")
    assert "in sync" in run(clone, "dvc", "status", "--cloud")
    model = "models/student/model.safetensors"
    assert (clone / model).read_bytes() == (first.folder / model).read_bytes()
