"""Finding the picture inside a scan: paper margins, mats, frames, scanner borders and captions around it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from artgan.curation.edges import (
    SIDES,
    TURN,
    Edge,
    from_side,
    middle_of,
    mouldings,
    paper,
    sharp_edge,
    sharp_line,
    straight_edge,
)

Box = tuple[float, float, float, float]

MOST_LAYERS = 6
STEP = 22.0  # 8-bit levels between paper and picture at the least: the median edge, each edge at its median place
WEAK_STEP = 12.0  # the same for the weakest edge
LEAST = 40  # pixels: in less, nothing is sought


@dataclass(frozen=True)
class Found:
    """Where the picture lies in a scan.

    Attributes:
        box: left, top, right, bottom as fractions of the sides, after the scan was turned by `tilt` about its centre.
        tilt: degrees counter-clockwise, as Pillow's `rotate`, that make the picture stand straight.
        kinds: what is cut, outermost first: margin (light), black border, border (of another colour), bars,
            frame, mat (within a frame), lettering.
        confidence: from 0 to 1: how much of the edges was seen, and how plain the border is.
        reason: in words, for a report.
    """

    box: Box
    tilt: float
    kinds: tuple[str, ...]
    confidence: float
    reason: str


@dataclass(frozen=True)
class _Layer:
    """What goes around a picture, in pixels: the sides' depths, the slope, and what it is."""

    depths: tuple[float, float, float, float]
    slope: float
    kinds: tuple[str, ...]
    confidence: float


def _margin(view: NDArray[np.uint8]) -> _Layer | None:
    """A plain border around the picture in (3, H, W), or bars along some of its sides."""
    edges = {side: edge for side in SIDES if (edge := straight_edge(from_side(view, side)))}
    edges = {side: edge for side, edge in edges.items() if edge.plain >= 0.85 and edge.step >= WEAK_STEP}
    if not edges:
        return None
    slope = float(np.median([edge.slope * TURN[side] for side, edge in edges.items()]))
    edges = {side: edge for side, edge in edges.items() if abs(edge.slope * TURN[side] - slope) <= 0.02}
    depths = {side: edges[side].at if side in edges else 0.0 for side in SIDES}
    shares = {side: _share(edge, side, depths) for side, edge in edges.items()}
    clear = {side: edge for side, edge in edges.items() if shares[side] >= 0.45}
    missing = [side for side in SIDES if side not in clear]
    if len(missing) == 1:
        depths[missing[0]] = _fourth(view, clear, missing[0])
    if len(missing) == 0 or (len(missing) == 1 and depths[missing[0]] > 0):
        edges, kind = clear, _kind(clear)
        # Where three edges tell of the fourth, they must be all the clearer.
        least = 0.75 if missing else 0.72
        step = np.median([edge.step for edge in edges.values()])
        if step < STEP or np.mean([shares[side] for side in edges]) < least:
            return None
    else:
        kind, slope = "bars", 0.0
        edges = {side: edge for side, edge in edges.items() if shares[side] >= 0.93 and _is_bar(edge)}
        depths = {side: edges[side].at if side in edges else 0.0 for side in SIDES}
        if not edges or (len(edges) == 1 and max(depths.values()) < 0.02 * max(view.shape)):
            return None
        if len(edges) == 1:
            _mirror_bar(view, depths, *edges.items())
    left, top, right, bottom = (depths[side] for side in SIDES)
    height, width = view.shape[1:]
    if width - left - right < 0.2 * width or height - top - bottom < 0.2 * height:
        return None
    confidence = float(np.mean([shares[side] * edge.plain for side, edge in edges.items()]))
    letters = any(edge.plain < 0.993 and edge.at > 0.05 * height for edge in edges.values())
    return _Layer((left, top, right, bottom), slope, (kind, "lettering") if letters else (kind,), confidence)


