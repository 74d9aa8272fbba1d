"""What a run records of the machine and the libraries that it was computed with."""

import json
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from sprout.tracking import environment, tracking_uri
from sprout.tracking.environment import cpu_model, environment_of, environment_tags
from sprout.tracking.results import log_results
from tracked_runs import make_build, model_folder, runs_of, track


def test_a_training_records_what_it_computes_with() -> None:
    found = environment_of(environment_tags())
    assert found["CPU"] == cpu_model()
    assert found["CPU instructions"] == torch.backends.cpu.get_cpu_capability()
    assert found["threads"] == str(torch.get_num_threads())
    assert found["torch"] == version("torch")
    assert {"python", "sprout", "numpy", "torchvision"} <= set(found)
    assert environment_of({"sprout.host": "another"}) == {}


def test_the_model_of_the_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "cpuinfo"
    monkeypatch.setattr(environment, "CPU_INFO", info)
    assert cpu_model() != ""
    info.write_text("processor\t: 0\nmodel name\t: Example CPU @ 3 GHz\nprocessor\t: 1\n")
    assert cpu_model() == "Example CPU @ 3 GHz"


def test_a_run_has_the_environment_and_the_weights(root: Path) -> None:
    folder = model_folder(root)
    (folder / "metrics.json").write_text(json.dumps({"epochs": 1, "val": {"accuracy": 0.5}}))
    (folder / "SHA256SUMS").write_text(f"{'ab' * 32}  model.safetensors\n")
    with track(make_build(), "teacher", tracking_uri()) as run:
        log_results(run, folder)
    with track(make_build(), "student", tracking_uri(), tags={"sprout.restored": "true"}):
        pass
    (teacher,), (student,) = runs_of(tracking_uri(), role="teacher"), runs_of(tracking_uri(), role="student")
    assert teacher.data.tags["mlflow.sprout.weights"] == "ab" * 32
    assert environment_of(teacher.data.tags) == environment_of(environment_tags())
    assert environment_of(student.data.tags) == {}, "it was computed elsewhere"
