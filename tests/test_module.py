"""The Lightning module under `pl.Trainer`: the steps of the loop on Fabric, by one process and by two."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor

from sprout.data.dataset import TrainingData
from sprout.engine.data_module import TrainingDataModule
from sprout.engine.fit import VAL_BATCH, Fitted, make_module, quiet
from trainings import CONSTANT, MLP, SGD, STILL, config_of, data_in, train, trainee
from warm_python import warm_python

DRY = MLP | {"dropout": 0.0}
EXACT: dict[str, Any] = {"precision": "64-true", "lr": 0.1, "epochs": 2, "monitor": "val_accuracy"}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "adam": {"optimizer": SGD | {"name": "adam"}},
    "micro_batches": {"accumulate_grad_batches": 2, "gradient_clip_norm": 0.5},
    "ema": {"ema": 0.8, "optimizer": SGD | {"args": {"momentum": 0.9}}},
    "augmented": {"transforms": STILL | {"shift": 0.1, "rotate": 20.0, "flip": 0.5}},
    "unfrozen": {"unfreeze": {"epochs": [1], "lr_multipliers": [0.3]}},
}


class LastWeights(pl.Callback):
    """Keeps the weights that an epoch is validated with, and what was logged."""

    def __init__(self) -> None:
        """Begin."""
        self.weights: list[dict[str, Tensor]] = []

    def on_validation_batch_end(self, trainer: pl.Trainer, module: Any, *_: Any) -> None:
        """Copy them."""
        self.weights.append({name: tensor.detach().clone() for name, tensor in module.network.state_dict().items()})


def by_trainer(data: TrainingData, network: dict[str, Any] = DRY, **settings: Any) -> tuple[pl.Trainer, LastWeights]:
    """Train under a Trainer on the CPU, quietly."""
    config, model, weights = config_of(**settings), trainee(network), LastWeights()
    batches = TrainingDataModule(data, model.card, config, VAL_BATCH)
    module = make_module(model, data, config, steps_per_epoch=-(-len(data.train) // config.batch_size))
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=config.processes[0],
        strategy="ddp" if config.processes[0] > 1 else "auto",
        precision=config.precision,
        max_epochs=config.epochs,
        accumulate_grad_batches=config.accumulate_grad_batches,
        callbacks=[weights],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    with quiet():
        trainer.fit(module, batches)
    return trainer, weights


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def assert_alike(weights: dict[str, Tensor], expected: Fitted) -> None:
    for name, weight in expected.weights.items():
        torch.testing.assert_close(weights[name], weight, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_trainer_takes_the_steps_of_the_loop(variant: str, tmp_path: Path) -> None:
    settings = EXACT | {"optimizer": SGD, "transforms": STILL, "epochs": 1} | VARIANTS[variant]
    if "unfreeze" in settings:
        settings["epochs"] = 2
    data = data_in(tmp_path)
    expected = train(data, tmp_path / "c", DRY, **settings)
    trainer, found = by_trainer(data, **settings)
    assert_alike(found.weights[expected.best_epoch - settings["epochs"]], expected)
    last = expected.history[-1]
    for key in ("train_loss", "val_loss", "train_accuracy", "val_accuracy"):
        assert trainer.callback_metrics[key].item() == pytest.approx(last[key], rel=1e-6)


def test_dropout_follows_from_the_step_under_a_trainer_too(tmp_path: Path) -> None:
    settings = EXACT | {"optimizer": SGD, "epochs": 1}
    data = data_in(tmp_path)
    assert_alike(by_trainer(data, MLP, **settings)[1].weights[-1], train(data, tmp_path / "c", MLP, **settings))


def test_a_trainer_checkpoint_keeps_the_moving_average(tmp_path: Path) -> None:
    settings = EXACT | {"optimizer": SGD, "ema": 0.8, "schedule": CONSTANT}
    data = data_in(tmp_path)
    trainer, _ = by_trainer(data, **settings | {"epochs": 1})
    trainer.save_checkpoint(tmp_path / "epoch.ckpt")
    config, model, weights = config_of(**settings), trainee(DRY), LastWeights()
    module = make_module(model, data, config, steps_per_epoch=4)
    resumed = pl.Trainer(
        accelerator="cpu",
        max_epochs=2,
        precision="64-true",
        callbacks=[weights],
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    with quiet():
        resumed.fit(module, TrainingDataModule(data, model.card, config), ckpt_path=str(tmp_path / "epoch.ckpt"))
    trained, whole = weights.weights[-1], by_trainer(data, **settings)[1].weights[-1]
    for name, weight in whole.items():  # Lightning restores weights in float32, before it converts the module
        torch.testing.assert_close(trained[name], weight, rtol=1e-6, atol=1e-7)


def test_a_trainer_validates_without_training(tmp_path: Path) -> None:
    data, config, model = data_in(tmp_path), config_of(**EXACT), trainee(DRY)
    trainer = pl.Trainer(
        accelerator="cpu", precision="64-true", logger=False, enable_progress_bar=False, enable_model_summary=False
    )
    with quiet():
        (found,) = trainer.validate(
            make_module(model, data, config, steps_per_epoch=4),
            TrainingDataModule(data, model.card, config),
            verbose=False,
        )
    assert set(found) == {"val_loss", "val_accuracy"}


SCRIPT = """
import os
import sys
from pathlib import Path
import torch
from test_module import DRY, EXACT, by_trainer
from trainings import SGD, STILL, data_in

torch.set_num_threads(1)
data = data_in(Path(sys.argv[1]) / sys.argv[2] / os.environ.get("RANK", "0"), 65, 31)  # a folder of each process
moving = STILL | {"shift": 0.1, "rotate": 20.0}
settings = EXACT | {"optimizer": SGD, "transforms": moving, "epochs": 1, "devices": int(sys.argv[2])}
trainer, found = by_trainer(data, DRY, **settings)
if trainer.global_rank == 0:
    metrics = {name: value.item() for name, value in trainer.callback_metrics.items()}
    torch.save([found.weights[-1], metrics], Path(sys.argv[1]) / f"found-{sys.argv[2]}")
"""


@pytest.mark.slow
def test_two_processes_of_a_trainer_take_the_steps_of_one(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    paths = os.pathsep.join(str(Path(name).absolute()) for name in ("src", "tests"))
    for devices in ("1", "2"):
        command = [warm_python(), str(tmp_path / "script.py"), str(tmp_path), devices]
        if devices == "2":
            launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
            command = [command[0], *launcher, *command[1:]]
        env = {key: value for key, value in os.environ.items() if not key.startswith("SLURM")}
        done = subprocess.run(
            command,
            env=env | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    (one, metrics), (two, expected) = (torch.load(tmp_path / f"found-{n}", weights_only=True) for n in (1, 2))
    for name, weight in one.items():
        torch.testing.assert_close(two[name], weight, rtol=1e-9, atol=1e-9)
    assert metrics == pytest.approx(expected, rel=1e-6)
