"""The ways of painting that `tests.bench.style` compares: ours, ours under another optimiser, and plain Gatys.

Pictures are (1, 3, H, W) in [-1, 1].
"""

import argparse
import importlib.util
import inspect
import math
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from artgan.engine.device import Engine
from artgan.models.encoder import load_encoder
from artgan.style import repaint as painting
from artgan.style.features import Features, embedded_features
from artgan.style.goal import Goal
from artgan.style.instant import artist_of, find_ways, paint_at_once
from artgan.style.plan import DETAILS, Detail, Stage, stages
from artgan.style.repaint import Area, Source
from artgan.style.stylize import stylize
from artgan.style.taught import shipped_stylist
from tests.bench.graded import to_picture, to_tensor
from tests.bench.style_measures import Look

Loss = Callable[[torch.Tensor], tuple[float, torch.Tensor]]
"""Of a picture, and the gradient by it."""
Pixels = NDArray[np.uint8]
"""A picture (H, W, 3)."""
METHODS = (
    *("instant", "fast", "normal", "fine", "lbfgs", "gatys-artgan:0.1", "gatys-artgan:1"),
    *("gatys-teacher:0.1", "gatys-teacher:1", "gatys-teacher-long:0.1", "gatys-teacher-long:1"),
)
STEPS = 300
_RATE = 0.04
# Of the nine maps from conv1 to fire9: conv1, fire3, fire4, fire7 and fire8; content is seen in fire4, at /4.
_MANNER, _CONTENT = (0, 2, 3, 6, 7), 3
_STYLE_WEIGHT = 10.0
_FIRST_MOVE = 0.01  # of L-BFGS, mean of all pixels
_SETTINGS = ("strength", "brush_size", "smooth", "init", "seed")


# --- plain Gatys


def teacher(shared: Path) -> Look:
    """SqueezeNet as it was trained, all nine maps, by the reader that lies beside its data."""
    reader = shared / "tools" / "squeezenet.py"
    if not reader.is_file():
        raise SystemExit(f"{reader} is missing; SHARED is the folder that holds it.")
    spec = importlib.util.spec_from_file_location("squeezenet", reader)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    layers = module.load()

    def look(x: torch.Tensor) -> Sequence[torch.Tensor]:
        maps: list[torch.Tensor] = module.features(layers, (x + 1) / 2)
        return maps

    return look


def embedded() -> Look:
    """The encoder that ships with artgan: those nine of its ten maps that the teacher has as well."""
    network = load_encoder(Engine.detect("cpu", "float32"))
    return lambda x: network.all_maps(x)[1:]


