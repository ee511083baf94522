"""`report.html`: a training run on one page that needs nothing but itself, to look at while it trains and to send on.

Numbers and pictures are prepared here; the words, the layout and the few controls stand in `report.html.jinja`.
"""

import base64
import contextlib
import functools
import io
import itertools
import json
import math
import re
import shlex
import statistics
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from artgan.engine.images import decode
from artgan.engine.storage import RUN_NAME, Run, atomic_write, read_json_lines
from artgan.errors import ArtganError
from artgan.training.health import Alarm

State = Literal["training", "stopped", "finished"]

PICTURE_BYTES = 8_000_000  # all pictures as data URIs; curves and settings then stay far below the two that are left
MOST_PREVIEWS = 200
LARGEST = (900, 1800)
BINS = 150  # of a curve; each keeps its lowest and its highest point
OPTION = re.compile(r"(--set [\w.]+(?:=\S*[^\s,;.])?|--[\w-]+(?: \d[\w.]*)?)")


class Report:
    """Writes a run's page again and again, from one thread: only new pictures cost time, and PICTURE_BYTES memory."""

    def __init__(self, run: Run) -> None:
        self.run, self.album = run, Album()

    def write(self, alarms: Sequence[Alarm], state: State) -> Path:
        """Write `report.html` from what lies in the run folder; whatever is missing or damaged there is left out.

        Raises:
            StorageError: the disk is full or the folder cannot be written.
        """
        folder = self.run.folder
        self.album.update(folder)
        config, info = _read(self.run.config, tomllib.loads), _read(self.run.info, json.loads)
        records = {name: _records(folder / f"{name}.jsonl") for name in ("stats", "metrics")}
        nimg = max([0, *self.album.previews, *(lines[-1]["nimg"] for lines in records.values() if lines)])
        previews = [picture for _, picture in sorted(self.album.previews.items())]
        across = Axis(0.0, nimg / 1000 or 1.0)
        pieces = _template().generate(
            run=self.run.name,
            state=state,
            now=time.strftime("%Y-%m-%d %H:%M"),
            progress=_progress(self.run, config, records["stats"], nimg, state),
            alarms=sorted(alarms, key=lambda alarm: (alarm.until is not None, alarm.since)),
            previews=previews,
            reals=self.album.reals,
            rows=_row_names([*previews, *self.album.reals], config, info),
            across=across,
            plot=lambda source, *curves, **options: plot(records[source], across, curves, **options),
            settings={name: keys for name, keys in config.items() if isinstance(keys, dict)},
            info=info,
            engine=_dict(info.get("engine")),
            data=_dict(info.get("data")),
        )
        atomic_write(folder / "report.html", pieces, durable=False)
        return folder / "report.html"


class Picture(NamedTuple):
    """A preview sheet: pictures shown when it was made, its data URI, and the size of its file in pixels."""

    nimg: int
    uri: str
    width: int
    height: int


class Album:
    """The previews of a run by nimg, spread evenly over time when there are too many, and its training pictures."""

    def __init__(self) -> None:
        self.previews: dict[int, Picture] = {}
        self.reals: list[Picture] = []
        self._seen: dict[Path, tuple[int, int]] = {}

    def update(self, folder: Path) -> None:
        """Take in files that are new or changed; let go of those that are gone."""
        paths = Run(folder).previews()
        real = folder / "reals.png"
        seen: dict[Path, tuple[int, int]] = {}
        for path in (real, *paths.values()):
            with contextlib.suppress(OSError):  # not there yet, or there no longer
                seen[path] = path.stat().st_mtime_ns, path.stat().st_size
        fresh = {path for path, stamp in seen.items() if self._seen.get(path) != stamp}
        if self._seen.get(real) != seen.get(real):
            self.reals = [picture for picture in [encoded(real, 0)] if picture]
        self._seen = seen
        wanted = sorted(n for n, path in paths.items() if path in fresh or (path in seen and n in self.previews))
        self.previews = {n: self.previews[n] for n in wanted if paths[n] not in fresh}
        for nimg in reversed(wanted.copy()):  # the last first: its weight tells how many there is room for
            self._make_room(wanted)
            if nimg in wanted and nimg not in self.previews:
                if picture := encoded(paths[nimg], nimg):
                    self.previews[nimg] = picture
                else:
                    wanted.remove(nimg)
        self._make_room(wanted)

    def _make_room(self, wanted: list[int]) -> None:
        """Thin out `wanted` until it fits, going by the mean weight of those that are encoded already."""
        reals = sum(len(picture.uri) for picture in self.reals)
        while len(wanted) > 2:
            mean = sum(len(picture.uri) for picture in self.previews.values()) / max(1, len(self.previews))
            if len(wanted) <= MOST_PREVIEWS and len(wanted) * mean + reals <= PICTURE_BYTES:
                break
            wanted.remove(nimg := most_crowded(wanted))
            self.previews.pop(nimg, None)


