"""Weights of a trained network for another of its family: level by level, class by class, colour by colour."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass(frozen=True)
class Form:
    """What a network was built for.

    Attributes:
        shape: (channels, height, width) of its pictures.
        classes: class names; empty without classes.
        z_dim: numbers in a latent.
        embed_dim: numbers that stand for a class or a caption beside the latent; 0 without either.
    """

    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    z_dim: int
    embed_dim: int

    @property
    def latent(self) -> int:
        """Numbers that enter the generator."""
        return self.z_dim + self.embed_dim


@torch.no_grad()
def transplant(target: nn.Module, source: nn.Module, now: Form, was: Form) -> dict[str, float]:
    """Give `target` what fits of the weights and buffers of `source`; the rest stays as it was drawn.

    Tensors of one name and shape are copied whole. Where channels differ in number, the common ones are copied, and
    what enters them from new ones is set to 0, so that they compute what they did (after Net2Net, Chen et al. 2016).
    Classes are known by name; grey and coloured pictures by their mean; the smallest grid of cells is stretched. Levels
    of networks for pictures of another size go by their distance from the latent or the logit, the one at the picture
    to the one at the picture.

    Returns:
        The share of each of `target`'s parameters that was copied, 0 to 1, by name.
    """
    origins, found = _origins(target, source), source.state_dict()
    inputs, parameters = _inputs(target), dict(target.named_parameters())
    kept = dict.fromkeys(parameters, 0.0)
    for name, tensor in target.state_dict().items():
        old = found.get(origins.get(name, ""))
        if old is not None and old.dim() == tensor.dim():
            share = _copy(tensor, old, name.endswith("embedding.weight"), inputs.get(name), now, was)
            if name in parameters:
                kept[name] = share
    return kept


def _origins(target: nn.Module, source: nn.Module) -> dict[str, str]:
    """The name in `source` of what a name in `target` stands for."""
    ours, theirs = _levels(target), _levels(source)
    inside = {name for level in ours for name in level.values()}
    origins = {name: name for name in target.state_dict() if name not in inside}
    pairs = [*zip(ours[:1], theirs[:1], strict=False), *zip(ours[:0:-1], theirs[:0:-1], strict=False)]
    for our, their in pairs:
        origins |= {name: their[place] for place, name in our.items() if place in their}
    return origins


def _levels(network: nn.Module) -> list[dict[str, str]]:
    """For each level, from the picture on, the names of its tensors in the network by their names in the level."""
    names = {id(tensor): name for name, tensor in network.state_dict(keep_vars=True).items()}
    levels: Sequence[nn.Module] = getattr(network, "levels", ())
    return [
        {place: names[id(tensor)] for place, tensor in level.state_dict(keep_vars=True).items()} for level in levels
    ]


def _inputs(network: nn.Module) -> dict[str, int]:
    """Which dimension of a layer's weight counts what enters it, by the weight's name."""
    found: dict[str, int] = {}
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear | nn.ConvTranspose2d):
            dim = 0 if isinstance(module, nn.ConvTranspose2d) else 1
            found |= {f"{name}.weight": dim, f"{name}.parametrizations.weight.original": dim}
    return found


def _copy(tensor: torch.Tensor, old: torch.Tensor, by_class: bool, entering: int | None, now: Form, was: Form) -> float:
    """Copy what `tensor` and `old` have in common; returns its share of `tensor`.

    Args:
        tensor: of the new network; changed.
        old: of the trained one.
        by_class: whether rows stand for classes (or, where neither network knows any, for parts of captions).
        entering: the dimension that counts what enters the layer; None when it is not the weight of a layer.
        now: what the new network is for.
        was: what the trained one is for.
    """
    old = old.to(tensor.device)
    if tensor.dim() == 4 and old.shape[2:] != tensor.shape[2:]:
        area = math.prod(old.shape[2:]) / math.prod(tensor.shape[2:])
        old = F.interpolate(old, tensor.shape[2:], mode="bilinear")
        old = old * area if entering == 1 else old  # a sum over more cells stays as large
    rows: list[torch.Tensor] = []
    columns: list[torch.Tensor] = []
    for dim in range(min(2, tensor.dim())):
        if {tensor.shape[dim], old.shape[dim]} in ({1, 3}, {1, 4}) and now.shape[0] != was.shape[0]:
            old = _recoloured(old, dim, summed=dim == entering)
        if by_class and dim == 0 and (now.classes or was.classes):
            pairs = [(i, was.classes.index(name)) for i, name in enumerate(now.classes) if name in was.classes]
        elif dim == entering and (tensor.shape[dim], old.shape[dim]) == (now.latent, was.latent):
            pairs = _latent_pairs(now, was)
        elif (tensor.shape[dim], old.shape[dim]) == (math.prod(now.shape), math.prod(was.shape)) and (
            now.shape[1:] != was.shape[1:] or (now.shape[0] == 1) != (was.shape[0] == 1)
        ):
            pairs = []  # a picture laid flat: pixels of another grid
        else:
            pairs = [(i, i) for i in range(min(tensor.shape[dim], old.shape[dim]))]
        rows.append(torch.tensor([new for new, _ in pairs], dtype=torch.long, device=tensor.device))
        columns.append(torch.tensor([former for _, former in pairs], dtype=torch.long, device=tensor.device))
    if not rows:
        tensor.copy_(old)
        return 1.0
    for dim, column in enumerate(columns):
        old = old.index_select(dim, column)
    if entering is not None and old.numel():
        new = sorted({*range(tensor.shape[entering])} - {*rows[entering].tolist()})
        silent = list(rows)
        silent[entering] = torch.tensor(new, dtype=torch.long, device=tensor.device)
        tensor[_mesh(silent)] = 0
    tensor[_mesh(rows)] = old
    return old.numel() / max(1, tensor.numel())


def _mesh(rows: list[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """An index of all combinations of rows and, where there are two dimensions, columns."""
    return (rows[0],) if len(rows) == 1 else (rows[0][:, None], rows[1])


def _latent_pairs(now: Form, was: Form) -> list[tuple[int, int]]:
    """What enters the generator: numbers of the latent first, then those of the class."""
    pairs = [(i, i) for i in range(min(now.z_dim, was.z_dim))]
    return pairs + [(now.z_dim + i, was.z_dim + i) for i in range(min(now.embed_dim, was.embed_dim))]


def _recoloured(old: torch.Tensor, dim: int, summed: bool) -> torch.Tensor:
    """Grey weights for three colours, or those of three colours for grey, the picture staying as bright."""
    if old.shape[dim] == 1:
        return old.repeat_interleave(3, dim) / (3 if summed else 1)
    colours = old.narrow(dim, 0, 3)
    return colours.sum(dim, keepdim=True) if summed else colours.mean(dim, keepdim=True)
