"""The painting itself: pixels are moved until their manner is the style's and their content is still there.

Following Gatys et al. 2016, with these departures, each of which was measured (`python -m tests.bench.style`):

- from coarse to fine, each size starting from the one before (Gatys et al. 2017, section 5): strokes larger than the
  network sees at full size, and fewer steps there;
- it starts from the content in the style's colours, and when the picture grows, the fine detail of that is laid over
  it, as by the next level of a Laplacian pyramid (Burt & Adelson 1983): outlines need not be found again;
- Wasserstein distance instead of Gram matrices (see `artgan.style.losses`), over all maps of the network;
- content is compared on a fine map too, each channel without its mean and spread, which are the style's to choose;
- Adam, and what comes out is a running average of its steps (EMA of iterates), which takes out its grain.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F

from artgan.engine.seeds import Streams
from artgan.errors import SettingError
from artgan.models.encoder import SMALLEST
from artgan.style.colors import matched
from artgan.style.features import Features
from artgan.style.losses import Manner, distance, kept, manner, moments, total_variation
from artgan.style.masks import at_scale
from artgan.style.plan import Stage

Init = Literal["content", "noise", "style"]
INITS: tuple[Init, ...] = ("content", "noise", "style")

_RATE = 0.04  # of Adam, where black to white is 2
_BETAS = (0.9, 0.99)
_AVERAGED = 0.9  # how much of the running average stays at each step
CONTENT_WEIGHT = 0.12  # where the style's distance and the content's are shares of their own spread


@dataclass(frozen=True)
class Source:
    """A style: its picture (1, 3, h, w) in [-1, 1], its share, and where to look in it (1, 1, h, w)."""

    picture: torch.Tensor
    share: float
    weights: torch.Tensor | None = None


@dataclass(frozen=True)
class Area:
    """A part of the content, (1, 1, H, W) in [0, 1] or all of it, and the styles that it is painted in."""

    weights: torch.Tensor | None
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class Step:
    """One step is done.

    Attributes:
        done: steps so far, of all sizes.
        longest: pixels of the longest side at this size.
        loss: what is made small.
        picture: gives the picture as it is now, (1, 3, h, w) in [-1, 1] on the CPU, when asked.
    """

    done: int
    longest: int
    loss: float
    picture: Callable[[], torch.Tensor]


@dataclass(frozen=True)
class Repainted:
    """The picture (1, 3, H, W) in [-1, 1] on the CPU, and whether all steps were done."""

    picture: torch.Tensor
    finished: bool


def repaint(
    content: torch.Tensor,
    areas: Sequence[Area],
    features: Features,
    stages: Sequence[Stage],
    *,
    strength: float,
    brush_size: float,
    smooth: float,
    init: Init,
    seed: int,
    on_step: Callable[[Step], None],
    should_stop: Callable[[], bool],
) -> Repainted:
    """Paint the content in the manner of styles.

    Args:
        content: (1, 3, H, W) in [-1, 1] on the CPU.
        areas: what is painted how; what lies in none of them is still moved to suit the others.
        features: the network to see through.
        stages: sizes and steps, coarse to fine; the last one has the content's size.
        strength: 0 to 1. Below 1 the content's own manner counts as one more style, of share 1 - strength; the
            Gaussian nearest to both lies between them (their Wasserstein barycentre).
        brush_size: how large a style is beside the content.
        smooth: weight of the total variation.
        init: what the coarsest size starts from.
        seed: of the noise that it may start from.
        on_step: called after every step.
        should_stop: asked before every step; True ends the work.

    Raises:
        SettingError: the loss is no number any more.
    """
    device, (height, width) = features.engine.device, content.shape[2:]
    ground = _ground(content, areas, strength)
    painted: torch.Tensor | None = None
    done = 0
    for stage in stages:
        factor = stage.longest / max(height, width)
        drawing = scaled(content, round(height * factor), round(width * factor))
        with torch.no_grad():
            own, outlines = features(drawing.to(device))
        aims = _aims(areas, own, features, stage.longest * brush_size, strength)
        loss_of = _Loss(features, aims, [_plain(values) for values in outlines], smooth)
        size = drawing.shape[2], drawing.shape[3]
        start = _begin(ground, size, areas, init, seed) if painted is None else _grown(painted, ground, size)
        course = _Course(done, stage, on_step, should_stop)
        painted = _descend(start.to(device), loss_of, course).cpu()
        done = course.done
        if course.stopped:
            break
    if painted is None:
        raise ValueError("a plan needs one stage at least")
    return Repainted(_grown(painted, ground, (height, width)), not course.stopped)


@dataclass
class _Course:
    """Where the work is: steps done over all sizes, and who is told and asked."""

    done: int
    stage: Stage
    on_step: Callable[[Step], None]
    should_stop: Callable[[], bool]
    stopped: bool = False


def _descend(start: torch.Tensor, loss_of: Callable[[torch.Tensor], torch.Tensor], course: _Course) -> torch.Tensor:
    """Make a loss small from a start (1, 3, H, W): the running average of the steps, or the start without any."""
    x = start.clone().requires_grad_(True)
    optimiser = torch.optim.Adam([x], lr=_RATE, betas=_BETAS)
    average, share = torch.zeros_like(x), 0.0
    for _ in range(course.stage.steps):
        course.stopped = course.should_stop()
        if course.stopped:
            break
        loss = loss_of(x)
        (x.grad,) = torch.autograd.grad(loss, x)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise SettingError(
                f"The painting ran away: the loss is {value} after {course.done} steps.",
                "Try a smaller --smooth, another --init or --size, or --device cpu.",
            )
        optimiser.step()
        with torch.no_grad():
            x.clamp_(-1, 1)
            average.mul_(_AVERAGED).add_(x, alpha=1 - _AVERAGED)
        share = _AVERAGED * share + 1 - _AVERAGED
        course.done += 1
        now = average / share
        course.on_step(Step(course.done, course.stage.longest, value, now.cpu))
    return average / share if share else start


@dataclass(frozen=True)
class _Aim:
    """What one area shall look like at one size: per map its share of the places, and manners with their shares."""

    weights: tuple[torch.Tensor | None, ...]
    share: float
    manners: tuple[tuple[float, tuple[Manner, ...]], ...]


def _aims(
    areas: Sequence[Area], own: Sequence[torch.Tensor], features: Features, longest: float, strength: float
) -> list[_Aim]:
    """The manners of all styles at this size, and below full strength the content's own, whose maps are `own`."""
    device = features.engine.device
    sizes = [values.shape[2:] for values in own]
    aims = []
    for area in areas:
        weights = tuple(None if area.weights is None else at_scale(area.weights, *size).to(device) for size in sizes)
        manners = []
        for source in area.sources:
            with torch.no_grad():
                maps = features(_style_at(source.picture, longest).to(device))[0]
            where = [source.weights if source.weights is None else at_scale(source.weights, *m.shape[2:]) for m in maps]
            seen = tuple(manner(m, w if w is None else w.to(device)) for m, w in zip(maps, where, strict=True))
            manners.append((strength * source.share, seen))
        if strength < 1:
            manners.append((1 - strength, tuple(manner(m, w) for m, w in zip(own, weights, strict=True))))
        # A part counts as much as its area, so that each of its pixels is moved as much as any other.
        share = 1.0 if area.weights is None else float(area.weights.mean())
        aims.append(_Aim(weights, share, tuple(manners)))
    return aims


