"""`params.yaml` and the composed config, as the stages read them."""

from pathlib import Path

import pytest

from sprout.config.model import MODELS, Mlp
from sprout.config.pseudo_label import PSEUDO_LABELS, Threshold
from sprout.config.workspace import Build, Params, choice, read_build, read_params, read_yaml, section
from sprout.runtime.errors import UserError
from sprout.runtime.workspace import enter_workspace

TEXT = """\
experiment: digits
model: {name: mlp, hidden: [3], activation: relu, batch_norm: false, dropout: 0.0}
pseudo_label: {method: threshold, foreign: keep, threshold: 0.5, rounds: 1, per_class: null, alignment: none}
"""


def test_the_params_are_read(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("# said\noverrides: ['train.strategy=''größe''']\nexperiment: digits\n", encoding="utf-8")
    assert read_params(path) == Params("digits", ["train.strategy='größe'"])


def test_the_build_is_read_with_its_text(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(TEXT)
    build = read_build(path)
    assert build.config_text == TEXT
    assert build.experiment == "digits"
    assert choice(build, "pseudo_label", "method", PSEUDO_LABELS) == Threshold(
        "keep", 1, None, "none", "threshold", 0.5
    )
    assert choice(build, "model", "name", MODELS) == Mlp("mlp", (3,), False, "relu", 0.0)


@pytest.mark.parametrize("text", ["", "- 1\n", "digits\n"])
def test_a_build_without_sections_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(UserError, match=r"config\.yaml: has no sections"):
        read_build(tmp_path / "config.yaml")


def test_a_section_that_the_build_lacks_is_named() -> None:
    build = Build("experiment: digits\n", {"experiment": "digits"})
    with pytest.raises(
        UserError,
        match=r"^pseudo_label=null: is not a section; its keys are foreign, rounds, per_class, alignment, method, thr",
    ):
        section(build, "pseudo_label", Threshold)
    with pytest.raises(UserError, match=r"^model=null: is not a section; its key name is one of cnn, mlp, .*, target$"):
        choice(build, "model", "name", MODELS)


def test_what_cannot_be_read_is_named_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"missing\.yaml: not found; run this in the project's folder"):
        read_yaml(tmp_path / "missing.yaml")
    with pytest.raises(UserError, match="not readable as YAML"):
        read_yaml(tmp_path)
    (tmp_path / "broken.yaml").write_text("a: [1\nb: 2\n")
    with pytest.raises(UserError, match=r"broken\.yaml: not readable as YAML: .* line 2") as raised:
        read_yaml(tmp_path / "broken.yaml")
    assert "\n" not in str(raised.value)


def test_a_workspace_is_found_from_below(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert enter_workspace() / "photos" == Path("photos")
    monkeypatch.chdir("conf/train")
    assert enter_workspace() / "photos" == project / "conf" / "train" / "photos"
    assert Path.cwd() == project


def test_a_folder_without_a_workspace_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "params.yaml").write_text("of: another project\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=rf"{tmp_path}: is not in a workspace: .*params\.yaml and conf/config\.yaml"):
        enter_workspace()
