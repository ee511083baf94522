"""The page of `artgan score --html`: what was measured and pictures that show it, in one file that needs nothing else.

Numbers, curves and pictures are prepared here; the words and the layout stand in `page.html.jinja`.
"""

import base64
import functools
import io
import math
import re
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from jinja2 import Template
from PIL import Image

import artgan
from artgan.engine.pages import short, template
from artgan.engine.storage import atomic_write
from artgan.metrics.figures import Evidence, Figure
from artgan.metrics.sets import PictureSet

if TYPE_CHECKING:
    from artgan.metrics.score import ScoreResult, SetScore

SIDE = 128
CRISP = 64
"""Pictures with no more pixels to a side are enlarged as squares, and kept without loss."""
MOST_CLASSES = 500
SHARES = {"precision", "recall", "coverage", "modes", "memorised"}


class Thumb(NamedTuple):
    """A small picture: its title and data URI, or the reason why there is none."""

    title: str
    uri: str
    reason: str
    crisp: bool


class Pair(NamedTuple):
    """A sample and the real picture nearest to it."""

    sample: Thumb
    real: Thumb


class Pictures(NamedTuple):
    """What `Evidence` names, ready to be shown."""

    closest: list[Pair]
    best: list[Pair]
    worst: list[Pair]
    missing: list[Thumb]


class Mark(NamedTuple):
    """Where 0, a figure, its floor and its interval lie on a line, in percent; `start` is where 0 is."""

    start: float
    value: float
    floor: float | None
    low: float | None
    high: float | None


class Chart(NamedTuple):
    """A figure over the course of training, drawn in a box of 1000 x 1000 from its upper left corner.

    Attributes:
        figure: of the last checkpoint.
        line, band: paths; the band is the interval, empty without one.
        dots: (x, y, kimg, value in words) of every checkpoint.
        best: which of them is best.
        floor: height of the floor, None without one.
        ticks: (height, text).
    """

    figure: Figure
    line: str
    band: str
    dots: list[tuple[float, float, str, str]]
    best: int
    floor: float | None
    ticks: list[tuple[float, str]]


