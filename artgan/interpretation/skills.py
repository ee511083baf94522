"""When in training each skill appeared, measured in the previews that a run saved: the same latents all through it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from artgan.engine.images import decode, quiet_decoding
from artgan.engine.oklab import to_oklab
from artgan.engine.storage import Run
from artgan.errors import CheckpointError, DatasetError
from artgan.interpretation.draws import Should, Tell, Working, stop_if
from artgan.metrics.kernel import kid

COLUMNS, GAP = 8, 2
"""Pictures in a row of a sheet, and the pixels between them."""
MOST = 12
"""Previews that are looked at: the first, the last, and others spread over the logarithm of time."""
SIDE = 64
CAME = 0.9
"""A skill is there from the preview on after which it stays above this share of what it has at the end."""
WEAK = 0.5
"""A skill that ends with less than half of what the real pictures have is not called learnt."""
_CELLS = 8
_HUES, _SHADES = 0.04, 0.2  # sides of a cell in the count of colours, in OKLab
_HINT = "Training the run for longer writes new ones."
_TOLD = {
    "colours": ("Colours", "how much of your palette it uses, and as often"),
    "contrast": ("Light and dark", "how far it goes from its darkest to its lightest"),
    "shapes": ("Large shapes", "how strong the large masses of a picture are"),
    "texture": ("Texture", "how much fine detail there is"),
    "classes": ("Classes", "how different the classes are from one another"),
    "variety": ("Variety", "how different the pictures are from one another, within a class"),
    "likeness": ("Likeness", "how far it has come from its first preview to your pictures, seen as a whole"),
}

Embed = Callable[[list[Image.Image]], torch.Tensor]


@dataclass(frozen=True)
class Skill:
    """One skill through training.

    Attributes:
        name: colours, contrast, shapes, texture, classes, variety or likeness.
        title, meaning: in words.
        values: one for each preview, from 0 to 1: as in the real pictures. Too much counts like too little.
        came: the nimg of the preview from which on it was there; None when it is weak to the end.
    """

    name: str
    title: str
    meaning: str
    values: tuple[float, ...]
    came: int | None


@dataclass(frozen=True)
class Skills:
    """All skills, the earliest first, and the nimg of the previews they were measured in."""

    nimg: tuple[int, ...]
    skills: tuple[Skill, ...]


@dataclass(frozen=True)
class Sheets:
    """The previews of a run, oldest first, and its real pictures in the same layout.

    Attributes:
        nimg: of each preview.
        previews: the pictures of each, row by row.
        reals: the real ones.
        rows: whether a row of a sheet is a class or text.
    """

    nimg: tuple[int, ...]
    previews: tuple[list[Image.Image], ...]
    reals: list[Image.Image]
    rows: bool


def read_sheets(run: Run, size: tuple[int, int], rows: bool) -> Sheets:
    """Read a run's previews, MOST of them at the most, and its reals.png.

    Args:
        run: the run.
        size: (width, height) of a picture.
        rows: whether it has classes or texts, of which each has a row.

    Raises:
        CheckpointError: there are no two previews of that size, or no real pictures.
    """
    real, there = run.folder / "reals.png", dict(sorted(run.previews().items()))
    if not real.is_file():
        raise CheckpointError(f"{run.folder} has no {real.name} to compare its previews with.", _HINT)
    try:
        with quiet_decoding():
            reals = cut(real, size)
            found = {nimg: cut(there[nimg], size) for nimg in spread([*there])}
    except DatasetError as error:
        raise CheckpointError(f"The previews in {run.folder} cannot be read: {error.message}.", _HINT) from error
    if len(found) < 2:
        raise CheckpointError(f"{run.folder} has {len(found)} previews; it takes two to see what came when.", _HINT)
    if len({len(pictures) for pictures in (reals, *found.values())}) > 1:
        raise CheckpointError(f"The previews in {run.folder} do not show the same number of pictures.", _HINT)
    return Sheets(tuple(found), tuple(found.values()), reals, rows)


def cut(path: Path, size: tuple[int, int]) -> list[Image.Image]:
    """The pictures of a sheet, RGB, row by row.

    Raises:
        DatasetError: it cannot be read, or is no sheet of pictures of that size.
    """
    sheet = decode(path)
    width, height = size[0] + GAP, size[1] + GAP
    down, rest = divmod(sheet.height - GAP, height)
    if sheet.width != COLUMNS * width + GAP or rest or down < 1:
        raise DatasetError(f"{path.name} is no sheet of pictures of {size[0]} x {size[1]} pixels", _HINT)
    corners = [(GAP + column * width, GAP + row * height) for row in range(down) for column in range(COLUMNS)]
    return [sheet.crop((left, top, left + size[0], top + size[1])) for left, top in corners]


def spread(nimg: Sequence[int]) -> list[int]:
    """At most MOST of ascending numbers: the first, the last, and others spread evenly over their logarithm."""
    kept = [*nimg]
    while len(kept) > MOST:
        logs = np.log(np.array(kept) + 100.0)
        kept.pop(1 + int((logs[2:] - logs[:-2]).argmin()))
    return kept


def find_skills(
    sheets: Sheets,
    embed: Embed,
    tell: Tell = lambda event: None,
    should_stop: Should = lambda: False,
) -> Skills:
    """Measure every skill in every preview against the real pictures.

    Args:
        sheets: previews and real pictures.
        embed: features (N, D) of pictures.
        tell: told of every step.
        should_stop: asked between steps.

    Raises:
        Interrupted: `should_stop` said so.
    """
    real, real_seen = _Look(sheets.reals, sheets.rows, shared=False), embed(sheets.reals)
    measured: list[dict[str, float]] = []
    distances: list[float] = []
    for done, pictures in enumerate(sheets.previews, 1):
        stop_if(should_stop)
        measured.append(_Look(pictures, sheets.rows, shared=True).against(real))
        distances.append(max(0.0, kid(real_seen, embed(pictures), replicates=2).value))
        tell(Working("Looking at the previews", done, len(sheets.previews)))
    for one, distance in zip(measured, distances, strict=True):
        one["likeness"] = 1 - distance / max(*distances, 1e-12)
    found = []
    for name, (title, meaning) in _TOLD.items():
        if name in measured[-1]:
            values = tuple(round(one[name], 4) for one in measured)
            found.append(Skill(name, title, meaning, values, came(sheets.nimg, values)))
    last = sheets.nimg[-1] + 1
    return Skills(sheets.nimg, tuple(sorted(found, key=lambda skill: last if skill.came is None else skill.came)))


def came(nimg: Sequence[int], values: Sequence[float]) -> int | None:
    """The nimg from which on values stay at CAME of their last one or above; None when that is below WEAK."""
    if values[-1] < WEAK:
        return None
    first = len(values) - 1
    while first and values[first - 1] >= CAME * values[-1]:
        first -= 1
    return nimg[first]


class _Look:
    """What a sheet is like in numbers."""

    def __init__(self, pictures: Sequence[Image.Image], rows: bool, shared: bool) -> None:
        """Measure pictures; with `shared`, those of a column come from one latent, as in a preview with classes."""
        pixels = torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures])).permute(0, 3, 1, 2)
        lab = to_oklab(_reduced(pixels.float() / 127.5 - 1))
        light = lab[:, 0].flatten().sort().values
        self.colours = _colours(lab)
        self.contrast = float(light[int(0.98 * (len(light) - 1))] - light[int(0.02 * (len(light) - 1))])
        cells = F.adaptive_avg_pool2d(lab, _CELLS)
        self.shapes = float(cells[:, 0].std((1, 2), correction=0).mean())
        self.texture = float((lab[:, :1] - F.avg_pool2d(F.pad(lab[:, :1], [1] * 4, "replicate"), 3, 1)).square().mean())
        descriptors = cells.flatten(1).view(-1, COLUMNS, 3 * _CELLS**2)
        self.variety = _variety(descriptors if rows else descriptors.flatten(0, 1)[None])
        self.classes = _between(descriptors, shared) if rows and len(descriptors) > 1 else None

    def against(self, real: "_Look") -> dict[str, float]:
        """Every skill as a share of what the real pictures have, from 0 to 1."""
        found = {
            "colours": float(torch.minimum(self.colours, real.colours).sum()),
            "contrast": _agreement(self.contrast, real.contrast),
            "shapes": _agreement(self.shapes, real.shapes),
            "texture": _agreement(self.texture**0.5, real.texture**0.5),
            "variety": _agreement(self.variety, real.variety),
        }
        if self.classes is not None and real.classes:
            found["classes"] = _agreement(self.classes, real.classes)
        return found


def _reduced(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures of no more than SIDE pixels to a side, so that texture means the same at any size."""
    longest = max(pictures.shape[2:])
    if longest <= SIDE:
        return pictures
    sides = [max(2, round(side * SIDE / longest)) for side in pictures.shape[2:]]
    reduced: torch.Tensor = F.interpolate(pictures, sides, mode="bilinear", antialias=True)
    return reduced


