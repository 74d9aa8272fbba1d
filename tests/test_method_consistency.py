"""The method consistency: its loss against a plain reference, its state, and trainings by it."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from handmade import card
from learning import SHAPE, STRONG, WEAK, batch_of, examples, linear, module_of, supervised
from sprout.augment.draws import draws
from sprout.augment.transforms import augment
from sprout.config.train import GradientDescent
from sprout.data.dataset import Examples, TrainingData
from sprout.engine.checks import check_settings
from sprout.engine.fit import Fitted, fit
from sprout.engine.module import TrainingModule
from sprout.methods.base import POOL_LABELS, POOL_ROWS, Source, StepSettings
from sprout.methods.consistency import Consistency
from sprout.methods.label_record import LabelRecord
from sprout.runtime.errors import UserError
from sprout.runtime.run_context import RunContext
from trainings import CONSISTENCY as METHOD
from trainings import MLP, STILL, config_of, trainee
from trainings import examples as bright

LABELLED, POOL = [4, 0, 7], [5, 2, 8, 1, 0, 3]
CARD = card("classify", SHAPE)


@pytest.fixture
def data(tmp_path: Path) -> TrainingData:
    train, val, pool = (examples(tmp_path / name, n) for name, n in (("train", 9), ("val", 5), ("pool", 11)))
    return TrainingData(train, val, pool.with_target(None))


def section(**method: Any) -> GradientDescent:
    return supervised(method=METHOD | method, ema=0.9)


def module_for(data: TrainingData, config: GradientDescent) -> TrainingModule:
    """With a moving average that is not the network itself."""
    module = module_of(linear(), CARD, data, config)
    module.make_optimizer()
    assert module.ema
    with torch.no_grad():
        for tensor in module.ema.averages:
            tensor.mul_(1.5).add_(0.1)
    return module


def views(data: TrainingData, step: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The labelled examples as they are, and the weak and the strong view of the others, normalised."""
    labelled, pool = data.train.take(np.array(LABELLED)), data.pool and data.pool.take(np.array(POOL))
    assert pool is not None
    images, unlabelled = (torch.from_numpy(each).permute(0, 3, 1, 2) / 255 for each in (labelled, pool))
    config, draw = supervised(weak=WEAK, strong=STRONG), draws(7, step, torch.tensor(POOL))
    weak, strong = augment(unlabelled, draw, config.weak), augment(unlabelled, draw, config.strong)
    return tuple((view - 0.25) / 0.5 for view in (images, weak, strong))  # type: ignore[return-value]


def loss_of(data: TrainingData, module: TrainingModule, step: int = 0) -> Any:
    assert data.pool is not None
    return module.learner.training_loss(module, (batch_of(data.train, LABELLED), batch_of(data.pool, POOL, step)))


@pytest.mark.parametrize("temperature", [None, 0.5])
@pytest.mark.parametrize("alignment", ["none", "uniform", "labels"])
def test_the_loss(data: TrainingData, alignment: str, temperature: float | None) -> None:
    module = module_for(data, section(alignment=alignment, soft_temperature=temperature))
    found = loss_of(data, module)
    labelled, weak, strong = views(data)
    assert module.ema
    targets = torch.as_tensor(data.train.targets[LABELLED])
    with torch.no_grad():
        of_labelled = functional.cross_entropy(module.network(labelled), targets)
        probabilities = module.ema.network(weak).softmax(1)
        if alignment != "none":
            counts = np.bincount(data.train.targets, minlength=3)
            wanted = torch.as_tensor(counts / counts.sum()) if alignment == "labels" else torch.full((3,), 1 / 3)
            shares = 0.9 / 3 + 0.1 * probabilities.mean(0)
            probabilities = probabilities * (wanted / shares)
            probabilities = (probabilities / probabilities.sum(1, keepdim=True)).float()
        kept = probabilities.amax(1) >= 0.4
        logs = module.network(strong).log_softmax(1)
        soft = probabilities**2 / (probabilities**2).sum(1, keepdim=True)
        aim = functional.one_hot(probabilities.argmax(1), 3) if temperature is None else soft
        losses = -(aim * logs).sum(1) * kept
    assert 0 < kept.sum() < len(POOL)
    torch.testing.assert_close(found.loss, of_labelled + 1.5 * losses.mean(), rtol=1e-5, atol=1e-6)
    assert found.logged[0] == pytest.approx(float(kept.float().mean()))
    assert found.logged[1] == pytest.approx(float(probabilities.amax(1).mean()), rel=1e-5)


def test_the_labeller_learns_nothing_and_keeps_its_statistics(data: TrainingData) -> None:
    module = module_for(data, section())
    assert module.ema
    before = [tensor.clone() for tensor in module.ema.averages]
    loss_of(data, module).loss.backward()
    assert all(torch.equal(*pair) for pair in zip(before, module.ema.averages, strict=True))
    assert all(parameter.grad is None for parameter in module.ema.network.parameters())
    assert all(parameter.grad is not None for parameter in module.network.parameters())


