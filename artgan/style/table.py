"""What lies on the table before a picture is painted: content, styles, regions, all in the content's own colours."""

import copy
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from artgan.engine.artwork import Artwork, open_artwork, resized
from artgan.errors import UsageError
from artgan.style import colors
from artgan.style.controls import Controls
from artgan.style.jobs import Job
from artgan.style.masks import at_scale, read_regions
from artgan.style.palette import repainted_palette
from artgan.style.repaint import Area, Source, scaled
from artgan.style.taught import SUFFIX, narrow, read_taught

LONGEST = 1024
"""Pixels of the longest side that a picture is brought down to, unless --size says otherwise."""


class Table:
    """The pictures of one job, read.

    Attributes:
        art: the content at the size it is painted in, with its alpha, profile and depth.
        styles: the style pictures, in the content's profile.
        size: (width, height) that is painted.
        content: (1, 3, H, W) in [-1, 1].
        first: the first frame of a scene, whose colours decide for all of its frames; of a picture the content itself.
    """

    def __init__(
        self,
        job: Job,
        controls: Controls,
        masks: tuple[Path, Path | None] | None,
        frame: NDArray[np.float32] | None = None,
    ) -> None:
        """Read them; of a film the content is its `frame` (3, H, W).

        Raises:
            DatasetError: a picture or mask cannot be read.
            UsageError: the masks do not suit the pictures.
        """
        self._job, self._controls = job, controls
        if frame is not None:
            self.art = Artwork(frame, None, None, 8, 1)
        else:
            read = open_artwork(job.content, controls.size or LONGEST, large=controls.size is not None)
            self.art = _brought_to(read, controls.size)
        height, width = self.art.pixels.shape[1:]
        self.size = width, height
        needed = math.ceil(max(self.size) * max(controls.brush_size, 1.0))
        opened = [_open_style(style.path, needed, self.art.profile) for style in job.styles]
        self.styles = tuple(art for art, _ in opened)
        self._reaches = [reach for _, reach in opened]
        self.content = self.first = torch.from_numpy(self.art.pixels)[None]
        sizes = [(style.pixels.shape[2], style.pixels.shape[1]) for style in self.styles]
        self._masks = masks
        self._regions = read_regions(*masks, self.size, sizes) if masks is not None else None

    def turned_to(self, frame: NDArray[np.float32], new_scene: bool = False) -> "Table":
        """The same with another frame (3, H, W) of the film, of the same scene or as the first one of the next."""
        table = copy.copy(self)
        table.art = replace(self.art, pixels=frame)
        table.content = torch.from_numpy(frame)[None]
        table.first = table.content if new_scene else self.first
        return table

    def areas(self) -> list[Area]:
        """What is painted how.

        Raises:
            UsageError: a mask marks only what is transparent.
        """
        sources = [
            Source(self._prepared(number), file.share, _alpha(self.styles[number]), self._reaches[number])
            for number, file in enumerate(self._job.styles)
        ]
        own = _alpha(self.art)
        if self._regions is None:
            return [Area(own, tuple(sources))]
        areas = []
        for weights, (number, where) in zip(self._regions.content, self._regions.styles, strict=True):
            source = sources[number]
            visible = source.weights if where is None else where if source.weights is None else where * source.weights
            inside = weights[None] if own is None else weights[None] * own
            self._refuse_unseen(inside, 0, self._job.content)
            if visible is not None:
                self._refuse_unseen(visible, 1, self._job.styles[number].path)
            areas.append(Area(inside, (replace(source, share=1.0, weights=visible),)))
        return areas

    def _refuse_unseen(self, weights: torch.Tensor, side: int, picture: Path) -> None:
        if not weights.any():
            mask = self._masks[side] if self._masks is not None else None
            raise UsageError(
                f"A region of the mask {mask} lies only where {picture} is transparent.",
                "Let each region cover something that can be seen.",
            )

    def drawing(self) -> torch.Tensor:
        """What the painting starts from: the content, without colours when only lightness is painted."""
        return self.bare(self.content)

    def bare(self, picture: torch.Tensor) -> torch.Tensor:
        """A picture in the colours that are painted with: without any when only lightness is painted."""
        return _grey(picture) if self._controls.keep_colors == "luminance" else picture

    def _prepared(self, number: int) -> torch.Tensor:
        """A style in the colours that it is painted with."""
        picture = torch.from_numpy(self.styles[number].pixels)[None]
        if self._controls.keep_colors == "luminance":
            return _grey(colors.lightness_matched(picture, self.first))
        if self._controls.keep_colors == "match":
            return colors.matched(picture, self.first, _alpha(self.styles[number]), _alpha(self.art))
        return picture

    def finish(self, painted: torch.Tensor) -> torch.Tensor:
        """A painted picture (1, 3, h, w) of any size with kept colours and kept parts put back."""
        height, width = painted.shape[2:]
        content = scaled(self.content, height, width)
        if self._controls.keep_colors == "luminance":
            painted = colors.with_colors_of(painted, content)
        if self._regions is None:
            return painted
        kept = at_scale(self._regions.kept, height, width)
        return torch.lerp(painted, content, kept)

    def palette(self) -> torch.Tensor:
        """The content in the style's colours and nothing else.

        Raises:
            UsageError: there are several styles.
        """
        if len(self.styles) > 1 and self._regions is None:
            raise UsageError("--palette-only takes the colours of one picture.", "Give one style, or --all-pairs.")
        painted = self.content
        for number, area in enumerate(self.areas()):
            (source,) = area.sources
            moved = repainted_palette(
                self.content,
                source.picture,
                self._controls.strength,
                area.weights,
                source.weights,
                self._controls.seed,
                self.first,
            )
            inside = torch.ones(()) if self._regions is None else self._regions.content[number]
            painted = painted + (moved - self.content) * inside
        return painted


def _open_style(path: Path, longest: int, profile: bytes | None) -> tuple[Artwork, float]:
    """The picture of a style, and its reach (see `Source`): a picture, or what a .style was learnt from.

    Raises:
        DatasetError: it cannot be read.
        CheckpointError: it is a damaged .style.
    """
    if path.suffix.lower() == SUFFIX:
        taught = read_taught(path)
        return Artwork((taught.picture.float() / 127.5 - 1).numpy(), None, None, 8, 1), taught.reach
    # large: a style is brought down in any case, so there is nothing to ask for.
    return open_artwork(path, narrow(path, longest), profile, large=True), 1.0


def _brought_to(art: Artwork, size: int | None) -> Artwork:
    """A picture smaller than --size, enlarged to it."""
    height, width = art.pixels.shape[1:]
    if size is None or max(height, width) >= size:
        return art
    new = max(1, round(width * size / max(height, width))), max(1, round(height * size / max(height, width)))
    alpha = None if art.alpha is None else resized(art.alpha, *new)
    return replace(art, pixels=resized(art.pixels, *new), alpha=alpha)


def _alpha(art: Artwork) -> torch.Tensor | None:
    return None if art.alpha is None else torch.from_numpy(art.alpha)[None]


def _grey(picture: torch.Tensor) -> torch.Tensor:
    """A picture without chroma."""
    return colors.with_colors_of(picture, torch.zeros_like(picture))
