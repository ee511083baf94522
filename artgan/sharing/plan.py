"""A generator as a list of a few plain steps, which every target can carry out: the graph of an ONNX file, or a page.

Batch norm is folded into the weights beside it; what is left are thirteen kinds of steps. Weights are folded in float64
and kept in float32.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from artgan.models import dcgan, mlp, painter
from artgan.models.layers import ClassLatent
from artgan.models.trained import LoadedGenerator

Kind = Literal[
    "linear", "look_up", "join", "add", "shape", "grow", "blur", "mix", "style", "double", "relu", "leaky", "tanh"
]  # fmt: skip
Floats = NDArray[np.float64]
LEAK = 0.2


@dataclass(frozen=True)
class Step:
    """One step: what `kind` does with some values gives another one.

    linear: (N, I) to (N, O): `weight` (O, I) and `bias` (O,), which may be missing.
    look_up: labels (N,) to the rows of `weight` (K, E).
    join: values beside one another, (N, A) and (N, B) to (N, A + B).
    add: the sum of two values.
    shape: (N, C * H * W) to (N, C, H, W), of `numbers` (C, H, W).
    grow: (N, I, H, W) to (N, O, 2 H + k - 2 - 2 p, ...), a transposed convolution of stride 2: `weight` (I, O, k, k),
        `bias` (O,), which may be missing, and `numbers` (p,), the padding on every side.
    blur: (N, C, H, W) to (N, C, H - 1, W - 1), the means of 2 x 2 cells.
    mix: (N, I, H, W) to (N, O, H, W): a convolution 1 x 1, `weight` (O, I) and `bias` (O,).
    style: maps (N, C, H, W) times the second value (N, C) plus the third (N, C).
    double: (N, C, H, W) to (N, C, 2 H, 2 W): each cell four times, then the mean of 3 x 3 cells, of those inside.
    relu, leaky, tanh: number by number; leaky keeps LEAK of what is negative.
    """

    kind: Kind
    takes: tuple[str, ...]
    gives: str
    weights: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The steps from `z`, `label` or `text`, and `sliders` to `picture`, in order."""

    steps: tuple[Step, ...]


class _Writer:
    """Writes steps one after another; each method returns the name of the value that its step gives."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def add(self, kind: Kind, *takes: str, numbers: Sequence[int] = (), **weights: Floats | None) -> str:
        kept = {name: value.astype(np.float32) for name, value in weights.items() if value is not None}
        gives = f"{kind}{len(self.steps)}"
        self.steps.append(Step(kind, takes, gives, kept, tuple(numbers)))
        return gives

    def finish(self) -> Plan:
        last = self.steps[-1]
        self.steps[-1] = Step(last.kind, last.takes, "picture", last.weights, last.numbers)
        return Plan(tuple(self.steps))


def plan_of(model: LoadedGenerator, directions: Mapping[str, torch.Tensor]) -> Plan:
    """The steps of a model, in evaluation mode.

    Args:
        model: the generator.
        directions: those that get a slider.
    """
    writer, network = _Writer(), model.network
    z = "z"
    if directions:
        rows = np.stack([_floats(row) for row in directions.values()])
        z = writer.add("add", "z", writer.add("linear", "sliders", weight=rows.T))
    if isinstance(network, painter.Generator):
        _painter(writer, network, _with_condition(writer, network.class_latent, z, model.takes_text))
    elif isinstance(network, dcgan.Generator):
        _dcgan(writer, network, _with_condition(writer, network.class_latent, z, model.takes_text))
    elif isinstance(network, mlp.Generator):
        _mlp(writer, network, _with_condition(writer, network.class_latent, z, model.takes_text))
    else:
        raise TypeError(f"{type(network).__name__} has no plan")  # a new network: write one for it
    return writer.finish()


def _floats(tensor: torch.Tensor) -> Floats:
    return tensor.detach().cpu().double().numpy()


def _with_condition(writer: _Writer, layer: ClassLatent, z: str, takes_text: bool) -> str:
    if layer.embedding is None:
        return z
    table = _floats(layer.embedding.weight)
    if takes_text:
        return writer.add("join", z, writer.add("linear", "text", weight=table.T))
    return writer.add("join", z, writer.add("look_up", "label", weight=table))


def _folded(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> tuple[Floats, Floats]:
    """The gain and bias, (channels,) each, that batch norm amounts to once training is over."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    gain = 1 / np.sqrt(_floats(norm.running_var) + norm.eps)
    mean = _floats(norm.running_mean)
    if not norm.affine:
        return gain, -mean * gain
    return gain * _floats(norm.weight), _floats(norm.bias) - mean * gain * _floats(norm.weight)


