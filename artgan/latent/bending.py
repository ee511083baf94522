"""Network bending: what leaves chosen layers and units of a generator is turned, moved, silenced or shaken.

After Broad, Leymarie & Grierson 2021, "Network bending: expressive manipulation of deep generative models". A bend acts
on what leaves a layer's normalisation, just before the ReLU: `16:scale=1.4` on the maps of 16 pixels, `8:ablate=3,17`
on two units, `32:rotate=0..15@0-9` on ten units of the maps of 32 pixels, from 0 to 15 degrees along a walk.
"""

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from artgan.engine.seeds import Streams, parse_seeds
from artgan.errors import UsageError
from artgan.latent.sliders import Range
from artgan.models.anatomy import Layer, hooked, known_layers, layers_of
from artgan.models.trained import LoadedGenerator

_FORM = re.compile(r"(?P<layer>[^:=@]+):(?P<op>[\w-]+)=(?P<value>[^@]+)(?:@(?P<units>[\d,\s-]+))?")
_EXAMPLE = "Write LAYER:OP=VALUE, such as 16:scale=1.4, 32:rotate=15@0-7 or 8:ablate=3,17."
MOST_BENDS = 32


@dataclass(frozen=True)
class _Op:
    """A kind of bend: the values it takes, and whether it needs maps with sides."""

    least: float
    most: float
    spatial: bool


OPS = {
    "scale": _Op(0.05, 20.0, True),  # times as large, about the middle
    "rotate": _Op(-3600.0, 3600.0, True),  # degrees, clockwise
    "shift-x": _Op(-2.0, 2.0, True),  # shares of the width, to the right
    "shift-y": _Op(-2.0, 2.0, True),  # shares of the height, downwards
    "gain": _Op(-100.0, 100.0, False),  # times as strong; below 0 inverts
    "threshold": _Op(-100.0, 100.0, False),  # 1 from there on, 0 below
    "noise": _Op(0.0, 100.0, False),  # standard deviations of the unit, added
    "ablate": _Op(0.0, 0.0, False),  # silence; its value are the units
}
"""What a bend can do; the least and the largest value."""


@dataclass(frozen=True)
class Bend:
    """One bend: where, what, how far, and on which units (None is all of them); `text` is how it was written."""

    text: str
    layer: Layer
    op: str
    value: Range
    units: tuple[int, ...] | None


class Bent(nn.Module):
    """A generator under bends.

    Latents carry two numbers more than z: how far along a walk they are, 0 to 1, and which of `seeds` noise is drawn
    from. So every picture is the same in any company, as `render` promises.
    """

    def __init__(self, network: nn.Module, bends: Sequence[Bend], seeds: Sequence[int]) -> None:
        super().__init__()
        self.network = network
        self._bends, self._seeds = tuple(bends), tuple(seeds)

    def forward(self, z: torch.Tensor, c: torch.Tensor | None = None) -> torch.Tensor:
        """Pictures for latents (N, z_dim + 2)."""
        z, along, which = z[:, :-2], z[:, -2], z[:, -1]
        seeds = [self._seeds[int(place)] for place in which.tolist()]

        def hook(number: int, bend: Bend) -> Callable[..., torch.Tensor]:
            return lambda module, given, out: bent(out, bend, number, along, seeds)

        hooks = [(bend.layer.place, hook(number, bend)) for number, bend in enumerate(self._bends)]
        with hooked(self.network, hooks):
            pictures: torch.Tensor = self.network(z, c)
        return pictures


def parse_bends(texts: Sequence[str], model: LoadedGenerator, moving: bool = False) -> list[Bend]:
    """Bends from words such as `16:scale=1.4`, which act in their order.

    Args:
        texts: LAYER:OP=VALUE, or LAYER:OP=VALUE@UNITS; units as `0,3,5-9`, from 0.
        model: whose layers they name.
        moving: whether values may change along a walk, as `0..15` does.

    Raises:
        UsageError: a layer, operation, value or unit is not there.
    """
    if len(texts) > MOST_BENDS:
        raise UsageError(f"--bend stands {len(texts)} times.", f"Give {MOST_BENDS} at most.")
    layers = {layer.name: layer for layer in layers_of(model)} if texts else {}
    return [_parse(text, layers, moving) for text in texts]


