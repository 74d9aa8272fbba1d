"""`--extend`: which finished trials a study with another search space takes over, and with what."""

from pathlib import Path

import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

from sprout.config.compose import compose_config
from sprout.runtime.errors import UserError
from sprout.sweep import trials
from sprout.sweep.extend import TAKEN_FROM, extend
from sprout.sweep.results import Result, keep_result, keep_training, kept_result, kept_training
from sprout.sweep.search import Search
from sprout.sweep.space import distributions
from sprout.sweep.study import open_study
from sprout.sweep.study_folder import StudyFolder, existing, hold_study

CONF = Path("conf")
DRAWN = [(0.001, 16, 0.0), (0.02, 64, 0.3), (0.0002, 128, 0.6)]
OPTIMIZER = "+sweep.space.train.optimizer={kind: choice, choices: [adam, sgd]}"
MOMENTUM = (
    "+sweep.space.train.optimizer.args.momentum={kind: float, low: 0.5, high: 0.95, step: null, "
    "when: {train.optimizer.name: sgd}}"
)


def search_of(*overrides: str) -> Search:
    return Search(CONF, compose_config(CONF, "digits", overrides))


@pytest.fixture
def before(project: Path) -> StudyFolder:
    """A study with a complete, a pruned and another complete trial, and one that failed."""
    search = search_of()
    with hold_study(project / "sweeps", "s", fresh=False) as folder:
        study = open_study(folder, search.definition(), search.directions)
        for number, (lr, batch_size, dropout) in enumerate([*DRAWN, (0.003, 32, 0.1)]):
            study.enqueue_trial({"train.lr": lr, "train.batch_size": batch_size, "model.dropout": dropout})
            trial = trials.draw(study, distributions(search.space), study.sampler, threads=2)
            trial.report(0.5 + number / 10, 1)
            state = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.COMPLETE, TrialState.FAIL)[number]
            if state == TrialState.COMPLETE:
                keep_result(folder.results, number, Result([[0.5 + number / 10]]))
            study.tell(trial, 0.5 + number / 10 if state == TrialState.COMPLETE else None, state)
        keep_training(folder.results, "a build", [0.5])
    return folder


def taken(project: Path, *overrides: str) -> tuple[str, list[tuple[str, dict[str, object], object]]]:
    """What `--extend` says, and the trials of the new study: where they are from, params, value."""
    search = search_of(*overrides)
    with hold_study(project / "sweeps", "s", fresh=True) as folder:
        said = extend(existing(project / "sweeps", "s"), folder, search)
        study = open_study(folder, search.definition(), search.directions)
        assert kept_training(folder.results, "a build") == [0.5]
        for trial in study.trials:
            result = kept_result(folder.results, trial.number)
            assert (result.values if result else None) == (trial.values if trial.state == TrialState.COMPLETE else None)
            assert trial.user_attrs[trials.THREADS] == 2
            assert list(trial.intermediate_values) == [1]
            source = int(str(trial.user_attrs[TAKEN_FROM]).split()[1])
            made = search_of().config_of(params_of(source), 0, 2)
            assert search.config_of(trial.params, 0, 2).config == made.config
    return said, [(str(t.user_attrs[TAKEN_FROM]), t.params, t.value) for t in study.trials]


def params_of(number: int) -> dict[str, object]:
    lr, batch_size, dropout = DRAWN[number]
    return {"train.lr": lr, "train.batch_size": batch_size, "model.dropout": dropout}


def test_a_wider_space_takes_all_finished_trials(project: Path, before: StudyFolder) -> None:
    epochs = "+sweep.space.train.ema={kind: choice, choices: [null, 0.9]}"
    said, found = taken(project, "sweep.space.train.lr.high=0.1", epochs, OPTIMIZER, MOMENTUM)
    assert said == "s+2: took over 3 of the 3 finished trials of s"
    added = {"train.ema": None, "train.optimizer": "adam"}
    assert found == [
        (f"trial {number} of s", params_of(number) | added, value) for number, value in enumerate([0.5, 0.6, 0.7])
    ]


def test_a_narrower_space_takes_what_fits(project: Path, before: StudyFolder) -> None:
    _, found = taken(project, "sweep.space.train.lr.high=0.01", "sweep.space.train.batch_size.choices=[16,128,256]")
    assert [source for source, _, _ in found] == ["trial 0 of s", "trial 2 of s"]


def test_a_parameter_that_is_gone_fits_where_it_had_the_experiments_value(project: Path, before: StudyFolder) -> None:
    base = compose_config(CONF, "digits", []).config["model"]["dropout"]
    _, found = taken(project, "~sweep.space.model")
    assert [source for source, _, _ in found] == [
        f"trial {number} of s" for number, (_, _, dropout) in enumerate(DRAWN) if dropout == base
    ]


def test_the_older_study_stays(project: Path, before: StudyFolder) -> None:
    taken(project, "sweep.space.train.lr.high=0.1")
    study = open_study(before, search_of().definition(), ["maximize"])
    assert len(study.trials) == 4
    assert study.trials[0].distributions["train.lr"] == FloatDistribution(1e-4, 3e-2, log=True)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([], "--extend: sweep s has this search space already"),
        (
            ["train.epochs=3", "sweep.space.train.lr.high=0.1"],
            "train.epochs was 20, is 3; .*start a new study by --fresh",
        ),
    ],
)
def test_what_cannot_be_extended_is_refused_and_nothing_is_written(
    project: Path, before: StudyFolder, overrides: list[str], message: str
) -> None:
    with pytest.raises(UserError, match=message), hold_study(project / "sweeps", "s", fresh=True) as folder:
        extend(existing(project / "sweeps", "s"), folder, search_of(*overrides))
    assert [path.name for path in (project / "sweeps").iterdir() if path.is_dir()] == ["s"]


def test_there_must_be_a_study(project: Path) -> None:
    with pytest.raises(UserError, match=r"--extend: there is no study s yet"):
        existing(project / "sweeps", "s")


def test_another_space_names_extend(project: Path, before: StudyFolder) -> None:
    with pytest.raises(UserError, match="or by --extend with its finished trials that fit"):
        open_study(before, search_of("sweep.space.train.lr.high=0.1").definition(), ["maximize"])
