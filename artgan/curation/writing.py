"""The set on disk: pictures cut, straightened, made smaller, under names that can be read."""

import io
import itertools
import math
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from artgan.curation.borders import Found, refine
from artgan.curation.framing import framed
from artgan.curation.settings import KEEP, CurateSettings
from artgan.curation.verdicts import IN_A_SET, Item, Part, Place
from artgan.curation.workers import Reader, again
from artgan.data.sources import PictureFile
from artgan.engine.images import Channels, decode, decode_frames, open_picture
from artgan.engine.storage import atomic_write, spelt

_UNREADABLE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]|[. ]+$')
"""Control characters, and what Windows allows in no name."""
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE | re.DOTALL)
"""Names that Windows keeps for devices."""
_OF_HEIC = {".heic", ".heics", ".heif", ".heifs", ".hif"}  # Pillow knows them only once their reader is loaded
_LONGEST = 200
"""Bytes of a name: systems allow 255, and a temporary name is longer."""


def parted(item: Item) -> tuple[Part, ...]:
    """The pictures that an item of the set is to become, without names: of each frame one, or one for each box."""
    if item.status not in IN_A_SET or item.seen is None:
        return ()
    places: list[Place | None] = [item.crop]
    if item.seen.boxes:
        left, top, right, bottom = item.crop or (0, 0, *item.seen.size)
        sides = (right - left, bottom - top) * 2
        inner = [[round(share * side) for share, side in zip(box, sides, strict=True)] for box in item.seen.boxes]
        places = [(left + x0, top + y0, left + max(x1, x0 + 1), top + max(y1, y0 + 1)) for x0, y0, x1, y1 in inner]
        whole = (0, 0, *item.seen.size)
        places = [None if place == whole and not item.tilt else place for place in places]
    return tuple(Part("", place, frame) for frame in range(item.seen.frames) for place in places)


def named(items: Sequence[Item], settings: CurateSettings, not_these: Sequence[str] = ()) -> list[Item]:
    """Items with the paths that their parts shall have in the set: those of the source, suffixes fitting the content.

    Args:
        items: of a source, with their parts.
        settings: of the set.
        not_these: names that other files have in the set.
    """
    in_set = [number for number, item in enumerate(items) if item.parts]
    folders, stems = {}, {}
    for number in in_set:
        *above, name = [part for part in PurePosixPath(items[number].file).parts if part.strip("/")]
        folder = PurePosixPath(items[number].split or "", *map(_readable, above))
        if folder.parts and folder.parts[0].casefold() in not_these:
            folder = PurePosixPath(f"{folder.parts[0]}_", *folder.parts[1:])
        folders[number] = folder
        suffix = PurePosixPath(name).suffix.lower()
        known = suffix in Image.registered_extensions() or suffix in _OF_HEIC
        stems[number] = _readable(PurePosixPath(name).stem if known else name)
    taken = {place.as_posix().casefold() for folder in folders.values() for place in (folder, *folder.parents)}

    def free(folder: PurePosixPath, stem: str, suffix: str) -> str:
        path, count = folder / (stem + suffix), 2
        while path.as_posix().casefold() in taken:
            path, count = folder / f"{stem}-{count}{suffix}", count + 1
        taken.add(path.as_posix().casefold())
        return path.as_posix()

    found = list(items)
    for number in in_set:
        item, suffix = items[number], _suffix(items[number], settings)
        several = len(item.parts) > 1
        names = (f"{stems[number]}-{count:02}" if several else stems[number] for count in itertools.count(1))
        outputs = [free(folders[number], name, suffix) for name, _ in zip(names, item.parts, strict=False)]
        parts = (replace(part, output=output) for part, output in zip(item.parts, outputs, strict=True))
        found[number] = replace(item, parts=tuple(parts))
    return found


def _readable(name: str) -> str:
    """A file's or folder's name that every system can hold."""
    short = _UNREADABLE.sub("_", spelt(name)).encode()[:_LONGEST].decode(errors="ignore")
    return f"_{short}" if not short or _RESERVED.fullmatch(short) else short


def _suffix(item: Item, settings: CurateSettings) -> str:
    """What the written file's name ends with: of one that is handed on, its own where that fits its content."""
    if item.seen is None or not is_handed_on(item, settings):
        return ".png"
    own = PurePosixPath(item.file).suffix.lower()
    return own if (own, item.seen.plain) == (".jpeg", ".jpg") else item.seen.plain


