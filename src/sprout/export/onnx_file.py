"""A model as an ONNX file, which many runtimes and languages run."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sprout.data.store import Array
from sprout.export.whole_model import WholeModel
from sprout.runtime.errors import UserError, one_line

if TYPE_CHECKING:
    from onnx import ModelProto

EXTRA = "pip install 'sprout[onnx]'"
INPUT, OUTPUT, LABEL = "examples", "predictions", "label"
"""Names of the file's input and outputs; the last one only where there are classes."""


def write(model: WholeModel, examples: Tensor, facts: Mapping[str, str], path: Path) -> None:
    """Write the model, for any number of examples at once.

    Args:
        model: in evaluation mode.
        examples: two of them, by which the computation is recorded.
        facts: become the metadata of the file.
        path: of the file.

    Raises:
        UserError: ONNX cannot express the network, or the packages are missing.
    """
    onnx = needed("onnx")
    needed("onnxscript")
    batch = ({0: torch.export.Dim.DYNAMIC},)
    try:
        program = torch.onnx.export(
            model,
            (examples,),
            dynamo=True,
            dynamic_shapes=batch,
            input_names=[INPUT],
            output_names=[OUTPUT],
            verbose=False,
        )
    except torch.onnx.errors.OnnxExporterError as error:
        cause = error.__cause__ or error
        raise UserError(
            f"model.name={model.card.architecture.name}: cannot be written as ONNX ({one_line(cause)}); try --to torch"
        ) from None
    assert program is not None
    proto = program.model_proto
    if model.task.target == "class":
        add_labels(proto, model.card.classes)
    onnx.helper.set_model_props(proto, dict(facts))
    onnx.checker.check_model(proto)
    onnx.save(proto, path)


def add_labels(proto: "ModelProto", classes: list[str]) -> None:
    """Add an output to a classifier: the name of the most probable class of each example, (N,) strings."""
    from onnx import TensorProto, helper

    names = helper.make_tensor("class_names", TensorProto.STRING, [len(classes)], [name.encode() for name in classes])
    proto.graph.initializer.append(names)
    most = helper.make_node("ArgMax", [OUTPUT], ["class_index"], axis=1, keepdims=0)
    proto.graph.node.extend([most, helper.make_node("Gather", ["class_names", "class_index"], [LABEL])])
    count = proto.graph.output[0].type.tensor_type.shape.dim[0].dim_param
    proto.graph.output.append(helper.make_tensor_value_info(LABEL, TensorProto.STRING, [count]))


def runner(path: Path) -> Callable[[Array], Array]:
    """Return what runs the file: examples → predictions.

    Raises:
        UserError: the package is missing.
    """
    session = needed("onnxruntime").InferenceSession(path, providers=["CPUExecutionProvider"])

    def run(examples: Array) -> Array:
        found: Array = session.run([OUTPUT], {INPUT: examples})[0]
        return found

    return run


def needed(package: str) -> Any:
    """Import a package of the extra.

    Raises:
        UserError: it is not installed.
    """
    from importlib import import_module

    try:
        return import_module(package)
    except ImportError:
        raise UserError(f"--to onnx: needs the package {package}: {EXTRA}") from None
