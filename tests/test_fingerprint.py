"""A training's fingerprint depends on everything that changes its steps, and on nothing else."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imports import SRC, closure
from sprout.config.train import OPTIMIZERS
from sprout.data.dataset import Examples, TrainingData
from sprout.data.store import label_table, open_store
from sprout.engine import fingerprint as module
from sprout.engine.fingerprint import CODE, OBSERVERS, STAGE_OF, code, dependencies, fingerprint, result_name
from sprout.engine.initial import StartWeights
from trainings import MLP, SGD, card_of, config_of, data_in, examples

ROOT = Path(__file__).parents[1]
ELSEWHERE = {
    "config/fields.py": "types of settings; the settings themselves are in the fingerprint",
    "config/tree.py": "as above",
    "config/validate.py": "as above",
    "config/environment.py": "as above",
    "config/workspace.py": "as above",
    "__init__.py": "how threads wait for one another",
    "data/description.py": "reads the statistics of the data; those that are used are in the model card",
    "evaluate/": "measures a model after its training",
    "explain/": "explains a model after its training",
    "predict/": "uses a model after its training",
    "report/": "draws a model's results",
    "runtime/": "files, processes, signals, messages",
}
"""What a training imports beside the files of CODE, and why it changes no step."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    return data_in(tmp_path_factory.mktemp("data"))


@pytest.fixture
def name(data: TrainingData) -> Callable[..., str]:
    """The fingerprint of a training; `changes` are of its section."""

    def make(card: Any = None, start: Any = None, data: TrainingData = data, **changes: Any) -> str:
        return fingerprint(config_of(**changes), card or card_of(), start, data)

    return make


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the code, which is fingerprinted in its place; the working folder is the copy's project."""
    project = tmp_path / "project"
    for name in ("src", "pipelines"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dvc.yaml", project)
    monkeypatch.setattr(module, "SPROUT", project / "src/sprout")
    monkeypatch.chdir(project)
    return project / "src/sprout"


def add_comment(path: Path) -> None:
    path.write_text(path.read_text() + "# a comment\n")


class TestCode:
    """The files of sprout's own code."""

    def test_a_comment_in_what_only_observes_changes_nothing(self, copy: Path, name: Callable[..., str]) -> None:
        before = name()
        rooms = ("commands", "evaluate", "predict", "report", "runtime", "selftraining", "sweep", "tracking")
        others = [path for room in rooms for path in (copy / room).rglob("*.py")]
        for path in [copy / "data" / "contact_sheet.py", *(copy / path for path in OBSERVERS), *others]:
            add_comment(path)
            assert name() == before, path

    @pytest.mark.parametrize("path", ["engine/fit_estimator.py", "engine/tracked.py", "evaluate/calibration.py"])
    def test_a_comment_in_what_takes_no_step_but_counts_for_dvc_changes_the_name_of_the_result_alone(
        self, copy: Path, name: Callable[..., str], path: str
    ) -> None:
        before, result = name(), result_name(name(), "teacher")
        add_comment(copy / path)
        assert name() == before
        assert result_name(name(), "teacher") != result

    @pytest.mark.parametrize(
        "path",
        [
            "augment/draws.py",
            "augment/transforms.py",
            "config/train.py",
            "data/dataset.py",
            "data/loader.py",
            "data/store.py",
            "engine/loop.py",
            "engine/module.py",
            "engine/muon.py",
            "engine/train_network.py",
            "methods/supervised.py",
            "models/cnn.py",
            "weights/warm_start.py",
            "tasks/class_criterion.py",
        ],
    )
    def test_a_comment_in_what_takes_the_steps_changes_it(
        self, copy: Path, name: Callable[..., str], path: str
    ) -> None:
        before = name()
        add_comment(copy / path)
        assert name() != before

    @pytest.mark.parametrize(("role", "changed"), [("teacher", False), ("round", True), ("control", False)])
    def test_the_result_depends_on_the_code_of_its_own_stage(self, copy: Path, role: str, changed: bool) -> None:
        before = result_name("abc", role)
        add_comment(copy / "selftraining/rounds.py")
        for path in (copy / "tracking/run.py", copy / "runtime/progress.py", copy / "report/page.py"):
            add_comment(path)
        assert (result_name("abc", role) != before) == changed

    def test_the_result_depends_on_a_module_that_only_dvc_knows(self, copy: Path) -> None:
        """As one that the user's own network imports."""
        helper, dvc = copy.parent / "own/helper.py", copy.parents[1] / "dvc.yaml"
        helper.parent.mkdir()
        helper.write_text("width = 1\n")
        dvc.write_text(
            dvc.read_text().replace("      - pipelines/train.py\n", "      - pipelines/train.py\n      - src/own\n")
        )
        before = result_name("abc", "teacher")
        helper.write_text("width = 2\n")
        assert result_name("abc", "teacher") != before

    def test_the_result_depends_on_data_by_its_checksums(self, copy: Path) -> None:
        pretrained = Path("data/pretrained")
        pretrained.mkdir(parents=True)
        (pretrained / "SHA256SUMS").write_text("1")
        before = result_name("abc", "teacher")
        (pretrained / "model.safetensors").write_text("large, and named by its checksum")
        assert result_name("abc", "teacher") == before
        (pretrained / "SHA256SUMS").write_text("2")
        assert result_name("abc", "teacher") != before

    def test_every_file_of_the_fingerprint_counts_for_the_stages_that_train(self) -> None:
        for stage in set(STAGE_OF.values()):
            assert {*map(Path.resolve, code())} - {path.resolve() for path in dependencies(stage)} == set(), stage

    def test_it_is_all_that_a_training_imports_but_for_what_changes_no_step(self) -> None:
        """Both ways: a new file belongs to CODE, to OBSERVERS, or, with a reason, to ELSEWHERE."""
        script = SRC / "sprout" / "engine" / "train_network.py"
        reached = {path.removeprefix("src/sprout/") for path in {script.as_posix(), *closure(script)}}
        reached -= {path for path in reached if path.endswith("__init__.py") and "import" not in read(path)}
        elsewhere = {path for path in reached if path.startswith(tuple(ELSEWHERE))}
        packages = {path for path in relative(code()) if path.endswith("__init__.py") and "import" not in read(path)}
        assert reached - elsewhere - set(OBSERVERS) == relative(code()) - packages

    def test_no_exception_is_stale(self) -> None:
        """Each names files that there are and that would count otherwise."""
        script = SRC / "sprout" / "engine" / "train_network.py"
        reached = {path.removeprefix("src/sprout/") for path in closure(script)}
        assert [path for path in ELSEWHERE if not any(each.startswith(path) for each in reached)] == []
        assert [path for path in ELSEWHERE if path.startswith(CODE)] == []
        assert [path for path in OBSERVERS if not (path.startswith(CODE) and (module.SPROUT / path).is_file())] == []

    def test_optimizers_of_the_project_are_among_it(self) -> None:
        """They are imported by name."""
        own = [path for path in OPTIMIZERS.values() if path.startswith("sprout.")]
        files = {path.removeprefix("sprout.").rpartition(".")[0].replace(".", "/") + ".py" for path in own}
        assert files
        assert files <= relative(code())

    @pytest.mark.parametrize("used", ["network", "optimizer"])
    def test_the_users_own_classes_are_among_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: Callable[..., str], used: str
    ) -> None:
        monkeypatch.syspath_prepend(tmp_path)
        path = tmp_path / f"own_{used}.py"
        path.write_text("width = 1\n")
        target = f"own_{used}.Own"
        changes: dict[str, Any] = {
            "network": {"card": card_of({"name": "target", "target": target, "args": {}})},
            "optimizer": {"optimizer": SGD | {"name": target}},
        }[used]
        before = name(**changes)
        assert name(**changes) == before
        path.write_text("width = 2\n")
        assert name(**changes) != before


