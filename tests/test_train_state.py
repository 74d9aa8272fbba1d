"""The progress of a training, its stopping conditions, and its state in checkpoints."""

import io
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from sprout.config.train import GradientDescent
from sprout.engine.checkpoints import Checkpoints
from sprout.engine.fit import make_loop
from sprout.engine.loop import Loop
from sprout.engine.train_state import Progress, TrainState
from sprout.runtime.errors import UserError
from sprout.runtime.run_context import RunContext
from sprout.runtime.signals import EndRequest
from trainings import MLP, config_of, data_in, trainee

NAN, INF = float("nan"), float("inf")


def some() -> Progress:
    """One step into the second epoch."""
    progress = Progress(step=9, step_of_epoch=4)
    progress.add((1.5, 3, 4))
    progress.update_best(0.25, less_is_better=True)
    progress.close_epoch({"epoch": 0, "val_loss": 0.25})
    progress.add((0.1, 1, 2))
    progress.step_of_epoch = 1
    return progress


class TestProgress:
    """Plain numbers."""

    def test_sums_add_up_until_their_epoch_ends(self) -> None:
        progress = Progress()
        progress.add((1.5, 3, 4))
        progress.add((0.5, 1, 2))
        assert progress.sums == (2.0, 4, 6)
        progress.close_epoch({"epoch": 0})
        assert (progress.sums, progress.epoch, progress.step_of_epoch) == ((0.0, 0.0, 0.0), 1, 0)
        assert progress.history == [{"epoch": 0}]

    def test_steps_are_counted_over_epochs(self) -> None:
        assert (some().step, some().step_of_epoch, some().epoch) == (9, 1, 1)

    def test_an_unknown_field_is_refused(self) -> None:
        with pytest.raises(TypeError):
            Progress(**asdict(some()) | {"speed": 1})


def epochs(config: GradientDescent, values: list[float]) -> Progress:
    """A training whose monitored metric has these values, until its last epoch."""
    progress = Progress()
    for value in values:
        progress.update_best(value, less_is_better=config.less_is_better)
        progress.close_epoch({config.monitor: value})
        if progress.is_last_epoch(config):
            break
    return progress


class TestLastEpoch:
    """When a training ends, and which of its epochs is the best."""

    @pytest.mark.parametrize(
        ("monitor", "values", "done", "best"),
        [
            ("val_loss", [3, 2, 1, 4], 4, 2),
            ("val_loss", [3, 3, 3], 3, 2),
            ("val_accuracy", [0.0, 0.5, 0.2, 0.5], 4, 3),
            ("val_accuracy", [0.1, 0.5, 0.3], 3, 1),
            ("val_loss", [NAN, 2, NAN], 3, 1),
            ("val_loss", [INF, 2, 1], 3, 2),
            ("val_accuracy", [0.5, INF, NAN], 3, 0),
        ],
    )
    def test_all_epochs_run_and_the_last_best_one_is_the_best(
        self, monitor: str, values: list[float], done: int, best: int
    ) -> None:
        progress = epochs(config_of(epochs=len(values), monitor=monitor), values)
        assert (progress.epoch, progress.best_epoch) == (done, best)

    @pytest.mark.parametrize(
        ("patience", "values", "done"),
        [
            (1, [3, 2, 2, 1], 3),
            (2, [3, 2, 2, 2, 1], 4),
            (2, [3, 4, 2, 4, 1, 5, 5, 0], 7),
            (2, [NAN, NAN, 1], 2),
            (9, [3, 4, 5], 3),
        ],
    )
    def test_patience_counts_the_epochs_since_the_best_one(self, patience: int, values: list[float], done: int) -> None:
        assert epochs(config_of(epochs=len(values), patience=patience), values).epoch == done

    @pytest.mark.parametrize(
        ("monitor", "threshold", "values", "done"),
        [
            ("val_loss", 2.0, [3, 2, 1], 2),
            ("val_loss", 0.5, [3, 2, 1], 3),
            ("val_accuracy", 0.9, [0.5, 0.9, 1.0], 2),
            ("val_accuracy", 0.9, [NAN, 0.8, 0.95], 3),
            ("val_loss", 0.0, [1, 0, 0], 2),
        ],
    )
    def test_it_stops_at_the_threshold(self, monitor: str, threshold: float, values: list[float], done: int) -> None:
        config = config_of(epochs=len(values), monitor=monitor, stopping_threshold=threshold)
        assert epochs(config, values).epoch == done

    def test_a_training_with_nan_alone_is_not_stopped_by_the_threshold(self) -> None:
        assert epochs(config_of(epochs=3, stopping_threshold=5.0), [NAN, NAN, NAN]).epoch == 3


