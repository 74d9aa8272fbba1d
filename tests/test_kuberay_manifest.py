"""The manifests in docs/clusters.md: they parse, and head and workers have the same image, secrets and folders."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

TEXT = Path("docs/clusters.md").read_text(encoding="utf-8")
Resource = dict[str, Any]


@pytest.fixture(scope="module")
def resources() -> dict[str, Resource]:
    """Kind → the resource."""
    blocks = re.findall(r"^```yaml\n# \w+\.yaml\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    documents = [each for block in blocks for each in yaml.safe_load_all(block)]
    return {each["kind"]: each for each in documents}


def test_kinds_and_versions(resources: dict[str, Resource]) -> None:
    versions = {kind: each["apiVersion"] for kind, each in resources.items()}
    assert versions == {"PersistentVolumeClaim": "v1", "RayCluster": "ray.io/v1", "RayJob": "ray.io/v1"}
    assert resources["PersistentVolumeClaim"]["spec"]["accessModes"] == ["ReadWriteMany"]


def test_head_and_workers_are_alike(resources: dict[str, Resource]) -> None:
    cluster = resources["RayCluster"]["spec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    pods = [group["template"]["spec"] for group in groups]
    containers = [container for pod in pods for container in pod["containers"]]
    for key in ("image", "workingDir", "envFrom", "volumeMounts"):
        assert containers[0][key] == containers[1][key]
    assert pods[0]["volumes"] == pods[1]["volumes"]
    mounted = {mount["name"] for mount in containers[0]["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pods[0]["volumes"]}
    claim = resources["PersistentVolumeClaim"]["metadata"]["name"]
    assert pods[0]["volumes"][0]["persistentVolumeClaim"]["claimName"] == claim
    assert all(isinstance(value, str) for group in groups for value in group["rayStartParams"].values())


def test_the_job_runs_on_that_cluster(resources: dict[str, Resource]) -> None:
    job = resources["RayJob"]["spec"]
    assert job["clusterSelector"] == {"ray.io/cluster": resources["RayCluster"]["metadata"]["name"]}
    assert "SPROUT_CLUSTER=ray dvc repro" in job["entrypoint"]


def test_the_version_of_ray_is_that_of_the_lock(resources: dict[str, Resource]) -> None:
    locked = re.search(r"^ray==(\S+)", Path("requirements.lock").read_text(), re.MULTILINE)
    assert locked
    assert resources["RayCluster"]["spec"]["rayVersion"] == locked[1]
