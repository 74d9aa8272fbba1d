"""The exponential moving average of the weights."""

import io

import pytest
import torch
from torch import nn

from sprout.engine.ema import WeightAverage


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def state(net: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def change(net: nn.Sequential) -> None:
    """What a step does: weights move, and running statistics follow the batch."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.rand_like(parameter))
    net(torch.rand(8, 3))


def test_it_is_the_average_of_weights_and_running_statistics() -> None:
    net = network()
    average = WeightAverage(net, 0.6)
    expected = state(net)
    for step in range(20):
        change(net)
        average.update(step)
        decay = min(0.6, (1 + step) / (10 + step))
        now = state(net)
        expected = {
            name: decay * expected[name] + (1 - decay) * now[name] if now[name].is_floating_point() else now[name]
            for name in now
        }
    with average.applied():
        for name, tensor in net.state_dict().items():
            torch.testing.assert_close(tensor, expected[name])
    assert expected["1.num_batches_tracked"] == 20


def test_the_weights_are_back_afterwards_to_the_bit() -> None:
    net = network()
    average = WeightAverage(net, 0.9)
    change(net)
    average.update(0)
    before = state(net)
    for _ in range(3):
        with average.applied():
            assert not torch.equal(net[0].weight, before["0.weight"])
    with pytest.raises(KeyError), average.applied():
        raise KeyError
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_it_goes_on_from_what_was_saved() -> None:
    nets = network(), network()
    one, other = (WeightAverage(net, 0.9) for net in nets)
    for step in range(3):
        change(nets[0])
        one.update(step)
    buffer = io.BytesIO()
    torch.save(one.state_dict(), buffer)
    buffer.seek(0)
    nets[1].load_state_dict(nets[0].state_dict())
    other.load_state_dict(torch.load(buffer, weights_only=True))
    for net, average in zip(nets, (one, other), strict=True):
        torch.manual_seed(1)
        change(net)
        average.update(3)
    assert all(torch.equal(a, b) for a, b in zip(one.averages, other.averages, strict=True))


def test_averages_of_another_network_are_refused() -> None:
    with pytest.raises(ValueError, match="another network"):
        WeightAverage(network(), 0.9).load_state_dict([torch.zeros(4, 3)])


def test_it_keeps_the_order_of_the_memory() -> None:
    net = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    average = WeightAverage(net, 0.9)
    nn.init.ones_(net.weight)
    average.update(0)
    with average.applied():
        assert net.weight.is_contiguous(memory_format=torch.channels_last)