def read(path: str) -> str:
    return (module.SPROUT / path).read_text()


def relative(paths: list[Path]) -> set[str]:
    return {path.relative_to(module.SPROUT).as_posix() for path in paths}


class TestInputs:
    """Settings, the model before training, and the examples."""

    def test_the_same_inputs_give_the_same_name(self, name: Callable[..., str], data: TrainingData) -> None:
        assert name() == name(data=TrainingData(data.train, data.val))
        assert len(name()) == 16

    @pytest.mark.parametrize(
        "changes",
        [
            {"lr": 0.02},
            {"seed": 8},
            {"optimizer": SGD | {"name": "adam", "args": {"eps": 1e-3}}},
            {"method": {"kind": "supervised", "policy": "weak"}},
            {"task": {"kind": "classify", "loss": "binary", "label_smoothing": 0.0, "class_weights": "none"}},
            {"card": card_of(MLP | {"hidden": [17]})},
            {"card": card_of(mean=[0.25])},
            {"start": StartWeights(Path("data/pretrained"), "a" * 64)},
        ],
    )
    def test_settings_card_and_initial_weights_change_it(
        self, name: Callable[..., str], changes: dict[str, Any]
    ) -> None:
        assert name(**changes) != name()

    def test_settings_that_change_no_step_change_nothing(self, name: Callable[..., str]) -> None:
        """A training may be resumed with more checkpoints, or a closer log."""
        assert name(checkpoint_minutes=1.0, log_steps=5) == name()

    def test_initial_weights_count_by_their_checksum(self, name: Callable[..., str]) -> None:
        one, other = StartWeights(Path("a"), "a" * 64), StartWeights(Path("a"), "b" * 64)
        assert name(start=one) != name(start=other)
        assert name(start=one) == name(start=replace(one, folder=Path("b")))

    def test_libraries_change_it(self, name: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
        before = name()
        monkeypatch.setattr(module, "version", lambda library: "99" if library == "torch" else "1")
        assert name() != before

    def test_examples_labels_and_weights_change_it(
        self, name: Callable[..., str], data: TrainingData, tmp_path: Path
    ) -> None:
        n = len(data.train)
        weights = np.where(np.arange(n) == 3, 0.5, 1.0)
        others = [
            replace(data, train=examples(tmp_path / "images", 5, n)),
            replace(data, train=relabelled(data, n - 1)),
            replace(data, train=relabelled(data, n, shift=1)),
            replace(data, train=examples(tmp_path / "weights", 0, n, weight=weights)),
            replace(data, val=examples(tmp_path / "val", 6, 30)),
            replace(data, pool=data.val),
        ]
        names = [name(), *(name(data=each) for each in others)]
        assert len(set(names)) == len(names)

    def test_columns_that_the_method_does_not_read_change_nothing(
        self, name: Callable[..., str], data: TrainingData, tmp_path: Path
    ) -> None:
        n = len(data.train)
        unsure = examples(tmp_path / "unsure", 0, n, confidence=np.full(n, 0.5))
        assert name(data=replace(data, train=unsure)) == name()


def relabelled(data: TrainingData, n: int, shift: int = 0) -> Examples:
    """The first `n` training examples, with other labels."""
    store = open_store(data.train.stores[0].folder)
    rows = np.arange(n)
    labels = (data.train.targets[:n] + shift) % 3
    return Examples([(store, label_table(rows, labels, source="pseudo", group=rows, origin=[""] * n))], "label")
