"""Which preset a set of pictures is trained with when nobody names one, and why."""

import functools
import itertools
import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from artgan.config import SMALLEST_MATCHED
from artgan.data.cache import scan_again
from artgan.data.shard_names import find_shards
from artgan.data.shards import pictures_in, read_member
from artgan.engine.images import open_picture
from artgan.errors import DatasetError

SIZES = (64, 128, 256, 512)
TINY = "studio64"
"""What any network can be trained with, and pictures too small for the encoder."""
LOOKED_AT = 25
"""Pictures whose size is looked at, evenly among all."""
LARGEST = {"cpu": 64, "mps": 128, "cuda": 256}
"""Sides that are learnt in about an hour, pixels; larger ones have to be asked for."""


def choose_preset(device: torch.device, asked: tuple[int, int] | None, pictures: Sequence[int]) -> tuple[str, str]:
    """The preset for a device and a size, and the reason in a sentence.

    Args:
        device: where it will be trained.
        asked: width and height that the user wants, pixels; None when they did not say.
        pictures: shorter sides of some of the pictures, pixels.
    """
    if asked is not None and min(asked) < SMALLEST_MATCHED:
        return TINY, f"the painters need {SMALLEST_MATCHED} pixels, and you asked for {asked[0]}x{asked[1]}"
    if asked is not None:
        side = max(asked)
        size = next((size for size in SIZES if side <= 1.5 * size), SIZES[-1])
        return f"painter-{size}", f"you asked for {asked[0]}x{asked[1]} pixels"
    most = LARGEST[device.type]
    place = {"cpu": "no GPU is here", "mps": "an Apple GPU is here", "cuda": "an NVIDIA GPU is here"}[device.type]
    typical = round(statistics.median(pictures)) if pictures else most
    if typical >= most or most == SIZES[0]:
        return f"painter-{most}", f"{place}; --resolution asks for larger pictures"
    size = max((size for size in SIZES if size <= typical), default=SIZES[0])
    return f"painter-{size}", f"{place}, and the pictures are about {typical} pixels wide or high"


def shorter_sides(path: Path) -> list[int]:
    """The shorter sides of some pictures, pixels; what cannot be opened is passed over.

    Of shards they are the first of the first shard: `artgan curate` mixes, and its other headers need not be read.

    Raises:
        DatasetError: there are no pictures at the path, or a shard is not a whole tar.
    """
    shards = find_shards(path)
    sides = []
    for read in _in_shard(shards[0]) if shards is not None else _in_folder(path):
        try:
            with open_picture(read()) as opened:
                sides.append(min(opened.size))
        except (DatasetError, OSError):
            continue  # decoding will name it
    return sides


def _in_folder(path: Path) -> Iterator[Callable[[], bytes]]:
    """What reads some pictures of a folder or zip, evenly among all."""
    source = scan_again(path, "none")
    read = source.reader()
    count = min(LOOKED_AT, len(source.files))
    for number in range(count):
        yield functools.partial(read, source.files[number * len(source.files) // count])


def _in_shard(path: Path) -> Iterator[Callable[[], bytes]]:
    """What reads the first pictures of a shard."""
    with path.open("rb") as file:
        for member in itertools.islice(pictures_in(path), LOOKED_AT):
            yield functools.partial(read_member, file, member)
