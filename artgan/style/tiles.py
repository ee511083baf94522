"""A large picture in tiles, through which a network sees just what it sees in the whole.

What a place of a map shows depends on so many pixels around it and no more. A tile is therefore a part that counts, its
core, with a halo that wide around it; at the border of the picture a tile ends with it, so that the network pads it as
it pads the whole. Cores begin at multiples of 16 pixels, where the cells of all maps begin.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from artgan.style.features import Features

CELL = 16
"""Pixels of the largest cell of any map; parts of a picture begin at multiples of it."""
HALO = 80
"""Pixels around a core: 74 are seen through the last map of the embedded encoder, 70 through relu5_1 of VGG-19."""
WHOLE = 2**20
"""Pixels of a picture that is not cut into tiles: the longest side of 1024 that there is without --size."""
TILE = 384 * 1024
"""Pixels of a tile at most, halo included: its way there and back takes 1 GB in the embedded encoder."""


@dataclass(frozen=True)
class Span:
    """One side of a tile: its core from `start` to `stop`, with its halo from `first` to `last`, of `length`."""

    start: int
    stop: int
    first: int
    last: int
    length: int

    def cells(self, count: int) -> slice:
        """Where the core lies in a map that has so many cells along the whole side."""
        if self.stop - self.start == self.length:
            return slice(0, count)
        cell = self._cell(count)
        return slice(self.start // cell, count if self.stop == self.length else self.stop // cell)

    def cells_within(self, count: int) -> slice:
        """Where the core lies in the map of the tile alone."""
        cells, before = self.cells(count), self.first // self._cell(count)
        return slice(cells.start - before, cells.stop - before)

    def _cell(self, count: int) -> int:
        # Maps are rounded up or down to whole cells; of a side that is cut, this is far less than a factor of 1.4.
        return 1 << round(math.log2(self.length / count))


@dataclass(frozen=True)
class Tile:
    """A part of a picture (N, C, H, W) with what the network sees around it."""

    rows: Span
    columns: Span

    def cut(self, picture: torch.Tensor) -> torch.Tensor:
        """This part of a picture, halo included; a view."""
        return picture[..., self.rows.first : self.rows.last, self.columns.first : self.columns.last]

    def core(self, values: torch.Tensor, whole: tuple[int, int]) -> torch.Tensor:
        """The core of what was computed from this tile alone, where the whole picture's map is so (high, wide)."""
        return values[..., self.rows.cells_within(whole[0]), self.columns.cells_within(whole[1])]

    def part(self, values: torch.Tensor) -> torch.Tensor:
        """The core's part of a map of the whole picture."""
        return values[..., self.rows.cells(values.shape[-2]), self.columns.cells(values.shape[-1])]

    def reaching_on(self, part: torch.Tensor) -> tuple[torch.Tensor, int, int]:
        """The core of a tile that was cut out and what lies to its right and below, and how wide and high the core is.

        What lies there are neighbours of its last pixels.
        """
        top, left = self.rows.start - self.rows.first, self.columns.start - self.columns.first
        return part[..., top:, left:], self.columns.stop - self.columns.start, self.rows.stop - self.rows.start


def cut(height: int, width: int, whole: int, halo: int = HALO) -> list[Tile]:
    """Tiles of a picture, row by row: one, up to `whole` pixels, and else as few pixels in all as can be.

    Args:
        height: of the picture.
        width: of it.
        whole: pixels of a picture that is not cut.
        halo: pixels around a core, a multiple of `CELL`.
    """
    if height * width <= whole:
        return [Tile(*(Span(0, side, 0, side, side) for side in (height, width)))]
    best: tuple[int, list[Span], list[Span]] | None = None
    for rows in _divisions(height, halo):
        room = TILE // max(span.last - span.first for span in rows) - 2 * halo
        parts = math.ceil(width / max(room // CELL * CELL, CELL))
        columns = _spans(width, parts, halo)
        cost = sum(span.last - span.first for span in rows) * sum(span.last - span.first for span in columns)
        if best is None or cost < best[0]:
            best = cost, rows, columns
    assert best is not None
    return [Tile(*sides) for sides in itertools.product(*best[1:])]


def _divisions(length: int, halo: int) -> Iterator[list[Span]]:
    """A side as a whole, in two parts and so on, while the parts are larger than their halo."""
    for parts in range(1, max(1, length // (2 * halo)) + 1):
        yield _spans(length, parts, halo)


def _spans(length: int, parts: int, halo: int) -> list[Span]:
    core = math.ceil(length / parts / CELL) * CELL
    return [
        Span(start, min(start + core, length), max(start - halo, 0), min(start + core + halo, length), length)
        for start in range(0, length, core)
    ]


def uncut_pixels(height: int, width: int) -> int:
    """Pixels that are looked at in one piece while a picture grows to this size.

    Beside a large picture there is less memory left for the small ones that it begins with.
    """
    return WHOLE if height * width <= WHOLE else TILE


def seen_pixels(height: int, width: int, whole: int) -> tuple[int, bool]:
    """Pixels that the network looks at to see a picture once, and whether it takes several tiles; see `cut`."""
    tiles = cut(height, width, whole)
    sizes = [(tile.rows.last - tile.rows.first) * (tile.columns.last - tile.columns.first) for tile in tiles]
    return sum(sizes), len(tiles) > 1


@dataclass(frozen=True)
class Sight:
    """Pictures of one size, seen through a network tile by tile.

    Attributes:
        features: the network.
        size: (height, width) of the pictures.
        tiles: the parts.
        manners: (high, wide) of each map of the manner, of the whole picture.
        outlines: the same of the content's.
    """

    features: Features
    size: tuple[int, int]
    tiles: tuple[Tile, ...]
    manners: tuple[tuple[int, int], ...]
    outlines: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, features: Features, height: int, width: int, whole: int) -> "Sight":
        """Cut pictures of this size; see `cut`."""
        # How a network rounds sides is asked of narrow strips; it treats both sides alike and apart.
        device = features.engine.device
        with torch.no_grad():
            tall = features(torch.zeros(1, 3, height, CELL, device=device))
            wide = features(torch.zeros(1, 3, CELL, width, device=device))
        shapes = [
            tuple((high.shape[2], broad.shape[3]) for high, broad in zip(*maps, strict=True))
            for maps in zip(tall, wide, strict=True)
        ]
        return cls(features, (height, width), tuple(cut(height, width, whole)), shapes[0], shapes[1])

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        return self.features.engine.device

    def see(self, part: torch.Tensor, tile: Tile) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """The core's part of the maps of the manner and of the content, of a tile (1, 3, h, w) that was cut out."""
        return self.cores(self.features(part), tile)

    def cores(
        self, seen: tuple[list[torch.Tensor], list[torch.Tensor]], tile: Tile
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """The core's part of what the network sees in a tile."""
        maps, outlines = seen
        return (
            [tile.core(values, shape).contiguous() for values, shape in zip(maps, self.manners, strict=True)],
            [tile.core(values, shape).contiguous() for values, shape in zip(outlines, self.outlines, strict=True)],
        )
