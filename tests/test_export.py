"""`sprout export`: a model as one file, which other programs run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from commands import Ended
from estimators import CNN
from handmade import MLP, model, save
from sprout.data.store import Array, label_table
from sprout.data.store_writer import write_store
from sprout.export import export as module
from sprout.export import torch_file
from sprout.models.predictor import Predictor
from sprout.runtime.checksums import sha256

IMAGES, ROWS = (8, 8, 1), (5,)
FOREST = {"name": "forest", "trees": 3, "splits": 4, "leaves": 7, "depth": 3}
Exported = Callable[..., Ended]


def examples(shape: tuple[int, ...], count: int) -> Array:
    random = np.random.default_rng(0)
    if len(shape) == 1:
        return random.normal(size=(count, *shape)).astype(np.float32)
    return random.integers(0, 256, (count, *shape)).astype(np.uint8)


@pytest.fixture
def val(project: Path) -> Callable[[tuple[int, ...]], Array]:
    """Makes the split val of the workspace."""

    def make(shape: tuple[int, ...], count: int = 130) -> Array:
        found = examples(shape, count)
        rows = np.arange(count)
        labels = label_table(rows, rows % 3, source="given", group=rows, origin=[str(row) for row in rows])
        write_store(project / "data/prepared/val", found, labels)
        return found

    return make


def saved(project: Path, task: str, shape: tuple[int, ...], **changes: Any) -> Predictor:
    made = model(task, shape, **changes)
    save(project / "models/student", made)
    return made


def by_onnx(path: Path, inputs: Array) -> list[Any]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found: list[Any] = session.run(None, {"examples": inputs})
    return found


@pytest.mark.parametrize(
    ("task", "shape", "architecture"),
    [("classify", IMAGES, CNN), ("classify", ROWS, FOREST), ("regress", ROWS, MLP)],
    ids=["images", "forest", "number"],
)
def test_onnx_predicts_what_the_model_predicts(
    project: Path,
    sprout: Exported,
    val: Callable[..., Array],
    task: str,
    shape: tuple[int, ...],
    architecture: dict[str, Any],
) -> None:
    made, inputs = saved(project, task, shape, architecture=architecture), val(shape)
    done = sprout("export", "--to", "onnx", "--out", "out/m.onnx", "--json")
    assert (done.code, done.err) == (0, "")
    said = json.loads(done.out)
    assert said["examples"] == 130
    assert said["difference"] < 1e-4
    for count in (1, 3, 130):
        found = by_onnx(project / "out/m.onnx", inputs[:count])
        expected = made.predict(inputs[:count])
        np.testing.assert_allclose(found[0], expected, rtol=1e-5, atol=1e-5)
        if task == "classify":
            assert [*found[1]] == [made.classes[index] for index in expected.argmax(axis=1)]


def test_the_file_says_what_its_model_is(project: Path, sprout: Exported, val: Callable[..., Array]) -> None:
    saved(project, "classify", IMAGES, architecture=CNN, classes=["cat", "Ärmel", "日本"])
    val(IMAGES)
    done = sprout("export", "--to", "onnx")
    assert done.code == 0
    assert done.out.startswith("student.onnx: 0.0 MB, takes uint8 (N, 8, 8, 1), gives float32 (N, 3); the largest")
    facts = {prop.key: prop.value for prop in onnx.load(project / "student.onnx").metadata_props}
    assert json.loads(facts["classes"]) == ["cat", "Ärmel", "日本"]
    assert json.loads(facts["input_shape"]) == [8, 8, 1]
    assert facts["weights_sha256"] == sha256(project / "models/student/model.safetensors")


@pytest.mark.parametrize(
    ("task", "shape", "changes"),
    [("classify", IMAGES, {"architecture": CNN}), ("reconstruct", IMAGES, {}), ("cluster", IMAGES, {})],
    ids=["classes", "images", "clusters"],
)
def test_torch_runs_the_file_without_this_project(
    project: Path,
    sprout: Exported,
    val: Callable[..., Array],
    task: str,
    shape: tuple[int, ...],
    changes: dict[str, Any],
) -> None:
    made, inputs = saved(project, task, shape, **changes), val(shape)
    assert sprout("export", "--to", "torch").code == 0
    facts = {torch_file.FACTS: ""}
    program = torch.export.load(project / "student.pt2", extra_files=facts).module()
    for count in (1, 5):
        found = program(torch.from_numpy(inputs[:count])).numpy()
        np.testing.assert_allclose(found, made.predict(inputs[:count]), atol=1e-5)
    assert json.loads(facts[torch_file.FACTS])["task"] == task


def test_a_network_that_cannot_be_exported_is_named(project: Path, sprout: Exported, val: Callable[..., Array]) -> None:
    saved(project, "classify", ROWS, architecture=FOREST)
    val(ROWS)
    done = sprout("export", "--to", "torch")
    assert done.code == 2
    assert done.err.startswith("error: model.name=forest: cannot be recorded by torch.export")
    assert not (project / "student.pt2").exists()


def test_examples_of_another_shape_are_refused(project: Path, sprout: Exported, val: Callable[..., Array]) -> None:
    saved(project, "classify", IMAGES, architecture=CNN)
    val((4, 4, 1))
    done = sprout("export", "--to", "onnx")
    assert done.code == 2
    assert "data/prepared/val: examples of 4×4×1, and models/student takes 8×8×1" in done.err


def test_a_file_that_predicts_something_else_is_not_kept(
    project: Path, sprout: Exported, val: Callable[..., Array], monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(project, "classify", IMAGES, architecture=CNN)
    val(IMAGES)
    (project / "student.pt2").write_text("an earlier file")
    runner = torch_file.runner
    other = module.KINDS["torch"]._replace(runner=lambda path: lambda batch: runner(path)(batch) + 0.01)
    monkeypatch.setitem(module.KINDS, "torch", other)
    done = sprout("export", "--to", "torch")
    assert done.code == 1
    assert (
        "error: student.pt2: the file's predictions differ from the model's by up to 0.01, on 130 examples" in done.err
    )
    assert (project / "student.pt2").read_text() == "an earlier file"