def write_page(result: "ScoreResult", real: PictureSet | None, fakes: Sequence[PictureSet | None], path: Path) -> None:
    """Write the page of a score; what the result does not have is left out or said to be missing.

    Args:
        result: the figures.
        real: the real pictures; None for saved statistics.
        fakes: the samples of each of the sets, in the same order.
        path: the HTML file.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    last = result.sets[-1]
    evidence, fake = last.evidence, fakes[-1]
    shown = _show(evidence, real, fake) if evidence and real and fake else None
    trained = [one.nimg for one in result.sets if one.nimg is not None]
    curved = len(result.sets) > 1 and len(trained) == len(result.sets)
    farthest = max([*trained, 1]) / 1000
    names = [figure.name for figure in last.figures]
    pieces = _template().generate(
        result=result,
        last=last,
        heading=_heading([one.name for one in result.sets]),
        marks=[mark(figure) for figure in last.figures],
        charts=[chart(result.sets, figure, farthest) for figure in last.figures] if curved else [],
        along=ticks(0.0, farthest),
        columns={name: figures_of(result.sets, name) for name in names},
        winners={name: best_of(figures_of(result.sets, name)) for name in names},
        tied=_tied(figures_of(result.sets, names[0])),
        shown=shown,
        classes=sorted(last.classes, key=lambda one: (-one.value, one.name)),
        most=MOST_CLASSES,
        bases=[base_of(name) for name in names],
        version=artgan.__version__,
        now=time.strftime("%Y-%m-%d %H:%M"),
    )
    atomic_write(path, pieces)


def base_of(name: str) -> str:
    """The metric in the name of a figure: kid for kid2k_artgan, fidinf for fidinf50k."""
    return re.split(r"[\d_]", name)[0]


def _heading(names: Sequence[str]) -> str:
    """The run that all sets are checkpoints of, or the last set."""
    runs = {name.rpartition("@")[0] for name in names}
    return runs.pop() or names[-1] if len(names) > 1 and len(runs) == 1 else names[-1]


def mark(figure: Figure) -> Mark | None:
    """Places on a line from 0, or below for figures there, to the largest of value, floor and interval; shares to 1.

    None where the value would stand alone, with nothing to tell how large it is, or is no number.
    """
    known = [figure.value, figure.floor, figure.low, figure.high]
    finite = [value for value in known if value is not None and math.isfinite(value)]
    share = base_of(figure.name) in SHARES
    if not math.isfinite(figure.value) or (len(finite) < 2 and not share):
        return None
    low, high = min([0.0, *finite]), max([1.0 if share else 0.0, *finite])
    room = 0.0 if share else 0.06 * (high - low)

    def place(value: float) -> float:
        return round(100 * (value - low) / (high + room - low or 1.0), 2)

    others = [None if value is None or value not in finite else place(value) for value in known[1:]]
    return Mark(place(0.0), place(figure.value), *others)


def best_of(figures: Sequence[Figure | None]) -> int:
    """Which of several values of one figure is best, the earliest of equals; None and what is no number never is."""

    def loss(number: int) -> float:
        one = figures[number]
        if one is None or not math.isfinite(one.value):
            return math.inf
        return {"lower": one.value, "higher": -one.value, "near 1": abs(one.value - 1)}[one.better]

    return min(range(len(figures)), key=loss)


def figures_of(sets: Sequence["SetScore"], name: str) -> list[Figure | None]:
    """The figure of that name from every set."""
    return [next((figure for figure in one.figures if figure.name == name), None) for one in sets]


def _tied(figures: Sequence[Figure | None]) -> int:
    """How many others have an interval that overlaps that of the best."""
    best = figures[best_of(figures)]
    if best is None or best.low is None or best.high is None:
        return 0
    intervals = [(one.low, one.high) for one in figures if one and one.low is not None and one.high is not None]
    return sum(low <= best.high and high >= best.low for low, high in intervals) - 1


def chart(sets: Sequence["SetScore"], figure: Figure, farthest: float) -> Chart:
    """Draw one figure of all sets over 0 to `farthest` kimg."""
    found = zip(sets, figures_of(sets, figure.name), strict=True)
    points = [((one.nimg or 0) / 1000, each) for one, each in found if each and math.isfinite(each.value)]
    known = [value for _, each in points for value in (each.value, each.low, each.high)] + [figure.floor]
    finite = [0.0, *(value for value in known if value is not None)]
    low, high = min(finite), max(finite)
    room = 0.08 * (high - low) or 1.0
    low, high = low - (room if low < 0 else 0.0), high + room

    def at(kimg: float, value: float) -> tuple[float, float]:
        return round(1000 * kimg / farthest, 1), round(1000 * (high - value) / (high - low), 1)

    def path(places: Iterable[tuple[float, float]]) -> str:
        return "M" + " ".join(f"{x:g},{y:g}" for x, y in places)

    lows = [at(kimg, each.low) for kimg, each in points if each.low is not None]
    highs = [at(kimg, each.high) for kimg, each in points if each.high is not None]
    return Chart(
        figure,
        path(at(kimg, each.value) for kimg, each in points) if points else "",
        path([*highs, *reversed(lows)]) + "Z" if lows and highs else "",
        [(*at(kimg, each.value), kimg_in_words(kimg), number(each.value)) for kimg, each in points],
        best_of([each for _, each in points]) if points else 0,
        at(0, figure.floor)[1] if figure.floor is not None else None,
        [(round(100 - 100 * place, 2), text) for place, text in ticks(low, high)],
    )


def ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Two to six round values from low to high, as (place from 0 to 1, text)."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    digits = max(0, math.ceil(-math.log10(step) - 1e-9))
    form = f",.{digits}f" if digits <= 6 else ".3g"
    numbers = range(math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6) + 1)
    return [((n * step - low) / (high - low), f"{n * step:{form}}" if n else "0") for n in numbers]


def kimg_in_words(kimg: float) -> str:
    """Pictures shown, in thousands."""
    return f"{kimg:,.1f}".removesuffix(".0") if kimg >= 1 else f"{kimg:g}"


def number(value: float | None) -> str:
    """Three digits that count, never more than six after the point."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return "not a number"
    size = math.floor(math.log10(abs(value))) if value else 0
    text = f"{value:,.{min(6, max(0, 2 - size))}f}"
    return text if float(text.replace(",", "")) else "0"


def _show(evidence: Evidence, real: PictureSet, fake: PictureSet) -> Pictures:
    """Read every picture that is named, once."""
    pairs = [*evidence.closest, *evidence.best, *evidence.worst]
    samples = _thumbs(fake, [sample for sample, _ in pairs])
    reals = _thumbs(real, [*(nearest for _, nearest in pairs), *evidence.missing])

    def pair(places: Sequence[tuple[int, int]]) -> list[Pair]:
        return [Pair(samples[sample], reals[nearest]) for sample, nearest in places]

    return Pictures(
        pair(evidence.closest), pair(evidence.best), pair(evidence.worst), [reals[place] for place in evidence.missing]
    )


def _thumbs(pictures: PictureSet, places: Iterable[int]) -> dict[int, Thumb]:
    """The pictures at these places, one in memory at a time, for they may be large."""
    return {place: thumb(pictures.title(place), pictures.read([place])[0]) for place in dict.fromkeys(places)}


def thumb(title: str, picture: Image.Image | str) -> Thumb:
    """A picture of at most SIDE pixels to a side, or the reason why it cannot be read."""
    if isinstance(picture, str):
        return Thumb(title, "", picture, crisp=False)
    crisp = max(picture.size) <= CRISP
    small = picture.convert("RGB")
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    if crisp:
        small.save(buffer, "PNG", optimize=True)
    else:
        small.save(buffer, "JPEG", quality=88, optimize=True)
    kind = "png" if crisp else "jpeg"
    return Thumb(title, f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}", "", crisp)


@functools.cache
def _template() -> Template:
    return template(
        Path(__file__).with_name("page.html.jinja"), number=number, kimg=kimg_in_words, short=short, base=base_of
    )
