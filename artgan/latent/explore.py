"""`artgan.explore`: directions along which a model's pictures change, on a sheet and a page."""

import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

import artgan
from artgan.engine.device import explaining_memory
from artgan.engine.seeds import Streams, parse_seeds
from artgan.engine.storage import atomic_write, refuse_existing
from artgan.errors import CheckpointError, Interrupted, UsageError
from artgan.latent.directions import Found, Names, Variance, draws, principal, sefa
from artgan.latent.effects import Effect, effects_between, measure, suggest
from artgan.latent.explore_page import STEPS, write_page, write_sheet
from artgan.latent.latents import Latent, draw, seeded
from artgan.latent.sliders import FOUND
from artgan.latent.timing import Eye, load_eye
from artgan.models.render import render
from artgan.models.trained import LoadedGenerator, load

MOST_DIRECTIONS, MOST_SHOWN = 64, 12
ALIKE = 0.8
"""From this cosine on, of two vectors or of what two change in pictures, they are one direction."""
VISIBLE = 0.02
"""Distance to the embedded encoder, from end to end, below which nothing changes that could be seen."""
_LOOKED = 8  # seeds that a direction is looked at from: both ends of them are what `render` draws at a time
_RANDOM = 6
_REACH = 2.0  # units to both sides
_CELLS = 16  # to a side: pictures so small tell which of them change alike


@dataclass(frozen=True)
class Exploring:
    """`done` of `total` candidates are looked at."""

    done: int
    total: int


@dataclass(frozen=True, eq=False)
class Direction:
    """A direction in the latent space of a model.

    Attributes:
        number: its place in the order of visible effect, from 1.
        vector: (z_dim,) of length 1, one standard deviation of z: one unit of its slider.
        how: how it was found.
        effect: how much it changes to the eye, by what random directions of the same length do.
        effects: what was measured, the strongest steady change first.
        suggestion: a name for it; None when no measured change is strong and steady.
    """

    number: int
    vector: torch.Tensor
    how: str
    effect: float
    effects: tuple[Effect, ...]
    suggestion: str | None

    @property
    def words(self) -> str:
        """Its strong effects towards plus, such as `warmer, larger`."""
        return ", ".join(effect.words for effect in self.effects if effect.strong)

    def plain(self) -> dict[str, Any]:
        """As it stands in found.json."""
        told = [[one.measure, round(one.change, 3), round(one.agreed, 3)] for one in self.effects]
        head = {"number": self.number, "how": self.how, "effect": round(self.effect, 3)}
        return {**head, "suggestion": self.suggestion, "effects": told, "z": self.vector.tolist()}


@dataclass(frozen=True)
class ExploreResult:
    """The page, the sheet, the directions, what principal axes explain, and the model; `passed_over` as elsewhere."""

    page: Path
    sheet: Path
    directions: tuple[Direction, ...]
    variance: Variance
    run: str
    nimg: int
    passed_over: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Look:
    """A candidate, as it was looked at: to the eye, in small pictures laid flat, and measured at both ends."""

    found: Found
    distance: float
    change: torch.Tensor
    minus: torch.Tensor
    plus: torch.Tensor


