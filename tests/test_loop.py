"""The training loop: interrupted anywhere, it resumes to the same bits; and the effect of each option."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from sprout.data.dataset import TrainingData
from sprout.engine import fit as fit_module
from sprout.engine.checkpoints import Checkpoints
from sprout.engine.fit import Fitted, make_fabric
from sprout.engine.loop import Loop
from sprout.engine.module import TrainingModule
from sprout.runtime.errors import UserError
from sprout.runtime.signals import Killed, raise_killed
from trainings import CONSTANT, MLP, SGD, STILL, config_of, data_in, inputs_of, network_of, same, train

NORMED = MLP | {"batch_norm": True}
ALL_ON: dict[str, Any] = {
    "architecture": NORMED,  # with dropout
    "epochs": 2,
    "ema": 0.8,
    "optimizer": SGD | {"weight_decay": 0.01, "args": {"momentum": 0.9}},
    "transforms": STILL | {"shift": 0.1, "rotate": 20.0, "noise": 0.1, "flip": 0.5},
    "accumulate_grad_batches": 2,
    "gradient_clip_norm": 1.0,
}
PLAIN: dict[str, Any] = {
    "architecture": MLP | {"dropout": 0.0},
    "schedule": CONSTANT,
    "optimizer": SGD,
    "transforms": STILL,
}
STEPS, VAL_BATCHES = 4, 3
"""Of an epoch."""


@pytest.fixture(autouse=True)
def small_val_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_module, "VAL_BATCH", 10)


@pytest.fixture
def data(tmp_path: Path) -> TrainingData:
    return data_in(tmp_path)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit_module, "VAL_BATCH", 10)
        return train(data_in(folder), folder / "c", **ALL_ON)


@pytest.fixture
def signals() -> Iterator[None]:
    """Handlers as a command of sprout has them."""
    before = signal.signal(signal.SIGTERM, raise_killed)
    yield
    signal.signal(signal.SIGTERM, before)


def on_call(monkeypatch: pytest.MonkeyPatch, kind: type, name: str, number: int, act: Callable[[], None]) -> None:
    """Do something just before the method's call of this number, counted from 0."""
    original, calls = getattr(kind, name), iter(range(10**6))

    def counted(self: Any, *args: Any, **options: Any) -> Any:
        if next(calls) == number:
            act()
        return original(self, *args, **options)

    monkeypatch.setattr(kind, name, counted)


def end_me() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def went_on(data: TrainingData, folder: Path, monkeypatch: pytest.MonkeyPatch, place: tuple[type, str, int]) -> Fitted:
    """What comes of a training that a signal ended at this place, and that was started again."""
    with monkeypatch.context() as patch:
        on_call(patch, *place, end_me)
        with pytest.raises(Killed):
            train(data, folder, **ALL_ON)
    signal.signal(signal.SIGTERM, raise_killed)
    return train(data, folder, **ALL_ON)


PARTS = 2 * 2 * STEPS
PLACES: list[tuple[type, str, int]] = [
    *((TrainingModule, "training_step", part) for part in range(PARTS)),
    *((TrainingModule, "validation_step", batch) for batch in range(2 * VAL_BATCHES)),
    *((Loop, "validate", epoch) for epoch in range(2)),
    *((Loop, "row", epoch) for epoch in range(2)),
    *((Loop, "log_row", epoch) for epoch in range(2)),
    *((Checkpoints, "save", number) for number in range(2)),
    (Checkpoints, "restore", 0),
]


