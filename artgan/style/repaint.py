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
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F

from artgan.engine.seeds import Streams
from artgan.errors import SettingError
from artgan.models.encoder import SMALLEST
from artgan.style.colors import matched
from artgan.style.features import Features
from artgan.style.goal import Aim, Goal, StoppedError, manners_in, weights_at
from artgan.style.masks import at_scale
from artgan.style.plan import Stage
from artgan.style.tiles import Sight, uncut_pixels

Init = Literal["content", "noise", "style"]
INITS: tuple[Init, ...] = ("content", "noise", "style")

_RATE = 0.04  # of Adam, where black to white is 2
_BETAS = (0.9, 0.99)
_AVERAGED = 0.9  # how much of the running average stays at each step
_EPSILON = 0.1  # of Adam, beside a gradient of 1 / values: where hardly anything pulls, rounding would steer


@dataclass(frozen=True)
class Source:
    """A style.

    Attributes:
        picture: (1, 3, h, w) in [-1, 1].
        share: of all styles of its area.
        weights: where to look in it, (1, 1, h, w); None is everywhere.
        reach: of several pictures side by side, how many times larger the longest side is than that of one of them.
    """

    picture: torch.Tensor
    share: float
    weights: torch.Tensor | None = None
    reach: float = 1.0


@dataclass(frozen=True)
class Area:
    """A part of the content, (1, 1, H, W) in [0, 1] or all of it, and the styles that it is painted in."""

    weights: torch.Tensor | None
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class Before:
    """What the last frame of a film says of this one.

    Attributes:
        picture: the last frame warped to this one, (1, 3, H, W) in [-1, 1].
        weights: how far it can be believed, (1, 1, H, W) in [0, 1].
    """

    picture: torch.Tensor
    weights: torch.Tensor


@dataclass(frozen=True)
class Step:
    """One step is done.

    Attributes:
        done: steps so far, of all sizes.
        longest: pixels of the longest side at this size.
        loss: what is made small.
        picture: gives the picture as it is now, (1, 3, h, w) in [-1, 1] on the CPU; to be asked at once.
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
    before: Before | None = None,
    ground: torch.Tensor | None = None,
    on_part: Callable[[float], None] = lambda share: None,
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
        should_stop: asked before every step and between tiles; True ends the work.
        before: what the last frame of a film says of this one: the first stage starts from it, where it is believed,
            and not from `init`, and painting is held to it there.
        ground: the content in the styles' colours, (1, 3, H, W) in [-1, 1], if it is known already; see `colored`.
        on_part: called between the tiles of a large picture with the share of a step, or of the beginning of a size,
            that is done.

    Raises:
        SettingError: the loss is no number any more.
    """
    device, (height, width) = features.engine.device, content.shape[2:]
    ground = colored(content, areas, strength) if ground is None else ground
    if before is not None:
        ground, init = torch.lerp(ground, before.picture, before.weights), "content"
    uncut = uncut_pixels(height, width)
    painted: torch.Tensor | None = None
    course = _Course(on_step, on_part, should_stop)
    for stage in stages:
        factor = stage.longest / max(height, width)
        size = round(height * factor), round(width * factor)
        painted = _begin(ground, size, areas, init, seed) if painted is None else _grown(painted, ground, size)
        if size == (height, width):
            ground = content  # it has served, and is as large as the picture
        try:
            goal = _goal(
                scaled(content, *size), areas, features, stage, brush_size, strength, smooth, before, uncut, course
            )
        except StoppedError:
            break
        painted = _descend(painted.to(device), goal, stage, course).cpu()
        if course.stopped:
            break
    if painted is None:
        raise ValueError("a plan needs one stage at least")
    return Repainted(_grown(painted, ground, (height, width)), not course.stopped)


@dataclass
class _Course:
    """Where the work is: steps done over all sizes, and who is told and asked."""

    on_step: Callable[[Step], None]
    on_part: Callable[[float], None]
    should_stop: Callable[[], bool]
    done: int = 0
    stopped: bool = False

    def pause(self, share: float) -> None:
        """Between two tiles: so much of this step is done."""
        self.on_part(share)
        self.go_on()

    def go_on(self) -> None:
        """Raise StoppedError when no more is wanted."""
        self.stopped = self.should_stop()
        if self.stopped:
            raise StoppedError


