"""How a stylist learns: crops of pictures are repainted in styles, and judged by the loss of `repaint`.

Two crops of one picture are repainted in one style and judged together: of a single small crop the deep maps have too
few places for a covariance. Every draw is a function of the seed and of how many lessons there were, so that learning
that was broken off goes on as if it had not been.
"""

import copy
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F

from artgan.engine.checkpoint import misfit
from artgan.engine.seeds import Streams
from artgan.engine.tensors import Tensors
from artgan.errors import CheckpointError, SettingError
from artgan.models.stylist import MAPS, Stylist
from artgan.style.colors import matched
from artgan.style.controls import SMOOTH
from artgan.style.features import Features
from artgan.style.goal import CONTENT_WEIGHT, added, scatters_in, weights_at
from artgan.style.losses import (
    Manner,
    Moments,
    Scatter,
    distance,
    kept,
    likeness,
    manner_of,
    moments,
    scatter,
    steps_between,
    total_variation,
)
from artgan.style.tiles import TILE, Sight
from artgan.style.transport import Look, carriages, look_of

SIDE = 512
"""Pixels of the longest side of the pictures that crops are cut from, and of the styles."""
CROP, PAIRS = 128, 4
_COLOURS = 96  # pixels of a style's shortest side where only its colours matter
_RATE, _WARMUP = 2e-3, 50  # of Adam; lessons
_BETAS = (0.9, 0.99)
_GAMUT = 5.0  # weight of the square by which values leave [-1, 1], where clipping takes the gradient away
_STEEPEST = 1.0  # length of a gradient at most
_FADE, _LEAST_PACE = 0.8, 0.02  # share of the time after which steps become smaller, and how small they become
_ADAM = ("step", "exp_avg", "exp_avg_sq")
_AVERAGED, _HASTE = 0.999, 20  # how much of the running average stays, and lessons until half of that counts


class Lesson(NamedTuple):
    """How one lesson went: the distance to the style, and how far the content has moved, as shares; see `losses`."""

    style: float
    content: float


@dataclass(frozen=True)
class Example:
    """A style to learn: its manner in all maps of the encoder, how the stylist sees it, and a small picture of it."""

    manners: tuple[Manner, ...]
    look: Look
    picture: torch.Tensor


