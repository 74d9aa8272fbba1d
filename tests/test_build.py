"""Networks from architectures: shapes, layers, and settings that do not fit."""

import json
from dataclasses import asdict

import pytest
import torch
from torch import nn

from networks import build
from sprout.config.model import Forest, KMeans, Logistic
from sprout.models.architecture import FittedForest, FittedKMeans, FittedLogistic, architecture_from_dict
from sprout.models.build import build_network, count_parameters
from sprout.models.cnn import NOT_DECREASING
from sprout.models.dense import ACTIVATIONS
from sprout.runtime.errors import UserError

CNN = {
    "name": "cnn",
    "channels": (4, 8),
    "convolutions": 1,
    "kernel": 3,
    "padding": "valid",
    "pool": 0,
    "pooling": "max",
    "batch_norm": False,
    "conv_dropout": 0.0,
    "hidden": (16,),
    "activation": "relu",
    "dropout": 0.0,
}
MLP = {"name": "mlp", "hidden": (16, 8), "batch_norm": False, "activation": "relu", "dropout": 0.0}


class Own(nn.Module):
    def __init__(self, input_shape, outputs, width=3):
        super().__init__()
        self.given = (input_shape, outputs, width)


def shapes(network, images):
    """What leaves each convolution."""
    found = []
    for layer in network:
        images = layer(images)
        if isinstance(layer, (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)):
            found.append(tuple(images.shape[1:]))
    return found


def test_a_valid_convolution_leaves_26_of_28_pixels():
    network = build((1, 28, 28), 10, **CNN)
    images = torch.zeros(2, 1, 28, 28)
    assert shapes(network, images) == [(4, 26, 26), (8, 24, 24)]
    assert network(images).shape == (2, 10)


@pytest.mark.parametrize(
    ("settings", "sizes"),
    [
        ({"padding": "same"}, [(4, 9, 14), (8, 9, 14)]),
        ({"padding": "same", "kernel": 5}, [(4, 9, 14), (8, 9, 14)]),
        ({"padding": "same", "pool": 2}, [(4, 9, 14), (4, 4, 7), (8, 4, 7), (8, 2, 3)]),
        ({"pool": 3}, [(4, 7, 12), (4, 2, 4)]),
        ({"channels": ()}, []),
        ({"convolutions": 2}, [(4, 7, 12), (4, 5, 10), (8, 3, 8), (8, 1, 6)]),
        ({"convolutions": (2, 1), "kernel": (1, 3), "pool": (2, 0)}, [(4, 9, 14), (4, 9, 14), (4, 4, 7), (8, 2, 5)]),
        ({"pool": (0, 2), "pooling": "average"}, [(4, 7, 12), (8, 5, 10), (8, 2, 5)]),
    ],
)
def test_shapes_within(settings, sizes):
    options = CNN | settings
    if settings.get("pool") == 3:
        options["channels"] = (4,)
    network = build((3, 9, 14), 5, **options)
    assert shapes(network, torch.zeros(2, 3, 9, 14)) == sizes
    assert network(torch.zeros(2, 3, 9, 14)).shape == (2, 5)


NETWORKS = [
    CNN,
    CNN | {"hidden": ()},
    CNN | {"batch_norm": True},
    MLP,
    MLP | {"hidden": ()},
    MLP | {"batch_norm": True},
]


