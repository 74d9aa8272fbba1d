"""A model as a file of torch.export, which torch runs without this project's code."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from sprout.data.store import Array
from sprout.export.whole_model import WholeModel
from sprout.runtime.errors import UserError, one_line

FACTS = "sprout.json"
"""The file within the file that says what the model is."""


def write(model: WholeModel, examples: Tensor, facts: Mapping[str, str], path: Path) -> None:
    """Write the model, for any number of examples at once; the arguments are those of `onnx_file.write`.

    Raises:
        UserError: torch cannot record the network.
    """
    try:
        program = torch.export.export(model, (examples,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
    except (RuntimeError, ValueError, torch._dynamo.exc.UserError) as error:
        raise UserError(
            f"model.name={model.card.architecture.name}: cannot be recorded by torch.export ({one_line(error)}); "
            "try --to onnx"
        ) from None
    with path.open("wb") as file:  # torch warns of a path with another ending
        torch.export.save(program, file, extra_files={FACTS: json.dumps(facts, ensure_ascii=False)})


def runner(path: Path) -> Callable[[Array], Array]:
    """Return what runs the file: examples → predictions."""
    with path.open("rb") as file:
        model = torch.export.load(file).module()

    def run(examples: Array) -> Array:
        with torch.inference_mode():
            found: Array = model(torch.from_numpy(examples)).numpy()
        return found

    return run