class Lessons:
    """A stylist that is learning.

    Adam's sums are there from the beginning, so that what was broken off before the first lesson goes on as well.

    Attributes:
        averaged: the running average of the stylist's weights, which is what paints.
        done: lessons so far.
    """

    def __init__(self, stylist: Stylist, features: Features, contents: Sequence[torch.Tensor], seed: int) -> None:
        """Begin.

        Args:
            stylist: what begins to learn; it is changed.
            features: the embedded encoder.
            contents: pictures (3, H, W) uint8, both sides of `CROP` pixels or more.
            seed: of all draws.
        """
        self._stylist, self._features, self._contents = stylist.train(), features, contents
        self._streams = Streams(seed)
        self._optimiser = torch.optim.Adam(stylist.parameters(), lr=_RATE, betas=_BETAS)
        for parameter in stylist.parameters():
            sums = torch.zeros_like(parameter), torch.zeros_like(parameter)
            self._optimiser.state[parameter] = dict(zip(_ADAM, (torch.zeros(()), *sums), strict=True))
        self.averaged = copy.deepcopy(stylist).eval().requires_grad_(False)
        self.done = 0

    @torch.no_grad()
    def example(self, pictures: Sequence[torch.Tensor]) -> Example:
        """A style of one or several pictures (1, 3, h, w) in [-1, 1], which count by their pixels."""
        every = [self._sums(picture) for picture in pictures]
        sums = [functools.reduce(added, each) for each in zip(*every, strict=True)]
        manners = tuple(manner_of(each, self._features.engine.device) for each in sums)
        look = look_of([sums[number] for number in MAPS])
        # The picture of a Gaussian in other directions is a Gaussian: nothing need be looked at twice.
        views = [self._stylist.view(level) for level in range(len(MAPS))]
        seen = [
            (basis.T @ (mean - middle), basis.T @ spread @ basis)
            for (mean, spread), (middle, basis) in zip(look.scales, views, strict=True)
        ]
        small = [_small(picture) for picture in pictures]
        return Example(manners, Look(tuple(seen)), _in_a_row(small))

    def _sums(self, picture: torch.Tensor) -> list[Scatter]:
        sight = Sight.of(self._features, picture.shape[2], picture.shape[3], TILE)
        return scatters_in(picture, sight, [weights_at(None, sight)], lambda share: None)[0]

    def learn(self, examples: Sequence[Example], pace: float = 1.0) -> Lesson:
        """One lesson: a batch, a step of the optimiser and of the average.

        Args:
            examples: styles, of which some are drawn.
            pace: share of the full learning rate, above 0 to 1; see `pace_at`.

        Raises:
            SettingError: the loss is no number any more; what was learnt before is as it was.
        """
        generator = self._streams.generator("stylist lesson", self.done)
        models = [examples[int(torch.randint(len(examples), (), generator=generator))] for _ in range(PAIRS)]
        x = torch.cat([crop for _ in range(PAIRS) for crop in self._crops(generator)]).to(self._features.engine.device)
        with torch.no_grad():
            maps, outlines = self._features(x)
            carried, ground = _carried(self._stylist.seen(maps), models), _grounds(x, models)
        codes = torch.cat([model.look.code().expand(2, -1) for model in models]).to(x)
        painted = ground + self._stylist(carried, codes)
        seen, lines = self._features(painted)
        style, content = _style_loss(seen, models), _content_loss(lines, outlines)
        height, width = x.shape[2:]
        smooth = torch.stack(
            [total_variation(steps_between(each[None], width, height), height, width) for each in painted]
        )
        beyond = (painted.abs() - 1).clamp_min(0).square().mean()
        loss = style + CONTENT_WEIGHT * content + SMOOTH * smooth.mean() + _GAMUT * beyond
        self._step(loss, pace)
        return Lesson(float(style.detach()), float(content.detach()))

    def _step(self, loss: torch.Tensor, pace: float) -> None:
        for group in self._optimiser.param_groups:
            group["lr"] = _RATE * pace * min(1.0, (self.done + 1) / _WARMUP)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        steepness = torch.nn.utils.clip_grad_norm_(self._stylist.parameters(), _STEEPEST)
        if not math.isfinite(float(loss.detach()) + float(steepness)):
            raise SettingError(
                f"The learning ran away: the loss is {float(loss.detach())} after {self.done} lessons.",
                "Try another --seed, or --device cpu.",
            )
        self._optimiser.step()
        self.done += 1
        keep = min(_AVERAGED, self.done / (self.done + _HASTE))
        with torch.no_grad():
            for average, now in zip(self.averaged.parameters(), self._stylist.parameters(), strict=True):
                average.lerp_(now, 1 - keep)

    def _crops(self, generator: torch.Generator) -> list[torch.Tensor]:
        """Two crops of one picture, (1, 3, CROP, CROP) in [-1, 1] each; some show more of it, made smaller."""

        def draw(below: int) -> int:
            return int(torch.randint(below, (), generator=generator))

        picture = self._contents[draw(len(self._contents))][None].float() / 127.5 - 1
        least = min(picture.shape[2:])
        if draw(10) < 3 and least >= 1.5 * CROP:
            share = 1 - float(torch.rand((), generator=generator)) * (1 - CROP / least)
            picture = F.interpolate(picture, scale_factor=share, mode="bicubic", antialias=True).clamp(-1, 1)
        found = []
        for _ in range(2):
            top, left = (draw(max(side - CROP, 0) + 1) for side in picture.shape[2:])
            crop = picture[:, :, top : top + CROP, left : left + CROP]
            found.append(crop.flip(3) if draw(2) else crop)
        return [F.interpolate(crop, (CROP, CROP), mode="bilinear") for crop in found]

    def state(self) -> dict[str, torch.Tensor]:
        """Everything that going on needs, by name, on the CPU; the average stands under `stylist.`."""
        copied = {name: value.detach().cpu().clone() for name, value in self._held().items()}
        return copied | {"done": torch.tensor(self.done)}

    def _held(self) -> dict[str, torch.Tensor]:
        tensors = {f"stylist.{name}": value for name, value in self.averaged.state_dict().items()}
        tensors |= {f"now.{name}": value for name, value in self._stylist.named_parameters()}
        for name, parameter in self._stylist.named_parameters():
            tensors |= {f"adam.{name}.{key}": self._optimiser.state[parameter][key] for key in _ADAM}
        return tensors

    def restore(self, tensors: Tensors, path: Path) -> None:
        """Go on from what `state` gave, which was read from a file.

        Raises:
            CheckpointError: it does not fit.
        """
        problem = misfit(tensors, self.state())
        if not problem and not all(value.isfinite().all() for value in tensors.values()):
            problem = "it holds what is no number"
        if not problem and int(tensors["done"]) < 0:
            problem = "its count of lessons is below 0"
        if problem:
            raise CheckpointError(f"{path} cannot be gone on with: {problem}.", "Begin anew with --overwrite.")
        with torch.no_grad():
            for name, value in self._held().items():
                value.copy_(tensors[name])
        self._stylist.load_state_dict(dict(self.averaged.named_buffers()), strict=False)
        self.done = int(tensors["done"])


