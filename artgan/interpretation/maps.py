"""The map of a model: its samples, and beside them its training pictures in the same places."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image

from artgan.engine.seeds import Streams
from artgan.interpretation.atlas import assign, grid_for, lay_out
from artgan.interpretation.drawing import INKS, sheet
from artgan.interpretation.draws import Should, Tell
from artgan.interpretation.likeness import kinds_of
from artgan.metrics.neighbours import nearest
from artgan.metrics.sets import PictureSet

LONGEST = 44
"""Pixels of the longer side of a picture on the map."""
REACH = 2.5
"""Cells that a sample may lie from its place; one that finds no free cell nearer is left out."""
NEAR = 1.5
"""A real picture has samples near it when one belongs into its cell or one of the eight around."""


@dataclass(frozen=True)
class Kind:
    """A class, or pictures that are alike: its name, its colour, and its share of the real pictures and of the samples.

    `real` is None where there are no real pictures.
    """

    name: str
    ink: str
    real: float | None
    fake: float


@dataclass(frozen=True)
class Atlas:
    """What the map shows.

    Attributes:
        kinds: by the colour of their frames; empty where there are too many classes for that.
        named: whether the kinds are classes of the model; otherwise they were found by likeness.
        reals, fakes: pictures on each map; 0 reals without training pictures.
        hidden: samples that lie where others are already.
        empty: share of the real pictures' places around which no sample belongs.
        floor: the same for as many other real pictures in place of the samples; None when there are not so many.
    """

    kinds: tuple[Kind, ...]
    named: bool
    reals: int
    fakes: int
    hidden: int
    empty: float
    floor: float | None


@dataclass(frozen=True)
class Side:
    """One half of what is compared: pictures with their features (N, D), and their classes, if any, by number."""

    pictures: PictureSet
    seen: torch.Tensor
    classes: tuple[int, ...]

    def at(self, places: Sequence[int]) -> "Side":
        """Some of them."""
        whole, classes = self.pictures, tuple(self.classes[at] for at in places) if self.classes else ()
        shown = PictureSet(
            whole.name,
            len(places),
            lambda chosen: whole.read([places[at] for at in chosen]),
            lambda at: whole.title(places[at]),
            None,
            whole.shape,
        )
        return Side(shown, self.seen[[*places]], classes)


def draw_maps(
    fake: Side, real: Side | None, names: Sequence[str], tell: Tell, should_stop: Should
) -> tuple[Atlas, list[Image.Image]]:
    """Lay out samples, and training pictures if there are any, and draw both maps; that of the samples comes first.

    Args:
        fake: the samples.
        real: the training pictures; as many of them as there are samples are shown.
        names: of the classes; empty without.
        tell: told of every step.
        should_stop: asked between steps.

    Raises:
        Interrupted: `should_stop` said so.
    """
    count, others = len(fake.seen), torch.empty(0)
    if real is not None:
        order = torch.randperm(len(real.seen), generator=Streams(0).generator("pictures on the map")).tolist()
        others, real = real.seen[order[count : 2 * count]], real.at(sorted(order[:count]))
    base = real or fake
    width, height = fake.pictures.shape or (1, 1)
    grid = grid_for(len(base.seen), width / height)
    base_cells = assign(lay_out(base.seen, tell, should_stop), *grid)
    fake_cells, empty, floor = base_cells, 0.0, None
    if real is not None:
        cells = torch.tensor([cell for cell in base_cells if cell is not None]).double()
        theirs = cells[nearest(fake.seen, real.seen)[1][:, 0]]
        fake_cells = assign(theirs / torch.tensor(grid).sub(1).clamp_min(1), *grid, reach=REACH)
        empty = _empty(cells, theirs)
        if len(others) == count:
            floor = _empty(cells, cells[nearest(others, real.seen)[1][:, 0]])
    kinds, of_fake, of_real = _kinds(fake, real, names)
    inks = [kind.ink for kind in kinds]
    drawn = [_drawn(fake, fake_cells, grid, [inks[kind] for kind in of_fake] if inks else [])]
    if real is not None:
        drawn.append(_drawn(real, base_cells, grid, [inks[kind] for kind in of_real] if inks else []))
    shown = sum(cell is not None for cell in fake_cells)
    figures = Atlas(kinds, bool(names), len(real.seen) if real else 0, shown, count - shown, empty, floor)
    return figures, drawn


def _empty(cells: torch.Tensor, others: torch.Tensor) -> float:
    """Share of cells (N, 2) that none of the others (M, 2) is near."""
    return round(float((torch.cdist(cells, others).amin(1) > NEAR).double().mean()), 4)


def _kinds(
    fake: Side, real: Side | None, names: Sequence[str]
) -> tuple[tuple[Kind, ...], Sequence[int], Sequence[int]]:
    """The kinds, and which of them every sample and every real picture is."""
    if len(names) > len(INKS):
        return (), [], []
    of_fake, of_real = fake.classes, real.classes if real is not None else ()
    if not names:
        found = kinds_of((real or fake).seen, fake.seen)
        of_fake, of_real = tuple(found[1]), tuple(found[0]) if real is not None else ()
    titles = names or [f"kind {number + 1}" for number in range(max([*of_fake, *of_real]) + 1)]
    fakes, reals = Counter(of_fake), Counter(of_real)
    kinds = tuple(
        Kind(
            title,
            INKS[number],
            round(reals[number] / len(of_real), 4) if of_real else None,
            round(fakes[number] / len(of_fake), 4),
        )
        for number, title in enumerate(titles)
    )
    return kinds, of_fake, of_real


def _drawn(
    side: Side, cells: Sequence[tuple[int, int] | None], grid: tuple[int, int], inks: Sequence[str]
) -> Image.Image:
    places = [place for place, cell in enumerate(cells) if cell is not None]
    read = zip(places, side.pictures.read(places), strict=True)
    pictures = {place: picture for place, picture in read if not isinstance(picture, str)}
    shown = [cell if place in pictures else None for place, cell in enumerate(cells)]
    return sheet(pictures, shown, grid, inks or [None] * len(cells), LONGEST)
