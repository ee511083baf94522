"""Curves of records, drawn as paths for the pages that show them."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

BINS = 150  # of a curve; each keeps its lowest and its highest point


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
        value, *spread = (number(record, key) for key in keys)
        if value is not None:
            side = abs(spread[0] or 0.0) if spread else 0.0
            value = math.nan if log and value <= 0 else value * factor
            points.append(Point(record["nimg"] / 1000, value, side * factor if math.isfinite(side) else 0.0))
    return points


def number(record: Mapping[str, Any], key: str) -> float | None:
    """A value by dotted key: None when it is not there, NaN when it is no number that can be drawn."""
    value: Any = record
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
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
