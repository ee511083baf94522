"""Pictures as a page shows them: of one size and one format, with nothing in them that tells where they are from."""

import io
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from artgan.errors import DatasetError
from artgan.judging.ballot import Couple
from artgan.metrics.sets import PictureSet

LARGEST = 512
"""Pixels of the longer side unless more are asked for, so that a page of 60 pairs can be sent to people."""
LOSSLESS = 64
"""Pictures with no more pixels to a side are kept as they are: JPEG would show in them."""
ALIKE = 1.02
BUNCH = 16
Size = tuple[int, int]
Read = Callable[[PictureSet, Sequence[int]], Sequence[Image.Image | str]]


class Usable(NamedTuple):
    """Couples of which both pictures can be read, the sizes of each side, and what had to be left out."""

    couples: list[Couple]
    sizes: tuple[list[Size], list[Size]]
    notes: list[str]


def find_usable(couples: Sequence[Couple], most: int, sides: tuple[PictureSet, PictureSet], read: Read) -> Usable:
    """The first couples of which both pictures can be read, `most` at the most.

    Raises:
        DatasetError: there are none.
    """
    found = Usable([], ([], []), [])
    for start in range(0, len(couples), BUNCH):
        bunch = couples[start : start + BUNCH]
        seen = [_sizes(side, [each[n] for each in bunch], read) for n, side in enumerate(sides)]
        for each, ours, theirs in zip(bunch, *seen, strict=True):
            if isinstance(ours, str) or isinstance(theirs, str):
                side, reason = (0, ours) if isinstance(ours, str) else (1, theirs)
                found.notes.append(f"{sides[side].name}: left out {sides[side].title(each[side])} ({reason}).")
                continue
            found.couples.append(each)
            found.sizes[0].append(ours)
            found.sizes[1].append(theirs)
            if len(found.couples) == most:
                return found
    if not found.couples:
        why = found.notes[0] if found.notes else "There is nothing to show."
        raise DatasetError(f"{sides[0].name} and {sides[1].name} cannot be compared: {why}", "Name other pictures.")
    return found


def _sizes(pictures: PictureSet, places: Sequence[int], read: Read) -> Sequence[Size | str]:
    if pictures.shape is not None:
        return [pictures.shape] * len(places)
    return [picture if isinstance(picture, str) else picture.size for picture in read(pictures, places)]


def choose_size(sizes: tuple[list[Size], list[Size]], longer: int | None) -> tuple[Size, list[str]]:
    """The size that all pictures are brought to, (width, height), and what it does to them.

    It is that of the smaller side, so that neither is known by being sharper. A shape that all pictures have is kept;
    where there are several, all become squares.

    Args:
        sizes: of the pictures of each side.
        longer: pixels of the longer side; None chooses.
    """
    shapes = [width / height for side in sizes for width, height in side]
    same = max(shapes) / min(shapes) < ALIKE
    shape = statistics.median(shapes) if same else 1.0
    natural = [statistics.median(max(size) if same else min(size) for size in side) for side in sizes]
    chosen = longer or max(1, min(LARGEST, int(min(natural))))
    size = (chosen, max(1, round(chosen / shape))) if shape >= 1 else (max(1, round(chosen * shape)), chosen)
    notes = [] if same else ["Pictures of several shapes were cropped to squares in the middle."]
    if chosen > min(natural):
        notes.append(
            f"--size {chosen} enlarges pictures of {min(natural):g} px; beside sharper ones they are known by that."
        )
    return size, notes


def prints(pictures: PictureSet, places: Sequence[int], size: Size, read: Read) -> Iterator[bytes]:
    """The pictures at these places as PNG or JPEG, one after the other.

    Raises:
        DatasetError: one can no longer be read.
    """
    for start in range(0, len(places), BUNCH):
        bunch = places[start : start + BUNCH]
        for place, picture in zip(bunch, read(pictures, bunch), strict=True):
            if isinstance(picture, str):
                raise DatasetError(
                    f"{pictures.name}: {pictures.title(place)} can no longer be read ({picture}).",
                    "Leave the pictures as they are meanwhile.",
                )
            yield encode(picture, size)


def encode(picture: Image.Image, size: Size) -> bytes:
    """A picture, cropped in the middle and brought to `size`, in a file that holds its pixels and nothing else."""
    fitted = ImageOps.fit(picture.convert("RGB"), size, Image.Resampling.LANCZOS)
    bare = Image.fromarray(np.asarray(fitted))  # Pillow hands comments and profiles on from file to file
    buffer = io.BytesIO()
    if is_lossless(size):
        bare.save(buffer, "PNG", optimize=True)
    else:
        bare.save(buffer, "JPEG", quality=90, subsampling=0, optimize=True)
    return buffer.getvalue()


def is_lossless(size: Size) -> bool:
    """Whether pictures of this size are PNGs."""
    return max(size) <= LOSSLESS
