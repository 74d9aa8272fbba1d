"""A dry run: a network that does not fit its data, its batches or its optimizer is refused before training begins."""

import math

import torch

from sprout.config.train import GradientDescent
from sprout.data.dataset import Examples
from sprout.data.loader import Batches, Shares
from sprout.engine.initial import StartWeights, initial_network
from sprout.engine.optimizers import make_optimizer
from sprout.engine.unfreezing import Unfreezing
from sprout.models.card import ModelCard
from sprout.models.features import without_head
from sprout.models.normalise import network_shape
from sprout.runtime.errors import UserError, one_line


def dry_run(
    card: ModelCard, train: Examples, section: str, config: GradientDescent, start: StartWeights | None
) -> None:
    """Pass a batch, as small as the smallest of the training, through a network of this architecture.

    Args:
        card: the model before training.
        train: the training examples.
        section: train or retrain.
        config: the section.
        start: pretrained weights; None for a random initialisation.

    Raises:
        UserError: the network does not take the examples or not so small a batch, its outputs have another shape than
            the task needs, or the optimizer cannot be built.
    """
    outputs = config.method.outputs(config.task, len(card.classes))
    network = initial_network(card, outputs, start, keep_head=config.task.outputs_image).train()
    unfreezing = Unfreezing(network, config.unfreeze)
    if start is not None:
        unfreezing.enter(max(config.unfreeze.epochs) if config.unfreeze else 0)
    found = output_shape(network, card, section, config, train)
    wanted = network_shape(card.input_shape) if config.task.outputs_image else (outputs,)
    if config.task.learns_features:
        without_head(network)
    if found != wanted:
        raise UserError(
            f"model.name={card.architecture.name}: gives {found} for an example; {config.task.name} needs {wanted}"
        )
    try:
        make_optimizer(unfreezing.layer_groups, config.lr, config.optimizer)
    except UserError as error:
        raise UserError(f"{section}.{error}") from None


def output_shape(
    network: torch.nn.Module, card: ModelCard, section: str, config: GradientDescent, train: Examples
) -> tuple[int, ...]:
    """The shape of the output for one example, found by a batch of zeros.

    Raises:
        UserError: the network does not take the examples, or not so small a batch.
    """
    shape, name, smallest = network_shape(card.input_shape), card.architecture.name, smallest_batch(train, config)
    batch = min(smallest, 2)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        try:
            found = tuple(network(torch.zeros(batch, *shape)).shape)
        except ValueError as error:
            if smallest > 1 or "more than 1 value per channel" not in str(error):
                raise
            raise UserError(
                f"{section}.batch_size={config.batch_size}: with {len(train)} examples, "
                f"{math.prod(config.processes)} devices and {config.accumulate_grad_batches} micro-batches a step "
                f"there is a batch of one, and batch norm needs two; take another {section}.batch_size"
            ) from None
        except RuntimeError as error:
            raise UserError(f"model.name={name}: does not take {shape}: {one_line(error)}") from None
    if found[:1] != (batch,):
        raise UserError(f"model.name={name}: gives the shape {found} for {batch} examples; it needs a row for each")
    return found[1:]


def smallest_batch(train: Examples, config: GradientDescent) -> int:
    """How many examples the smallest micro-batch of a process has, over all streams."""
    shares = Shares(world=math.prod(config.processes), micro_batches=config.accumulate_grad_batches)
    sizes = [stream.size(config.batch_size) for stream in config.method.streams]
    found = [size // (shares.world * shares.micro_batches) for size in sizes]
    if config.steps_per_epoch is None:  # an epoch of the first stream ends with what is left
        found[0] = Batches(train, sizes[0], targets=train.targets, shares=shares).smallest()
    return max(1, min(found))