def is_handed_on(item: Item, settings: CurateSettings) -> bool:
    """Whether the file's own bytes go into the set: nothing is lost by saving them again."""
    if item.seen is None or not item.seen.plain or [part.crop for part in item.parts] != [None]:
        return False
    if settings.size is None:
        return True
    width, height = item.seen.size
    if settings.crop == "keep":
        return min(width, height) <= min(settings.size)
    fits = width <= settings.size[0] and height <= settings.size[1]
    return fits and (settings.crop != "pad" or width * settings.size[1] == height * settings.size[0])


@dataclass(frozen=True)
class Cut:
    """A picture's place in a scan: (left, top, right, bottom) in pixels, after turning by `tilt` degrees."""

    box: Place
    tilt: float


def sharpened(job: tuple[PictureFile, Found], reader: Reader) -> Cut:
    """The place of a picture on the full scan, to the pixel.

    Raises:
        DatasetError: the file cannot be decoded.
    """
    file, found = job
    pixels = np.asarray(decode(again(reader, file)))
    height, width = pixels.shape[:2]
    sharp = refine(pixels, found)
    left, top, right, bottom = (
        round(share * side) for share, side in zip(sharp.box, (width, height, width, height), strict=True)
    )
    return Cut((left, top, max(right, left + 1), max(bottom, top + 1)), round(sharp.tilt, 3))


@dataclass(frozen=True)
class Job:
    """What is to be written of one file.

    Attributes:
        file: of the source.
        size: (width, height) of it, upright.
        tilt: degrees by which it is turned first.
        parts: that are made of it.
        handed_on: whether its own bytes are the one part.
    """

    file: PictureFile
    size: tuple[int, int]
    tilt: float
    parts: tuple[Part, ...]
    handed_on: bool


def write_pictures(job: Job, reader: Reader, settings: CurateSettings, folder: Path) -> None:
    """Write the pictures that are made of one file, but for those that an earlier run wrote.

    Raises:
        DatasetError: the file cannot be decoded.
        StorageError: the disk is full or the folder cannot be written.
    """
    missing = [part for part in job.parts if not _is_there(folder / part.output)]
    if not missing:
        return
    data = again(reader, job.file)
    if job.handed_on:
        atomic_write(folder / missing[0].output, data, durable=False)
        return
    for part, picture in zip(missing, _made(data, job, missing, settings), strict=True):
        atomic_write(folder / part.output, _encoded(picture), durable=False)


def _is_there(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0  # a power cut may leave an empty one


def _made(data: bytes, job: Job, parts: Sequence[Part], settings: CurateSettings) -> Iterator[Image.Image]:
    """Pictures cut, straightened and brought to their size."""
    channels: Channels = "rgba" if settings.background == KEEP and _is_clear(data) else "rgb"
    if max(part.frame for part in parts) > 0:
        frames = decode_frames(data, 1 + max(part.frame for part in job.parts), channels, settings.ground)
    else:
        frames = [decode(data, channels, _enough(job, settings), settings.ground)]
    if job.tilt:
        frames = [frame.rotate(job.tilt, Image.Resampling.BICUBIC) for frame in frames]
    width, height = job.size
    for part in parts:
        left, top, right, bottom = part.crop or (0, 0, width, height)
        box = (left / width, top / height, right / width, bottom / height)
        yield framed(frames[min(part.frame, len(frames) - 1)], box, settings.size, settings.crop, settings.ground)


def _is_clear(data: bytes) -> bool:
    """Whether something in a picture may be transparent."""
    with open_picture(data) as opened:
        return opened.has_transparency_data


def _enough(job: Job, settings: CurateSettings) -> tuple[int, int] | None:
    """The size at which a JPEG may be decoded: twice what is wanted of its smallest part, as Lanczos wants to see."""
    if settings.size is None or job.tilt:
        return None
    width, height = job.size
    crops = [part.crop or (0, 0, width, height) for part in job.parts]
    least = min(min(right - left, bottom - top) for left, top, right, bottom in crops)
    factor = 2 * max(settings.size) / max(1, least)
    return (math.ceil(width * factor), math.ceil(height * factor)) if factor < 1 else None


def _encoded(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    # Run lengths alone: on paintings 1 % larger than zlib's level 4, in half of the time. The pixels are sRGB by now.
    picture.save(buffer, "PNG", compress_level=1, compress_type=zlib.Z_RLE, icc_profile=None)
    return buffer.getvalue()
