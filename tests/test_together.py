"""Sections that do not fit one another are refused as the config is composed, in one line that says what would fit."""

from pathlib import Path

import pytest

from sprout.config.compose import compose_config
from sprout.runtime.errors import UserError

FROZEN = "train.unfreeze={epochs: [1, 3], rates: [1.0, 0.5]}"


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["model=forest"], r"^train\.method=gradient_descent: model\.name=forest is trained by scikit_learn; take "),
        (["train/task=denoise"], r"^train\.task\.kind=reconstruct: model\.name=\w+ gives no image; accepted: autoenc"),
        (["model=autoencoder"], r"^model\.name=autoencoder: gives an image, and train learns to classify; take "),
        (
            ["train/task=cluster", "train/transforms=none"],
            r"^train\.transforms: all are off, and task\.kind=cluster tells views apart that they make; take ",
        ),
        (
            ["train/task=cluster", "train/transforms=shifts", "train.accumulate=2", "train.devices=2"],
            r"^train\.accumulate=2, train\.devices=2: task\.kind=cluster tells each view from all others of",
        ),
        (
            [FROZEN, "train.epochs=3"],
            r"^train\.unfreeze\.epochs=\[1, 3\]: the training has 3 epochs, counted from 0; accepted: up to 2, or more",
        ),
    ],
)
def test_what_does_not_fit_is_refused(project: Path, overrides: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        compose_config(Path("conf"), "digits", overrides)


def test_parts_that_join_in_time_are_taken(project: Path) -> None:
    composed = compose_config(Path("conf"), "digits", [FROZEN, "train.epochs=4", "retrain.epochs=4"])
    assert composed.config["train"]["unfreeze"] == {"epochs": [1, 3], "rates": [1.0, 0.5]}


def test_a_network_is_not_for_scikit_learn(project: Path) -> None:
    with pytest.raises(
        UserError, match=r"^train\.method=scikit_learn: model\.name=mlp is trained by gradient_descent; "
    ):
        compose_config(Path("conf"), "baseline_forest", ["model=mlp"])


def test_k_means_on_a_networks_features_needs_the_network(project: Path) -> None:
    with pytest.raises(UserError, match=r"^model\.features=network with pretrained\.source=None: network needs"):
        compose_config(Path("conf"), "baseline_forest", ["model=kmeans", "model.features=network"])
