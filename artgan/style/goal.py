"""What a painting of one size is brought near to, and how far it is: one loss of the whole picture, tile by tile.

The loss is a function of sums over places. Those of all tiles are added up; then the loss and its gradient by the sums
are known; and that is sent back through each tile, seen a second time. So the result is that of the whole picture, but
for rounding, and only one tile's maps are in memory. A single tile is seen once.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from artgan.style.losses import (
    Likeness,
    Manner,
    Moments,
    Scatter,
    distance,
    kept,
    likeness,
    likeness_pull,
    manner_of,
    moments,
    moments_pull,
    scatter,
    steps_between,
    total_variation,
)
from artgan.style.masks import at_scale
from artgan.style.tiles import Sight, Tile

CONTENT_WEIGHT = 0.12  # where the style's distance and the content's are shares of their own spread
CALM = 120.0
"""Weight of the mean square by which a frame of a film differs from what the last frame says of it."""
_FIRST_LOOK = 1 / 3  # share of a step's time that the sums of several tiles take


class StoppedError(Exception):
    """Nothing more is wanted."""


Pause = Callable[[float], None]
"""Told between tiles which share of the tiles is done; raises StoppedError to end the work."""
Weights = tuple[torch.Tensor | None, ...]
"""How much each place of each map counts, (1, 1, h, w); None is all alike."""


@dataclass(frozen=True)
class Aim:
    """What one area shall look like at one size: how much each place counts, and manners with their shares."""

    weights: Weights
    share: float
    manners: tuple[tuple[float, tuple[Manner, ...]], ...]


def weights_at(weights: torch.Tensor | None, sight: Sight) -> Weights:
    """Weights (1, 1, H, W) of pixels as those of the places of each map of the manner."""
    if weights is None:
        return (None,) * len(sight.manners)
    sizes = {size: at_scale(weights, *size).to(sight.device) for size in set(sight.manners)}
    return tuple(sizes[size] for size in sight.manners)


def manners_in(
    picture: torch.Tensor, sight: Sight, weights: Sequence[Weights], pause: Pause
) -> list[tuple[Manner, ...]]:
    """The manners of all maps of a picture (1, 3, H, W), for each weighting of its places."""
    sums = scatters_in(picture, sight, weights, pause)
    return [tuple(manner_of(each, sight.device) for each in maps) for maps in sums]


def scatters_in(picture: torch.Tensor, sight: Sight, weights: Sequence[Weights], pause: Pause) -> list[list[Scatter]]:
    """The sums over all places of all maps of a picture (1, 3, H, W), for each weighting of its places."""
    sums: list[list[Scatter]] | None = None
    for number, tile in enumerate(sight.tiles):
        if number:
            pause(number / len(sight.tiles))
        with torch.no_grad():
            maps, _ = sight.see(tile.cut(picture).to(sight.device), tile)
        found = [
            [scatter(m, None if w is None else tile.part(w)) for m, w in zip(maps, each, strict=True)]
            for each in weights
        ]
        sums = found if sums is None else [list(map(added, *both)) for both in zip(sums, found, strict=True)]
    assert sums is not None
    return sums


def added(one: Scatter, other: Scatter) -> Scatter:
    """The sums over two parts of a map."""
    return Scatter(*(a + b for a, b in zip(one, other, strict=True)))


@dataclass(frozen=True)
class _Wanted:
    """A manner that one map shall have: which map, how much that counts, and how much each of its places does."""

    number: int
    share: float
    manner: Manner
    weights: torch.Tensor | None


@dataclass(frozen=True)
class _Sums:
    """All sums over a picture, or the gradient by them: of each wanted manner, each map of the content, and pixels."""

    moments: list[Moments]
    outlines: list[Likeness]
    pixels: torch.Tensor


_Seen = tuple[list[torch.Tensor], list[torch.Tensor]]


class Goal:
    """The loss of a picture of one size, and its gradient."""

    def __init__(
        self,
        sight: Sight,
        drawing: torch.Tensor,
        aims: Sequence[Aim],
        smooth: float,
        before: tuple[torch.Tensor, torch.Tensor] | None,
        pause: Pause,
    ) -> None:
        """Look at the content.

        Args:
            sight: cuts pictures of this size and sees them.
            drawing: the content, (1, 3, H, W) in [-1, 1].
            aims: what each area shall look like.
            smooth: weight of the total variation.
            before: what the last frame of a film says of the picture, (1, 3, H, W), and its weights (1, 1, H, W).
            pause: called between tiles.
        """
        self._sight, self._drawing = sight, drawing
        self._wanted = [
            _Wanted(number, aim.share * share, manner, weights)
            for aim in aims
            for share, manners in aim.manners
            for number, (manner, weights) in enumerate(zip(manners, aim.weights, strict=True))
        ]
        self._smooth, self._before, self._pause = smooth, before, pause
        self._outlines: list[torch.Tensor] | None = None  # of a picture of many tiles they would fill the memory
        own: list[list[torch.Tensor]] | None = None
        for number, tile in enumerate(sight.tiles):
            if number:
                pause(number / len(sight.tiles))
            maps = self._content(tile)
            if len(sight.tiles) == 1:
                self._outlines = maps
            found = [torch.cat([part.reshape(-1) for part in likeness(m, m)]).cpu().double() for m in maps]
            own = [found] if own is None else [*own, found]
        assert own is not None
        self._channels = [(len(found) - 1) // 3 for found in own[0]]
        self._own = [
            Likeness(*torch.stack(each).sum(0).split([1, *[channels] * 3]))
            for each, channels in zip(zip(*own, strict=True), self._channels, strict=True)
        ]

    def __call__(self, x: torch.Tensor) -> tuple[float, torch.Tensor]:
        """The loss of a picture (1, 3, H, W) on the device, and its gradient.

        Raises:
            StoppedError: `pause` raised it.
        """
        x, tiles = x.detach(), self._sight.tiles
        alone = len(tiles) == 1
        total: torch.Tensor | None = None
        for number, tile in enumerate(tiles):
            if number:
                self._pause(number / len(tiles) * _FIRST_LOOK)
            part, content = tile.cut(x).requires_grad_(alone), self._content(tile)
            with torch.set_grad_enabled(alone):
                seen = self._sight.features(part)
            sums = self._sums(part, seen, content, tile).cpu().double()
            total = sums if total is None else total + sums
        assert total is not None
        loss = self._loss(self._apart(total.requires_grad_()))
        (gradient,) = torch.autograd.grad(loss, total)
        value, pull = float(loss.detach()), self._apart(gradient.float().to(x.device))
        if alone:
            return value, self._sent_back(part, seen, content, tile, pull)
        del seen
        gradient = torch.zeros_like(x)
        for number, tile in enumerate(tiles):
            self._pause(_FIRST_LOOK + number / len(tiles) * (1 - _FIRST_LOOK))
            part, content = tile.cut(x).requires_grad_(), self._content(tile)
            tile.cut(gradient).add_(self._sent_back(part, self._sight.features(part), content, tile, pull))
        return value, gradient

    @torch.no_grad()
    def _content(self, tile: Tile) -> list[torch.Tensor]:
        """The content's maps of a tile; to keep those of all would take ten times the memory of the picture."""
        if self._outlines is not None:
            return self._outlines
        return self._sight.see(tile.cut(self._drawing).to(self._sight.device), tile)[1]

    @torch.no_grad()
    def _sums(self, part: torch.Tensor, seen: _Seen, content: list[torch.Tensor], tile: Tile) -> torch.Tensor:
        """All sums over a tile in a row: `_apart` takes them apart again."""
        maps, outlines = self._sight.cores(seen, tile)
        found: list[torch.Tensor] = []
        for wanted in self._wanted:
            weights = None if wanted.weights is None else tile.part(wanted.weights)
            found += moments(maps[wanted.number], wanted.manner, weights)
        for now, before in zip(outlines, content, strict=True):
            found += likeness(now, before)
        found.append(self._pixels(part, tile))
        return torch.cat([each.reshape(-1) for each in found])

    def _pixels(self, part: torch.Tensor, tile: Tile) -> torch.Tensor:
        """The sums over the pixels of a tile, (3,): steps across and down, and what is unlike the last frame."""
        unlike = part.new_zeros(1)
        if self._before is not None:
            picture, believed = (tile.part(values) for values in self._before)
            unlike = (believed * (tile.core(part, self._sight.size) - picture).square()).sum()[None]
        return torch.cat([steps_between(*tile.reaching_on(part)), unlike])

    def _apart(self, sums: torch.Tensor) -> _Sums:
        left = sums

        def take(*shape: int) -> torch.Tensor:
            nonlocal left
            count = torch.Size(shape).numel()
            taken, left = left[:count].reshape(shape), left[count:]
            return taken

        ranks = [wanted.manner.directions.shape[1] for wanted in self._wanted]
        return _Sums(
            [Moments(take(), take(), take(rank), take(rank, rank)) for rank in ranks],
            [Likeness(take(), take(count), take(count), take(count)) for count in self._channels],
            take(3),
        )

    def _loss(self, sums: _Sums) -> torch.Tensor:
        """What is made small, of the sums over the whole picture."""
        parts = [
            wanted.share * distance(seen, wanted.manner)
            for seen, wanted in zip(sums.moments, self._wanted, strict=True)
        ]
        loss = torch.stack(parts).sum() / len(self._sight.manners) + CONTENT_WEIGHT * kept(sums.outlines, self._own)
        height, width = self._sight.size
        loss = loss + self._smooth * total_variation(sums.pixels[:2], height, width)
        return loss + CALM * sums.pixels[2] / (3 * height * width)

    def _sent_back(
        self, part: torch.Tensor, seen: _Seen, content: list[torch.Tensor], tile: Tile, pull: _Sums
    ) -> torch.Tensor:
        """The gradient by the pixels of a tile, of which `part` needs one, from that by the sums."""
        for values, shape, pulls in self._pulled(seen, content, tile, pull):
            values.register_hook(partial(_pulled_on, tile, shape, pulls))
        # Each map is pulled on only when the way back through the network has come to it: else the gradients of all
        # would be in memory at once. What is sent back from the sums below is nothing, and starts the way.
        ends = [values.sum() for values in (*seen[0], *seen[1])]
        (gradient,) = torch.autograd.grad(ends, part, [end.new_zeros(()) for end in ends])
        if self._smooth or self._before is not None:
            pixels = part.detach().requires_grad_()
            (more,) = torch.autograd.grad(self._pixels(pixels, tile), pixels, pull.pixels)
            gradient = gradient + more
        return gradient

    def _pulled(
        self, seen: _Seen, content: list[torch.Tensor], tile: Tile, pull: _Sums
    ) -> Iterator[tuple[torch.Tensor, tuple[int, int], list[Callable[[], torch.Tensor]]]]:
        """Each map, its (high, wide) in the whole picture, and what gives the gradients that pull on its core."""
        # Detached, or a map would hold the hook that holds the map.
        cores = self._sight.cores(([m.detach() for m in seen[0]], [m.detach() for m in seen[1]]), tile)
        for number, (values, shape) in enumerate(zip(seen[0], self._sight.manners, strict=True)):
            yield (
                values,
                shape,
                [
                    partial(
                        moments_pull,
                        cores[0][number],
                        wanted.manner,
                        None if wanted.weights is None else tile.part(wanted.weights),
                        each,
                    )
                    for wanted, each in zip(self._wanted, pull.moments, strict=True)
                    if wanted.number == number
                ],
            )
        for values, shape, core, own, each in zip(
            seen[1], self._sight.outlines, cores[1], content, pull.outlines, strict=True
        ):
            yield values, shape, [partial(likeness_pull, core, own, each)]


def _pulled_on(
    tile: Tile, whole: tuple[int, int], pulls: Sequence[Callable[[], torch.Tensor]], gradient: torch.Tensor
) -> torch.Tensor:
    """The gradient by a map of a tile, with that of its core added."""
    gradient = gradient.clone(memory_format=torch.contiguous_format)
    for pull in pulls:
        tile.core(gradient, whole).add_(pull())
    return gradient
