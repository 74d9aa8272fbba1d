"""A trained model with all that comes before and after its network, as one torch module."""

from torch import Tensor, nn

from sprout.models.predictor import Predictor


class WholeModel(nn.Module):
    """Stored examples in, predictions out: what `Predictor.predict` does, without numpy."""

    def __init__(self, model: Predictor) -> None:
        """Take a model; its network is shared."""
        super().__init__()
        self.normalise, self.network = model.normalise, model.network
        self.task, self.card = model.task, model.card

    def forward(self, examples: Tensor) -> Tensor:
        """(N, H, W, C) uint8 or (N, F) float32 → predictions, as `Task.exported` defines them."""
        outputs = self.network(self.normalise(self.normalise.scale(examples)))
        return self.task.exported(outputs.float(), self.card)


def without_gradients(model: Predictor) -> WholeModel:
    """Return the whole model in evaluation mode, of which no gradient is asked."""
    return WholeModel(model).eval().requires_grad_(False)
