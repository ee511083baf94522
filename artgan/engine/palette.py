"""The 256 colours that a GIF may have, chosen for a whole film."""

import numpy as np
from numpy.typing import NDArray

SIZE = 256
_BITS = 5  # colours are counted in 32 x 32 x 32 cells, and each cell remembers the mean of what fell into it
_ROUNDS = 12


class ColorCount:
    """Looks at frames as they pass, in constant memory, and chooses the colours that show them best.

    ffmpeg's palettegen halves boxes of colours where most pixels are, which turns a few red apples orange. k-means over
    the square roots of the counts gives rare colours their due: on the previews of a run on paintings the GIF came 6 dB
    nearer to the film, both looked at slightly blurred, as dithering wants to be seen.
    """

    def __init__(self) -> None:
        cells = 1 << (3 * _BITS)
        self.counts = np.zeros(cells, np.int64)
        self.sums = np.zeros((3, cells), np.float64)
        self.few: NDArray[np.int32] | None = np.zeros(0, np.int32)  # all colours so far, while a palette can hold them

    def look(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Count the colours of a frame (H, W, 3) and hand it on."""
        red, green, blue = (frame[..., channel].ravel().astype(np.int32) for channel in range(3))
        down = 8 - _BITS
        cell = (red >> down) << (2 * _BITS) | (green >> down) << _BITS | blue >> down
        self.counts += np.bincount(cell, minlength=len(self.counts))
        for number, channel in enumerate((red, green, blue)):
            self.sums[number] += np.bincount(cell, channel, minlength=len(self.counts))
        if self.few is not None:
            self.few = np.union1d(self.few, red << 16 | green << 8 | blue)
            self.few = self.few if len(self.few) <= SIZE else None
        return frame

    def palette(self) -> NDArray[np.uint8]:
        """256 colours (256, 3); when there were no more than that, exactly those, the last one repeated."""
        if self.few is not None:
            exact = np.stack([self.few >> 16, self.few >> 8 & 255, self.few & 255], axis=1)
            return np.pad(exact, ((0, SIZE - len(exact)), (0, 0)), mode="edge").astype(np.uint8)
        seen = np.flatnonzero(self.counts)
        return _k_means(self.sums[:, seen] / self.counts[seen], np.sqrt(self.counts[seen]))


def _k_means(points: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Centres of clusters of points (3, N), from a start that is spread as widely as the points are.

    Distances are taken one centre at a time, without a matrix product, whose last bits differ between processors.
    """
    centers = np.empty((SIZE, 3))
    centers[0] = points[:, weights.argmax()]
    nearest = _distances(points, centers[0])
    for number in range(1, SIZE):
        centers[number] = points[:, (nearest * weights).argmax()]
        nearest = np.minimum(nearest, _distances(points, centers[number]))
    for _ in range(_ROUNDS):
        nearest, owner = _distances(points, centers[0]), np.zeros(points.shape[1], np.intp)
        for number in range(1, SIZE):
            distances = _distances(points, centers[number])
            closer = distances < nearest
            nearest[closer], owner[closer] = distances[closer], number
        mass = np.bincount(owner, weights, SIZE)
        moved = np.stack([np.bincount(owner, weights * axis, SIZE) for axis in points], axis=1)
        centers[mass > 0] = (moved[mass > 0].T / mass[mass > 0]).T
    return centers.round().astype(np.uint8)


def _distances(points: NDArray[np.float64], center: NDArray[np.float64]) -> NDArray[np.float64]:
    red, green, blue = (points - center[:, None]) ** 2
    squared: NDArray[np.float64] = red + green + blue
    return squared
