"""What single units of a generator do: each is switched off in turn, and what then changes in the pictures is measured.

The idea is GAN dissection (Bau et al. 2019): a unit is one map of a layer; switching it off means that its map is 0
behind the ReLU. Where they name units with a segmentation network, here the change itself is measured and shown.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from artgan.engine.oklab import to_oklab
from artgan.interpretation.draws import Draws, Should, Tell, Working, stop_if
from artgan.models.anatomy import hooked, places_of

EARLY = 20
"""Layers whose maps have no more pixels than this to their shorter side are looked at."""
MOST_LAYERS = 3
FIRST, FEWEST_FIRST = 12, 3
"""Pictures of 64 x 64 pixels that every unit is switched off for, and of larger ones; the strongest are then looked at
in all."""
MARGIN = 2
"""So many times more units than are shown are measured in all pictures."""
QUIET = 0.1
"""A unit that changes less than so much percent does nothing that is seen."""
SIDE = 64
"""Changes are kept with no more pixels than this to a side."""
STRONG = 4
"""A single unit of many is a quiet voice: it is also shown so many times as loud."""
_AT_ONCE = 32
_OWN = 3.5  # standard errors by which a unit works more for a class than for the others, to be called that class's
_FEWEST = 3  # pictures of a class, to say anything of it
_SPREAD = 0.3  # of the picture's area holding half of a change: it is everywhere (an even change has 0.5)
_ONE_WAY = 0.4  # share of a change that goes one way, to be named by it


@dataclass(frozen=True)
class Unit:
    """One unit of a layer, measured by what is missing without it.

    Attributes:
        number: which one of its layer, from 0.
        change: mean distance in OKLab between the pictures with and without it, in percent of black to white.
        place: where in the picture that happens, in words.
        effect: what the unit does there, in words.
        class_name: the class or text that it works for most, when it does so clearly.
    """

    number: int
    change: float
    place: str
    effect: str
    class_name: str | None


@dataclass(frozen=True)
class Example:
    """One picture with and without a unit.

    Attributes:
        title: of the draw.
        painted: (C, H, W) in [-1, 1].
        without: the same without the unit.
        strong: the same with the unit STRONG times as strong.
        difference: (h, w), distance in OKLab.
        active: (h, w), the unit's map, 0 or above; None where the layer has no maps.
    """

    title: str
    painted: torch.Tensor
    without: torch.Tensor
    strong: torch.Tensor
    difference: torch.Tensor
    active: torch.Tensor | None


@dataclass(frozen=True)
class Layer:
    """A layer of units; (height, width) of its maps, or None; how many units change nothing that is seen."""

    name: str
    units: int
    quiet: int
    strongest: tuple[Unit, ...]


@dataclass(frozen=True)
class Dissection:
    """A layer, and for each of its strongest units a few pictures that show what it does."""

    layer: Layer
    examples: tuple[tuple[Example, ...], ...]


def dissect(
    network: nn.Module,
    drawn: Draws,
    device: torch.device,
    *,
    most: int = 12,
    shown: int = 3,
    tell: Tell = lambda event: None,
    should_stop: Should = lambda: False,
) -> list[Dissection]:
    """Switch off every unit of the early layers, and rank the units of each by how much of the pictures changes.

    Args:
        network: a generator in evaluation mode.
        drawn: the fixed latents; the first few serve for all units, all of them for the strongest.
        device: where the network is.
        most: how many units of a layer are shown.
        shown: how many pictures show each: those that it changes most.
        tell: told of every step.
        should_stop: asked between steps.

    Raises:
        Interrupted: `should_stop` said so.
    """
    bench = _Bench(network, drawn, device)
    layers = early_layers(bench.active)
    sizes = [bench.active[place].shape[1] for place in layers]
    first = min(len(drawn), max(FEWEST_FIRST, round(FIRST * min(1, SIDE**2 / bench.painted[0, 0].numel()))))
    total = sum(size * first + min(MARGIN * most, size) * len(drawn) for size in sizes)
    done, found = 0, []

    def advance(count: int) -> None:
        nonlocal done
        stop_if(should_stop)
        done += count
        tell(Working("Switching units off", done, total))

    for place, size in zip(layers, sizes, strict=True):
        rough = torch.stack([change.mean() for change in bench.changes(place, range(size), range(first), advance)])
        tried = rough.argsort(descending=True, stable=True)[: MARGIN * most].tolist()
        changes = dict(zip(tried, bench.changes(place, tried, range(len(drawn)), advance), strict=True))
        strongest = sorted(tried, key=lambda unit: -float(changes[unit].mean()))[:most]
        maps = bench.active[place]
        layer = Layer(
            name=f"{maps.shape[3]} x {maps.shape[2]}" if maps.dim() == 4 else f"{layers.index(place) + 1}",
            units=size,
            quiet=int((100 * rough < QUIET).sum()),
            strongest=tuple(bench.describe(place, unit, changes[unit]) for unit in strongest),
        )
        found.append(Dissection(layer, tuple(bench.show(place, unit, changes[unit], shown) for unit in strongest)))
    return found


def early_layers(active: dict[str, torch.Tensor]) -> list[str]:
    """Of layers by name, with their activations (N, units, ...), those with small maps; without any, the first two."""
    early = [place for place, maps in active.items() if maps.dim() == 4 and min(maps.shape[2:]) <= EARLY]
    return early[:MOST_LAYERS] or [*active][:2]


class _Bench:
    """A generator, its pictures of the draws, and what all of its units say meanwhile."""

    def __init__(self, network: nn.Module, drawn: Draws, device: torch.device) -> None:
        self.network, self.drawn, self.device = network, drawn, device
        heard: dict[str, list[torch.Tensor]] = {place: [] for place in places_of(network)}

        def listen(place: str) -> Callable[..., None]:
            return lambda module, given, out: heard[place].append(out.clamp_min(0).cpu())

        with hooked(network, [(place, listen(place)) for place in heard]), torch.no_grad():
            everything = range(len(drawn))
            starts = range(0, len(drawn), _AT_ONCE)
            self.painted = torch.cat([self._draw(everything[start : start + _AT_ONCE]) for start in starts])
        self.active = {place: torch.cat(maps) for place, maps in heard.items()}
        self.lab = to_oklab(self.painted)

    def _draw(self, places: Sequence[int]) -> torch.Tensor:
        some = self.drawn.at(places)
        c = some.c.to(self.device) if some.c is not None else None
        pictures: torch.Tensor = self.network(some.z.to(self.device), c).float().cpu()
        return pictures

    @torch.no_grad()
    def scaled(self, factor: float, place: str, units: Sequence[int], places: Sequence[int]) -> torch.Tensor:
        """Pictures of the draws at `places`, each with its own unit `factor` times as strong; 0 switches it off."""
        chosen = torch.tensor([*units], device=self.device)

        def scale(module: nn.Module, given: Any, out: torch.Tensor) -> torch.Tensor:
            out = out.clone()
            out[torch.arange(len(chosen), device=self.device), chosen] *= factor
            return out

        with hooked(self.network, [(place, scale)]):
            return self._draw(places)

    def changes(
        self, place: str, units: Sequence[int], places: Sequence[int], advance: Callable[[int], None]
    ) -> Iterator[torch.Tensor]:
        """For one unit after the other, what changes in the pictures without it: (len(places), h, w) in OKLab."""
        pairs = [(unit, at) for unit in units for at in places]
        waiting: list[torch.Tensor] = []
        for start in range(0, len(pairs), _AT_ONCE):
            off, shown = zip(*pairs[start : start + _AT_ONCE], strict=True)
            without = to_oklab(self.scaled(0, place, off, shown))
            waiting += _reduced((without - self.lab[[*shown]]).norm(dim=1))
            advance(len(off))
            while len(waiting) >= len(places):
                yield torch.stack(waiting[: len(places)])
                del waiting[: len(places)]

    def describe(self, place: str, unit: int, changes: torch.Tensor) -> Unit:
        """A unit in numbers and words."""
        most = changes.mean((1, 2)).argsort(descending=True)[:FIRST].tolist()
        steps = self.lab[most] - to_oklab(self.scaled(0, place, [unit] * len(most), most))
        kind = belongs_to(self.active[place][:, unit].reshape(len(self.drawn), -1).mean(1), self.drawn.kinds)
        return Unit(
            number=unit,
            change=round(100 * float(changes.mean()), 3),
            place=place_of(changes.mean(0)),
            effect=effect_of(steps),
            class_name=self.drawn.names[kind] if kind is not None else None,
        )

    def show(self, place: str, unit: int, changes: torch.Tensor, count: int) -> tuple[Example, ...]:
        """The pictures that change most without the unit."""
        most = changes.mean((1, 2)).argsort(descending=True, stable=True)[:count].tolist()
        without, strong = (self.scaled(factor, place, [unit] * len(most), most) for factor in (0, STRONG))
        maps = self.active[place][:, unit]
        shown = zip(most, without, strong, strict=True)
        return tuple(
            Example(
                title=self.drawn.title(at),
                painted=self.painted[at],
                without=off,
                strong=loud,
                difference=changes[at],
                active=maps[at] if maps.dim() == 3 else None,
            )
            for at, off, loud in shown
        )


def _reduced(changes: torch.Tensor) -> torch.Tensor:
    """Changes (N, H, W) averaged down to SIDE pixels to the longer side, or as they are."""
    height, width = changes.shape[1:]
    shrink = max(height, width) / SIDE
    sides = (max(1, round(height / shrink)), max(1, round(width / shrink)))
    return F.adaptive_avg_pool2d(changes, sides) if shrink > 1 else changes


def belongs_to(activity: torch.Tensor, kinds: Sequence[int]) -> int | None:
    """The kind for whose pictures a unit is clearly more active (N,) than for the others; None when there is none."""
    labels = torch.tensor([*kinds])
    counts = labels.bincount() if len(labels) else labels
    if len(counts) < 2 or int(counts.min()) < _FEWEST:
        return None
    means = torch.stack([activity[labels == kind].mean() for kind in range(len(counts))])
    best = int(means.argmax())
    ahead = float(means[best] - activity[labels != best].mean())
    deviation = float((activity - means[labels]).square().mean().sqrt())
    count = int(counts[best])
    return best if ahead > max(1e-9, _OWN * deviation * (1 / count + 1 / (len(labels) - count)) ** 0.5) else None


def place_of(changes: torch.Tensor) -> str:
    """Where a change (H, W) lies: `upper left`, `middle`, ..., or `everywhere`."""
    total = float(changes.sum())
    if not total:
        return "nowhere"
    falling = changes.flatten().sort(descending=True).values.cumsum(0)
    if float((falling < total / 2).float().mean()) > _SPREAD:
        return "everywhere"
    height, width = changes.shape
    down = float((changes.sum(1) * torch.arange(height).add(0.5)).sum()) / total / height
    right = float((changes.sum(0) * torch.arange(width).add(0.5)).sum()) / total / width
    words = [
        "upper" if down < 0.4 else "lower" if down > 0.6 else "",
        "left" if right < 0.4 else "right" if right > 0.6 else "",
    ]
    return " ".join(word for word in words if word) or "middle"


def effect_of(steps: torch.Tensor) -> str:
    """What a unit does, from the colours with it less those without (N, 3, H, W) in OKLab."""
    sizes = steps.norm(dim=1, keepdim=True)
    total = float(sizes.sum())
    if not total:
        return "nothing"
    # Weighted by size, so that what it leaves alone does not blur what it does elsewhere.
    mean = (steps * sizes).sum((0, 2, 3)) / total
    size = float(sizes.square().sum()) / total
    if float(mean.norm()) < _ONE_WAY * size:
        return "lightens some places and darkens others"
    ways = (("lighter", "darker"), ("redder", "greener"), ("yellower", "bluer"))
    named = [
        ways[axis][int(value < 0)]
        for axis, value in enumerate(mean.tolist())
        if abs(value) >= 0.5 * float(mean.abs().max())
    ]
    return "makes it " + " and ".join(named)
