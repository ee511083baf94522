"""The page of `artgan interpret`: what was found, shown, in one file that needs nothing else.

Pictures are prepared here; the words and the layout stand in `page.html.jinja`.
"""

import functools
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from jinja2 import Template
from PIL import Image

import artgan
from artgan.engine.pages import short, template
from artgan.engine.storage import atomic_write
from artgan.interpretation.attention import Judged, Look
from artgan.interpretation.drawing import LARGEST, as_rgb, glowing, spotlit, strip, two_sided, uri
from artgan.interpretation.likeness import Likeness, Sample
from artgan.interpretation.skills import COLUMNS, Sheets, Skills
from artgan.interpretation.units import STRONG, Dissection, Example, Unit
from artgan.metrics.sets import PictureSet

if TYPE_CHECKING:
    from artgan.interpretation.interpret import InterpretResult

PREVIEWED = 4
"""Pictures of a preview that stand above the table of skills."""


@dataclass
class Exhibits:
    """The pictures behind the figures, as far as there are any."""

    samples: PictureSet
    dissections: Sequence[Dissection] = ()
    looks: Sequence[Look] = ()
    reals: PictureSet | None = None
    maps: Sequence[Image.Image] = ()
    sheets: Sheets | None = None


class Shown(NamedTuple):
    """A picture on the page: data URI, its size in pixels, and what it is in words."""

    uri: str
    width: int
    height: int
    title: str


class ShownLayer(NamedTuple):
    """A layer: its name, how many units it has and how many do nothing, and the strongest with their pictures."""

    name: str
    units: int
    quiet: int
    strongest: list[tuple[Unit, list[Shown]]]
    panels: int


class Row(NamedTuple):
    """A sample beside training pictures, each with its distance."""

    sample: Sample
    shown: Shown
    near: list[tuple[float, Shown]]


class Moment(NamedTuple):
    """A preview: nimg, and a few of its pictures in one."""

    nimg: int
    shown: Shown


def write_page(result: "InterpretResult", exhibits: Exhibits, path: Path) -> None:
    """Write the page; parts that could not be made say why.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    looked = list(zip(result.attention.judged, exhibits.looks, strict=True)) if result.attention is not None else []
    # One scale for all: a picture that is covered without effect shall look so.
    most = statistics.median([float(look.occlusion.abs().max()) for _, look in looked] or [0.0])
    pieces = _template().generate(
        result=result,
        missing=result.missing,
        layers=[_layer(one) for one in exhibits.dissections],
        judged={
            kind: [(one, _look(one, look, most)) for one, look in looked if one.kind == kind]
            for kind in ("real", "fake", "most", "least")
        },
        asked=_rows(result.likeness.samples if result.likeness else (), exhibits),
        closest=_rows(result.likeness.closest if result.likeness else (), exhibits),
        lacking=_lacking(result.likeness, exhibits),
        maps=[Shown(uri(one), *one.size, "") for one in exhibits.maps],
        moments=_moments(exhibits.sheets),
        learnt=_learnt(result.skills),
        strong=STRONG,
        version=artgan.__version__,
        now=time.strftime("%Y-%m-%d %H:%M"),
    )
    atomic_write(path, pieces)


def kimg(nimg: float) -> str:
    """Pictures shown, in thousands; the first thousand exactly."""
    return f"{nimg / 1000:,.0f}" if nimg >= 10_000 else f"{nimg / 1000:.2g}"


def _layer(found: Dissection) -> ShownLayer:
    layer = found.layer
    shown = [[_example(one, unit) for one in some] for unit, some in zip(layer.strongest, found.examples, strict=True)]
    mapped = any(one.active is not None for some in found.examples for one in some)
    strongest = list(zip(layer.strongest, shown, strict=True))
    return ShownLayer(layer.name, layer.units, layer.quiet, strongest, 5 if mapped else 4)


def _example(example: Example, unit: Unit) -> Shown:
    panels = [as_rgb(picture) for picture in (example.painted, example.without, example.strong)]
    panels.append(glowing(example.painted, example.difference))
    words = f"as painted, without the unit, with it {STRONG} times as strong, what changed without it"
    if example.active is not None:
        panels.append(spotlit(example.painted, example.active))
        words += ", where the unit is active"
    picture = strip(panels)
    title = f"Unit {unit.number}, {example.title}: {words}"
    return Shown(uri(picture), picture.shape[1], picture.shape[0], title)


def _look(one: Judged, look: Look, most: float) -> Shown:
    panels = [
        as_rgb(look.picture),
        glowing(look.picture, look.gaze),
        two_sided(look.picture, look.occlusion, most),
    ]
    picture = strip(panels)
    words = f"{one.title}: the picture, the pixels its judgement hangs on, what covering a place changes"
    return Shown(uri(picture), picture.shape[1], picture.shape[0], words)


def _rows(samples: Sequence[Sample], exhibits: Exhibits) -> list[Row]:
    if exhibits.reals is None or not samples:
        return []
    fakes = _thumbs(exhibits.samples, [one.place for one in samples])
    reals = _thumbs(exhibits.reals, [near.place for one in samples for near in one.neighbours])
    return [
        Row(one, fakes[one.place], [(near.distance, reals[near.place]) for near in one.neighbours]) for one in samples
    ]


def _lacking(likeness: Likeness | None, exhibits: Exhibits) -> list[Shown]:
    if likeness is None or exhibits.reals is None:
        return []
    return [*_thumbs(exhibits.reals, [place for _, place in likeness.missing]).values()]


def _thumbs(pictures: PictureSet, places: Sequence[int]) -> dict[int, Shown]:
    """The pictures at some places, small; each is read once."""
    wanted = [*dict.fromkeys(places)]
    found = {}
    for place, picture in zip(wanted, pictures.read(wanted), strict=True):
        if not isinstance(picture, str):
            picture.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
            found[place] = Shown(uri(picture), *picture.size, pictures.title(place))
    return found


def _moments(sheets: Sheets | None) -> list[Moment]:
    if sheets is None:
        return []
    # One of each row where rows are classes; they are more alike within one.
    chosen = [at * COLUMNS + at if sheets.rows else at for at in range(PREVIEWED)]
    chosen = [at for at in chosen if at < len(sheets.reals)]
    found = []
    for nimg, pictures in [*zip(sheets.nimg, sheets.previews, strict=True), (-1, sheets.reals)]:
        width, height = pictures[0].size
        shown = Image.new("RGB", (2 * width, height * -(-len(chosen) // 2)), "white")
        for number, at in enumerate(chosen):
            shown.paste(pictures[at], (number % 2 * width, number // 2 * height))
        shown.thumbnail((2 * LARGEST, 2 * LARGEST), Image.Resampling.LANCZOS)
        title = "your pictures" if nimg < 0 else f"samples after {kimg(nimg)} kimg"
        found.append(Moment(nimg, Shown(uri(shown), *shown.size, title)))
    return found


def _learnt(skills: Skills | None) -> list[tuple[int, list[str]]]:
    """The titles of skills by the nimg at which they came, the earliest first."""
    found: dict[int, list[str]] = {}
    for skill in skills.skills if skills is not None else ():
        if skill.came is not None:
            found.setdefault(skill.came, []).append(skill.title)
    return [*found.items()]


@functools.cache
def _template() -> Template:
    return template(Path(__file__).with_name("page.html.jinja"), short=short, kimg=kimg)
