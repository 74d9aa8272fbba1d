"""The study on disk: created, resumed, held by one process, and refused with another definition."""

from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.distributions import FloatDistribution
from optuna.samplers import RandomSampler

from sprout.runtime.errors import UserError
from sprout.sweep import trials
from sprout.sweep.results import Result, keep_result, kept_result
from sprout.sweep.study import open_study
from sprout.sweep.study_folder import hold_study

DEFINITION = {"train": {"epochs": 3}, "sweep": {"space": {"train": {"lr": {"low": 0.1}}}}}


def test_a_study_is_resumed_and_a_fresh_one_is_another(tmp_path: Path) -> None:
    for fresh, name in ((False, "digits"), (False, "digits"), (True, "digits+2"), (False, "digits+2")):
        with hold_study(tmp_path, "digits", fresh) as folder:
            study = open_study(folder, DEFINITION, ["maximize"])
            study.ask()
            assert folder.name == name
            assert study.study_name == name
    assert len(study.trials) == 2


def test_the_newest_study_is_resumed_even_if_an_older_one_is_missing(tmp_path: Path) -> None:
    for name in ("digits", "digits+3", "digits-2", "digits+x"):
        (tmp_path / name).mkdir()
    with hold_study(tmp_path, "digits", fresh=False) as folder:
        assert folder.name == "digits+3"
    with hold_study(tmp_path, "digits", fresh=True) as folder:
        assert folder.name == "digits+4"


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\x00 and then nothing" * 300])
def test_a_damaged_study_is_refused(tmp_path: Path, content: bytes) -> None:
    with hold_study(tmp_path, "digits", fresh=False) as folder:
        folder.path.mkdir()
        folder.database.write_bytes(content)
        with pytest.raises(UserError, match=r"study\.db: .*--fresh"):
            open_study(folder, DEFINITION, ["maximize"])


@pytest.mark.parametrize("page", range(1, 28, 3))
def test_a_study_with_an_emptied_page_is_refused_or_whole(tmp_path: Path, page: int) -> None:
    space = {"lr": FloatDistribution(0, 1)}
    with hold_study(tmp_path, "digits", fresh=False) as folder:
        study = open_study(folder, DEFINITION, ["maximize"])
        for value in range(4):
            study.tell(trials.draw(study, space, RandomSampler(), 1), value)
        content = bytearray(folder.database.read_bytes())
        content[page * 4096 : (page + 1) * 4096] = bytes(4096)
        folder.database.write_bytes(content)
        with pytest.raises(UserError, match=r"study\.db: cannot be read: .*--fresh"):
            open_study(folder, DEFINITION, ["maximize"])


@pytest.mark.parametrize("lose", [Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_lost_study_is_said_and_its_results_are_kept(tmp_path: Path, lose: Callable[[Path], object]) -> None:
    with hold_study(tmp_path, "digits", fresh=False) as folder:
        open_study(folder, DEFINITION, ["maximize"])
        keep_result(folder.results, 0, Result([[0.75]]))
        lose(folder.database)
        for _ in range(2):
            with pytest.raises(UserError, match=r"study\.db: empty, though 1 trials have .*--fresh"):
                open_study(folder, DEFINITION, ["maximize"])
    assert kept_result(folder.results, 0) == Result([[0.75]])


def test_a_study_is_held_by_one(tmp_path: Path) -> None:
    with hold_study(tmp_path, "digits", fresh=False):
        says = r"^sweep digits: held by process \d+, since 20\d\d-.*sweep\.name="
        with pytest.raises(UserError, match=says), hold_study(tmp_path, "digits", fresh=True):
            pass
        with hold_study(tmp_path, "other", fresh=False) as folder:
            assert folder.name == "other"
    with hold_study(tmp_path, "digits", fresh=False):
        pass


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"train": {"epochs": 4}}, "train.epochs was 3, is 4"),
        ({"sweep": {"space": {"train": {"lr": {"low": 0.2}}}}}, "sweep.space.train.lr.low was 0.1, is 0.2"),
        ({"data": {"data/prepared": "abc"}}, 'data.data/prepared was null, is "abc"'),
    ],
)
def test_another_definition_is_refused_with_the_difference(
    tmp_path: Path, changed: dict[str, object], says: str
) -> None:
    with hold_study(tmp_path, "digits", fresh=False) as folder:
        open_study(folder, DEFINITION, ["maximize"])
        with pytest.raises(UserError) as raised:
            open_study(folder, DEFINITION | changed, ["maximize"])
        open_study(folder, DEFINITION, ["maximize"])
    assert says in str(raised.value)
    assert "--fresh" in str(raised.value)
