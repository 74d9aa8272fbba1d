"""The model registry: versions of builds, their champion, and how it changes."""

from collections.abc import Callable
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from scipy.stats import ttest_rel

from commands import Ended
from registered import aliases, register, version, versions, write_errors, wrong
from sprout.evaluate.significance import mcnemar_p, paired_interval
from sprout.runtime.errors import UserError
from sprout.tracking import tracking_uri
from sprout.tracking.connection import connect
from sprout.tracking.outbox.journal import forget_sent
from sprout.tracking.outbox.leftovers import send_leftovers
from sprout.tracking.paired import paired_classes, paired_numbers
from sprout.tracking.registry.promote import check_alias
from sprout.tracking.tags import DECIDED
from tracked_runs import make_build, outbox, runs_of, track


def test_the_champion_changes_only_beyond_chance(root: Path) -> None:
    register(root, 0, write_errors(root / "a", wrong(range(40))))
    assert (aliases(), version(1).description.split("\n\n")[:2]) == (
        {"champion": "1"},
        ["test error 0%", "The first champion."],
    )
    # Less error, but by chance alone: 5 examples better, 2 worse.
    register(root, 1, write_errors(root / "b", wrong(range(5, 42))))
    assert aliases() == {"champion": "1", "challenger": "2"}
    headline, why, report = version(2).description.split("\n\n")
    low, high = paired_interval(2, 5, 200)
    assert why == (
        f"1.5 points less error on the same 200 val examples (95% interval {-100 * high:+.1f} to {-100 * low:+.1f} "
        f"points, McNemar p = {mcnemar_p(2, 5):.2g}), within chance, compared with the champion, version 1."
    )
    (build,) = runs_of(tracking_uri(), role="build", build=make_build(1).name)
    page = f"#/experiments/{build.info.experiment_id}/runs/{build.info.run_id}/artifacts/report/index.html"
    assert (headline, report) == ("test error 1%", f"The report of the build [digits]({page})")
    # Beyond chance.
    register(root, 2, write_errors(root / "c", wrong(range(30, 45))))
    assert aliases() == {"champion": "3", "challenger": "2"}
    assert "12.5 points less error" in version(3).description
    assert "beyond chance, compared with the champion, version 1." in version(3).description
    # More error, beyond chance: compared with the new champion.
    register(root, 3, write_errors(root / "d", wrong(range(60))))
    assert aliases() == {"champion": "3", "challenger": "4"}
    assert "22.5 points more error" in version(4).description
    tags = version(4).tags
    assert tags["sprout.val"] == "error 5.0% (2.7% to 9.0%)"
    assert (tags["sprout.build"], tags[DECIDED], tags["sprout.handed_on"]) == (
        make_build(3).name,
        "challenger",
        "student",
    )


def test_other_examples_and_other_tasks_are_not_compared(root: Path) -> None:
    register(root, 0, write_errors(root / "a", wrong(range(40))))
    register(root, 1, write_errors(root / "b", wrong(range(1)), examples="b"))
    register(root, 2, None)
    assert aliases() == {"champion": "1", "challenger": "3"}
    not_compared = "Not compared with the champion, version 1: "
    assert f"{not_compared}the two were measured on different examples." in version(2).description
    assert f"{not_compared}models of this task are not compared" in version(3).description
    connect(tracking_uri()).set_registered_model_alias("digits", "champion", "3")
    register(root, 3, write_errors(root / "a", wrong(range(40))))
    assert "version 3: the store has not its errors on val." in version(4).description


def test_numbers_are_compared_by_the_t_interval(root: Path) -> None:
    first = np.random.default_rng(0).normal(3, 1, 100)
    register(root, 0, write_errors(root / "a", first, "mae"))
    register(root, 1, write_errors(root / "b", first - 0.1 + 0.01 * (-1.0) ** np.arange(100), "mae"))
    assert aliases() == {"champion": "2"}
    assert "0.1 less mae on the same 100 val examples (95% interval -0.102 to -0.098, paired t p" in (
        version(2).description
    )