def _descend(start: torch.Tensor, goal: Goal, stage: Stage, course: _Course) -> torch.Tensor:
    """Come near to a goal from a start (1, 3, H, W), which is used up: the running average of the steps."""
    x = start.contiguous().requires_grad_()
    # Gradients of a mean over places are as small as the picture is large.
    optimiser = torch.optim.Adam([x], lr=_RATE, betas=_BETAS, eps=_EPSILON / x.numel(), fused=True)
    average, share = torch.zeros_like(x), 0.0
    for _ in range(stage.steps):
        try:
            course.go_on()
            value, x.grad = goal(x)
        except StoppedError:  # this step was not made
            break
        if not math.isfinite(value):
            raise SettingError(
                f"The painting ran away: the loss is {value} after {course.done} steps.",
                "Try a smaller --smooth, another --init or --size, or --device cpu.",
            )
        optimiser.step()
        x.grad = None
        with torch.no_grad():
            x.clamp_(-1, 1)
            average.mul_(_AVERAGED).add_(x, alpha=1 - _AVERAGED)
        share = _AVERAGED * share + 1 - _AVERAGED
        course.done += 1
        course.on_step(Step(course.done, stage.longest, value, partial(_divided, average, share)))
    return average.div_(share) if share else x.detach()


def _divided(average: torch.Tensor, share: float) -> torch.Tensor:
    return (average / share).cpu()


def _goal(
    drawing: torch.Tensor,
    areas: Sequence[Area],
    features: Features,
    stage: Stage,
    brush_size: float,
    strength: float,
    smooth: float,
    before: Before | None,
    uncut: int,
    course: _Course,
) -> Goal:
    """What is wanted at one size of the content, (1, 3, H, W), of which so many pixels are looked at in one piece."""
    sight = Sight.of(features, drawing.shape[2], drawing.shape[3], uncut)
    weights = [weights_at(area.weights, sight) for area in areas]
    own = manners_in(drawing, sight, weights, course.pause) if strength < 1 else [None] * len(areas)
    aims = []
    for area, each, ours in zip(areas, weights, own, strict=True):
        manners = []
        for source in area.sources:
            picture = style_at(source, stage.longest * brush_size)
            look = Sight.of(features, picture.shape[2], picture.shape[3], uncut)
            (seen,) = manners_in(picture, look, [weights_at(source.weights, look)], course.pause)
            manners.append((strength * source.share, seen))
        if ours is not None:
            manners.append((1 - strength, ours))
        # A part counts as much as its area, so that each of its pixels is moved as much as any other.
        share = 1.0 if area.weights is None else float(area.weights.mean())
        aims.append(Aim(each, share, tuple(manners)))
    calm = None if before is None else _before_at(before, (drawing.shape[2], drawing.shape[3]), features.engine.device)
    return Goal(sight, drawing, aims, smooth, calm, course.pause)


def colored(
    content: torch.Tensor, areas: Sequence[Area], strength: float, like: torch.Tensor | None = None
) -> torch.Tensor:
    """The content (1, 3, H, W) in the styles' colours: from there painting has less far to go than from its own.

    With `like` colours are moved as they are in that picture.
    """
    ground = content.clone()
    for area in areas:
        for source in area.sources:
            moved = matched(content, source.picture, area.weights, source.weights, like).sub_(content)
            ground += moved.mul_(
                strength * source.share if area.weights is None else strength * source.share * area.weights
            )
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
    start = scaled(ground, height, width)
    return start.clone() if start is ground else start


def _grown(painted: torch.Tensor, ground: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """A painted picture at a larger (height, width), with the detail of the ground that it had no pixels for."""
    if painted.shape[2:] == size:
        return painted
    grown = scaled(scaled(ground, *painted.shape[2:]), *size).neg_()
    grown += scaled(ground, *size)
    grown += scaled(painted, *size)
    return grown.clamp_(-1, 1)


def _before_at(before: Before, size: tuple[int, int], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """What the last frame says at another (height, width), and its weights."""
    return scaled(before.picture, *size).to(device), at_scale(before.weights, *size).to(device)


def style_at(source: Source, longest: float) -> torch.Tensor:
    """The picture of a style brought down to a longest side; never enlarged, as it has no finer strokes to show."""
    picture, (height, width) = source.picture, source.picture.shape[2:]
    factor = min(1.0, longest * source.reach / max(height, width))
    # Its shorter side keeps what the network needs, also of a narrow strip.
    factor = max(factor, SMALLEST / min(height, width)) if min(height, width) >= SMALLEST else 1.0
    return scaled(picture, round(height * factor), round(width * factor))


def scaled(picture: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """A picture (1, 3, H, W) in [-1, 1] at another size: bicubic, antialiased, clipped."""
    if picture.shape[2:] == (height, width):
        return picture
    return F.interpolate(picture, (height, width), mode="bicubic", antialias=True).clamp_(-1, 1)