def _colours(lab: torch.Tensor) -> torch.Tensor:
    """The share of pixels (N, 3, H, W) in each cell of OKLab."""
    light, a, b = lab.movedim(1, 0).flatten(1)
    places = [(light / _SHADES).long().clamp(0, 4)]
    places += [((axis + 0.4) / _HUES).long().clamp(0, 19) for axis in (a, b)]
    counts = ((places[0] * 20 + places[1]) * 20 + places[2]).bincount(minlength=5 * 20 * 20)
    shares: torch.Tensor = counts.double() / counts.sum()
    return shares


def _variety(groups: torch.Tensor) -> float:
    """Root mean squared distance of the rows of each group (G, N, D) from their mean."""
    return float(groups.var(1).sum(1).mean().sqrt())


def _between(groups: torch.Tensor, shared: bool) -> float:
    """Root mean squared distance of the means of groups (G, N, D) from their common one, without what is chance.

    With `shared`, the rows of one number have something in common in all groups; that is taken out first.
    """
    if shared:
        groups = groups - groups.mean(0) + groups.mean((0, 1))
    chance = groups.var(1).sum(1).mean() / groups.shape[1]
    return float((groups.mean(1).var(0).sum() - chance).clamp_min(0).sqrt())


def _agreement(fake: float, real: float) -> float:
    """1 where both are alike, less the more they differ, either way; 0 where one of them is 0."""
    return min(fake, real) / max(fake, real) if max(fake, real) > 0 else 1.0
