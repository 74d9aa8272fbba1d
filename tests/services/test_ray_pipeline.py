"""The whole pipeline, in processes of this machine and in a Ray cluster: the same files, byte for byte."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

pytest.importorskip("ray")

from ray_cluster import RayCluster
from sprout.runtime.ray_tasks import connection
from workspaces import commit_all, new_project, run

pytestmark = pytest.mark.slow
CLASSES = ("ant", "bee", "cat")
COUNT = 620
"""Few images that are still decoded by tasks."""
SETTINGS = [
    *("prepare.labels=60", "prepare.val=80", "prepare.test=80", "prepare.size=[8,8]"),
    *("train.epochs=2", "train.threads=1", "pseudo_label=default", "pseudo_label.threshold=0.5"),
    *("retrain=consistency", "retrain.epochs=1", "retrain.steps_per_epoch=4", "control.policies=[weak]"),
]
RANGES, PREDICTOR = "src/sprout/evaluate/ranges.py", "src/sprout/models/predictor.py"
SHORTER = {
    (RANGES, "LONG_SECONDS = 30.0"): "LONG_SECONDS = 0.0",
    (RANGES, "TASK_SECONDS = 5.0"): "TASK_SECONDS = 0.0",
    (RANGES, "BATCHES = 16"): "BATCHES = 1",
    (PREDICTOR, "BATCH = 1000"): "BATCH = 100",
}
"""What both workspaces have instead of lines of a file: so the small pool is long work, in several tasks."""
USING = {"prepare", "pseudo_label", "evaluate"}
"""The stages that have work for a cluster; a training has none on one machine."""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A project whose experiment has images of three classes, two thirds of them without a label."""
    folder = new_project(tmp_path / "ours" / "project")
    generator = np.random.default_rng(0)
    for number in range(COUNT):
        picture = generator.integers(0, 90, (8, 8, 3), dtype=np.uint8)
        picture[:, :, number % 3] += 80
        path = tmp_path / "blobs" / CLASSES[number % 3] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    for (name, line), other in SHORTER.items():
        text = (folder / name).read_text()
        assert text.count(f"\n{line}\n") == 1
        (folder / name).write_text(text.replace(f"\n{line}\n", f"\n{other}\n"))
    run(folder, "sprout", "new", "blobs", "--from", str(tmp_path / "blobs"))
    (folder / "params.yaml").write_text(yaml.safe_dump({"experiment": "blobs", "overrides": SETTINGS}))
    commit_all(folder)
    return folder


def files(folder: Path, *names: str) -> dict[str, bytes]:
    """Path → content of the files in some folders of a workspace."""
    found = (path for name in names for path in (folder / name).rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def stages_with_tasks(cluster: RayCluster) -> set[str]:
    """The stages that have connected to the cluster, and for which a process of it has run."""
    logs = Path(cluster.cluster.head_node.get_logs_dir_path())
    with connection(cluster.address) as ray:
        state: Any = ray._private.state
        jobs = state.jobs()
    served = [job for job in jobs if [*logs.glob(f"worker-*-{job['JobID']}-*.out")]]
    return {Path(word).stem for job in served for word in job["Entrypoint"].split() if "pipelines/" in word}


def test_the_pipeline_in_a_cluster_makes_the_same_bytes(cluster: RayCluster, workspace: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs" / "project"
    shutil.copytree(workspace.parent, theirs.parent, symlinks=True)
    run(workspace, "dvc", "repro")
    assert not stages_with_tasks(cluster)
    run(theirs, "dvc", "repro", more={"SPROUT_CLUSTER": "ray", "RAY_ADDRESS": cluster.address})
    assert stages_with_tasks(cluster) == USING
    ours, others = (yaml.safe_load((each / "dvc.lock").read_text())["stages"] for each in (workspace, theirs))
    assert {"prepare", "train", "pseudo_label", "retrain", "evaluate", "report"} <= set(ours)
    pages = [stages.pop("report")["deps"] for stages in (ours, others)]  # the page itself has the time
    assert others == ours
    assert pages[0] == pages[1]
    made = files(theirs, "data/prepared", "data/pseudo_labels", "models", "reports/evaluation")
    assert made == files(workspace, "data/prepared", "data/pseudo_labels", "models", "reports/evaluation")
    assert {"reports/evaluation/predictions.parquet", "data/prepared/train/labels.parquet"} <= set(made)
