"""The layers of a generator by the size of their maps, and what leaves each of its parts."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from artgan.models.painter import ModulatedNorm
from artgan.models.trained import LoadedGenerator


@dataclass(frozen=True)
class Layer:
    """A layer of a generator: what leaves its normalisation, just before the ReLU.

    Attributes:
        name: the shorter side of its maps in pixels, such as `16`; its number from 1 where it has no maps.
        place: the module's name in the network.
        shape: of what leaves it for one picture: (units, height, width), or (units,).
    """

    name: str
    place: str
    shape: tuple[int, ...]

    @property
    def units(self) -> int:
        """How many units it has."""
        return self.shape[0]


def layers_of(model: LoadedGenerator) -> list[Layer]:
    """The layers of a model, from the latent to the picture."""
    shapes, found = shapes_of(model), list[Layer]()
    for place in places_of(model.network):
        shape = shapes[place]
        name = str(min(shape[1:])) if len(shape) == 3 else str(len(found) + 1)
        found.append(Layer(name, place, shape))
    return found


def places_of(network: nn.Module) -> list[str]:
    """The names of the modules that are a network's layers; a batch norm inside of a modulated one is none."""
    found: list[str] = []
    for place, module in network.named_modules():
        inside = any(place.startswith(f"{outer}.") for outer in found)
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d | ModulatedNorm) and not inside:
            found.append(place)
    return found


def known_layers(name: str, known: Sequence[str]) -> str:
    """A hint for somebody who named a layer that is not there: the layers, and the nearest one of a number."""
    hint = f"There are {', '.join(known)}"
    number = name.strip().removesuffix("px").strip()
    if not (number.isascii() and number.isdecimal() and len(number) < 9 and known):
        return f"{hint}."
    nearest = min(known, key=lambda each: abs(math.log(int(each) / max(1, int(number)))))
    return f"{hint}; the nearest is {nearest}."


@torch.no_grad()
def shapes_of(model: LoadedGenerator) -> dict[str, tuple[int, ...]]:
    """The shape, without the batch, of what leaves every part of a model's network; of several things, the first."""
    shapes: dict[str, tuple[int, ...]] = {}

    def note(place: str) -> Callable[..., None]:
        def hook(module: nn.Module, given: Any, out: Any) -> None:
            shapes[place] = tuple((out[0] if isinstance(out, tuple) else out).shape[1:])

        return hook

    z = torch.zeros(1, model.settings.model.z_dim, device=model.engine.device)
    c = torch.zeros(1, model.c_dim, device=model.engine.device) if model.c_dim else None
    with hooked(model.network, [(place, note(place)) for place, _ in model.network.named_modules()]):
        model.network(z, c)
    return shapes


@contextmanager
def hooked(network: nn.Module, hooks: Sequence[tuple[str, Callable[..., Any]]]) -> Iterator[None]:
    """Within it, what leaves the named parts of a network passes through these forward hooks, in their order."""
    parts = dict(network.named_modules())
    handles = [parts[place].register_forward_hook(hook) for place, hook in hooks]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