@pytest.mark.parametrize("place", PLACES, ids=[f"{name}-{number}" for _, name, number in PLACES])
def test_ended_at_any_place_it_goes_on_to_the_same_bits(
    place: tuple[type, str, int],
    data: TrainingData,
    undisturbed: Fitted,
    tmp_path: Path,
    signals: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert same(went_on(data, tmp_path / "c", monkeypatch, place), undisturbed)
    said = capsys.readouterr().err
    assert "resumes after step" in said
    if place[0] is TrainingModule:
        assert "resumes there" in said


def test_ended_again_and_again_it_comes_to_the_same_end(
    data: TrainingData, undisturbed: Fitted, tmp_path: Path, signals: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2 * STEPS):
        with monkeypatch.context() as patch:
            on_call(patch, TrainingModule, "training_step", 0, end_me)
            with pytest.raises(Killed):
                train(data, tmp_path / "c", **ALL_ON)
        signal.signal(signal.SIGTERM, raise_killed)
    assert same(train(data, tmp_path / "c", **ALL_ON), undisturbed)


def test_a_signal_lets_the_step_end_and_says_where_it_goes_on(
    data: TrainingData,
    tmp_path: Path,
    signals: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    on_call(monkeypatch, TrainingModule, "training_step", 2 * STEPS + 2, end_me)
    with pytest.raises(Killed):
        train(data, tmp_path / "c", **ALL_ON)
    assert "test: saved after step 6 (epoch 2); resumes there" in capsys.readouterr().err
    assert [path.name[:15] for path in sorted((tmp_path / "c").glob("step-*"))] == [
        "step-0000000004",
        "step-0000000006",
    ]


SCRIPT = """
import sys
from pathlib import Path
from sprout.runtime.signals import whole_process
from test_loop import ALL_ON
from trainings import data_in, train

with whole_process():
    print("ready", flush=True)
    train(data_in(Path("data")), Path("c"), **ALL_ON | {"epochs": 100_000})
"""


@pytest.mark.slow
def test_sigterm_ends_a_real_process_with_its_code(tmp_path: Path) -> None:
    paths = os.pathsep.join(str(Path(name).absolute()) for name in ("src", "tests"))
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": paths},
        stdout=pipe,
        stderr=pipe,
        text=True,
    )
    end = time.monotonic() + 120
    while not list(tmp_path.glob("c/step-*.ckpt")):
        assert time.monotonic() < end, "it did not start"
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    process.terminate()
    said = process.communicate(timeout=60)[1].splitlines()
    assert process.returncode == 143
    assert said[-1] == "ended by SIGTERM"
    assert "resumes there" in said[-2]
    step = int(said[-2].split("step ")[1].split()[0])
    assert sorted(tmp_path.glob("c/step-*.ckpt"))[-1].name.startswith(f"step-{step:010}")


@pytest.mark.parametrize("seed", range(2))
def test_killed_outright_at_random_moments_it_comes_to_the_same_end(
    seed: int, data: TrainingData, undisturbed: Fitted, tmp_path: Path
) -> None:
    """A checkpoint after each step: many of the kills hit it being written."""
    moments, settings = random.Random(seed), ALL_ON | {"checkpoint_minutes": 1e-9}
    start = time.monotonic()
    train(data, tmp_path / "timed", **settings)
    longest = (time.monotonic() - start) / 3
    ended = []
    for _ in range(8):
        child = multiprocessing.get_context("fork").Process(target=train, args=(data, tmp_path / "c"), kwargs=settings)
        child.start()
        child.join(moments.uniform(0, longest))
        child.kill()
        child.join()
        ended.append(child.exitcode)
    assert -signal.SIGKILL in ended
    assert same(train(data, tmp_path / "c", **settings), undisturbed)


@pytest.mark.parametrize("parts", [2, 3, 7])
def test_a_step_in_parts_gives_the_weights_of_one_pass(parts: int, data: TrainingData, tmp_path: Path) -> None:
    """Sixteen by seven, and twelve in the last step, come in parts of several sizes."""
    settings = PLAIN | {"precision": "64-true", "optimizer": SGD | {"args": {"momentum": 0.9}}, "lr": 0.1}
    settings["transforms"] = ALL_ON["transforms"]
    one = train(data, tmp_path / "1", **settings)
    other = train(data, tmp_path / "2", **settings, accumulate_grad_batches=parts)
    for name, weight in one.weights.items():
        torch.testing.assert_close(other.weights[name], weight, rtol=1e-12, atol=1e-12)
    for row, expected in zip(other.history, one.history, strict=True):
        assert row == pytest.approx(expected, rel=1e-12)


def moved(data: TrainingData, folder: Path, **changes: Any) -> float:
    """How far the weights went in one step at a rate of 1."""
    settings = PLAIN | {"lr": 1.0, "epochs": 1, "batch_size": 60} | changes
    before = network_of(settings["architecture"]).state_dict()
    after = train(data, folder, **settings).weights
    return float(torch.stack([(after[name] - before[name]).norm() for name in before]).norm())


@pytest.mark.parametrize("parts", [1, 4])
def test_clip_bounds_the_step(parts: int, data: TrainingData, tmp_path: Path) -> None:
    free = moved(data, tmp_path / "a", accumulate_grad_batches=parts)
    assert free > 0.1
    assert moved(data, tmp_path / "b", accumulate_grad_batches=parts, gradient_clip_norm=0.01) == pytest.approx(
        0.01, rel=1e-3
    )
    assert moved(data, tmp_path / "c", accumulate_grad_batches=parts, gradient_clip_norm=100.0) == pytest.approx(
        free, rel=1e-6
    )


def weights_by_step(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Tensor]]:
    """The weights before and after each step of the trainings to come, as they come."""
    seen: list[dict[str, Tensor]] = []
    step = Loop.step

    def watched(self: Loop, parts: Any) -> None:
        state = self.module.network.state_dict
        if not seen:
            seen.append({name: tensor.clone() for name, tensor in state().items()})
        step(self, parts)
        seen.append({name: tensor.clone() for name, tensor in state().items()})

    monkeypatch.setattr(Loop, "step", watched)
    return seen


