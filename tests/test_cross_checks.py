"""Sections that do not fit one another are refused with a remedy when the config is composed."""

from pathlib import Path
from typing import Any

import pytest

from sprout.config.compose import compose_config
from sprout.config.cross_checks import check_together
from sprout.config.model import Mlp
from sprout.config.pretrained import Pretrained
from sprout.models.architecture import architecture_from_dict
from sprout.runtime.errors import UserError
from trainings import MLP, STILL, config_of

UNFREEZE = "train.unfreeze={epochs: [1, 3], lr_multipliers: [1.0, 0.5]}"
CLUSTER = ["train/task=cluster", "train/method=contrastive", "train/transforms=shifts"]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["model=forest"], r"^train\.method\.kind=supervised: model\.name=forest .*train=scikit_learn"),
        (["train/task=denoise"], r"^train\.task\.kind=reconstruct: model\.name=\w+ .*: autoencoder"),
        (["model=autoencoder"], r"^model\.name=autoencoder: .*train/task=denoise"),
        (["train/task=cluster"], r"^train\.method\.kind=supervised: .*train/method=contrastive"),
        (["train/method=contrastive"], r"^train\.method\.kind=contrastive: .*train/method=supervised"),
        ([*CLUSTER, "train/transforms=none"], r"^train\.transforms: .*train/transforms=shifts"),
        (
            [*CLUSTER, "train.method.policy=weak", "train/transforms@train.weak=none"],
            r"^train\.weak: .*train/transforms@train\.weak=shifts",
        ),
        (
            [*CLUSTER, "train.accumulate_grad_batches=2", "train.devices=2"],
            r"^train\.accumulate_grad_batches=2: .* to 1",
        ),
        ([*CLUSTER, "train.nodes=3"], r"^train\.devices and nodes: 3 processes; .* to 1"),
        (
            [UNFREEZE, "train.epochs=3"],
            r"^train\.unfreeze\.epochs=\[1, 3\]: .*3 epochs.* up to 2, or more train\.epochs",
        ),
        ([UNFREEZE, "train.epochs=1"], r"^train\.unfreeze\.epochs=\[1, 3\]: .* more train\.epochs"),
    ],
)
def test_sections_that_do_not_fit_are_refused(project: Path, overrides: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said) as refused:
        compose_config(Path("conf"), "digits", overrides)
    assert "\n" not in str(refused.value)


def test_layers_that_join_before_the_last_epoch_are_accepted(project: Path) -> None:
    composed = compose_config(Path("conf"), "digits", [UNFREEZE, "train.epochs=4"])
    unfreeze = {"epochs": [1, 3], "lr_multipliers": [1.0, 0.5]}
    assert composed.config["train"]["unfreeze"] == composed.config["retrain"]["unfreeze"] == unfreeze


def test_clusters_by_contrastive_training_are_accepted(project: Path) -> None:
    composed = compose_config(Path("conf"), "digits", CLUSTER)
    assert composed.config["train"]["task"]["kind"] == "cluster"


@pytest.mark.parametrize(
    ("policy", "remedy"), [("transforms", "train/transforms=shifts"), ("weak", "train/transforms@train.weak=shifts")]
)
def test_the_remedy_for_views_without_augmentation_works(project: Path, policy: str, remedy: str) -> None:
    overrides = [*CLUSTER[:2], f"train.method.policy={policy}"]
    with pytest.raises(UserError, match=rf"take {remedy}, or .*=rows for rows of a table$"):
        compose_config(Path("conf"), "digits", [*overrides, "train.weak.shift=0"])
    compose_config(Path("conf"), "digits", [*overrides, remedy])


def test_any_number_of_devices_is_composed_without_looking_for_them(project: Path) -> None:
    composed = compose_config(Path("conf"), "digits", ["train.devices=auto"])
    assert composed.config["train"]["devices"] == composed.config["retrain"]["devices"] == "auto"
    for wrong in ("all", "0", "1.5", "true"):
        with pytest.raises(UserError, match=r"^train\.devices=.*: should be a number from 1, or auto$"):
            compose_config(Path("conf"), "digits", [f"train.devices={wrong}"])


def test_scikit_learn_trains_no_network(project: Path) -> None:
    with pytest.raises(UserError, match=r"^train\.method\.kind=scikit_learn: model\.name=mlp .*train=default"):
        compose_config(Path("conf"), "baseline_forest", ["model=mlp"])


def test_k_means_on_a_networks_features_needs_the_network(project: Path) -> None:
    with pytest.raises(UserError, match=r"^model\.features=network with pretrained\.source=None: "):
        compose_config(Path("conf"), "baseline_forest", ["model=kmeans", "model.features=network"])


def test_the_error_names_the_section_at_fault() -> None:
    """Each of the two trainings is checked."""
    model = architecture_from_dict(MLP)
    assert isinstance(model, Mlp)
    changes: dict[str, Any] = {"unfreeze": {"epochs": [6], "lr_multipliers": [1.0]}, "transforms": STILL}
    trainings = {"train": config_of(), "retrain": config_of(**changes)}
    with pytest.raises(UserError, match=r"^retrain\.unfreeze\.epochs=\[6\]: .*more retrain\.epochs"):
        check_together(model, Pretrained(source=None, sha256=None), trainings)