def pace_at(share: float) -> float:
    """How large steps are after this share of the time: full ones, and towards the end smaller and smaller."""
    return max(_LEAST_PACE, min(1.0, (1 - share) / (1 - _FADE)))


def _small(picture: torch.Tensor) -> torch.Tensor:
    """A picture (1, 3, h, w) of which only the colours matter."""
    factor = min(1.0, _COLOURS / min(picture.shape[2:]))
    return F.interpolate(picture, [max(1, round(side * factor)) for side in picture.shape[2:]], mode="area")


def _in_a_row(values: Sequence[torch.Tensor]) -> torch.Tensor:
    """Maps (1, C, h, w) of any sizes as one, (1, C, 1, all places): only which values there are still shows."""
    return torch.cat([each.flatten(2) for each in values], 2)[:, :, None]


def _carried(seen: Sequence[torch.Tensor], models: Sequence[Example]) -> list[torch.Tensor]:
    """The maps of pairs of crops, carried to the style of each pair."""
    parts: list[list[torch.Tensor]] = [[] for _ in MAPS]
    for number, model in enumerate(models):
        pair = [_in_a_row([values[2 * number, None], values[2 * number + 1, None]]) for values in seen]
        ways = carriages(look_of([scatter(values) for values in pair]), [(1.0, model.look)], seen[0].device)
        for part, way, values in zip(parts, ways, seen, strict=True):
            part += [way(values[2 * number, None]), way(values[2 * number + 1, None])]
    return [torch.cat(part) for part in parts]


def _grounds(x: torch.Tensor, models: Sequence[Example]) -> torch.Tensor:
    """Pairs of crops in the colours of the style of each pair."""
    grounds = []
    for number, model in enumerate(models):
        side_by_side = torch.cat([x[2 * number, None], x[2 * number + 1, None]], 3)
        grounds += list(matched(side_by_side, model.picture.to(x.device)).chunk(2, 3))
    return torch.cat(grounds)


def _style_loss(seen: Sequence[torch.Tensor], models: Sequence[Example]) -> torch.Tensor:
    losses = []
    for number, model in enumerate(models):
        for values, wanted in zip(seen, model.manners, strict=True):
            both = (moments(values[2 * number + crop, None], wanted) for crop in range(2))
            losses.append(distance(Moments(*(a + b for a, b in zip(*both, strict=True))), wanted))
    return torch.stack(losses).mean()


def _content_loss(lines: Sequence[torch.Tensor], outlines: Sequence[torch.Tensor]) -> torch.Tensor:
    losses = []
    for number in range(len(lines[0])):
        now = [likeness(values[number, None], own[number, None]) for values, own in zip(lines, outlines, strict=True)]
        before = [likeness(own[number, None], own[number, None]) for own in outlines]
        losses.append(kept(now, before))
    return torch.stack(losses).mean()