def test_the_average_is_validated_and_handed_on(
    data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = weights_by_step(monkeypatch)
    found = train(data, tmp_path / "c", **PLAIN, lr=0.1, ema=0.5, epochs=3)
    average = seen[0]
    for number, weights in enumerate(seen[1 : STEPS * (found.best_epoch + 1) + 1]):
        decay = min(0.5, (1 + number) / (10 + number))
        average = {name: decay * average[name] + (1 - decay) * weights[name] for name in average}
    for name, weight in average.items():
        torch.testing.assert_close(found.weights[name], weight, rtol=1e-5, atol=1e-6)
    network = network_of(PLAIN["architecture"])
    network.load_state_dict(found.weights)
    loss = functional.cross_entropy(network(inputs_of(data.val)), torch.from_numpy(data.val.targets))
    assert found.history[found.best_epoch]["val_loss"] == pytest.approx(loss.item(), rel=1e-5)


def test_the_average_does_not_change_the_training(data: TrainingData, tmp_path: Path) -> None:
    with_it = train(data, tmp_path / "a", **ALL_ON)
    without = train(data, tmp_path / "b", **ALL_ON | {"ema": None})
    assert [row["train_loss"] for row in with_it.history] == [row["train_loss"] for row in without.history]
    assert [row["val_loss"] for row in with_it.history] != [row["val_loss"] for row in without.history]


def test_it_stops_at_what_was_asked_for(data: TrainingData, tmp_path: Path) -> None:
    whole = train(data, tmp_path / "a", monitor="val_accuracy")
    accuracies = [row["val_accuracy"] for row in whole.history]
    reached = next(epoch for epoch, accuracy in enumerate(accuracies) if accuracy >= 0.9)
    assert reached < len(accuracies) - 1
    stopped = train(data, tmp_path / "b", monitor="val_accuracy", stopping_threshold=0.9)
    assert stopped.history == whole.history[: reached + 1]
    again = train(data, tmp_path / "b", monitor="val_accuracy", stopping_threshold=0.9)
    assert same(again, stopped)


def spoil(monkeypatch: pytest.MonkeyPatch, call: int, value: float) -> None:
    """The loss of this pass, counted from 0, is no number."""
    original, calls = TrainingModule.training_step, iter(range(10**6))

    def spoilt(self: TrainingModule, step: Any, batch_idx: int = 0) -> dict[str, Tensor]:
        found = original(self, step, batch_idx)
        return {name: tensor * value for name, tensor in found.items()} if next(calls) == call else found

    monkeypatch.setattr(TrainingModule, "training_step", spoilt)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_names_its_step_and_leaves_the_weights_before_it(
    value: float, data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = weights_by_step(monkeypatch)
    spoil(monkeypatch, 2 * 5 + 1, value)  # the second part of the sixth step
    with pytest.raises(UserError) as refused:
        train(data, tmp_path / "c", **ALL_ON)
    path = tmp_path / "c" / "last_finite.safetensors"
    assert str(refused.value) == (
        f"test: the loss is {value} in step 6 (epoch 2): lower its lr=0.01, or clip its gradients by "
        f"gradient_clip_norm; the last finite weights are in {path}"
    )
    kept = load_file(path)
    learned = {name for name in kept if "running" not in name and "num_batches" not in name}
    assert len(seen) == 6  # before the first step, and after each of five
    assert kept.keys() == seen[-1].keys()
    assert all(torch.equal(kept[name], seen[-1][name]) for name in learned)


def test_weights_that_are_no_numbers_are_not_kept(data: TrainingData, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the loss is (nan|inf) in step \d \(epoch 1\)") as refused:
        train(data, tmp_path / "c", **PLAIN | {"lr": 1e38})
    path = tmp_path / "c" / "last_finite.safetensors"
    kept = load_file(path) if path.exists() else {}
    assert all(bool(torch.isfinite(tensor).all()) for tensor in kept.values())
    assert ("there are no finite weights to keep" in str(refused.value)) == (not kept)


@pytest.mark.parametrize("monitor", ["val_loss", "val_accuracy"])
def test_a_training_whose_val_loss_is_never_a_number_is_refused(
    data: TrainingData, tmp_path: Path, monitor: str
) -> None:
    """One step to an epoch: its own loss was still a number."""
    with pytest.raises(
        UserError, match=r"^test: the loss on val was NaN or infinite in every epoch: lower its lr=1e\+38"
    ):
        train(data, tmp_path / "c", **PLAIN | {"lr": 1e38, "epochs": 1, "batch_size": 60, "monitor": monitor})


def saves(data: TrainingData, folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> list[int]:
    """The steps after which a checkpoint was written."""
    steps: list[int] = []
    save = Checkpoints.save

    def noted(self: Checkpoints, state: Any, step: int) -> Path:
        steps.append(step)
        return save(self, state, step)

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", noted)
        train(data, folder, **settings)
    return steps


def test_checkpoints_come_after_each_epoch_and_within_it_by_the_clock(
    data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert saves(data, tmp_path / "a", monkeypatch, **ALL_ON) == [4, 8]
    settings = ALL_ON | {"checkpoint_minutes": 1e-9}
    assert saves(data, tmp_path / "b", monkeypatch, **settings) == [1, 2, 3, 4, 4, 5, 6, 7, 8, 8]


@pytest.mark.parametrize(("every", "expected"), [(0, []), (1, [0, 1, 2, 3, 4, 5, 6, 7]), (3, [0, 3, 6])])
def test_steps_are_logged_once_each(every: int, expected: list[int], data: TrainingData, tmp_path: Path) -> None:
    told: list[tuple[int, dict[str, float]]] = []
    settings = ALL_ON | {"log_steps": every}
    found = train(data, tmp_path / "c", log=lambda metrics, step: told.append((step, metrics)), **settings)
    steps = [(step, metrics) for step, metrics in told if "step_loss" in metrics]
    assert [step for step, _ in steps] == expected
    if every == 1:
        sizes = [16, 16, 16, 12]
        losses = [metrics["step_loss"] * size for (_, metrics), size in zip(steps, sizes * 2, strict=True)]
        assert sum(losses[:4]) / 60 == pytest.approx(found.history[0]["train_loss"], rel=1e-6)
        assert steps[3][1]["step_lr"] == found.history[0]["lr"]


def test_where_losses_are_max_unread_the_last_weights_known_to_be_finite_are_kept(
    data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU: by the time that the loss is read, later steps have spoilt the weights."""
    original = Loop.__init__

    def late(self: Loop, *args: Any, **settings: Any) -> None:
        original(self, *args, **settings)
        self.max_unread = 3

    monkeypatch.setattr(Loop, "__init__", late)
    seen = weights_by_step(monkeypatch)
    spoil(monkeypatch, 5, float("nan"))
    with pytest.raises(UserError, match=r"the loss is nan in step 6 .* known to be finite, after step 4, are in"):
        train(data, tmp_path / "c", **PLAIN | {"epochs": 4})
    kept = load_file(tmp_path / "c" / "last_finite.safetensors")
    assert all(torch.equal(kept[name], seen[4][name]) for name in kept)


def test_what_does_not_fit_changes_nothing(data: TrainingData, tmp_path: Path) -> None:
    """Also where only a later part of the state is another training's."""
    train(data, tmp_path / "a", **PLAIN | {"epochs": 1})
    undisturbed = train(data, tmp_path / "b", **PLAIN | {"optimizer": SGD, "epochs": 1})
    given = sorted(tmp_path.glob("a/step-*.ckpt"))[-1]
    state = torch.load(given, weights_only=True)
    state["optimizer"]["param_groups"] *= 2
    (tmp_path / "c").mkdir()
    Checkpoints(tmp_path / "c", "test").save(state, 99)
    assert same(train(data, tmp_path / "c", **PLAIN | {"optimizer": SGD, "epochs": 1}), undisturbed)


@pytest.mark.parametrize("precision", ["bf16-mixed", "32-true"])
def test_rows_reach_the_step_as_they_are(precision: str, data: TrainingData) -> None:
    """Fabric would round them with several devices, and years, say, are not the same in bfloat16."""
    fabric = make_fabric(config_of(precision=precision))
    rows = torch.tensor([[2019.0], [2020.0]])
    assert torch.equal(fabric.strategy.precision.convert_input(rows), rows)