def test_cross_validated_labels_count_less(root: Path) -> None:
    """As independent examples these would be beyond chance."""
    assert paired_classes(1, 8, 64).beyond_chance
    found = paired_classes(1, 8, 64, crossed=True)
    low, high = paired_interval(1, 5, 38)
    assert (found.examples, found.low, found.high, found.beyond_chance) == (64, -high, -low, False)
    register(root, 0, write_errors(root / "a", np.arange(64) < 9, split="train"))
    register(root, 1, write_errors(root / "b", np.arange(64) == 20, split="train"))
    assert "on the same 64 cross-validated labels" in version(2).description


def test_paired_numbers_are_those_of_scipy() -> None:
    first, second = np.random.default_rng(0).normal(size=(2, 30))
    found, expected = paired_numbers(first, second), ttest_rel(second, first)
    interval = expected.confidence_interval(0.95)
    np.testing.assert_allclose([found.low, found.high, found.p], [interval.low, interval.high, expected.pvalue])
    assert (found.worse + found.better, found.difference) == (30, pytest.approx((second - first).mean()))
    assert not paired_numbers(first[:1], second[:1]).beyond_chance
    assert not paired_numbers(first, first).beyond_chance


def test_a_journal_that_is_sent_twice_makes_one_version(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the process died before the verdict was noted."""
    register(root, 0, write_errors(root / "a", wrong(range(40))))
    monkeypatch.setattr("sprout.tracking.outbox.sender.discard", lambda folder: None)
    register(root, 1, write_errors(root / "b", wrong(range(30, 45))))
    (journal,) = outbox(root)
    before = version(2).description
    for _ in range(2):
        forget_sent(journal)
        monkeypatch.setattr("sprout.tracking.outbox.leftovers.discard", lambda folder: None)
        send_leftovers([journal], Event())
        assert (versions(), aliases(), version(2).description) == ([1, 2], {"champion": "2"}, before)
        connect(tracking_uri()).delete_model_version_tag("digits", "2", DECIDED)
    assert len(connect(tracking_uri()).search_logged_models(["1"])) == 2


def test_a_build_that_is_evaluated_again_stays_its_version(root: Path) -> None:
    errors = write_errors(root / "a", wrong(range(40)))
    register(root, 0, errors)
    register(root, 1, errors)
    connect(tracking_uri()).set_registered_model_alias("digits", "champion", "2")
    register(root, 0, write_errors(root / "b", wrong(range(1))))
    assert (versions(), aliases()) == ([1, 2], {"champion": "2", "challenger": "2"})


def test_a_store_that_refuses_models_gets_all_else(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

    def refuse(*_: object) -> None:
        raise MlflowException("no models here", PERMISSION_DENIED)

    monkeypatch.setattr("sprout.tracking.registry.register.find_or_create_model", refuse)
    register(root, 0, None)
    assert runs_of(tracking_uri(), role="build")[0].info.status == "FINISHED"
    assert outbox(root) == []
    assert "the store does not register the model: no models here" in capfd.readouterr().err


def test_promoting_by_hand(root: Path, sprout: Callable[..., Ended]) -> None:
    errors = write_errors(root / "a", wrong(range(40)))
    for seed in range(2):
        register(root, seed, errors)
    assert aliases() == {"champion": "1", "challenger": "2"}
    (second,) = runs_of(tracking_uri(), role="build", build=make_build(1).name)
    done = sprout("promote", second.info.run_id[:8])
    assert (done.code, done.out) == (
        0,
        "digits@champion is version 2 (test error 1%); it replaces version 1 (test error 0%)\n",
    )
    assert aliases() == {"champion": "2"}
    assert sprout("promote", second.info.run_id).out == "digits@champion is version 2 (test error 1%), as before\n"
    done = sprout("promote", second.info.run_id, "--to", "production")
    assert done.out == "digits@production is version 2 (test error 1%); no version had this alias\n"
    assert aliases() == {"champion": "2", "production": "2"}


def test_a_run_without_a_registered_model(root: Path, sprout: Callable[..., Ended]) -> None:
    with track(make_build(), "train", tracking_uri(), nested=False):
        pass
    done = sprout("promote", "train digits")
    assert done.code == 2
    assert "(train train digits): no registered model; a build registers the model that it hands on" in done.err


@pytest.mark.parametrize("alias", ["v3", "latest", "Latest", "a b", "", "a/b", "x" * 256])
def test_aliases_that_mlflow_refuses(alias: str) -> None:
    with pytest.raises(UserError, match="not an alias; accepted: letters, digits, _ and -"):
        check_alias(alias)