def _askew(view: NDArray[np.uint8]) -> _Layer | None:
    """A plain border behind another rim: wedges of the bed beside a tilted page, or a frame's outer mouldings."""
    for share in (0.03, 0.06):
        off = round(share * max(view.shape))
        within = view[:, off:-off, off:-off]
        if min(within.shape[1:], default=0) < LEAST:
            return None
        if not _three_sides(within, 9):
            return None
        layer = _margin(within)
        if layer and min(layer.depths) > 0:
            left, top, right, bottom = (depth + off for depth in layer.depths)
            kinds = ("frame",) if _three_sides(view) else layer.kinds
            return _Layer((left, top, right, bottom), layer.slope, kinds, layer.confidence)
    return None


def _three_sides(view: NDArray[np.uint8], most_noise: float = 255) -> bool:
    """Whether at least three rims of (3, H, W) are of one colour."""
    others = 0
    for side in SIDES:
        _, noise, like = paper(from_side(view, side))
        others += noise > most_noise or like < 0.75
        if others > 1:
            return False
    return True


def _fourth(view: NDArray[np.uint8], edges: dict[str, Edge], side: str) -> float:
    """How deep the border is on the one side without an edge, from where its two neighbours end; 0 if they disagree."""
    neighbours = ("top", "bottom") if side in ("left", "right") else ("left", "right")
    ends = []
    for neighbour in neighbours:
        seen = edges[neighbour].seen
        last = np.flatnonzero(seen if side in ("left", "top") else seen[::-1])
        ends.append(float(np.percentile(last, 1)))
    long = len(edges[neighbours[0]].seen)
    near = abs(ends[0] - ends[1]) <= 0.015 * long + 1
    plain = paper(from_side(view, side))[2] >= 0.75
    return min(ends) if near and plain and min(ends) > 0.015 * long else 0.0


def _share(edge: Edge, side: str, depths: dict[str, float]) -> float:
    """The share of the picture's side along which its edge is seen."""
    before, after = ("top", "bottom") if side in ("left", "right") else ("left", "right")
    start, end = depths[before], len(edge.seen) - depths[after]
    slack = 0.01 * (end - start) + 1
    part = edge.seen[max(0, int(start + slack)) : max(0, int(end - slack))]
    return float(part.mean()) if len(part) else 0.0


def _is_bar(edge: Edge) -> bool:
    """Whether a border that does not go around the picture is too flat, and too black or white, to be painted."""
    darkest, brightest = float(edge.color.min()), float(edge.color.max())
    flat = edge.plain >= 0.985 and edge.noise <= 2.5 and edge.step >= STEP and edge.at >= 2
    return flat and (brightest <= 30 or (darkest >= 200 and brightest - darkest <= 45))


def _mirror_bar(view: NDArray[np.uint8], depths: dict[str, float], bar: tuple[str, Edge]) -> None:
    """Bars come in pairs: where the side opposite to one is as plain, a dark picture has hidden the other's edge."""
    side, edge = bar
    across = SIDES[(SIDES.index(side) + 2) % 4]
    strip = from_side(view, across)[:, : int(edge.at)].astype(np.float32)
    if (np.abs(strip - edge.color[:, None, None]).max(axis=0) <= 8 + 3 * edge.noise).mean() >= 0.995:
        depths[across] = edge.at


def _kind(edges: dict[str, Edge]) -> str:
    """What a plain border that goes around is, by its colour."""
    color = np.median([edge.color for edge in edges.values()], axis=0)
    return "black border" if color.max() <= 45 else "margin" if color.min() >= 130 else "border"


def _frame(view: NDArray[np.uint8]) -> _Layer | None:
    """A frame of equal width on all four sides of (3, H, W), its mouldings running along them."""
    sides = []
    for side in SIDES:
        found = mouldings(from_side(view, side))
        if not found:
            return None
        sides.append(found)
    for wide in sorted((place for place, _, _ in sides[0]), reverse=True):
        chosen = [min(side, key=lambda found: abs(found[0] - wide)) for side in sides]
        if any(abs(place - wide) > max(2.0, 0.2 * wide) for place, _, _ in chosen):
            continue
        colors = np.stack([color for _, _, color in chosen])
        if np.abs(colors - middle_of(colors.T)).max() <= 40:
            left, top, right, bottom = (float(place) for place, _, _ in chosen)
            return _Layer((left, top, right, bottom), 0.0, ("frame",), float(np.mean([seen for _, seen, _ in chosen])))
    return None