def _opening(layer: nn.ConvTranspose2d, gain: Floats | float, bias: Floats | float) -> tuple[Floats, Floats]:
    """A transposed convolution of one cell as a linear layer: `weight` (O * rows * columns, I) and `bias`."""
    weight = _floats(layer.weight)  # (I, O, rows, columns)
    across = np.broadcast_to(np.asarray(gain, np.float64), (weight.shape[1],))[:, None, None]
    offset = np.broadcast_to(np.asarray(bias, np.float64), (weight.shape[1],))[:, None, None]
    scaled = weight * across
    return scaled.reshape(len(scaled), -1).T, np.broadcast_to(offset, scaled.shape[1:]).reshape(-1)


def _dcgan(writer: _Writer, network: dcgan.Generator, x: str) -> None:
    layers = [*network.layers]
    assert isinstance(layers[0], nn.ConvTranspose2d)
    assert isinstance(layers[1], nn.BatchNorm2d)
    weight, bias = _opening(layers[0], *_folded(layers[1]))
    shape = (layers[0].out_channels, *layers[0].kernel_size)
    x = writer.add("relu", writer.add("shape", writer.add("linear", x, weight=weight, bias=bias), numbers=shape))
    for place, layer in enumerate(layers[3:], 3):
        if isinstance(layer, nn.ConvTranspose2d):
            following = layers[place + 1]
            if isinstance(following, nn.BatchNorm2d):
                gain, offset = _folded(following)
                weight = _floats(layer.weight) * gain[:, None, None]
                x = writer.add("relu", writer.add("grow", x, weight=weight, bias=offset, numbers=(1,)))
            else:
                assert layer.bias is not None
                x = writer.add("grow", x, weight=_floats(layer.weight), bias=_floats(layer.bias), numbers=(1,))
    writer.add("tanh", x)


def _mlp(writer: _Writer, network: mlp.Generator, x: str) -> None:
    layers = [*network.layers]
    for place, layer in enumerate(layers):
        if isinstance(layer, nn.Linear):
            weight, bias = _floats(layer.weight), _floats(layer.bias)
            following = layers[place + 1]
            if isinstance(following, nn.BatchNorm1d):
                gain, offset = _folded(following)
                x = writer.add(
                    "leaky", writer.add("linear", x, weight=weight * gain[:, None], bias=bias * gain + offset)
                )
            else:
                x = writer.add("linear", x, weight=weight, bias=bias)
    writer.add("tanh", writer.add("shape", x, numbers=network.shape))


def _painter(writer: _Writer, network: painter.Generator, z: str) -> None:
    w = z
    for layer in network.mapping:
        if isinstance(layer, nn.Linear):
            w = writer.add("leaky", writer.add("linear", w, weight=_floats(layer.weight), bias=_floats(layer.bias)))
    weight, bias = _opening(network.first, 1.0, 0.0)
    shape = (network.first.out_channels, *network.first.kernel_size)
    x = writer.add("shape", writer.add("linear", z, weight=weight, bias=bias), numbers=shape)
    x = writer.add("relu", _styled(writer, network.first_norm, x, w))
    picture = _colours(writer, network.first_picture, x)
    for level in network.doublings:
        assert isinstance(level, painter.Level)
        x = writer.add("blur", writer.add("grow", x, weight=_floats(level.grow.weight), numbers=(1,)))
        x = writer.add("relu", _styled(writer, level.norm, x, w))
        picture = writer.add("add", writer.add("double", picture), _colours(writer, level.picture, x))
    # The last two in one of 6 x 6 and padding 2: the blurred convolution, and the grain, of padding 1, in its middle.
    kernel = _blurred_kernel(network.last)
    kernel[:, :, 1:5, 1:5] += _floats(network.grain.weight)
    assert network.last.bias is not None
    details = writer.add("grow", x, weight=kernel, bias=_floats(network.last.bias), numbers=(2,))
    writer.add("tanh", writer.add("add", writer.add("double", picture), details))


