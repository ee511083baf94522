"""Straight edges seen from one side of a scan: where a plain border ends, and where a frame's mouldings do."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDES = ("left", "top", "right", "bottom")
MOST_TILT = math.tan(math.radians(5.5))
REACH = 0.46  # how far in, as a share of the side, an edge is sought
UNEVEN = 12.0  # levels by which a frame may vary along a side, as its standard deviation over blocks
# The signs turn the slope of an edge, measured on the picture turned so that this edge is on top, into the picture's.
TURN = {"left": -1.0, "top": 1.0, "right": 1.0, "bottom": -1.0}


@dataclass(frozen=True)
class Edge:
    """A straight edge between a plain border and something else, the side turned to the top: depth by along."""

    at: float  # depth in the middle of the side, pixels
    slope: float
    seen: NDArray[np.bool_]  # (along,)
    plain: float  # share of the border's pixels in its colour
    noise: float
    color: NDArray[np.float32]  # (3,)
    step: float


def from_side(planes: NDArray[np.uint8], side: str) -> NDArray[np.uint8]:
    """(3, H, W) seen with that side on top: (3, depth, along)."""
    if side in ("left", "right"):
        planes = planes.transpose(0, 2, 1)
    return planes[:, ::-1] if side in ("right", "bottom") else planes


def middle_of(values: NDArray[Any]) -> NDArray[np.float32]:
    """The median along the last axis; several times as fast as NumPy's on short arrays."""
    return np.sort(values, axis=-1)[..., values.shape[-1] // 2].astype(np.float32)


def paper(view: NDArray[np.uint8]) -> tuple[NDArray[np.float32], float, float]:
    """The rim's colour along the side (3, along), fitted straight for uneven light; its noise; the share like it."""
    rim = middle_of(view[:, :3].transpose(0, 2, 1))
    half = rim.shape[1] // 2
    slope = (middle_of(rim[:, half:]) - middle_of(rim[:, :half])).clip(-24, 24)[:, None]
    trend = np.linspace(-1, 1, rim.shape[1], dtype=np.float32) * slope
    color = middle_of(rim - trend)[:, None] + trend
    off = np.abs(rim - color).max(axis=0)
    noise = float(middle_of(off))
    return color, noise, float((off <= 8 + 3 * noise).mean())


def straight_edge(view: NDArray[np.uint8]) -> Edge | None:
    """The straight line along which a plain border at the top of (3, depth, along) ends."""
    color, noise, like = paper(view)
    if like < 0.75 or noise > 9:
        return None
    along = view.shape[2]
    reach = int(view.shape[1] * REACH)
    apart = view[:, :reach].astype(np.int16)
    apart -= np.rint(color).astype(np.int16)[:, None]
    off = np.abs(apart, out=apart).max(axis=0)
    plain = off <= 8 + 3 * noise
    # A place votes where two pixels of border (beyond the rim all is border) end and three that are not begin.
    other = ~plain
    votes = other[1:-2] & other[2:-1] & other[3:] & plain[:-3]
    votes[1:] &= plain[:-4]
    down, across = np.divmod(np.flatnonzero(votes), along)
    if len(down) < 0.3 * along:
        return None
    line = _straight(down + 1, across, along)
    if line is None:
        return None
    at, slope, seen = line
    places = np.flatnonzero(seen)
    rows = np.rint(at + slope * (places - along / 2)).astype(int).clip(0, reach - 4)
    step = float(middle_of(off[rows + 3, places]))
    top = max(1, int(at - abs(slope) * along / 2))
    return Edge(at, slope, seen, float(plain[:top].mean()), noise, color.mean(axis=1), step)


def _straight(
    down: NDArray[np.intp], across: NDArray[np.intp], along: int
) -> tuple[float, float, NDArray[np.bool_]] | None:
    """The line that most votes lie on, the outermost of nearly equal ones: depth in the middle, slope, where seen."""
    middle = along / 2
    pad = int(MOST_TILT * middle) + 3
    best, at, slope = 0.0, 0, 0.0
    for turned in np.linspace(-MOST_TILT, MOST_TILT, 13):
        places = (down * 1024 - round(turned * 1024) * (across - round(middle)) + 512 >> 10) + pad
        count = np.bincount(np.maximum(places, 0, out=places), minlength=4)
        near = count[:-2] + count[1:-1] + count[2:]
        peak = int(np.argmax(near >= 0.85 * near.max()))
        peak += int(np.argmax(near[peak : peak + 3]))
        if near[peak] > best:
            best, at, slope = float(near[peak]), peak + 1 - pad, float(turned)
    if best < 0.25 * along:
        return None
    line = np.array([slope, float(at)])
    for width in (2.5, 1.5, 1.5):
        inside = np.abs(down - line[0] * (across - middle) - line[1]) <= width
        if inside.sum() < 0.2 * along:
            return None
        x, y = across[inside] - middle, down[inside]
        spread = float(((x - x.mean()) ** 2).sum())
        fitted = float(((x - x.mean()) * y).sum()) / max(spread, 1.0)
        line = np.array([fitted, float(y.mean() - fitted * x.mean())])
    seen = np.zeros(along, np.bool_)
    seen[across[inside]] = True
    return float(line[1]), float(line[0]), seen


def mouldings(view: NDArray[np.uint8]) -> list[tuple[int, float, NDArray[np.float32]]]:
    """Where a frame at the top of (3, depth, along) may end: depth, share of the side that agrees, mean colour."""
    depth, along = view.shape[1:]
    reach, start = int(0.24 * depth), int(0.2 * along)
    block = max(1, along // 40)
    count = (along - 2 * start) // block
    # The sum of a block's columns, then all rows (reach, 3, count) at once: mouldings are alike all along a side.
    strip = np.zeros((3, reach, count), np.float32)
    for column in range(block):
        strip += view[:, :reach, start + column : start + count * block : block]
    strip = strip.transpose(1, 0, 2) / np.float32(block)
    rows = strip.mean(axis=2)
    rest = strip - rows[:, :, None]
    trend = np.linspace(-1, 1, count, dtype=np.float32)
    rest -= (rest @ trend)[:, :, None] * (trend / (trend @ trend))
    uneven = np.sqrt(np.einsum("dcn,dcn->d", rest, rest) / (3 * count))
    if uneven[:3].min() > UNEVEN:
        return []
    strength = rows[2:] - rows[:-2]
    channel = np.abs(strength).argmax(axis=1)
    places = np.arange(reach - 2)
    step = strip[places + 2, channel] - strip[places, channel]
    agree = (step * np.sign(strength[places, channel])[:, None] > 8).mean(axis=1)
    found = []
    for inner in np.flatnonzero(agree >= 0.8) + 2:
        before, after = slice(max(0, inner - 9), inner - 1), slice(inner + 1, inner + 9)
        if inner < 3 or inner + 4 > reach or middle_of(uneven[:inner]) > UNEVEN:
            continue
        # Beyond a frame lies a picture or a mat, not more of the frame. A line ruled on paper has paper on both sides.
        painted = middle_of(uneven[after]) >= 1.3 * middle_of(uneven[:inner])
        mat = middle_of(uneven[after]) <= 4 and rows[after].std(axis=0).max() <= 4
        if (painted or mat) and np.abs(rows[after].mean(axis=0) - rows[before].mean(axis=0)).max() > 12:
            found.append((int(inner), float(agree[inner - 2]), rows[:inner].mean(axis=0)))
    return found


def sharp_line(strip: NDArray[np.int16]) -> float:
    """How far inward of the strip's middle the innermost clear line along it lies, pixels: a frame's last."""
    half = len(strip) // 2
    # A change of the median along the line is a moulding's; paint changes from place to place and leaves it alone.
    change = np.abs(np.median(strip[2:] - strip[:-2], axis=1)).max(axis=1)[half // 2 : -(half // 2)]
    if change.max() <= 8:
        return 0.0
    clear = np.flatnonzero(change >= 0.5 * change.max())
    peak = clear[-1]
    while peak > 0 and change[peak - 1] > change[peak]:
        peak -= 1
    return float(peak + half // 2 + 2 - half)


def sharp_edge(strip: NDArray[np.int16]) -> tuple[float, float] | None:
    """How far inward of the strip's middle the paint begins, pixels, and the slope of that edge, per place."""
    reach = len(strip) // 2
    band = max(2, reach // 2)
    color, _, like = paper(strip[:band].mean(axis=0).T[:, None])
    off = np.abs(strip - color.T).max(axis=2)
    limit = 8 + 4 * float(np.median(off[:band]))
    # Paint begins where most of the next pixels differ from the paper: one that does is dust, or a letter's stroke.
    more = max(2, reach // 4)
    counts = np.cumsum(np.pad(off > limit, ((1, 0), (0, 0))), axis=0)
    painted = (off[: 1 - more] > limit) & (counts[more:] - counts[:-more] >= 0.8 * more)
    seen = painted.any(axis=0) & ~painted[0]
    if like < 0.6 or seen.mean() < 0.3:
        return None
    places = np.flatnonzero(seen)
    first = painted.argmax(axis=0)[places]
    # The pixels on the edge mix paper and paint: it lies where they are half of each.
    level = np.median(off[(first + np.arange(more)[:, None]).clip(0, len(off) - 1), places], axis=0) / 2
    half = off[:, places] >= np.maximum(level, limit)
    half &= np.arange(len(off))[:, None] >= first
    begins = half.argmax(axis=0)
    x = (places - strip.shape[1] / 2).astype(np.float64)
    slope, at = 0.0, float(np.median(begins))
    for wide in (max(3.0, reach / 2), max(1.6, reach / 8)):
        near = np.abs(begins - slope * x - at) <= wide
        if near.sum() < 0.2 * strip.shape[1]:
            return None
        slope, at = (float(part) for part in np.polyfit(x[near], begins[near], 1))
    rest = begins[near] - slope * x[near]
    return float(np.percentile(rest, 80)) - reach, slope