def _is_card(view: NDArray[np.uint8]) -> bool:
    """Whether (3, H, W) is itself light and plain around: a sheet with something on it, which belongs to it."""
    if min(view.shape[1:], default=0) < 8:
        return False
    rims = [paper(from_side(view, side)) for side in SIDES]
    return sum(bool(color.mean() >= 150) and noise <= 12 and like >= 0.65 for color, noise, like in rims) >= 3


def find_picture(pixels: NDArray[np.uint8]) -> Found | None:
    """Find the picture inside a scan: what is left when margins, mats, frames and bars are taken off, layer by layer.

    Args:
        pixels: (H, W, 3), upright, sRGB, about 320 on the longest side.

    Returns:
        The picture's place, or None where nothing is to be cut.
    """
    height, width = pixels.shape[:2]
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    left, top, right, bottom, tilt = 0.0, 0.0, float(width), float(height), 0.0
    layers: list[_Layer] = []
    places: list[tuple[Box, float, bool]] = []  # each layer's inside, the turn so far, whether it is a card
    while len(layers) < MOST_LAYERS:
        # The pixels on an edge are of both; a layer further in starts behind them.
        inset = 1 if layers else 0
        x, y = math.ceil(left) + inset, math.ceil(top) + inset
        view = planes[:, y : int(bottom) - inset, x : int(right) - inset]
        layer = _layer(view, outermost=not layers)
        if layer is None:
            break
        if layer.kinds[0] in ("margin", "border") and any("frame" in before.kinds for before in layers):
            layer = replace(layer, kinds=("mat", *layer.kinds[1:]))
        layers.append(layer)
        left, top = x + layer.depths[0], y + layer.depths[1]
        right, bottom = x + view.shape[2] - layer.depths[2], y + view.shape[1] - layer.depths[3]
        if not tilt and abs(layer.slope) > 0.002:
            tilt = math.degrees(math.atan(layer.slope))
            turned = Image.fromarray(pixels).rotate(tilt, Image.Resampling.BILINEAR)
            planes = np.ascontiguousarray(np.asarray(turned).transpose(2, 0, 1))
            middle = (x + view.shape[2] / 2 - width / 2, y + view.shape[1] / 2 - height / 2)
            left, top, right, bottom = _turned_box((left, top, right, bottom), tilt, middle, (width, height))
        inside = planes[:, math.ceil(top) + 1 : int(bottom) - 1, math.ceil(left) + 1 : int(right) - 1]
        places.append(((left, top, right, bottom), tilt, _is_card(inside)))
    # A card pasted on a sheet, or a tinted patch of it, is no picture in a margin; only a sheet on black is cut out.
    while places and places[-1][2] and layers[-1].kinds[0] != "black border":
        places.pop()
        layers.pop()
    if not places:
        return None
    (left, top, right, bottom), tilt, _ = places[-1]
    box = (max(0.0, left / width), max(0.0, top / height), min(1.0, right / width), min(1.0, bottom / height))
    kinds = [kind for layer in layers for kind in layer.kinds]
    kinds = [kind for kind, before in zip(kinds, ["", *kinds], strict=False) if kind != before]
    return Found(box, tilt, tuple(kinds), min(layer.confidence for layer in layers), _in_words(kinds, box, tilt))


def _layer(view: NDArray[np.uint8], outermost: bool) -> _Layer | None:
    """What goes around (3, H, W), if anything does."""
    if min(view.shape[1:], default=0) < LEAST:
        return None
    return _margin(view) or (_askew(view) if outermost else None) or _frame(view)


