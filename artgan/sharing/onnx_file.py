"""ONNX: the steps of a plan as a graph."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from artgan.engine.captions import BUCKETS
from artgan.errors import UsageError
from artgan.sharing.plan import LEAK, Plan, Step

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto, TensorProto

OPSET = 17
"""The newest that programs of 2022 read: TouchDesigner, Max and onnxruntime-web among them."""
IR_VERSION = 8
"""Which came with it."""


class _Graph:
    """Nodes and weights of a graph; every step may add several."""

    def __init__(self, onnx: Any) -> None:
        self.onnx, self.nodes, self.weights = onnx, list["NodeProto"](), list["TensorProto"]()

    def node(self, kind: str, takes: Sequence[str], gives: str, **attributes: Any) -> str:
        self.nodes.append(self.onnx.helper.make_node(kind, takes, [gives], name=f"{gives}_{kind}", **attributes))
        return gives

    def weight(self, name: str, value: NDArray[Any]) -> str:
        self.weights.append(self.onnx.numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name


def onnx_bytes(
    plan: Plan, inputs: Sequence[str], sizes: Mapping[str, int], shape: tuple[int, int, int], label: Mapping[str, str]
) -> bytes:
    """An ONNX model of any batch; the same plan and label are the same bytes.

    Args:
        plan: its steps.
        inputs: their names, in order.
        sizes: numbers in a row of `z` and of `sliders`.
        shape: (C, H, W) of a picture.
        label: what it says of itself, in `metadata_props`.

    Raises:
        UsageError: the package onnx is not installed.
    """
    onnx = need_onnx()
    graph = _Graph(onnx)
    for step in plan.steps:
        _NODES[step.kind](graph, step)
    floats, whole = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
    described = {
        "label": (whole, ["N"]),
        "text": (floats, ["N", BUCKETS]),
        **{name: (floats, ["N", size]) for name, size in sizes.items()},
    }
    takes = [onnx.helper.make_tensor_value_info(name, *described[name]) for name in inputs]
    gives = [onnx.helper.make_tensor_value_info("picture", floats, ["N", *shape])]
    made: GraphProto = onnx.helper.make_graph(graph.nodes, "artgan", takes, gives, graph.weights)
    opset = onnx.helper.make_opsetid("", OPSET)
    model = onnx.helper.make_model(made, opset_imports=[opset], ir_version=IR_VERSION, producer_name="artgan")
    onnx.helper.set_model_props(model, dict(label))
    onnx.checker.check_model(model, full_check=True)
    raw: bytes = model.SerializeToString(deterministic=True)
    return raw


def need_onnx() -> Any:
    """The package onnx.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        hint = "Install it with: pip install 'artgan[onnx]'"
        raise UsageError("--format onnx needs the package onnx.", hint) from error
    return onnx


def run_onnx(raw: bytes, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32] | None:
    """Pictures that onnxruntime makes of the model; None when it is not installed."""
    try:
        import onnxruntime
    except ImportError:
        return None
    session = onnxruntime.InferenceSession(raw, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["picture"], dict(inputs))[0], np.float32)


def _linear(graph: _Graph, step: Step) -> None:
    weights = [graph.weight(f"{step.gives}_{name}", value) for name, value in step.weights.items()]
    graph.node("Gemm", [step.takes[0], *weights], step.gives, transB=1)


def _look_up(graph: _Graph, step: Step) -> None:
    table = graph.weight(f"{step.gives}_weight", step.weights["weight"])
    graph.node("Gather", [table, step.takes[0]], step.gives, axis=0)


def _shape(graph: _Graph, step: Step) -> None:
    form = graph.weight(f"{step.gives}_form", np.array([-1, *step.numbers], np.int64))
    graph.node("Reshape", [step.takes[0], form], step.gives)


def _grow(graph: _Graph, step: Step) -> None:
    weights = [graph.weight(f"{step.gives}_{name}", value) for name, value in step.weights.items()]
    pads = [step.numbers[0]] * 4
    graph.node("ConvTranspose", [step.takes[0], *weights], step.gives, strides=[2, 2], pads=pads)


def _mix(graph: _Graph, step: Step) -> None:
    weight = graph.weight(f"{step.gives}_weight", step.weights["weight"][:, :, None, None])
    graph.node("Conv", [step.takes[0], weight, graph.weight(f"{step.gives}_bias", step.weights["bias"])], step.gives)


def _style(graph: _Graph, step: Step) -> None:
    axes = graph.weight(f"{step.gives}_axes", np.array([2, 3], np.int64))
    gain, bias = (graph.node("Unsqueeze", [name, axes], f"{name}_maps") for name in step.takes[1:])
    graph.node("Add", [graph.node("Mul", [step.takes[0], gain], f"{step.gives}_scaled"), bias], step.gives)


def _double(graph: _Graph, step: Step) -> None:
    scales = graph.weight(f"{step.gives}_scales", np.array([1, 1, 2, 2], np.float32))
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    larger = graph.node("Resize", [step.takes[0], "", scales], f"{step.gives}_larger", **how)
    graph.node("AveragePool", [larger], step.gives, kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=0)


def _plainly(kind: str, **attributes: Any) -> Callable[[_Graph, Step], None]:
    def written(graph: _Graph, step: Step) -> None:
        graph.node(kind, step.takes, step.gives, **attributes)

    return written


_NODES: Mapping[str, Callable[[_Graph, Step], None]] = {
    "linear": _linear,
    "look_up": _look_up,
    "join": _plainly("Concat", axis=1),
    "add": _plainly("Add"),
    "shape": _shape,
    "grow": _grow,
    "blur": _plainly("AveragePool", kernel_shape=[2, 2]),
    "mix": _mix,
    "style": _style,
    "double": _double,
    "relu": _plainly("Relu"),
    "leaky": _plainly("LeakyRelu", alpha=LEAK),
    "tanh": _plainly("Tanh"),
}