def gatys(
    look: Look, content: torch.Tensor, style: torch.Tensor, weight: float, steps: int = STEPS, seconds: float = 0.0
) -> tuple[torch.Tensor, int]:
    """Gatys et al. 2016, section 2: Gram matrices, one scale, from the content on; with Adam.

    Each part of the loss is divided by what it would be for a map of zeros, so that one weight suits every network.

    Args:
        look: the network.
        content: what is drawn.
        style: how.
        weight: of the content.
        steps: how many, at least.
        seconds: it goes on until they are over.

    Returns:
        The picture, and the steps done.
    """

    def grams(maps: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        rows = [maps[number][0].flatten(1) for number in _MANNER]
        return [row @ row.T / row.numel() for row in rows]

    began = time.perf_counter()
    with torch.no_grad():
        wanted, drawn = grams(look(style)), look(content)[_CONTENT]
    x = content.clone().requires_grad_()
    optimizer = torch.optim.Adam([x], lr=_RATE)
    done = 0
    while done < steps or time.perf_counter() - began < seconds:
        maps = look(x)
        styles = [(a - b).square().sum() / b.square().sum() for a, b in zip(grams(maps), wanted, strict=True)]
        moved = (maps[_CONTENT] - drawn).square().mean() / drawn.square().mean()
        loss = _STYLE_WEIGHT * torch.stack(styles).mean() + weight * moved
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            x.clamp_(-1, 1)
        done += 1
    return x.detach(), done


# --- our losses with L-BFGS


def with_lbfgs(
    content: torch.Tensor, areas: Sequence[Area], features: Features, plan: Sequence[Stage], **settings: Any
) -> torch.Tensor:
    """Painted as by `artgan.style.repaint`, whose arguments these are, but with L-BFGS at the last two sizes.

    It may look at as many pictures as Adam makes steps.
    """
    adam = painting._descend

    def descend(start: torch.Tensor, goal: Goal, stage: Stage, course: painting._Course) -> torch.Tensor:
        if stage not in plan[-2:]:
            return adam(start, goal, stage, course)
        course.done += stage.steps
        return least(goal, start, stage.steps)

    with mock.patch.object(painting, "_descend", descend):  # all else is repaint's own
        return painting.repaint(content, areas, features, plan, **settings).picture


class _EnoughError(Exception):
    """As many pictures were looked at as there are steps."""


def least(loss_of: Loss, start: torch.Tensor, looks: int) -> torch.Tensor:
    """The best of `looks` pictures that L-BFGS, with a line search by the strong Wolfe conditions, comes by.

    What leaves [-1, 1] is brought back before it is looked at, which is not quite what the search reckons with. Torch
    makes the first step 1 long in the sum of all numbers; they are counted in a unit that makes it `_FIRST_MOVE` a
    pixel, else the search would need ten looks to get going.
    """
    unit = _FIRST_MOVE * start.numel()
    z = (start / unit).contiguous().requires_grad_()
    best, lowest, done = start, float("inf"), 0
    optimizer = torch.optim.LBFGS(
        [z], max_iter=looks, history_size=20, tolerance_grad=0, tolerance_change=1e-12, line_search_fn="strong_wolfe"
    )

    def closure() -> float:
        nonlocal best, lowest, done
        if done == looks:
            raise _EnoughError
        with torch.no_grad():
            z.clamp_(-1 / unit, 1 / unit)
        x = z.detach() * unit
        value, gradient = loss_of(x)
        z.grad = gradient.mul(unit).contiguous()
        done += 1
        if value < lowest:
            best, lowest = x.clamp(-1, 1), value
        return value

    before = -1
    while before < done < looks:  # where it sees no way down it ends by itself, and is asked once more
        before = done
        try:
            optimizer.step(closure)
        except _EnoughError:
            break
    return best


# --- any of them


@dataclass(frozen=True)
class Method:
    """A word of --methods, taken apart: `detail` is ours, else the network that Gatys paints through."""

    name: str
    detail: Detail | None
    lbfgs: bool = False
    network: str = ""
    long: bool = False
    weight: float = 1.0


def method_of(name: str) -> Method:
    """What a word of --methods means."""
    if name in ("instant", *DETAILS):
        return Method(name, name)
    if name == "lbfgs":
        return Method(name, "normal", lbfgs=True)
    word, _, weight = name.partition(":")
    parts = word.split("-")
    known = parts[0] == "gatys" and parts[1:2] in (["artgan"], ["teacher"]) and parts[2:] in ([], ["long"])
    try:
        number = float(weight) if weight else 1.0
    except ValueError:
        number = math.nan
    if not known or not number >= 0:
        raise argparse.ArgumentTypeError(f"{name!r} is no method; there are {', '.join(METHODS)}, with any weight")
    return Method(name, None, network=parts[1], long=len(parts) == 3, weight=number)


@dataclass(frozen=True)
class Painting:
    """A result, and what it took."""

    pixels: Pixels
    seconds: float
    peak_mib: float
    steps: int


def paint(method: Method, content: Pixels, style: Pixels, shared: Path, seconds: float) -> Painting:
    """Paint; `seconds` are for methods that go on for a time."""
    drawing, manner = (to_tensor([Image.fromarray(pixels)]) for pixels in (content, style))
    began = time.perf_counter()
    if method.detail is None:
        look = teacher(shared) if method.network == "teacher" else embedded()
        x, steps = gatys(look, drawing, manner, method.weight, 1 if method.long else STEPS, seconds)
    else:
        x, steps = _ours(method.detail, method.lbfgs, drawing, manner)
    took = time.perf_counter() - began
    return Painting(np.asarray(to_picture(x[0])), took, peak_mib(), steps)


def _ours(detail: Detail, lbfgs: bool, content: torch.Tensor, style: torch.Tensor) -> tuple[torch.Tensor, int]:
    if detail == "instant":
        return _instant(content, style), 1
    defaults = inspect.signature(stylize).parameters
    settings: dict[str, Any] = {name: defaults[name].default for name in _SETTINGS}
    settings |= {"on_step": lambda step: None, "should_stop": lambda: False}
    features, areas = embedded_features(Engine.detect("cpu", "float32")), [Area(None, (Source(style, 1.0),))]
    plan = stages((content.shape[3], content.shape[2]), detail)
    steps = sum(stage.steps for stage in plan)
    if lbfgs:
        return with_lbfgs(content, areas, features, plan, **settings), steps
    return painting.repaint(content, areas, features, plan, **settings).picture, steps


def _instant(content: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
    artist = artist_of(shipped_stylist(), embedded_features(Engine.detect("cpu", "float32")))
    areas = [Area(None, (Source(style, 1.0),))]
    return paint_at_once(content, areas, find_ways(content, areas, artist, 1.0), artist, strength=1.0)


def peak_mib() -> float:
    """Peak resident memory of this process, MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        # Linux hands ru_maxrss of the process that started this one down to it.
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        return int(lines["VmHWM"].split()[0]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