def most_crowded(numbers: Sequence[int]) -> int:
    """The one of at least three ascending numbers, neither the first nor the last, whose neighbours lie closest."""
    gaps = {number: after - before for before, number, after in zip(numbers, numbers[1:], numbers[2:], strict=False)}
    return min(gaps, key=gaps.__getitem__)


def encoded(path: Path, nimg: int) -> Picture | None:
    """A picture file as a small WebP data URI; None when it cannot be read."""
    try:
        picture = decode(path)
    except ArtganError:
        return None
    width, height = picture.size
    picture.thumbnail(LARGEST)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=90 if width < 300 else 75, method=2)  # 2: half the usual time, hardly larger
    return Picture(nimg, "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode(), width, height)


def _row_names(sheets: Sequence[Picture], config: Mapping[str, Any], info: Mapping[str, Any]) -> list[str]:
    """The classes beside the rows of the sheets; empty without classes."""
    shape = re.fullmatch(r"\d+x(\d{1,4})", str(_dict(config.get("data")).get("shape", "")))
    width, height = sheets[0][2:] if sheets else (0, 0)
    cell = int(shape[1]) if shape else (width - 2) // 8 - 2  # eight columns, two pixels around each picture
    rows = max(0, (height - 2) // (max(cell, 1) + 2))
    return sorted(_dict(_dict(info.get("data")).get("classes")))[:rows]


class Point(NamedTuple):
    """Position in kimg, value, and the spread to either side of it (0 for a plain line); not finite is a gap."""

    kimg: float
    value: float
    spread: float = 0.0


@dataclass(frozen=True)
class Axis:
    """A scale from `low` to `high`, or of powers of ten between these exponents."""

    low: float
    high: float
    log: bool = False

    def place(self, value: float) -> float:
        """Where a value lies, 0 to 1."""
        return ((math.log10(value) if self.log else value) - self.low) / (self.high - self.low)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """About five round values, as (place, text)."""
        rough = (self.high - self.low) / 5
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
        step = max(1.0, step) if self.log else step
        form = f",.{max(0, math.ceil(-math.log10(step) - 1e-9))}f" if step > 1e-6 else ".3g"
        marks = []
        for number in range(math.ceil(self.low / step - 1e-6), math.floor(self.high / step + 1e-6) + 1):
            value = number * step
            text = f"{10.0**value:g}" if self.log else f"{value:{form}}" if number else "0"
            marks.append(((value - self.low) / (self.high - self.low), text))
        return marks


class Curve(NamedTuple):
    """A drawn line: its path and that of the band around it, and (kimg, value in words) to read along it."""

    label: str
    path: str
    band: str
    readings: list[tuple[float, str]]


def plot(
    records: Sequence[Mapping[str, Any]],
    across: Axis,
    curves: Sequence[Sequence[str]],
    log: bool = False,
    low: float | None = None,
    high: float | None = None,
    factor: float = 1.0,
) -> tuple[list[Curve], Axis] | None:
    """Draw keys of the records, each given as (label, key) or (label, key, key of its spread); None without values."""
    found = {label: thin(_points(records, keys, factor, log)) for label, *keys in curves}
    ends = [p.value + side for points in found.values() for p in points for side in (-p.spread, p.spread)]
    ends = [value for value in ends if math.isfinite(value)]
    if not ends:
        return None
    axis = _axis(ends, log, low, high)
    return [_curve(label, points, across, axis) for label, points in found.items() if points], axis


def _axis(values: Sequence[float], log: bool, low: float | None, high: float | None) -> Axis:
    if log:
        decade = math.floor(math.log10(min(values)))
        return Axis(decade, max(decade + 1, math.ceil(math.log10(max(values)))), log=True)
    bottom, top = min([*values, *([] if low is None else [low])]), max([*values, *([] if high is None else [high])])
    room = 0.06 * (top - bottom) if top - bottom > 1e-6 * abs(top) else 0.1 * abs(top) or 1.0
    return Axis(bottom if bottom == low else bottom - room, top if top == high else top + room)


def _points(records: Sequence[Mapping[str, Any]], keys: Sequence[str], factor: float, log: bool) -> list[Point]:
    """The records that have the first of `keys`; zero and less has no place on a log scale."""
    points = []
    for record in records:
        value, *spread = (_number(record, key) for key in keys)
        if value is not None:
            side = abs(spread[0] or 0.0) if spread else 0.0
            value = math.nan if log and value <= 0 else value * factor
            points.append(Point(record["nimg"] / 1000, value, side * factor if math.isfinite(side) else 0.0))
    return points


def _number(record: Mapping[str, Any], key: str) -> float | None:
    """A value by dotted key: None when it is not there, NaN when it is no number that can be drawn."""
    value: Any = record
    for part in key.split("."):
        value = _dict(value).get(part)
    if value is None:
        return None
    if not isinstance(value, int | float) or not abs(value) < 1e30:
        return math.nan
    return float(value) if abs(value) > 1e-30 else 0.0


def thin(points: Sequence[Point]) -> list[Point]:
    """At most a few hundred points: of each stretch the lowest and the highest, its gaps, and the very last point."""
    if len(points) <= 2 * BINS:
        return list(points)
    start, length = points[0].kimg, points[-1].kimg - points[0].kimg or 1.0
    kept: list[Point] = []
    for _, stretch in itertools.groupby(points, key=lambda point: int((point.kimg - start) / length * BINS)):
        members = list(stretch)
        finite = [point for point in members if math.isfinite(point.value)]
        kept += sorted({choose(finite, key=lambda p: p.value) for choose in (min, max) if finite})
        if len(finite) < len(members):
            kept.append(Point(members[-1].kimg, math.nan))
    return kept if kept[-1] == points[-1] else [*kept, points[-1]]


def _curve(label: str, points: Sequence[Point], across: Axis, up: Axis) -> Curve:
    """Draw in a box of 1000 x 1000, from its upper left corner."""

    def at(point: Point, side: float = 0.0) -> str:
        x, y = across.place(point.kimg), up.place(point.value + side * point.spread)
        return f"{1000 * x:.1f},{1000 - 1000 * y:.1f}"

    path, band = "", ""
    for drawn, stretch in itertools.groupby(points, key=lambda point: math.isfinite(point.value)):
        members = list(stretch)
        if drawn:
            path += "M" + " ".join(at(point) for point in members) + ("h4" if len(members) == 1 else "")
        if drawn and any(point.spread for point in members):
            outline = [at(point, 1) for point in members] + [at(point, -1) for point in reversed(members)]
            band += "M" + " ".join(outline) + "Z"
    readings = [(round(p.kimg, 3), figure(p.value) + (f" ± {figure(p.spread)}" if p.spread else "")) for p in points]
    return Curve(label, path, band, readings)


def figure(value: float) -> str:
    """Three digits that count, written as a person would."""
    if not math.isfinite(value):
        return "not a number"
    return f"{value:,.0f}" if 999.5 <= abs(value) < 1e9 else f"{value:.3g}"


def _progress(run: Run, config: dict[str, Any], stats: list[dict[str, Any]], nimg: int, state: State) -> dict[str, Any]:
    """How far the run is, how fast, how long it still takes, and the command that goes on with it."""
    speeds = [_number(record, "time.images_per_second") or 0.0 for record in stats[-5:]]
    speed = statistics.median([value for value in speeds if value > 0] or [0.0])
    total = max(0.0, _number(_dict(config.get("train")), "total_kimg") or 0.0) * 1000
    left = duration((total - nimg) / speed) if speed and total > nimg and state == "training" else ""
    match, parent = RUN_NAME.fullmatch(run.name), run.folder.parent
    elsewhere = "" if parent == Path("runs") else f" --runs {shlex.quote(str(parent.resolve()))}"
    command = "artgan resume " + (f"{int(match[1])}{elsewhere}" if match else shlex.quote(str(run.folder.resolve())))
    if total and state == "finished":
        command += f" --kimg {total / 500:g}"  # twice as long
    return {"nimg": nimg, "total": total, "speed": figure(speed) if speed else "", "left": left, "command": command}


def kimg(nimg: float) -> str:
    """Pictures shown, in thousands; the first thousand exactly, because the first previews lie close together."""
    return f"{nimg / 1000:,.1f}" if nimg >= 1000 else f"{nimg / 1000:g}"


def duration(seconds: float) -> str:
    """A stretch of time in words, about."""
    hours, minutes = divmod(math.ceil(seconds / 60), 60)
    days = f"{hours / 24:.1f} days" if hours >= 48 else ""
    return days or (f"{hours} h {minutes} min" if hours else f"{minutes} min")


def visible(value: object) -> object:
    """Text with control characters written out, so that a name can neither hide nor turn around what follows."""
    if isinstance(value, str) and not hasattr(value, "__html__") and not value.isprintable():
        return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in value)
    return value


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _read(path: Path, parse: Callable[[str], Any]) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError, RecursionError):
        return _dict(parse(path.read_text(encoding="utf-8")))
    return {}


def _records(path: Path) -> list[dict[str, Any]]:
    return sorted((r for r in read_json_lines(path) if 0 <= r["nimg"] < 10**12), key=lambda record: record["nimg"])


@functools.cache
def _template() -> Template:
    folder = FileSystemLoader(Path(__file__).parent)
    house = Environment(loader=folder, autoescape=True, finalize=visible, undefined=StrictUndefined, trim_blocks=True)
    house.filters |= {"kimg": kimg, "options": OPTION.split, "join_shell": shlex.join}
    return house.get_template("report.html.jinja")
