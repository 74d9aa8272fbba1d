"""The section `cluster`: which engine it names, and that it changes nothing of a build."""

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from sprout.config.cluster import Local, Ray, chosen, read_cluster
from sprout.config.compose import compose_config
from sprout.runtime.engine import LocalProcesses, RayTasks
from sprout.runtime.errors import UserError

CONF = Path("conf")
STAGE = Path(__file__).parents[1] / "pipelines/compose.py"


def test_the_section_changes_nothing_of_a_build() -> None:
    local, ray = (compose_config(CONF, "digits", overrides) for overrides in ([], ["cluster=ray", "cluster.slots=3"]))
    assert local.text == ray.text
    assert "cluster" not in local.config
    rest = {"store": None, "cpu_capability": None}
    assert ray.whole["cluster"] == {"engine": "ray", "address": "auto", "slots": 3, **rest}


def test_the_stage_compose_writes_it_beside_the_build(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPROUT_CLUSTER", raising=False)
    main: Callable[[], None] = runpy.run_path(str(STAGE))["main"]
    overrides = ["cluster=ray", "cluster.address='head:6379'"]
    Path("params.yaml").write_text(yaml.safe_dump({"experiment": "digits", "overrides": overrides}))
    main()
    assert read_cluster() == Ray("ray", "head:6379", None, None, None)
    assert read_cluster().start() == RayTasks("head:6379", None)
    monkeypatch.setenv("SPROUT_CLUSTER", "local")
    assert read_cluster() == Local("local", None)
    assert read_cluster().start() == LocalProcesses()


def test_a_command_takes_its_own_section_unless_the_environment_names_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPROUT_CLUSTER", raising=False)
    assert chosen({"engine": "local", "store": None}) == Local("local", None)
    monkeypatch.setenv("SPROUT_CLUSTER", "ray")
    assert chosen({"engine": "local", "store": None}) == Ray("ray", "auto", None, None, None)


def test_temporary_files_lie_in_the_workspace_or_in_a_folder_that_is_there(tmp_path: Path) -> None:
    own = Path("build/scratch/parts")
    assert Local("local", None).shared(own) == Ray("ray", "auto", None, None, None).shared(own) == own
    shared = Ray("ray", "auto", None, str(tmp_path), None).shared(own)
    assert shared.parent == tmp_path
    assert Local("local", str(tmp_path)).shared(own) == own, "a disk of this machine is faster"
    assert Ray("ray", "auto", None, "s3://team/store", None).shared(own) == own
    same = Ray("ray", "auto", 3, str(tmp_path), None)
    assert shared == same.shared(own), "the next start removes what a kill has left"
    assert shared != Ray("ray", "auto", None, str(tmp_path), None).shared(tmp_path / own), "of another workspace"
    with pytest.raises(UserError, match=r"^cluster\.store=.*/none: no such folder"):
        Ray("ray", "auto", None, str(tmp_path / "none"), None).shared(own)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("slurm", r"^SPROUT_CLUSTER=slurm: unknown; accepted: local, ray$"),
        ("../label/mixture", r"^SPROUT_CLUSTER=\.\./label/mixture: unknown; accepted: local, ray$"),
    ],
)
def test_an_unknown_engine_in_the_environment_is_refused(
    monkeypatch: pytest.MonkeyPatch, value: str, message: str
) -> None:
    monkeypatch.setenv("SPROUT_CLUSTER", value)
    with pytest.raises(UserError, match=message):
        read_cluster()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["cluster.engine=slurm"], r"^cluster\.engine=\"?slurm\"?: .*accepted: local, ray"),
        (["cluster=ray", "cluster.slots=0"], r"^cluster\.slots=0: "),
        (["cluster.slots=2"], r"^cluster\.slots=2: no such key; accepted: engine, store$"),
        (["cluster=ray", "cluster.store=shared"], r"^cluster\.store=\"?shared\"?: accepted: the absolute path"),
        (["cluster.store='s3://key:secret@team/x'"], r"^cluster\.store=\"s3://\*\*\*@team/x\": a secret that"),
        (["cluster=ray", "cluster.cpu_capability=sse"], r"^cluster\.cpu_capability=\"?sse\"?: "),
        (["cluster=ray", "cluster.address=null"], r"^cluster\.address=null: "),
    ],
)
def test_values_that_are_not_accepted(overrides: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        compose_config(CONF, "digits", overrides)
