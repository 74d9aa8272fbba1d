"""From an architecture to a network with random weights."""

from typing import assert_never

from torch import nn

from sprout.config.environment import call_arguments
from sprout.config.model import Autoencoder, Backbone, Cnn, Forest, KMeans, Logistic, Mlp, Resnet, Target
from sprout.models import autoencoder, backbone
from sprout.models.architecture import Architecture, FittedForest, FittedKMeans, FittedLogistic
from sprout.models.cnn import cnn
from sprout.models.dense import linear, mlp
from sprout.models.fitted import RandomForest, kmeans
from sprout.models.resnet import ResNet
from sprout.runtime.errors import UserError
from sprout.runtime.user_class import subclass


def build_network(input_shape: tuple[int, ...], outputs: int, architecture: Architecture) -> nn.Module:
    """Build a randomly initialised network.

    Args:
        input_shape: (C, H, W) of one image, or (F,) of one row of a table.
        outputs: numbers that the network gives for one example, such as a logit for each class; an autoencoder gives an
            image instead, and k-means a number for each cluster.
        architecture: the section `model`, or the sizes of what scikit-learn has fitted.

    Raises:
        UserError: the architecture does not fit the input or the memory; its class cannot be used; or it is one of
            scikit-learn's that is not fitted yet.
    """
    try:
        return build_any(input_shape, outputs, architecture)
    except (RuntimeError, MemoryError) as error:
        if "allocate memory" not in str(error):
            raise
        raise UserError(f"model.name={architecture.name}: not enough memory for a network of this size") from None


def build_any(input_shape: tuple[int, ...], outputs: int, architecture: Architecture) -> nn.Module:
    """Build the network, as long as there is memory for it."""
    match architecture:
        case Cnn():
            return cnn(input_shape, outputs, architecture)
        case Mlp():
            return mlp(input_shape, outputs, architecture)
        case Resnet():
            return ResNet(input_shape, outputs, architecture)
        case Autoencoder():
            return autoencoder.Autoencoder(input_shape, architecture)
        case Backbone():
            return backbone.Backbone(input_shape, outputs, architecture)
        case Target():
            return build_target(input_shape, outputs, architecture)
        case FittedLogistic():
            return linear(input_shape, outputs)
        case FittedForest():
            return RandomForest(outputs, architecture)
        case FittedKMeans():
            # The head is cut off, and with it the number of outputs.
            embedding = architecture.embedding
            return kmeans(build_network(input_shape, 1, embedding) if embedding else None, architecture)
        case Logistic() | Forest() | KMeans():
            raise UserError(f"model.name={architecture.name}: is not a network; its size is found in training")
        case _:
            assert_never(architecture)


def build_target(input_shape: tuple[int, ...], outputs: int, architecture: Target) -> nn.Module:
    """Build a network of the user's own class."""
    network_class = subclass("model.target", architecture.target, nn.Module)
    arguments = call_arguments("model.args", architecture.args)
    try:
        return network_class(input_shape=input_shape, outputs=outputs, **arguments)
    except TypeError as error:
        raise UserError(f"model.target={architecture.target}: {error}; check model.args") from None


def count_parameters(network: nn.Module) -> int:
    """Count the trainable numbers; of scikit-learn's models, which have no parameters, the numbers in buffers."""
    parameters = [*network.parameters()]
    if not parameters:
        return sum(buffer.numel() for buffer in network.buffers())
    return sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