def _parse(text: str, layers: dict[str, Layer], moving: bool) -> Bend:
    match = _FORM.fullmatch(text.strip())
    if not match:
        raise UsageError(f"--bend {text[:100]!r} is no bend.", _EXAMPLE)
    name, op, value, units = match["layer"].strip(), match["op"], match["value"].strip(), match["units"]
    layer = layers.get(name)
    if layer is None:
        known = known_layers(name, [*layers])
        raise UsageError(f"--bend {text[:100]!r}: there is no layer {name[:40]!r}.", known)
    if op not in OPS:
        near = difflib.get_close_matches(op, OPS, n=1)
        raise UsageError(
            f"--bend {text[:100]!r}: there is no operation {op!r}.",
            f"Did you mean {near[0]}?" if near else f"There are {', '.join(OPS)}.",
        )
    if OPS[op].spatial and len(layer.shape) < 3:
        raise UsageError(
            f"--bend {text[:100]!r}: layer {name} has no maps to {op}.", "Use gain, noise or ablate there."
        )
    if op == "ablate":
        if units is not None:
            raise UsageError(f"--bend {text[:100]!r} names units twice.", "Write 8:ablate=3,17.")
        return Bend(text, layer, op, Range(0, 0), _units(text, value, layer))
    return Bend(text, layer, op, _range(text, op, value, moving), None if units is None else _units(text, units, layer))


def _range(text: str, op: str, value: str, moving: bool) -> Range:
    kind = OPS[op]
    try:
        found = Range.parse(value)
    except ValueError as error:
        raise UsageError(f"--bend {text[:100]!r}: {value[:40]!r} is no number.", _EXAMPLE) from error
    if not all(kind.least <= each <= kind.most for each in (found.start, found.end)):
        raise UsageError(f"--bend {text[:100]!r} is out of range.", f"{op} takes {kind.least:g} to {kind.most:g}.")
    if found.moves and not moving:
        raise UsageError(f"--bend {text[:100]!r}: only a walk moves from one value to another.", _EXAMPLE)
    return found


def _units(text: str, listed: str, layer: Layer) -> tuple[int, ...]:
    try:
        units = parse_seeds(listed)
    except UsageError as error:
        raise UsageError(f"--bend {text[:100]!r}: {listed[:40]!r} is no list of units.", _EXAMPLE) from error
    if max(units) >= layer.units:
        known = f"Its units are 0 to {layer.units - 1}."
        raise UsageError(f"--bend {text[:100]!r}: layer {layer.name} has no unit {max(units)}.", known)
    return units


def bent(out: torch.Tensor, bend: Bend, number: int, along: torch.Tensor, seeds: Sequence[int]) -> torch.Tensor:
    """What leaves a layer, (N, units, ...), after a bend.

    Args:
        out: as it leaves the layer; not changed.
        bend: what is done.
        number: of the bend among its fellows: each has noise of its own.
        along: (N,) places on a walk, 0 to 1.
        seeds: N of them, for noise.
    """
    value = bend.value.start + (bend.value.end - bend.value.start) * along
    chosen = out if bend.units is None else out[:, list(bend.units)]
    changed = _changed(chosen, bend, number, value, seeds)
    if bend.units is None:
        return changed
    whole = out.clone()
    whole[:, list(bend.units)] = changed
    return whole


def _changed(x: torch.Tensor, bend: Bend, number: int, value: torch.Tensor, seeds: Sequence[int]) -> torch.Tensor:
    each = value.reshape(-1, *[1] * (x.dim() - 1))
    if bend.op == "gain":
        return x * each
    if bend.op == "threshold":
        return (x >= each).to(x.dtype)
    if bend.op == "ablate":
        return torch.zeros_like(x)
    if bend.op == "noise":
        places = tuple(range(2, x.dim())) or (1,)
        return x + each * x.std(places, keepdim=True, correction=0) * _noise(number, seeds, x)
    return _moved(x, bend.op, value)


def _noise(number: int, seeds: Sequence[int], x: torch.Tensor) -> torch.Tensor:
    """Normal numbers of the shape of x (N, ...), a draw for each seed."""
    drawn = {seed: Streams(seed).normal("bend/noise", number, *x.shape[1:]) for seed in set(seeds)}
    return torch.stack([drawn[seed] for seed in seeds]).to(x.device, x.dtype)


def _moved(x: torch.Tensor, op: str, value: torch.Tensor) -> torch.Tensor:
    """Maps (N, units, H, W) scaled, turned or shifted about their middle by values (N,); gaps are mirrored."""
    height, width = x.shape[2:]
    zero, one = torch.zeros_like(value), torch.ones_like(value)
    # Where each cell takes its content from, in coordinates from -1 to 1: the inverse of what is seen.
    if op == "scale":
        rows = ((1 / value, zero, zero), (zero, 1 / value, zero))
    elif op == "rotate":
        cos, sin = torch.cos(torch.deg2rad(value)), torch.sin(torch.deg2rad(value))
        rows = ((cos, sin * height / width, zero), (-sin * width / height, cos, zero))
    elif op == "shift-x":
        rows = ((one, zero, -2 * value), (zero, one, zero))
    else:
        rows = ((one, zero, zero), (zero, one, -2 * value))
    theta = torch.stack([torch.stack(row, 1) for row in rows], 1)
    places = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x, places, mode="bilinear", padding_mode="reflection", align_corners=False)
