"""The set on disk: pictures cut, straightened, made smaller, under names that can be read."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from artgan.curation.borders import Found, refine
from artgan.curation.survey import Reader
from artgan.curation.verdicts import Item
from artgan.engine.images import decode
from artgan.engine.storage import atomic_write, spelt

_UNREADABLE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]|[. ]+$')
"""Control characters, and what Windows allows in no name."""
_LONGEST = 200
"""Bytes of a name: systems allow 255, and a temporary name is longer."""
_IN_A_SET = ("kept", "reported")


def named(items: Sequence[Item], size: int | None, not_these: Sequence[str] = ()) -> list[Item]:
    """Items with the path that each shall have in the set: that of the source, its suffix fitting the content.

    Args:
        items: of a source.
        size: pixels that the shorter side is brought down to, or None.
        not_these: names that other files have in the set.
    """
    in_set = [number for number, item in enumerate(items) if item.status in _IN_A_SET and item.seen is not None]
    folders, stems = {}, {}
    for number in in_set:
        *above, name = [part for part in PurePosixPath(items[number].file).parts if part.strip("/")]
        folder = PurePosixPath(*map(_readable, above))
        if above and folder.parts[0].casefold() in not_these:
            folder = PurePosixPath(f"{folder.parts[0]}_", *folder.parts[1:])
        folders[number] = folder
        known = PurePosixPath(name).suffix.lower() in Image.registered_extensions()
        stems[number] = _readable(PurePosixPath(name).stem if known else name)
    taken = {place.as_posix().casefold() for folder in folders.values() for place in (folder, *folder.parents)}
    found = list(items)
    for number in in_set:
        suffix = _suffix(items[number], size)
        path, count = folders[number] / (stems[number] + suffix), 2
        while path.as_posix().casefold() in taken:
            path, count = folders[number] / f"{stems[number]}-{count}{suffix}", count + 1
        taken.add(path.as_posix().casefold())
        found[number] = replace(items[number], output=path.as_posix())
    return found


def _readable(name: str) -> str:
    """A file's or folder's name that every system can hold."""
    short = _UNREADABLE.sub("_", spelt(name)).encode()[:_LONGEST].decode(errors="ignore")
    return short or "_"


def _suffix(item: Item, size: int | None) -> str:
    """What the written file's name ends with: of one that is handed on, its own where that fits its content."""
    if item.seen is None or not is_handed_on(item, size):
        return ".png"
    own = PurePosixPath(item.file).suffix.lower()
    return own if (own, item.seen.plain) == (".jpeg", ".jpg") else item.seen.plain


def is_handed_on(item: Item, size: int | None) -> bool:
    """Whether the file's own bytes go into the set: nothing is lost by saving them again."""
    if item.seen is None or not item.seen.plain or item.crop is not None:
        return False
    return size is None or min(item.seen.size) <= size


@dataclass(frozen=True)
class Cut:
    """A picture's place in a scan: (left, top, right, bottom) in pixels, after turning by `tilt` degrees."""

    box: tuple[int, int, int, int]
    tilt: float


def sharpened(data: bytes, found: Found) -> Cut:
    """The place of a picture on the full scan, to the pixel.

    Raises:
        DatasetError: the file cannot be decoded.
    """
    pixels = np.asarray(decode(data))
    height, width = pixels.shape[:2]
    sharp = refine(pixels, found)
    left, top, right, bottom = (
        round(share * side) for share, side in zip(sharp.box, (width, height, width, height), strict=True)
    )
    return Cut((left, top, max(right, left + 1), max(bottom, top + 1)), round(sharp.tilt, 3))


def write_picture(item: Item, reader: Reader, file: Any, size: int | None, folder: Path) -> None:
    """Write one picture of the set, unless an earlier run did.

    Raises:
        DatasetError: the file cannot be decoded.
        StorageError: the disk is full or the folder cannot be written.
    """
    assert item.output is not None
    path = folder / item.output
    if path.exists() and path.stat().st_size:  # a power cut may leave an empty one
        return
    data = reader(file)
    atomic_write(path, data if is_handed_on(item, size) else _encoded(_made(data, item, size)), durable=False)


def _made(data: bytes, item: Item, size: int | None) -> Image.Image:
    """A picture cut, straightened and brought to its size.

    Lanczos works on the values as they are, not in linear light: there it rings around dark lines on paper, which are
    what drawings are made of, and the pictures that a network is scored against are made smaller in this way too.
    """
    picture = decode(data)
    if item.crop is not None:
        if item.tilt:
            picture = picture.rotate(item.tilt, Image.Resampling.BICUBIC)
        picture = picture.crop(item.crop)
    if size is not None and min(picture.size) > size:
        factor = size / min(picture.size)
        small = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
        picture = picture.resize(small, Image.Resampling.LANCZOS)
    return picture


def _encoded(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()