def _blurred_kernel(layer: nn.ConvTranspose2d) -> Floats:
    """A transposed convolution 5 x 5 of padding 1 and the means of 2 x 2 cells after it: one 6 x 6 of padding 2."""
    weight = np.pad(_floats(layer.weight), ((0, 0), (0, 0), (1, 1), (1, 1)))
    corners = [weight[..., y : y + 6, x : x + 6] for y in (0, 1) for x in (0, 1)]
    return np.asarray(sum(corners) / 4)


def _styled(writer: _Writer, norm: painter.ModulatedNorm, x: str, w: str) -> str:
    """Batch norm and its style: both are linear in the maps, so that the first melts into the second."""
    scale, offset = _folded(norm.norm)
    gain_weight, gain_bias = _floats(norm.gain.weight), _floats(norm.gain.bias)
    bias_weight, bias_bias = _floats(norm.bias.weight), _floats(norm.bias.bias)
    gain = writer.add("linear", w, weight=gain_weight * scale[:, None], bias=gain_bias * scale)
    bias = writer.add(
        "linear", w, weight=bias_weight + gain_weight * offset[:, None], bias=bias_bias + gain_bias * offset
    )
    return writer.add("style", x, gain, bias)


def _colours(writer: _Writer, layer: nn.Conv2d, x: str) -> str:
    assert layer.bias is not None
    return writer.add("mix", x, weight=_floats(layer.weight)[:, :, 0, 0], bias=_floats(layer.bias))


@torch.no_grad()
def carry_out(plan: Plan, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Pictures (N, C, H, W) of the steps, computed one by one: what every target of the plan should come to.

    Args:
        plan: its steps.
        inputs: `z`, and what else it takes, by name.
    """
    values = dict(inputs)
    for step in plan.steps:
        weights = {name: torch.from_numpy(value) for name, value in step.weights.items()}
        values[step.gives] = _STEPS[step.kind](step, weights, *(values[name] for name in step.takes))
    return values["picture"]


_Carried = Callable[..., torch.Tensor]
_STEPS: Mapping[Kind, _Carried] = {
    "linear": lambda step, w, x: F.linear(x, w["weight"], w.get("bias")),
    "look_up": lambda step, w, label: w["weight"][label],
    "join": lambda step, w, a, b: torch.cat([a, b], 1),
    "add": lambda step, w, a, b: a + b,
    "shape": lambda step, w, x: x.unflatten(1, step.numbers),
    "grow": lambda step, w, x: F.conv_transpose2d(x, w["weight"], w.get("bias"), stride=2, padding=step.numbers[0]),
    "blur": lambda step, w, x: F.avg_pool2d(x, 2, 1),
    "mix": lambda step, w, x: F.conv2d(x, w["weight"][:, :, None, None], w["bias"]),
    "style": lambda step, w, x, gain, bias: x * gain[:, :, None, None] + bias[:, :, None, None],
    "double": lambda step, w, x: F.avg_pool2d(F.interpolate(x, scale_factor=2), 3, 1, 1, count_include_pad=False),
    "relu": lambda step, w, x: F.relu(x),
    "leaky": lambda step, w, x: F.leaky_relu(x, LEAK),
    "tanh": lambda step, w, x: torch.tanh(x),
}
