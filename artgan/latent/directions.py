"""Directions of a latent space along which pictures change most, found from the weights and from what varies inside."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from artgan.engine.seeds import Streams
from artgan.models import dcgan, mlp, painter
from artgan.models.anatomy import Layer, hooked, layers_of
from artgan.models.trained import LoadedGenerator

_FITTED, _MEASURED = 1024, 512  # latents that principal axes are found from, and others that they are measured on
_GRID = 8  # cells to a side of a layer's map, when it is finer
_AT_ONCE = 16
Names = Sequence[str | None]


@dataclass(frozen=True)
class Found:
    """A direction of length 1 in z, (z_dim,) float32 on the CPU, and how it was found."""

    vector: torch.Tensor
    how: str


@dataclass(frozen=True)
class Variance:
    """How much of what varies in a layer some directions explain.

    Attributes:
        layer: its name, see `artgan.models.anatomy.Layer`.
        count: how many directions.
        share: of the variance that is linear in them, 0 to 1, on latents they were not found from.
        random: the same of as many random directions.
    """

    layer: str
    count: int
    share: float
    random: float


@torch.no_grad()
def sefa(model: LoadedGenerator, most: int, names: Names, seed: int = 0) -> list[Found]:
    """Directions that the first layers stretch most: eigenvectors of A^T A (Shen & Zhou 2021, equation 5).

    A is the weight of the layer, of z's part of what enters it, with the batch norm that follows folded in: a unit
    counts by how far it moves once normalised. The painter has two first layers, that of its maps (whose gain is the
    average one) and that of its mapping network; both give `most` directions.
    """
    found: list[Found] = []
    for name, weight in _first_weights(model, names, seed).items():
        wide = weight[:, : model.settings.model.z_dim].double().cpu()
        _, vectors = torch.linalg.eigh(wide.T @ wide)
        found += [Found(vector, f"SeFa, {name}") for vector in vectors.T.flip(0)[:most].float()]
    return found


def principal(model: LoadedGenerator, most: int, names: Names, seed: int = 0) -> tuple[list[Found], Variance]:
    """Principal axes of a later layer, brought back to z by least squares (after Haerkoenen et al. 2020, section 2.2).

    The layer is the middle one, its maps pooled to a grid where they are finer; what differs between classes or texts
    is taken away first.

    Returns:
        The directions, the strongest first, and what they explain beside random ones.
    """
    layer = (layers := layers_of(model))[len(layers) // 2]
    z, seen = _activations(model, layer, names, seed)
    seen -= seen[:_FITTED].mean(0)
    with Streams(seed).as_global("explore/axes", 0, seen.device):
        _, _, axes = torch.pca_lowrank(seen[:_FITTED], q=min(2 * most, *seen.shape), center=False, niter=4)
    coordinates = seen[:_FITTED] @ axes[:, :most]
    back = torch.linalg.lstsq(z[:_FITTED], coordinates).solution.T
    vectors = F.normalize(back, dim=1)
    drawn = Streams(seed).normal("explore/random", 0, *vectors.shape)
    share, other = (_explained(z[_FITTED:], seen[_FITTED:], each) for each in (vectors, drawn))
    found = [Found(vector, f"PCA, layer {layer.name}") for vector in vectors]
    return found, Variance(layer.name, len(found), share, other)


def _first_weights(model: LoadedGenerator, names: Names, seed: int) -> dict[str, torch.Tensor]:
    """The weights (outputs, inputs) of the layers that the latent enters, by the layer's name."""
    network = model.network
    if isinstance(network, painter.Generator):
        z, c = draws(model, 256, names, seed)
        w = network.mapping(network.class_latent(z, c))
        gain = network.first_norm.gain(w).mean(0)
        first = _folded(network.first, network.first_norm.norm, gain)
        return {"first maps": first, "mapping": network.mapping[0].weight}  # type: ignore[dict-item]
    assert isinstance(network, dcgan.Generator | mlp.Generator)
    first_layer, norm = network.layers[0], network.layers[1]
    assert isinstance(norm, nn.BatchNorm2d | nn.BatchNorm1d)
    return {"first layer": _folded(first_layer, norm, norm.weight)}


def _folded(layer: nn.Module, norm: nn.BatchNorm2d | nn.BatchNorm1d, gain: torch.Tensor) -> torch.Tensor:
    """The weight (outputs, inputs) of a layer and the batch norm behind it, in evaluation mode, as one."""
    assert isinstance(layer.weight, torch.Tensor)
    assert norm.running_var is not None
    scale = gain / (norm.running_var + norm.eps).sqrt()
    if isinstance(layer, nn.Linear):
        return layer.weight * scale[:, None]
    weight = layer.weight * scale[None, :, None, None]  # of a transposed convolution: (inputs, units, rows, columns)
    return weight.flatten(1).T


def draws(
    model: LoadedGenerator, count: int, names: Names, seed: int, stream: str = "explore/latents"
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Latents (count, z_dim) and conditions, on the model's device; names of classes, or texts, take turns."""
    z = Streams(seed).normal(stream, 0, count, model.settings.model.z_dim)
    c = model.conditions([names[place % len(names)] for place in range(count)])
    device = model.engine.device
    return z.to(device), c.to(device) if c is not None else None


@torch.no_grad()
def _activations(model: LoadedGenerator, layer: Layer, names: Names, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents (N, z_dim) and what the layer makes of them (N, F), each class's mean taken away, on the CPU."""
    count = _FITTED + _MEASURED
    z, c = draws(model, count, names, seed)
    seen: list[torch.Tensor] = []

    def hook(module: nn.Module, given: Any, out: torch.Tensor) -> None:
        maps = F.relu(out)
        if maps.dim() == 4 and max(maps.shape[2:]) > _GRID:
            maps = F.adaptive_avg_pool2d(maps, (min(_GRID, maps.shape[2]), min(_GRID, maps.shape[3])))
        seen.append(maps.flatten(1).cpu())
        raise _Enough

    with hooked(model.network, [(layer.place, hook)]):
        for start in range(0, count, _AT_ONCE):
            here = slice(start, start + _AT_ONCE)
            try:
                model.network(z[here], c[here] if c is not None else None)
            except _Enough:
                continue
    kinds, rows = len(names), torch.cat(seen)
    for kind in range(kinds):
        rows[kind::kinds] -= rows[kind::kinds].mean(0)
    return z.cpu(), rows


class _Enough(Exception):
    """The layer was seen; what is finer need not be computed."""


def _explained(z: torch.Tensor, seen: torch.Tensor, vectors: torch.Tensor) -> float:
    """The share of the variance of rows (N, F) that is linear in the latents' places along vectors (K, z_dim).

    Adjusted for what so many numbers explain of anything by chance.
    """
    places = z @ vectors.T
    basis, _ = torch.linalg.qr(places - places.mean(0))
    centred = seen - seen.mean(0)
    share = float((basis.T @ centred).square().sum() / centred.square().sum().clamp_min(1e-12))
    chance = vectors.shape[0] / max(len(z) - 1, 1)
    return max(0.0, (share - chance) / (1 - chance)) if math.isfinite(share) else 0.0