def refine(pixels: NDArray[np.uint8], found: Found) -> Found:
    """Sharpen the place of a picture on the full scan, from strips along its edges only.

    Args:
        pixels: (H, W, 3), the whole scan that `find_picture` saw made small.
        found: what it found.

    Returns:
        The same with a box, and a tilt, to the pixel: no sliver of the border is left and no paint is lost.
    """
    height, width = pixels.shape[:2]
    left, top, right, bottom = found.box[0] * width, found.box[1] * height, found.box[2] * width, found.box[3] * height
    tilt = found.tilt
    for _ in range(2):
        shifts, slopes = [0.0] * 4, []
        for number, side in enumerate(SIDES):
            if (found.box[number] <= 0) if number < 2 else (found.box[number] >= 1):
                continue
            strip, apart = _strip(pixels, (left, top, right, bottom), tilt, side)
            if found.kinds[-1] == "frame":
                shifts[number] = sharp_line(strip)
            elif seen := sharp_edge(strip):
                shifts[number] = seen[0]
                slopes.append(seen[1] / apart * TURN[side])
        left, top, right, bottom = left + shifts[0], top + shifts[1], right - shifts[2], bottom - shifts[3]
        more = math.degrees(math.atan(float(np.median(slopes)))) if len(slopes) > 2 else 0.0
        if not 0.02 <= abs(more) <= 0.6:
            break
        # Another turn: the edges are then measured once more, along straighter strips.
        tilt += more
        middle = ((left + right - width) / 2, (top + bottom - height) / 2)
        left, top, right, bottom = _turned_box((left, top, right, bottom), more, middle, (width, height))
    box = (max(0.0, left / width), max(0.0, top / height), min(1.0, right / width), min(1.0, bottom / height))
    return replace(found, box=box, tilt=tilt, reason=_in_words(found.kinds, box, tilt))


def _strip(pixels: NDArray[np.uint8], box: Box, tilt: float, side: str) -> tuple[NDArray[np.int16], float]:
    """The straightened scan along one edge, border first, (2 reach + 1, places, 3); the pixels between two places."""
    height, width = pixels.shape[:2]
    reach = max(5, round(0.011 * max(height, width)))
    number = SIDES.index(side)
    start, end = (box[1], box[3]) if side in ("left", "right") else (box[0], box[2])
    slack = 0.03 * (end - start)
    along = np.linspace(start + slack, end - slack, max(8, min(400, int(end - start))))[None, :]
    inward = 1 if number < 2 else -1
    depth = box[number] + inward * (np.arange(-reach, reach + 1)[:, None] + 0.5)  # the pixels' middles
    u, v = (depth, along) if side in ("left", "right") else (along, depth)
    u, v = u - width / 2, v - height / 2
    cos, sin = math.cos(math.radians(tilt)), math.sin(math.radians(tilt))
    x = np.floor(u * cos - v * sin + width / 2).astype(np.intp).clip(0, width - 1)
    y = np.floor(u * sin + v * cos + height / 2).astype(np.intp).clip(0, height - 1)
    return pixels[y, x].astype(np.int16), float(along[0, 1] - along[0, 0])


def _turned_box(box: Box, tilt: float, middle: tuple[float, float], size: tuple[int, int]) -> Box:
    """A box after turning a scan of that size about its centre; the edges were measured at `middle`, seen from it."""
    left, top, right, bottom = box
    (x, y), (width, height) = middle, size
    cos, sin = math.cos(math.radians(tilt)), math.sin(math.radians(tilt))
    # Counter-clockwise with y downward: (x, y) goes to (x cos + y sin, y cos - x sin).
    across, down = y * sin + width / 2, height / 2 - x * sin
    return (
        (left - width / 2) * cos + across,
        (top - height / 2) * cos + down,
        (right - width / 2) * cos + across,
        (bottom - height / 2) * cos + down,
    )


def _in_words(kinds: Sequence[str], box: Box, tilt: float) -> str:
    """What is cut from a scan, for a report."""
    kinds = list(dict.fromkeys(kinds))
    cut = " and ".join([", ".join(kinds[:-1]), kinds[-1]] if len(kinds) > 1 else kinds)
    left, top, right, bottom = (round(100 * share) for share in (box[0], box[1], 1 - box[2], 1 - box[3]))
    words = f"{cut} around the picture: {left}, {top}, {right} and {bottom} % of left, top, right and bottom"
    return f"{words}, turned by {tilt:+.1f} degrees" if tilt else words