def test_the_weight_rises(data: TrainingData) -> None:
    module = module_for(data, section(ramp=0.5))
    module.total_steps = 100
    plain = module.learner.labelled.training_loss(module, (batch_of(data.train, LABELLED),)).loss  # type: ignore[attr-defined]
    shares = [float((loss_of(data, module, step).loss - plain).detach()) for step in (0, 25, 50)]
    full = module_for(data, section())
    assert shares[0] == pytest.approx(0, abs=1e-6)
    assert shares[1] == pytest.approx(0.5 * float((loss_of(data, full, 25).loss - plain).detach()), rel=1e-5)
    assert shares[2] == pytest.approx(float((loss_of(data, full, 50).loss - plain).detach()), rel=1e-5)


def test_streams_and_policies() -> None:
    method = section().method
    assert [(stream.source, stream.size(10)) for stream in method.streams] == [(Source.TRAIN, 10), (Source.POOL, 20)]
    assert method.learns_from_pool
    assert method.policies == ("transforms", "weak", "strong")


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ({"confidence": None}, "confidence=null with threshold=fixed"),
        ({"threshold": "freematch"}, r"confidence=0\.4 with threshold=freematch"),
        ({"threshold": "flexmatch", "confidence": None}, "confidence=null with threshold=flexmatch"),
        ({"ratio": 0.0}, r"method.*ratio=0\.0"),
        ({"alignment": "prior"}, 'alignment="prior"'),
    ],
)
def test_settings_that_do_not_fit(method: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        section(**method)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ema": None}, r"retrain\.ema=null.*set a decay"),
        ({"processes": 5}, r"retrain\.method\.ratio=2\.0.*32 unlabelled.*multiple of 5"),
        ({"active": {"weak"}}, r"retrain\.strong: all transforms are off"),
    ],
)
def test_trainings_that_do_not_fit(changes: dict[str, Any], message: str) -> None:
    fitting: dict[str, Any] = {"batch_size": 16, "micro_batches": 1, "processes": 1, "ema": 0.9, "active": {"strong"}}
    section().method.check_training("retrain", StepSettings(**fitting))
    with pytest.raises(UserError, match=message):
        section().method.check_training("retrain", StepSettings(**fitting | changes))


@pytest.mark.parametrize(
    ("shape", "strong", "message"),
    [
        ((4,), {"drop": 0.3}, None),
        (
            (4,),
            {"noise": 0.3, "shift": 0.1},
            r"retrain\.strong\.shift=0\.1, retrain\.strong\.noise=0\.3: .*@train.strong=rows",
        ),
        ((4, 4, 1), {"drop": 0.3}, r"retrain\.strong\.drop=0\.3: changes rows of a table, .* images; set it to 0"),
    ],
)
def test_each_kind_of_examples_has_transforms_of_its_own(
    make_store: Any, shape: tuple[int, ...], strong: dict[str, float], message: str | None
) -> None:
    examples = Examples.of(make_store(6, shape=shape), target="label")
    config = config_of(method=METHOD, batch_size=2, ema=0.9, transforms=STILL, weak=STILL, strong=STILL | strong)
    with pytest.raises(UserError, match=message) if message else nullcontext():
        check_settings(examples, "retrain", config)


def test_it_learns_classes_by_cross_entropy() -> None:
    method = Consistency(**METHOD)
    method.check("train", section().task)
    with pytest.raises(UserError, match=r"train\.method\.kind=consistency.*train/method=supervised"):
        method.check("train", supervised(task={"loss": "binary"}).task)


FEW: dict[str, Any] = {
    "batch_size": 8,
    "epochs": 3,
    "steps_per_epoch": 7,
    "ema": 0.8,
    "strong": STRONG,
    "weak": WEAK,
    "log_steps": 1,
}


def trained(folder: Path, checkpoints: Path, log: Any = None, **changes: Any) -> Fitted:
    """Six labels of bright columns, and a pool of sixty."""
    torch.set_num_threads(1)
    data = TrainingData(bright(folder / "t", 0, 6), bright(folder / "v", 1, 30), bright(folder / "p", 2, 60))
    config = config_of(**FEW | {"method": METHOD} | changes)
    found = fit(trainee(MLP), data, config, RunContext("test", checkpoints, *([log] if log else [])))
    assert found is not None
    return found


class EndedError(Exception):
    """The training is interrupted."""


@pytest.mark.parametrize(
    "method",
    [
        {"threshold": "fixed"},
        {"threshold": "flexmatch", "alignment": "uniform"},
        {"threshold": "freematch", "confidence": None, "alignment": "labels"},
        {"threshold": "softmatch", "confidence": None, "alignment": "labels", "soft_temperature": 0.5, "ramp": 0.5},
    ],
    ids=lambda method: method["threshold"],
)
def test_it_resumes_to_the_same_bits(tmp_path: Path, method: dict[str, Any]) -> None:
    changes = {"method": METHOD | method, "checkpoint_minutes": 1e-9}
    undisturbed = trained(tmp_path / "one", tmp_path / "undisturbed", **changes)

    def interrupt(metrics: dict[str, float], step: int) -> None:
        if "step_loss" in metrics and step == 9:
            raise EndedError

    with pytest.raises(EndedError):
        trained(tmp_path / "two", tmp_path / "c", interrupt, **changes)
    resumed = trained(tmp_path / "three", tmp_path / "c", **changes)
    assert resumed.history == undisturbed.history
    assert all(torch.equal(resumed.weights[name], weight) for name, weight in undisturbed.weights.items())
    np.testing.assert_array_equal(resumed.arrays[POOL_LABELS], undisturbed.arrays[POOL_LABELS])


