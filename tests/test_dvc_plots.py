"""`dvc metrics` and `dvc plots` show what each task has, without a warning of a missing file."""

from pathlib import Path

import pytest
import yaml

from sprout.evaluate.curves import write_curves
from sprout.runtime.files import write_json
from sprout.tasks.confusion import write_confusion
from workspaces import git, run

HISTORIES = {
    "classify": "epoch,lr,train_loss,val_loss,train_accuracy,val_accuracy\n0,0.1,2,3,0.5,0.25\n",
    "regress": "epoch,lr,train_loss,val_loss,train_mae,val_mae\n0,0.1,2,3,40,50\n",
    "reconstruct": "epoch,lr,train_loss,val_loss\n0,0.1,2,3\n",
    "cluster": "epoch,lr,train_loss,val_loss\n",
}
SHOWN = {
    "classify": ["val_loss.json", "val_accuracy.json", '"actual": "b"'],
    "regress": ["val_loss.json", "val_mae.json"],
    "reconstruct": ["val_loss.json"],
    "cluster": ['"actual": "b"'],
}
LIVE = "</script><script>alert(1)</script>"
"""A class name that would end the script which DVC writes it into."""


@pytest.mark.slow
@pytest.mark.parametrize("task", HISTORIES)
def test_dvc_shows_what_the_task_has(tmp_path: Path, task: str) -> None:
    folder = tmp_path / "project"
    evaluation = folder / "reports" / "evaluation"
    evaluation.mkdir(parents=True)
    pipeline = yaml.safe_load(Path("dvc.yaml").read_text())
    (folder / "dvc.yaml").write_text(yaml.safe_dump({key: pipeline[key] for key in ("metrics", "plots")}))
    for role in ("teacher", "student"):
        (folder / "models" / role).mkdir(parents=True)
        (folder / "models" / role / "history.csv").write_text(HISTORIES[task])
        write_json(folder / "models" / role / "metrics.json", {"val": {"mae": 1.5, "r2": None}})
    write_json(evaluation / "metrics.json", {"test": {"teacher": {"mae": 2.5, "r2": None}}})
    actual, predicted = (["a", "b", LIVE], ["a", "a", LIVE]) if task in ("classify", "cluster") else ([], [])
    write_confusion(evaluation, actual, predicted)
    curves = folder / "reports" / "curves"
    curves.mkdir()
    write_curves(curves, {r: folder / "models" / r for r in ("teacher", "student")})
    git(folder, "init", "--quiet")
    run(folder, "dvc", "init", "--quiet")

    assert "2.5" in run(folder, "dvc", "metrics", "show")
    printed = run(folder, "dvc", "plots", "show").strip()
    page = Path(printed.removeprefix("file://"))  # a warning would be no path
    drawn = page.read_text()
    assert "alert(1)</script>" not in drawn
    assert ("alert(1)" in drawn) == ('"actual": "b"' in SHOWN[task])
    for name in ("val_loss.json", "val_accuracy.json", "val_mae.json", '"actual": "b"'):
        assert (name in drawn) == (name in SHOWN[task]), name