@pytest.fixture
def loop(tmp_path: Path) -> Callable[..., Loop]:
    """A training that has not begun; `changes` are of its section."""

    def make(network: dict[str, Any] = MLP, **changes: Any) -> Loop:
        data = data_in(tmp_path / "data")
        return make_loop(trainee(network), data, config_of(**changes), RunContext("test", tmp_path / "checkpoints"))

    return make


def trained(loop: Loop, steps: int = 3) -> TrainState:
    """Its state after the first steps."""
    loop.module.train()
    for number, micro_batches in enumerate(loop.train.steps(0)):
        if number < steps:
            loop.step(micro_batches)
    loop.read_losses()
    loop.progress.update_best(0.5, less_is_better=True)
    loop.state.keep_best()
    return loop.state


def through_a_file(state: dict[str, Any]) -> Any:
    """As a checkpoint holds it."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


def equal(one: Any, other: Any) -> bool:
    """Whether two nested states are the same to the bit."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(equal(*pair) for pair in zip(one, other, strict=True))
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


class TestTrainState:
    """Weights, optimizer, moving average and progress together."""

    def test_it_comes_back_from_a_checkpoint(self, loop: Callable[..., Loop]) -> None:
        state = through_a_file(trained(loop(ema=0.9)).state())
        fresh = loop(ema=0.9).state
        assert not equal(fresh.state(), state)
        fresh.restore(state)
        assert equal(fresh.state(), state)
        assert fresh.progress == Progress(**state["progress"])
        assert isinstance(fresh.progress.sums, tuple)

    def test_it_shares_its_progress_with_no_earlier_state(self, loop: Callable[..., Loop]) -> None:
        state = trained(loop())
        saved = state.state()
        before = asdict(state.progress)
        state.progress.close_epoch({"epoch": 0})
        assert saved["progress"] == before

    def test_the_weights_of_another_network_are_refused_and_nothing_has_changed(
        self, loop: Callable[..., Loop]
    ) -> None:
        other = trained(loop(MLP | {"hidden": [8]})).state()
        mine = trained(loop())
        before = through_a_file(mine.state())
        with pytest.raises(UserError, match="another network"):
            mine.restore(other)
        assert equal(mine.state(), before)

    @pytest.mark.parametrize("key", ["progress", "optimizer", "ema"])
    def test_a_damaged_state_is_refused_and_nothing_has_changed(self, loop: Callable[..., Loop], key: str) -> None:
        later = through_a_file(trained(loop(ema=0.9), 4).state())
        mine = trained(loop(ema=0.9), 2)
        before = through_a_file(mine.state())
        broken = {"progress": {"speed": 1}, "optimizer": {"state": {}, "param_groups": []}, "ema": []}
        with pytest.raises((ValueError, TypeError, KeyError)):
            mine.restore(later | {key: broken[key]})
        assert equal(mine.state(), before)

    @pytest.mark.parametrize("key", ["progress", "network", "optimizer", "learner", "ema", "best"])
    def test_a_state_that_lacks_something_is_refused_and_nothing_has_changed(
        self, loop: Callable[..., Loop], key: str
    ) -> None:
        later = through_a_file(trained(loop(ema=0.9), 4).state())
        mine = trained(loop(ema=0.9), 2)
        before = through_a_file(mine.state())
        with pytest.raises(KeyError, match=key):
            mine.restore({name: value for name, value in later.items() if name != key})
        assert equal(mine.state(), before)

    def test_the_last_finite_weights_are_written(self, loop: Callable[..., Loop], tmp_path: Path) -> None:
        state = trained(loop())
        sentence = state.save_last_finite(tmp_path)
        assert str(tmp_path / "last_finite.safetensors") in sentence
        assert equal(load_file(tmp_path / "last_finite.safetensors"), dict(state.module.network.state_dict()))

    def test_where_the_last_weights_are_nan_the_best_ones_are_written(
        self, loop: Callable[..., Loop], tmp_path: Path
    ) -> None:
        state = trained(loop())
        for parameter in state.module.network.parameters():
            parameter.data.fill_(NAN)
        assert "epoch 1" in state.save_last_finite(tmp_path)
        assert equal(load_file(tmp_path / "last_finite.safetensors"), state.best)

    def test_where_all_weights_are_nan_none_are_written(self, loop: Callable[..., Loop], tmp_path: Path) -> None:
        state = loop().state
        for parameter in state.module.network.parameters():
            parameter.data.fill_(NAN)
        assert "no finite weights" in state.save_last_finite(tmp_path)
        assert not list(tmp_path.glob("*.safetensors"))

    def test_a_state_of_the_loop_survives_its_own_checkpoint(self, loop: Callable[..., Loop], tmp_path: Path) -> None:
        whole = loop(epochs=1)
        whole.run(EndRequest())
        fresh = loop(epochs=1)
        assert Checkpoints(tmp_path / "checkpoints", "test").restore(fresh.state.restore)
        assert fresh.progress.ended
        assert equal(fresh.state.best, whole.state.best)