@dataclass(frozen=True)
class _Loss:
    """What is made small at one size."""

    features: Features
    aims: Sequence[_Aim]
    outlines: Sequence[torch.Tensor]
    smooth: float

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        manners, outlines = self.features(x)
        loss = _style_loss(manners, self.aims)
        loss = loss + CONTENT_WEIGHT * kept([_plain(values) for values in outlines], self.outlines)
        return loss + self.smooth * total_variation(x) if self.smooth else loss


def _style_loss(maps: Sequence[torch.Tensor], aims: Sequence[_Aim]) -> torch.Tensor:
    """The mean over all maps of the distances to all manners, by their shares."""
    parts = [
        aim.share * share * distance(moments(values, wanted, weights), wanted)
        for aim in aims
        for share, manners in aim.manners
        for values, wanted, weights in zip(maps, manners, aim.weights, strict=True)
    ]
    return torch.stack(parts).sum() / len(maps)


def _plain(values: torch.Tensor) -> torch.Tensor:
    """A map without each channel's mean and spread (instance normalisation, Ulyanov et al. 2016)."""
    return F.instance_norm(values, eps=1e-4)


def _ground(content: torch.Tensor, areas: Sequence[Area], strength: float) -> torch.Tensor:
    """The content in the styles' colours: from there painting has less far to go than from its own."""
    ground = content
    for area in areas:
        for source in area.sources:
            colored = matched(content, source.picture, area.weights, source.weights)
            inside = 1.0 if area.weights is None else area.weights
            ground = ground + (colored - content) * (strength * source.share * inside)
    return ground


def _begin(ground: torch.Tensor, size: tuple[int, int], areas: Sequence[Area], init: Init, seed: int) -> torch.Tensor:
    """What the coarsest size, (height, width), starts from."""
    height, width = size
    if init == "noise":
        return Streams(seed).normal("stylize noise", 0, 1, 3, height, width).mul(0.5).clamp(-1, 1)
    if init == "style":
        picture = areas[0].sources[0].picture
        factor = max(height / picture.shape[2], width / picture.shape[3])
        covering = scaled(picture, *(math.ceil(side * factor) for side in picture.shape[2:]))
        top, left = (covering.shape[2] - height) // 2, (covering.shape[3] - width) // 2
        return covering[:, :, top : top + height, left : left + width]
    return scaled(ground, height, width)


def _grown(painted: torch.Tensor, ground: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """A painted picture at a larger (height, width), with the detail of the ground that it had no pixels for."""
    if painted.shape[2:] == size:
        return painted
    coarse = scaled(scaled(ground, *painted.shape[2:]), *size)
    return (scaled(painted, *size) + scaled(ground, *size) - coarse).clamp(-1, 1)


def _style_at(picture: torch.Tensor, longest: float) -> torch.Tensor:
    """A style brought down to a longest side; never enlarged, as it has no finer strokes to show."""
    height, width = picture.shape[2:]
    factor = min(1.0, longest / max(height, width))
    # Its shorter side keeps what the network needs, also of a narrow strip.
    factor = max(factor, SMALLEST / min(height, width)) if min(height, width) >= SMALLEST else 1.0
    return scaled(picture, round(height * factor), round(width * factor))


def scaled(picture: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """A picture (1, 3, H, W) in [-1, 1] at another size: bicubic, antialiased, clipped."""
    if picture.shape[2:] == (height, width):
        return picture
    return F.interpolate(picture, (height, width), mode="bicubic", antialias=True).clamp(-1, 1)
