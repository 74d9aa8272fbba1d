"""Muon for matrices and kernels, AdamW for all other parameters."""

import copy
import io
from typing import Any

import pytest
import torch
from torch import nn

from sprout.engine.muon import NARROW, RMS, Muon, orthogonal

LR, DECAY = 0.1, 0.2


def wide_matrix(seed: int = 0, rows: int = 40, columns: int = 64) -> nn.Parameter:
    torch.manual_seed(seed)
    return nn.Parameter(torch.randn(rows, columns))


def grads(*shape: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(shape, generator=generator) for _ in range(5)]


def group(*parameters: nn.Parameter) -> list[dict[str, Any]]:
    return [{"params": list(parameters), "weight_decay": DECAY}]


@pytest.mark.parametrize("shape", [(40, 64), (64, 40), (32, 32)])
def test_a_step_goes_along_a_matrix_that_is_nearly_orthogonal(shape: tuple[int, int]) -> None:
    u, s, v = torch.linalg.svd(torch.randn(shape, generator=torch.Generator().manual_seed(0)), full_matrices=False)
    found = orthogonal(u * s @ v, 5)
    inside = u.T @ found @ v.T  # in the frame of the given matrix: about 1 on the diagonal, nothing beside it
    assert inside.diagonal().min() > 0.6
    assert inside.diagonal().max() < 1.3
    assert (inside - torch.diag(inside.diagonal())).abs().max() < 1e-4


@pytest.mark.parametrize("shape", [(40, 64), (64, 40)])
def test_a_matrix_moves_as_by_torchs_muon(shape: tuple[int, int]) -> None:
    """Torch computes the direction in bfloat16, which knows eight bits."""
    one = wide_matrix(0, *shape)
    other = copy.deepcopy(one)
    ours = Muon(group(one), LR)
    theirs = torch.optim.Muon([other], LR, weight_decay=DECAY, adjust_lr_fn="match_rms_adamw")
    for grad in grads(*shape):
        one.grad, other.grad = grad.clone(), grad.clone()
        before = one.detach().clone()
        other.data.copy_(before)
        ours.step()
        theirs.step()
        step, expected = one.detach() - before, other.detach() - before
        assert (step - expected).norm() < 0.02 * expected.norm()


def test_a_steps_root_mean_square_is_that_of_adamw() -> None:
    parameter = wide_matrix()
    before = parameter.detach().clone()
    parameter.grad = grads(40, 64)[0]
    Muon([{"params": [parameter], "weight_decay": 0.0}], LR).step()
    assert (parameter - before).square().mean().sqrt().item() == pytest.approx(RMS * LR, rel=0.2)


def test_all_else_moves_as_by_adamw() -> None:
    torch.manual_seed(0)
    ours = nn.ParameterList([torch.randn(50), torch.randn(NARROW - 1, 64), torch.randn(64, 3, 3, 3)])
    theirs = copy.deepcopy(ours)
    mine = Muon(group(*ours), LR, adamw={"betas": (0.8, 0.9)})
    reference = torch.optim.AdamW(theirs, LR, weight_decay=DECAY, betas=(0.8, 0.9))
    for seed in range(4):
        for one, other in zip(ours, theirs, strict=True):
            one.grad = torch.randn(one.shape, generator=torch.Generator().manual_seed(seed))
            other.grad = one.grad.clone()
        if seed == 2:
            for optimizer in (mine, reference):
                optimizer.param_groups[0]["lr"] = 0.01
        mine.step()
        reference.step()
    narrow, kernel = ours[:2], ours[2]
    assert all(torch.equal(one, other) for one, other in zip(narrow, theirs, strict=False))
    assert kernel.flatten(1).shape == (64, 27)
    assert torch.equal(kernel, theirs[2]), "27 numbers a filter are too few"


def test_a_kernel_moves_alike_in_both_orders_of_memory() -> None:
    torch.manual_seed(0)
    first = nn.Parameter(torch.randn(40, 8, 3, 3))
    last = nn.Parameter(first.detach().clone().to(memory_format=torch.channels_last))
    optimizers = Muon(group(first), LR), Muon(group(last), LR)
    for number, grad in enumerate(grads(40, 8, 3, 3)):
        first.grad = grad
        # As backward gives it: in either order, whatever that of the weights.
        last.grad = grad.clone(memory_format=torch.channels_last if number % 2 else torch.contiguous_format)
        for optimizer in optimizers:
            optimizer.step()
    torch.testing.assert_close(last.detach(), first.detach(), rtol=1e-4, atol=1e-5)
    assert last.is_contiguous(memory_format=torch.channels_last)


def test_it_goes_on_from_what_was_saved() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(4, 40, 3), nn.BatchNorm2d(40), nn.Flatten(), nn.Linear(40, 40))
    other = copy.deepcopy(network)
    one = Muon(group(*network.parameters()), LR)
    images = torch.randn(6, 8, 4, 3, 3)

    def step(net: nn.Module, optimizer: Muon, batch: torch.Tensor) -> None:
        optimizer.zero_grad()
        net(batch).square().sum().backward()
        optimizer.step()

    for batch in images[:3]:
        step(network, one, batch)
    buffer = io.BytesIO()
    torch.save(one.state_dict(), buffer)
    buffer.seek(0)
    other.load_state_dict(network.state_dict())
    again = Muon(group(*other.parameters()), LR)
    again.load_state_dict(torch.load(buffer, weights_only=True))
    for batch in images[3:]:
        step(network, one, batch)
        step(other, again, batch)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), other.parameters(), strict=True))


def test_what_has_no_gradient_stays() -> None:
    parameter = wide_matrix()
    before = parameter.detach().clone()
    Muon(group(parameter), LR).step()
    assert torch.equal(parameter, before)


def test_a_schedule_moves_both_rates() -> None:
    """At a rate of nothing, nothing moves."""
    parameters = [wide_matrix(), nn.Parameter(torch.ones(3))]
    before = [parameter.detach().clone() for parameter in parameters]
    optimizer = Muon(group(*parameters), LR)
    optimizer.param_groups[0]["lr"] = 0.0
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    assert all(torch.equal(now, then) for now, then in zip(parameters, before, strict=True))
