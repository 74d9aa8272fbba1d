"""A network that does not fit its data, its batches or its optimizer is refused before a training begins."""

from typing import Any

import torch

from sprout.data.dataset import Batches, Examples
from sprout.engine.initial import initial_network
from sprout.engine.optimizers import optimizer as make_optimizer
from sprout.engine.tasks import numbers_out
from sprout.engine.unfreezing import Unfreezing
from sprout.models.card import ModelCard
from sprout.models.features import without_head
from sprout.models.normalise import network_shape
from sprout.runtime.errors import UserError, one_line


def check_network(
    card: ModelCard,
    train: Examples,
    *,
    section: str,
    batch_size: int,
    accumulate: int,
    devices: int,
    nodes: int,
    task: dict[str, Any],
    start: dict[str, Any] | None,
    unfreeze: dict[str, Any] | None,
    lr: float,
    optimizer: dict[str, Any],
    **rest: Any,
) -> None:
    """Pass a batch, as small as the smallest of the training, through a network of this architecture.

    Args:
        card: the model, before it has learned anything.
        train: the training examples.
        section: of the training's settings: train or retrain.
        batch_size: examples a step.
        accumulate: in how many parts.
        devices: on this node.
        nodes: machines.
        task: the subsection `task`.
        start: the weights that it starts from.
        unfreeze: when which part joins in.
        lr: learning rate.
        optimizer: the subsection `optimizer`.
        rest: further settings, which do not matter here.

    Raises:
        UserError: the network cannot take such examples or so small a batch, or gives something else than it shall;
            or there is no such optimizer.
    """
    shape, outputs = network_shape(card.input_shape), numbers_out(task, card)
    network = initial_network(card, task, start).train()
    unfreezing = Unfreezing(network, unfreeze)
    if start is not None:
        unfreezing.enter(max(unfreeze["epochs"]) if unfreeze else 0)
    world = devices * nodes
    smallest = Batches(train, batch_size, targets=train.targets, parts=accumulate, world=world).smallest()
    few = min(smallest, 2)  # more would tell no more
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        try:
            found = tuple(network(torch.zeros(few, *shape)).shape)
        except ValueError as error:
            if smallest > 1 or "more than 1 value per channel" not in str(error):
                raise
            raise UserError(
                f"{section}.batch_size={batch_size}: with {len(train)} examples, {world} devices and {accumulate} "
                f"parts a step there is a batch of one, and batch norm needs two; take another {section}.batch_size"
            ) from None
        except RuntimeError as error:
            raise UserError(
                f"model.name={card.architecture['name']}: does not take {shape}: {one_line(error)}"
            ) from None
    wanted = (few, *shape) if card.task == "reconstruct" else (few, outputs)
    if card.task == "cluster":
        without_head(network)
    if found != wanted:
        raise UserError(
            f"model.name={card.architecture['name']}: gives {found[1:]} for an example; {card.task} needs {wanted[1:]}"
        )
    try:
        make_optimizer(unfreezing.parts, lr, **optimizer)
    except UserError as error:
        raise UserError(f"{section}.{error}") from None