def explore(
    run: str | Path | None = None,
    *,
    num: int = 12,
    seeds: str | Sequence[int] = "0-3",
    class_name: str | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    runs_dir: str | Path = "runs",
    device: str = "auto",
    on_event: Callable[[Exploring], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> ExploreResult:
    """Find directions along which a model's pictures change, and show each as a row of pictures from minus to plus.

    Candidates come from the first layers' weights (SeFa) and from the principal axes of a later layer; see
    `artgan.latent.directions`. They are ordered by visible effect, and of those that change the same only one stays.
    What was found lies in the run's folder as explore/found.json, where its numbers are sliders already and
    `artgan.name_direction` finds it.

    Args:
        run: number, name or folder of a run, a checkpoint folder, or a generator file; None is the latest run.
        num: directions to show at most, 1 to MOST_DIRECTIONS.
        seeds: whose pictures are moved, such as "0-3"; MOST_SHOWN at most. Classes, or texts, take turns.
        class_name: look at one class only.
        out: the folder for explore.html and sheet.png; None is `explore` in the run's folder.
        overwrite: replace files that exist; in the run's own folder they are.
        runs_dir: the folder that holds the runs.
        device: auto, cpu, cuda, cuda:N or mps.
        on_event: called as candidates are looked at.
        should_stop: asked before each.

    Raises:
        UsageError: a number, seeds or the class make no sense, or a file exists.
        CheckpointError: there is no model, or nothing changes its pictures.
        Interrupted: `should_stop` said so.
    """
    numbers = parse_seeds(seeds) if isinstance(seeds, str) else tuple(int(seed) for seed in seeds)
    if not 1 <= num <= MOST_DIRECTIONS:
        raise UsageError(f"--num {num} is not between 1 and {MOST_DIRECTIONS}.", "12 fill a page.")
    if not 1 <= len(numbers) <= MOST_SHOWN or min(numbers) < 0 or max(numbers) >= 2**63:
        raise UsageError(f"--seeds: {len(numbers)} seeds cannot be shown.", f"Give 1 to {MOST_SHOWN}, such as 0-3.")
    model = load(run, runs_dir=runs_dir, device=device)
    if class_name is not None:
        model.class_index(class_name)
    names: Names = [class_name] if class_name is not None else [*model.names] or [None]
    folder = Path(out) if out is not None else model.home / FOUND.parent
    page, sheet = folder / "explore.html", folder / "sheet.png"
    for file in (page, sheet):
        refuse_existing(file, overwrite or out is None)
    with explaining_memory("Use a smaller model."):
        chosen, variance = _find(model, num, names, on_event, should_stop)
        shown = [
            latent for k, seed in enumerate(numbers) for latent in seeded((seed,), names[k % len(names)], None, model)
        ]
        pictures = _rows(model, chosen, shown)
    command = shlex.join(_command(model, num, numbers, class_name))
    head = {"artgan": artgan.__version__, "run": model.run, "nimg": model.nimg, "command": command}
    told = {**head, "variance": vars(variance), "directions": [direction.plain() for direction in chosen]}
    atomic_write(model.home / FOUND, json.dumps(told, ensure_ascii=False) + "\n")
    write_sheet(sheet, pictures, {"kind": "explore", **head, "seeds": list(numbers), "steps": list(STEPS)})
    result = ExploreResult(page, sheet, tuple(chosen), variance, model.run, model.nimg, model.passed_over)
    write_page(page, result, pictures, [latent.name for latent in shown], command)
    return result


def _find(
    model: LoadedGenerator,
    num: int,
    names: Names,
    on_event: Callable[[Exploring], None],
    should_stop: Callable[[], bool],
) -> tuple[list[Direction], Variance]:
    """The directions that are shown.

    Raises:
        CheckpointError: nothing changes the pictures.
        Interrupted: `should_stop` said so.
    """
    most = min(num, model.settings.model.z_dim)
    axes, variance = principal(model, most, names)
    drawn = F.normalize(Streams(0).normal("explore/random", 1, _RANDOM, model.settings.model.z_dim), dim=1)
    candidates = [*sefa(model, most, names), *axes, *(Found(vector, "") for vector in drawn)]
    z, c = draws(model, _LOOKED, names, 0, "explore/looks")
    eye, looks = load_eye(model.engine), list[_Look]()
    for place, candidate in enumerate(candidates):
        if should_stop():
            raise Interrupted("Stopped before directions were found.", "Nothing was written.")
        looks.append(_look(model, candidate, z.cpu(), c, eye))
        on_event(Exploring(place + 1, len(candidates)))
    usual = sum(look.distance for look in looks[-_RANDOM:]) / _RANDOM
    ordered = sorted(looks[:-_RANDOM], key=lambda look: -look.distance)
    kept = distinct([look for look in ordered if look.distance >= VISIBLE], num)
    if not kept:
        raise CheckpointError(
            f"{model.run} paints nearly the same picture from every latent, so that no direction changes it.",
            "It has collapsed, or was hardly trained: take an earlier checkpoint, or train on.",
        )
    more, more_c = draws(model, 64, names, 0, "explore/spread")
    spread = measure(render(model.network, model.engine, more.cpu(), more_c)).std(0)
    return _described(kept, usual, spread), variance


def _look(model: LoadedGenerator, found: Found, z: torch.Tensor, c: torch.Tensor | None, eye: Eye) -> _Look:
    step = _REACH * found.vector
    both = torch.cat([c, c]) if c is not None else None
    pictures = render(model.network, model.engine, torch.cat([z - step, z + step]), both)
    minus, plus = pictures.chunk(2)
    distance = float((eye(plus) - eye(minus)).norm(dim=1).mean())
    cells = (min(_CELLS, plus.shape[2]), min(_CELLS, plus.shape[3]))
    change = F.adaptive_avg_pool2d(plus - minus, cells).flatten()
    return _Look(found, distance, F.normalize(change, dim=0), measure(minus), measure(plus))


def distinct(looks: Sequence[_Look], most: int) -> list[_Look]:
    """The first `most` of candidates that are neither the same direction as one before, nor change the same."""
    kept: list[_Look] = []
    for look in looks:
        if len(kept) == most:
            break
        if all(
            abs(float(look.found.vector @ other.found.vector)) < ALIKE
            and abs(float(look.change @ other.change)) < ALIKE
            for other in kept
        ):
            kept.append(look)
    return kept


def _described(looks: Sequence[_Look], usual: float, spread: torch.Tensor) -> list[Direction]:
    """Directions in their order, turned so that the strongest measured effect grows towards plus, with names."""
    found: list[Direction] = []
    for number, look in enumerate(looks, 1):
        vector, effects = look.found.vector, effects_between(look.minus, look.plus, spread)
        if effects[0].change < 0:
            vector, effects = -vector, effects_between(look.plus, look.minus, spread)
        name = suggest(effects, [one.suggestion for one in found if one.suggestion])
        found.append(Direction(number, vector, look.found.how, look.distance / max(usual, 1e-9), effects, name))
    return found


def _rows(model: LoadedGenerator, chosen: Sequence[Direction], shown: Sequence[Latent]) -> torch.Tensor:
    """Pictures (directions, seeds, STEPS, C, H, W) in [-1, 1]."""
    moved = [
        Latent((latent.z + step * direction.vector.numpy()).astype(np.float32), latent.class_name, latent.name)
        for direction in chosen
        for latent in shown
        for step in STEPS
    ]
    pictures = draw(model, moved)
    return pictures.reshape(len(chosen), len(shown), len(STEPS), *pictures.shape[1:])


def _command(model: LoadedGenerator, num: int, seeds: Sequence[int], class_name: str | None) -> list[str]:
    words = ["artgan", "explore", model.run, "--num", str(num), "--seeds", ",".join(map(str, seeds))]
    return words + (["--class", class_name] if class_name else [])
