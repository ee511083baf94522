"""A picture repainted in one pass, of any size, in any styles, tile by tile."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from artgan.models.stylist import Stylist
from artgan.style.features import Features
from artgan.style.goal import Pause, scatters_in, weights_at
from artgan.style.repaint import Area, colored, style_at
from artgan.style.tiles import WHOLE, Sight, cut
from artgan.style.transport import Carriage, Look, between, carriages, look_of

_HALO = 96
"""Pixels around a tile: a pixel of the painting depends on as many to its left, 52 of them by the coarsest map."""


@dataclass(frozen=True)
class Artist:
    """What paints: a trained stylist, and the features that it sees, scale by scale, as those of the manner."""

    stylist: Stylist
    features: Features

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.features.engine.device


def artist_of(stylist: Stylist, features: Features) -> Artist:
    """A stylist, placed beside the embedded encoder that it sees through."""
    placed = features.engine.place(stylist).eval().requires_grad_(False)

    def compute(x: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        return placed.seen(features(x)[0]), []

    return Artist(placed, Features(features.name, "the stylist", features.engine, compute))


@dataclass(frozen=True)
class Way:
    """How one area becomes a painting: the ways of its maps, and what the style is like; see `Stylist`."""

    carriages: tuple[Carriage, ...]
    code: torch.Tensor


def find_ways(
    content: torch.Tensor,
    areas: Sequence[Area],
    artist: Artist,
    brush_size: float,
    pause: Pause = lambda share: None,
) -> list[Way]:
    """How each area of a content (1, 3, H, W) is painted in its styles, by the statistics of the whole pictures.

    Args:
        content: as `repaint` takes it.
        areas: what is painted how.
        artist: who paints.
        brush_size: how large a style is beside the content.
        pause: called between tiles with the share of this work that is done; it may raise to end it.
    """
    longest = max(content.shape[2:]) * brush_size
    seen, pictures = 0, 1 + sum(len(area.sources) for area in areas)

    def look_at(picture: torch.Tensor, weights: Sequence[torch.Tensor | None]) -> list[Look]:
        nonlocal seen
        looks = _looks(picture, weights, artist, lambda share: pause((seen + share) / pictures))
        seen += 1
        pause(seen / pictures)
        return looks

    ways = []
    for look, area in zip(look_at(content, [area.weights for area in areas]), areas, strict=True):
        styles = [(source.share, look_at(style_at(source, longest), [source.weights])[0]) for source in area.sources]
        ways.append(Way(carriages(look, styles, artist.device), between(styles).code().to(artist.device)))
    return ways


@torch.no_grad()
def paint_at_once(
    content: torch.Tensor,
    areas: Sequence[Area],
    ways: Sequence[Way],
    artist: Artist,
    *,
    strength: float,
    ground: torch.Tensor | None = None,
    pause: Pause = lambda share: None,
) -> torch.Tensor:
    """Paint the content in the manner of styles, in one pass.

    Args:
        content: (1, 3, H, W) in [-1, 1] on the CPU.
        areas: what is painted how; what lies in none of them stays as it is.
        ways: how, as `find_ways` found it for this content or for the first frame of its scene.
        artist: who paints.
        strength: 0 to 1, how far it goes from the content to the painting.
        ground: the content in the styles' colours, if it is known already; see `artgan.style.repaint.colored`.
        pause: called between tiles with the share that is done; it may raise to end the work.

    Returns:
        (1, 3, H, W) in [-1, 1] on the CPU.
    """
    ground = colored(content, areas, 1.0) if ground is None else ground
    painted, size = content.clone(), (content.shape[2], content.shape[3])
    tiles = cut(*size, WHOLE, _HALO)
    for number, tile in enumerate(tiles):
        seen, _ = artist.features(tile.cut(content).to(artist.device))
        wholly = tile.part(ground).clone()
        for area, way in zip(areas, ways, strict=True):
            carried = [carriage(values) for carriage, values in zip(way.carriages, seen, strict=True)]
            strokes = tile.core(artist.stylist(carried, way.code), size).cpu()
            wholly += strokes if area.weights is None else strokes * tile.part(area.weights)
        tile.part(painted).lerp_(wholly.clamp_(-1, 1), strength)
        pause((number + 1) / len(tiles))
    return painted


def _looks(picture: torch.Tensor, weights: Sequence[torch.Tensor | None], artist: Artist, pause: Pause) -> list[Look]:
    """How the stylist sees a picture (1, 3, H, W), for each weighting of its pixels."""
    sight = Sight.of(artist.features, picture.shape[2], picture.shape[3], WHOLE)
    return [look_of(each) for each in scatters_in(picture, sight, [weights_at(w, sight) for w in weights], pause)]
