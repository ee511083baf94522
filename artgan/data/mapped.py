"""Decoded pictures in a file, mapped into memory: what is read is in the system's memory, not in the process's own."""

import mmap
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


class Mapped:
    """A file of `shape` (count, height, width, channels) bytes, one picture after another.

    Raises:
        OSError: it is not there.
        ValueError: it has another size.
    """

    def __init__(self, file: Path, shape: tuple[int, int, int, int]) -> None:
        with file.open("rb") as opened:
            self._map = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        if hasattr(mmap, "MADV_RANDOM"):
            self._map.madvise(mmap.MADV_RANDOM)  # no reading ahead: the next picture of a batch lies elsewhere
        self._pixels = np.frombuffer(self._map, np.uint8).reshape(shape)

    def read(self, rows: NDArray[np.int64] | list[int]) -> NDArray[np.uint8]:
        """A copy of the pictures in `rows`, (len(rows), height, width, channels).

        The pages that were read are handed back to the system, which keeps them cached as long as it has room. One
        picture can map 2 MiB around it, so that a batch of a large set would map hundreds.
        """
        pixels: NDArray[np.uint8] = self._pixels[rows]
        if hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)
        return pixels
