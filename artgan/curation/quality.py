"""Pictures that train badly: too small, blurred, nearly flat, black or white, of an extreme shape, overcompressed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# How sure a verdict must be: robust standard deviations (1.4826 MAD) from the set's median. The softest painting of our
# 180 lies 3.3 below it; the crispest of them, blurred by a Gaussian of 2 px at 640 px, lies 5.4 below.
FAR = 4.0
FAINT = 0.5  # levels: smaller turns are what saving in 8 bits leaves, not detail
NEAR_COLOR = 10  # 8-bit levels from the median colour that count as one colour


@dataclass(frozen=True)
class Quality:
    """What can be measured of one picture.

    Attributes:
        width: of the file, pixels, upright.
        height: the same.
        sharpness: how abruptly brightness changes, from 0 to about 1 (white noise); paintings lie around 0.67.
        flatness: the share of the picture within 10 levels of its median colour, from 0 to 1.
        exposure: the mean brightness, from 0 (black) to 1 (white).
        aspect: the longer side over the shorter.
        bits_per_pixel: what the file spends on a pixel.
    """

    width: int
    height: int
    sharpness: float
    flatness: float
    exposure: float
    aspect: float
    bits_per_pixel: float


def quality(pixels: NDArray[np.uint8], full_size: tuple[int, int], file_bytes: int) -> Quality:
    """Measure one picture.

    Args:
        pixels: (H, W, 3), upright, sRGB, about 320 on the longest side; at the same scale for the whole set.
        full_size: width and height of the file, upright.
        file_bytes: its length.
    """
    width, height = full_size
    # Not rounded: in a blurred picture rounding to whole levels would be all the detail there is.
    brightness = pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)  # Rec. 601
    some = pixels[::4, ::4].reshape(-1, 3).astype(np.int16)
    apart = np.abs(some - np.median(some, axis=0).astype(np.int16)).max(axis=1)
    return Quality(
        width=width,
        height=height,
        sharpness=min(_abruptness(brightness), _abruptness(brightness.T)),
        flatness=float((apart <= NEAR_COLOR).mean()),
        exposure=float(brightness.mean()) / 255,
        aspect=max(full_size) / max(1, min(full_size)),
        bits_per_pixel=8 * file_bytes / max(1, width * height),
    )


def _abruptness(brightness: NDArray[np.float32]) -> float:
    """The second differences down the columns over the first ones, as sums of amounts, over that of white noise.

    A ratio is blind to contrast, and sums of amounts (not of squares) hear the canvas's grain and the brush's hairs,
    which a soft painting keeps and a blurred copy has lost. Like the re-blurring of Crete et al., The Blur Effect
    (2007), which tells less well between the two here.
    """
    first = np.diff(brightness, axis=0)
    total = float(np.abs(first).sum())
    second = np.abs(np.diff(first, axis=0))
    return float(second.sum(where=second > FAINT)) / total / 3**0.5 if total else 0.0


def judge(
    qualities: Sequence[Quality],
    *,
    small: bool = True,
    blurred: bool = True,
    flat: bool = True,
    exposure: bool = True,
    shape: bool = True,
    compressed: bool = True,
    least_side: int = 64,
    far: float = FAR,
) -> list[tuple[str, ...]]:
    """Say what is wrong with each picture, measured against its set.

    A picture is named when it is `far` robust deviations from the set's median and past a mild absolute bound, or past
    a hard one whatever the set is like: a set of soft pictures is not called blurred, and a set of one is judged too.

    Args:
        qualities: of the whole set.
        small: name pictures whose shorter side is under `least_side` pixels.
        blurred: name pictures without sharp detail.
        flat: name pictures of nearly one colour.
        exposure: name pictures that are nearly black or nearly white.
        shape: name pictures that are very long or very tall.
        compressed: name files that spend hardly anything on a pixel.
        least_side: pixels.
        far: robust standard deviations from the median; larger names fewer.

    Returns:
        For each picture its reasons in words, an empty tuple where nothing is wrong.
    """
    reasons: list[list[str]] = [[] for _ in qualities]

    def name(word: str, figures: list[float], what: str, *, mild: float, hard: float, below: bool) -> None:
        middle, limit = _limit(figures, far, mild=mild, hard=hard, below=below)
        for figure, said in zip(figures, reasons, strict=True):
            if figure < limit if below else figure > limit:
                said.append(f"{word}: {what} {figure:.2f}, the set's median is {middle:.2f}")

    if not qualities:
        return []
    if small:
        for each, said in zip(qualities, reasons, strict=True):
            if min(each.width, each.height) < least_side:
                said.append(f"too small: {each.width} x {each.height} px, the shorter side is under {least_side}")
    if flat:
        name("nearly one colour", [q.flatness for q in qualities], "flatness", mild=0.95, hard=0.995, below=False)
    if blurred:
        name("blurred", [q.sharpness for q in qualities], "sharpness", mild=0.52, hard=0.26, below=True)
    if exposure:
        name("nearly black", [q.exposure for q in qualities], "brightness", mild=0.06, hard=0.015, below=True)
        name("nearly white", [q.exposure for q in qualities], "brightness", mild=0.95, hard=0.985, below=False)
    if shape:
        name("extreme shape", [q.aspect for q in qualities], "aspect", mild=3.0, hard=5.0, below=False)
    if compressed:
        bits = [q.bits_per_pixel for q in qualities]
        name("overcompressed", bits, "bits a pixel", mild=0.25, hard=0.08, below=True)
    return [tuple(said) for said in reasons]


def _limit(figures: list[float], far: float, *, mild: float, hard: float, below: bool) -> tuple[float, float]:
    """The median, and the figure past which a picture is named: far from the median, between the two bounds."""
    values = np.array(figures)
    middle = float(np.median(values))
    # From the sound side only: many bad pictures would otherwise widen the deviation until none of them was far. In a
    # set of near-equals the smallest difference would be far: a deviation is at least a 25th of the median.
    sound = values >= middle if below else values <= middle
    deviation = max(1.4826 * float(np.median(np.abs(values[sound] - middle))), middle / 25)
    if below:
        return middle, min(mild, max(hard, middle - far * deviation))
    return middle, max(mild, min(hard, middle + far * deviation))
