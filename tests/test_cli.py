"""The command `sprout`: its output, its exit codes, and what it imports."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from commands import Ended
from sprout import __version__

ROOT = Path(__file__).parents[1]
HEAVY = "{'torch', 'numpy', 'pydantic', 'hydra', 'mlflow', 'pytorch_lightning', 'sklearn', 'pyarrow'}"


def rows(out: str) -> dict[str, list[str]]:
    """The printed table, by its first column."""
    lines = [re.split(r"\s{2,}", line.strip()) for line in out.splitlines()]
    return {cells[0]: cells[1:] for cells in lines}


def test_config_prints_each_value_and_its_origin(project: Path, sprout: Callable[..., Ended]) -> None:
    (project / "params.yaml").write_text("experiment: fashion_mnist\noverrides: [train.epochs=3]\n")
    done = sprout("config", "train.lr=0.25", "model=mlp", "tracking.log_model=false")
    found = rows(done.out)
    assert (done.code, done.err) == (0, "")
    assert found["key"] == ["value", "from"]
    assert found["experiment"] == ["fashion_mnist", "params.yaml"]
    assert found["train.lr"] == ["0.25", "override: train.lr=0.25"]
    assert found["train.epochs"] == ["3", "params.yaml: train.epochs=3"]
    assert found["retrain.lr"] == ["0.25", "override: train.lr=0.25, as train.lr"]
    assert found["model.hidden"] == ["[128, 64]", "conf/model/mlp.yaml"]
    assert found["download.mirror"] == ["null", "conf/download/fashion_mnist.yaml"]
    assert found["tracking.log_model"] == ["false", "override: tracking.log_model=false"]
    assert found["train.optimizer.args"] == ["{}", "conf/train/optimizer/adam.yaml"]


def test_config_names_the_override_that_chose_the_experiment(sprout: Callable[..., Ended]) -> None:
    found = rows(sprout("config", "experiment=fashion_mnist").out)
    assert found["experiment"] == ["fashion_mnist", "override: experiment=fashion_mnist"]
    assert found["train.epochs"] == ["4", "conf/experiment/fashion_mnist.yaml"]


def test_config_prints_what_looks_like_markup_as_it_is(sprout: Callable[..., Ended]) -> None:
    found = rows(sprout("config", "pretrained.source='[red]ddp[/red] :smile:'").out)
    assert found["pretrained.source"] == [
        "[red]ddp[/red] :smile:",
        "override: pretrained.source='[red]ddp[/red] :smile:'",
    ]


def test_nothing_is_cut_without_a_terminal(sprout: Callable[..., Ended]) -> None:
    long = "x" * 3000
    assert rows(sprout("config", f"pretrained.source={long}").out)["pretrained.source"] == [
        long,
        f"override: pretrained.source={long}",
    ]


def test_a_narrow_terminal_folds_and_loses_nothing(
    sprout: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Console, "is_terminal", True)
    monkeypatch.setenv("COLUMNS", "60")
    lines = re.sub("\x1b\\[[0-9;]*m", "", sprout("config").out).splitlines()
    assert max(map(len, lines)) <= 60
    last = lines[0].index("from")
    origins = "".join("".join(line[last:].split()) for line in lines)
    assert "conf/train/task/classify.yaml,astrain.task.label_smoothing" in origins


def test_experiments_lists_what_each_builds(sprout: Callable[..., Ended]) -> None:
    done = sprout("experiments")
    cells = [[cell.strip() for cell in line.split("│")] for line in done.out.splitlines()]
    found = {row[1]: row[2:] for row in cells if len(row) > 2 and row[1]}
    assert done.code == 0
    assert max(map(len, done.out.splitlines())) == 120, "sentences are folded where there is no terminal"
    assert set(found) == {path.stem for path in Path("conf/experiment").iterdir()}
    assert found["fashion_mnist"][:3] == ["FashionMNIST", "all", "cnn 12-12-12-100"]
    assert found["digits"][:3] == ["digits", "100", "cnn 32-64-128"]
    head = [cell.strip() for cell in done.out.splitlines()[1].strip("┃").split("┃")]
    assert head == ["experiment", "data", "labels", "model", "expected result", "time"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["config", "train.lr=-1"], "error: train.lr=-1: should be greater than 0\n"),
        (
            ["config", "experiment=nope"],
            'error: experiment="nope": unknown; accepted: baseline_forest, baseline_logistic, cifar10, ',
        ),
        (["config", ""], 'error: override "": '),
        (["train"], "error: dvc.lock: not found, so the data was never built here; "),
    ],
)
def test_a_mistake_ends_with_one_line_and_2(sprout: Callable[..., Ended], words: list[str], said: str) -> None:
    done = sprout(*words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(said)
    assert done.err.count("\n") == 1


def test_the_version_is_printed(sprout: Callable[..., Ended]) -> None:
    assert sprout("--version") == (0, f"sprout {__version__}\n", "")


def test_shell_completion_is_shown_and_completes(sprout: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("bash", "/bin/bash"))
    shown = sprout("--show-completion")
    assert shown.code == 0
    assert "_SPROUT_COMPLETE=complete_bash" in shown.out
    for name, value in {"_SPROUT_COMPLETE": "complete_bash", "COMP_WORDS": "sprout s", "COMP_CWORD": "1"}.items():
        monkeypatch.setenv(name, value)
    assert sprout().out.split() == ["sweep", "summary", "serve", "show"]


def test_an_unknown_command_ends_with_2(sprout: Callable[..., Ended]) -> None:
    done = sprout("trian")
    assert (done.code, done.out) == (2, "")
    assert "trian" in done.err


def loaded(code: str) -> str:
    """Which heavy modules are loaded at the end of this code, run by another process."""
    check = f"import atexit, sys\natexit.register(lambda: print('heavy:', sorted({HEAVY} & set(sys.modules))))\n{code}"
    command = [sys.executable, "-c", check]
    environment = {"PYTHONPATH": str(ROOT / "src"), "PATH": ""}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return done.stdout.splitlines()[-1]


RUN = "from sprout.cli import main\nmain()"


def test_help_imports_nothing_heavy() -> None:
    assert loaded(f"sys.argv = ['sprout', '--help']\n{RUN}") == "heavy: []"


def test_config_and_the_stage_compose_import_no_torch(project: Path) -> None:
    light = "heavy: ['hydra', 'pydantic']"
    assert loaded(f"sys.argv = ['sprout', 'config']\n{RUN}") == light
    stage = f"import runpy\nrunpy.run_path({str(ROOT / 'pipelines/compose.py')!r}, run_name='__main__')"
    assert loaded(stage) == light
    assert (project / "build/config.yaml").exists()


def test_commands_find_the_workspace_from_a_folder_below(
    project: Path, sprout: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = sprout("config", "train.lr=0.25")
    monkeypatch.chdir("conf/train")
    assert sprout("config", "train.lr=0.25") == whole


@pytest.mark.parametrize(
    "command", ["config", "experiments", "train", "sweep", "summary", "runs", "reproduce", "ui", "check", "new"]
)
def test_a_command_outside_of_a_workspace_is_refused_and_writes_nothing(
    tmp_path: Path, sprout: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    outside = tmp_path.with_name(f"{tmp_path.name}-outside")
    outside.mkdir()
    monkeypatch.chdir(outside)
    words = {"check": [outside], "reproduce": ["RUN"], "new": ["name", "--from", outside]}.get(command, [])
    done = sprout(command, *words)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith(f"error: {outside}: is not in a workspace")
    assert list(outside.iterdir()) == []


def test_the_result_of_the_last_build(project: Path, sprout: Callable[..., Ended]) -> None:
    missing = sprout("result")
    assert (missing.code, missing.out) == (2, "")
    assert "reports/index.html: not found, so nothing was built here yet; run `dvc repro`" in missing.err
    (project / "reports").mkdir()
    (project / "reports/index.html").write_text(
        "<html>\n<title>a &amp; b: Test error 8.4% → 4.8%, 95% interval 3.2% to 7.0%</title>\n", encoding="utf-8"
    )
    done = sprout("result")
    assert (done.code, done.err) == (0, "")
    assert done.out == "a & b: Test error 8.4% → 4.8%, 95% interval 3.2% to 7.0%; reports/index.html\n"