@pytest.mark.parametrize("options", NETWORKS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_logits_for_any_input(options, activation):
    network = build((3, 8, 6), 7, **options | {"activation": activation})
    logits = network(torch.rand(4, 3, 8, 6))
    assert logits.shape == (4, 7)
    logits.sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def kinds(network):
    return [type(layer).__name__ for layer in network]


def test_layers_of_a_cnn():
    options = CNN | {"batch_norm": True, "pool": 2, "padding": "same", "dropout": 0.5, "activation": "gelu"}
    block = ["Conv2d", "BatchNorm2d", "GELU", "MaxPool2d"]
    dense = ["Flatten", "Linear", "GELU", "Dropout", "Linear"]
    assert kinds(build((1, 8, 8), 3, **options)) == block * 2 + dense
    twice = options | {"convolutions": 2, "pooling": "average", "conv_dropout": 0.1}
    block = ["Conv2d", "BatchNorm2d", "GELU"] * 2 + ["AvgPool2d", "Dropout"]
    assert kinds(build((1, 8, 8), 3, **twice)) == block * 2 + dense
    assert kinds(build((1, 8, 8), 3, **CNN)) == ["Conv2d", "ReLU"] * 2 + ["Flatten", "Linear", "ReLU", "Linear"]


def test_each_block_of_a_cnn_may_have_its_own_settings():
    own = {"convolutions": (1, 2), "kernel": (5, 3), "pool": (0, 2), "conv_dropout": (0.0, 0.25), "padding": "same"}
    network = build((1, 8, 8), 3, **CNN | own)
    assert [layer.kernel_size for layer in network if isinstance(layer, nn.Conv2d)] == [(5, 5), (3, 3), (3, 3)]
    assert kinds(network)[:8] == ["Conv2d", "ReLU", "Conv2d", "ReLU", "Conv2d", "MaxPool2d", "ReLU", "Dropout"]
    assert [layer.p for layer in network if isinstance(layer, nn.Dropout)] == [0.25]


@pytest.mark.parametrize("activation", [name for name in ACTIVATIONS if name in NOT_DECREASING])
def test_an_activation_after_max_pooling_gives_what_it_gives_before(activation):
    after = build((1, 8, 8), 3, **CNN | {"pool": 2, "padding": "same", "activation": activation})
    convolution, pool, act = after[:3]
    assert kinds(after)[:3] == ["Conv2d", "MaxPool2d", type(act).__name__]
    before = nn.Sequential(convolution, act, pool, *after[3:])
    images, found = torch.rand(5, 1, 8, 8), []
    for network in (after, before):
        network.zero_grad()
        outputs = network(images)
        outputs.square().sum().backward()
        found.append([outputs.detach(), *(each.grad.clone() for each in network.parameters())])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_layers_of_an_mlp():
    layers = ["Flatten", "Linear", "Tanh", "Dropout", "Linear", "Tanh", "Dropout", "Linear"]
    network = build((1, 8, 8), 3, **MLP | {"dropout": 0.25, "activation": "tanh"})
    assert kinds(network) == layers
    assert {layer.p for layer in network if isinstance(layer, nn.Dropout)} == {0.25}
    assert kinds(build((1, 8, 8), 3, **MLP)) == ["Flatten", "Linear", "ReLU", "Linear", "ReLU", "Linear"]
    normed = build((1, 8, 8), 3, **MLP | {"batch_norm": True})
    assert kinds(normed) == ["Flatten", *["Linear", "BatchNorm1d", "ReLU"] * 2, "Linear"]
    assert [layer.bias is None for layer in normed if isinstance(layer, nn.Linear)] == [True, True, False]


def test_parameters():
    mlp = build((1, 8, 8), 3, **MLP)
    assert count_parameters(mlp) == (64 * 16 + 16) + (16 * 8 + 8) + (8 * 3 + 3)
    cnn = build((1, 8, 8), 3, **CNN | {"batch_norm": True})
    convolutions = (9 * 4 + 8) + (9 * 4 * 8 + 16)  # batch norm's two a filter stand for the bias
    assert count_parameters(cnn) == convolutions + (8 * 16 * 16 + 16) + (16 * 3 + 3)
    mlp[1].weight.requires_grad = False
    assert count_parameters(mlp) == 16 + (16 * 8 + 8) + (8 * 3 + 3)


@pytest.mark.parametrize(
    ("size", "settings", "number"),
    [
        ((4, 4), {}, 2),
        ((28, 2), {}, 1),
        ((8, 8), {"kernel": 9}, 1),
        ((8, 8), {"pool": 4, "padding": "same", "channels": (4, 4, 4)}, 2),
        ((8, 8), {"convolutions": 2}, 2),
    ],
)
def test_too_small_an_image_is_refused(size, settings, number):
    options = CNN | settings
    with pytest.raises(UserError) as refused:
        build((1, *size), 3, **options)
    message = str(refused.value)
    assert message.startswith(f"model.channels={list(options['channels'])}: ")
    assert f"{size[0]}×{size[1]} pixels" in message
    assert f"block {number};" in message
    assert "model.kernel" in message


@pytest.mark.parametrize(("side", "settings"), [(5, {}), (8, {"pool": 2, "padding": "same", "channels": (4, 4, 4)})])
def test_one_pixel_is_enough(side, settings):
    assert build((1, side, side), 3, **CNN | settings)(torch.zeros(2, 1, side, side)).shape == (2, 3)


@pytest.mark.parametrize(("hidden", "first"), [((16, 8), 16), ((), 3)])
def test_an_mlp_takes_rows_of_a_table(hidden, first):
    network = build((5,), 3, **MLP | {"hidden": hidden})
    assert network(torch.rand(4, 5)).shape == (4, 3)
    assert next(network.parameters()).shape == (first, 5)


def test_a_cnn_refuses_rows_of_a_table():
    with pytest.raises(UserError, match=r"^model\.name=cnn: .*table with 4 features.*mlp"):
        build((4,), 3, **CNN)


def test_a_class_of_ones_own():
    own = build((3, 8, 6), 7, name="target", target=f"{__name__}.Own", args={"width": 5})
    assert type(own).__name__ == "Own"
    assert own.given == ((3, 8, 6), 7, 5)
    own = build((4,), 7, name="target", target=f"{__name__}.Own", args={})
    assert own.given == ((4,), 7, 3)


@pytest.mark.parametrize(
    ("target", "args", "says"),
    [
        (f"{__name__}.Own", {"depth": 5}, "depth"),
        ("torch.nn.Linear", {}, "input_shape"),
        ("torch.optim.Adam", {}, "subclass of torch.nn"),
        ("nowhere.Net", {}, "cannot be imported"),
    ],
)
def test_a_class_that_cannot_be_used_is_refused(target, args, says):
    with pytest.raises(UserError) as refused:
        build((3, 8, 6), 7, name="target", target=target, args=args)
    assert str(refused.value).startswith(f"model.target={target}: ")
    assert says in str(refused.value)


@pytest.mark.parametrize(
    "model", [Logistic("logistic", 1.0), Forest("forest", 5, None, 1), KMeans("kmeans", 3, 1, "raw", False)]
)
def test_what_scikit_learn_fits_is_no_network_before(model):
    with pytest.raises(UserError, match=f"^model.name={model.name}: "):
        build_network((3, 8, 6), 7, model)


def test_too_little_memory_is_refused():
    with pytest.raises(UserError, match=r"^model\.name=mlp: .*memory"):
        build((2**25, 2**25), 7, **MLP)  # more than an address space


EMBEDDING = FittedKMeans("kmeans", 3, 16, True, architecture_from_dict(CNN))


@pytest.mark.parametrize(
    "architecture",
    [
        architecture_from_dict(CNN | {"kernel": (3, 5), "padding": "same"}),
        FittedForest("forest", 5, 0, 5, 0),
        FittedLogistic("logistic"),
        FittedKMeans("kmeans", 3, 144, False, None),
        EMBEDDING,
        FittedKMeans("kmeans", 2, 3, False, EMBEDDING),
    ],
)
def test_an_architecture_comes_back_from_its_dictionary(architecture):
    assert architecture_from_dict(json.loads(json.dumps(asdict(architecture)))) == architecture


@pytest.mark.parametrize(
    ("changes", "named"), [({"name": "cn"}, "cnn"), ({"kernal": 3}, "kernel"), ({"pool": -1}, "pool")]
)
def test_an_architecture_that_is_none_is_refused(changes, named):
    with pytest.raises(UserError, match=f"^architecture.*{named}"):
        architecture_from_dict(CNN | changes)