def test_labels_are_recorded_by_epoch(tmp_path: Path) -> None:
    """At a confidence of 0 all count; each epoch sees the whole pool of 11 once or more."""
    found = trained(tmp_path, tmp_path / "c", method=METHOD | {"confidence": 0.0})
    labels, rows = found.arrays[POOL_LABELS], found.arrays[POOL_ROWS]
    assert (labels.shape, labels.dtype) == ((3, len(rows)), np.int16)
    assert rows.tolist() == list(range(len(rows)))
    assert set(np.unique(labels)) <= {1, 2, 3}
    never = trained(tmp_path / "never", tmp_path / "d", method=METHOD | {"confidence": 1.0}).arrays[POOL_LABELS]
    assert set(np.unique(never)) <= {-1, -2, -3}


def test_a_record_has_what_each_example_was_last_labelled_as() -> None:
    record = LabelRecord(4)
    record.note(0, torch.tensor([2, 0]), torch.tensor([1, 0]), torch.tensor([True, False]))
    record.note(0, torch.tensor([2, 1]), torch.tensor([0, 2]), torch.tensor([True, True]))
    record.note(1, torch.tensor([0]), torch.tensor([1]), torch.tensor([True]))
    assert record.labels().tolist() == [[-1, 3, 1, 0], [2, 3, 1, 0]]
    resumed = LabelRecord(4)
    resumed.load_state_dict(record.state_dict())
    resumed.note(2, torch.tensor([3]), torch.tensor([0]), torch.tensor([False]))
    assert resumed.labels().tolist() == [[-1, 3, 1, 0], [2, 3, 1, 0], [2, 3, 1, -1]]


def test_of_a_large_pool_a_sample_is_recorded() -> None:
    record = LabelRecord(25_000)
    ids = torch.arange(25_000)
    record.note(0, ids, ids % 7, ids % 2 == 0)
    assert record.rows.tolist() == list(range(0, 25_000, 3))
    kept = ids[::3]
    assert record.labels()[0].tolist() == torch.where(kept % 2 == 0, kept % 7 + 1, -(kept % 7) - 1).tolist()


def test_what_is_kept_is_a_column_of_the_history_and_logged_by_step(tmp_path: Path) -> None:
    logged: list[dict[str, float]] = []
    found = trained(tmp_path, tmp_path / "c", lambda metrics, step: logged.append(metrics))
    assert [set(row) >= {"kept_share", "confidence"} for row in found.history] == [True] * 3
    assert all(0 <= row["kept_share"] <= 1 and 1 / 3 <= row["confidence"] <= 1 for row in found.history)
    steps = [metrics["step_kept_share"] for metrics in logged if "step_kept_share" in metrics]
    assert len(steps) == 21
    assert found.history[0]["kept_share"] == pytest.approx(np.mean(steps[:7]), rel=1e-5)


def test_more_labels_in_a_step_than_there_are(tmp_path: Path) -> None:
    """Six labels in steps of eight: two occur twice, with draws of their own."""
    assert len(trained(tmp_path, tmp_path / "c").history) == 3


# The labels of the trained network.

OF_POOL = np.array([[0.96, 0.02, 0.02], [0.92, 0.03, 0.05], [0.1, 0.7, 0.2], [0.0, 0.95, 0.05]], np.float32)


@pytest.mark.parametrize(
    ("method", "cutoffs"),
    [
        ({"threshold": "fixed", "confidence": 0.95}, [0.95] * 3),
        # Two, one and no example have reached 0.9, and one has not.
        ({"threshold": "flexmatch", "confidence": 0.9}, [0.9, 0.9 * 0.5 / 1.5, 0.0]),
        ({"threshold": "freematch", "confidence": None}, [0.8825, 0.8825 * 1.7 / 1.98, 0.8825 * 0.32 / 1.98]),
        ({"threshold": "softmatch", "confidence": None}, [0.8825] * 3),
    ],
    ids=lambda value: value["threshold"] if isinstance(value, dict) else "",
)
def test_cutoffs_are_those_of_a_step_that_is_the_whole_pool(method: dict[str, Any], cutoffs: list[float]) -> None:
    assert Consistency(**METHOD | method).cutoffs(OF_POOL).tolist() == pytest.approx(cutoffs)


def test_other_methods_have_no_cutoffs() -> None:
    assert supervised().method.cutoffs(OF_POOL) is None
