"""Every file of a source, read once: what it is, what it looks like, and why it cannot be used."""

import functools
import hashlib
import io
from collections.abc import Iterator, Sized
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Protocol, SupportsBytes

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from artgan.curation.album import Album
from artgan.curation.borders import Found, find_picture
from artgan.curation.captions import embedded_caption
from artgan.curation.framing import Box, frames
from artgan.curation.looks import Look, look_at
from artgan.curation.quality import Quality, quality
from artgan.curation.settings import CurateSettings
from artgan.curation.workers import Reader, Through, Workers
from artgan.data.sources import PictureFile
from artgan.engine.images import frame_count, open_picture, to_mode
from artgan.errors import DatasetError

SEEN_AT = 320
"""Pixels of the longest side at which pictures are looked at; a JPEG is decoded at an eighth, a quarter or a half."""
_THUMBNAIL = 160
Suffix = Literal["", ".jpg", ".png"]
_SUFFIXES: dict[str, Suffix] = {"JPEG": ".jpg", "PNG": ".png"}


class Stored(SupportsBytes, Sized, Protocol):
    """Bytes, or what stands for them."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What reading one file told.

    Attributes:
        sha256: of the file's bytes; empty if it cannot be read at all.
        reason: why it cannot be used, or empty; then the rest is there.
        size: (width, height), upright.
        plain: the suffix under which its bytes can be handed on as they are: it is an upright JPEG or PNG, RGB or grey,
            without a profile; else empty.
        look, quality, found: what copies, defects and borders are found by; a scan is looked at without its paper, so
            that it is known as a copy of what was scanned.
        thumbnail: a JPEG of 160 px at most, for the report.
        caption: what the file itself says that it shows.
        frames: how many pictures are taken from it.
        boxes: what is cut from each, as shares of its sides, inside the paper; none when all of it is taken.
        embedding: what the encoder sees in it, if it looked.
    """

    sha256: str
    reason: str = ""
    size: tuple[int, int] = (0, 0)
    plain: Suffix = ""
    look: Look | None = None
    quality: Quality | None = None
    found: Found | None = None
    inner: Look | None = None
    thumbnail: Stored = b""
    caption: str = ""
    frames: int = 1
    boxes: tuple[Box, ...] = ()
    embedding: NDArray[np.float16] | None = None

    @property
    def picture(self) -> NDArray[np.uint8]:
        """The thumbnail as (H, W, 3)."""
        with Image.open(io.BytesIO(bytes(self.thumbnail))) as opened:
            return np.asarray(opened.convert("RGB"))


def survey(
    workers: Workers, settings: CurateSettings, album: Album, through: Through[Seen] | None = None, bunch: int = 1
) -> Iterator[Seen]:
    """Read all files of a source, in order; thumbnails go into the album.

    Args:
        workers: of the source.
        settings: of the steps.
        album: takes thumbnails.
        through: see `Task`.
        bunch: see `Task`.

    Raises:
        StorageError: one of the processes was killed, or the disk is full.
    """
    for one in workers.each(functools.partial(see, settings=settings), workers.source.files, through, bunch):
        yield replace(one, thumbnail=album.add(bytes(one.thumbnail))) if len(one.thumbnail) else one


def see(file: PictureFile, reader: Reader, settings: CurateSettings) -> Seen:
    """Read one file, and decode it once; whatever is wrong with it becomes the reason."""
    try:
        data = reader(file)
    except Exception as error:  # a disk, or a zip, that gives way: this file's reason, and no harm to the others
        return Seen("", f"cannot be read: {' '.join(str(error).split())[:120] or type(error).__name__}")
    digest = hashlib.sha256(data).hexdigest()
    try:
        pixels, size, plain, caption, count = _opened(data, settings.ground)
    except DatasetError as error:
        return Seen(digest, error.message)
    found = find_picture(pixels)
    cut = inside(pixels, found)
    return Seen(
        digest,
        size=size,
        plain=plain,
        look=look_at(pixels),
        quality=quality(pixels, size, len(data)),
        found=found,
        inner=look_at(cut) if found is not None else None,
        thumbnail=_thumbnail(pixels),
        caption=caption,
        frames=min(count, settings.frames),
        boxes=_boxes(cut if settings.scans else pixels, min(size) / min(pixels.shape[:2]), settings),
    )


def _boxes(pixels: NDArray[np.uint8], scale: float, settings: CurateSettings) -> tuple[Box, ...]:
    """What is cut from a picture that is `scale` times as large as `pixels`."""
    if settings.crop == "keep":
        return ()
    least = min(settings.size) / (scale * min(pixels.shape[:2])) if settings.size is not None else 0.0
    return frames(pixels, settings.shape, settings.crop, settings.multi_crop, min(least, 1.0))


def inside(pixels: NDArray[np.uint8], found: Found | None) -> NDArray[np.uint8]:
    """What is left of a picture (H, W, 3) without the paper and frames around it, so that a scan is known as a copy."""
    if found is None:
        return pixels
    if found.tilt:
        pixels = np.asarray(Image.fromarray(pixels).rotate(found.tilt, Image.Resampling.BILINEAR))
    height, width = pixels.shape[:2]
    left, top, right, bottom = found.box
    return pixels[
        int(top * height) : max(int(bottom * height), int(top * height) + 1),
        int(left * width) : max(int(right * width), int(left * width) + 1),
    ]


class _Opened(NamedTuple):
    """A picture at SEEN_AT, the size of the whole, the suffix of a plain file, its caption, and how many frames."""

    pixels: NDArray[np.uint8]
    size: tuple[int, int]
    plain: Suffix
    caption: str
    frames: int


def _opened(data: bytes, ground: tuple[int, int, int]) -> _Opened:
    with open_picture(data) as opened:
        width, height = opened.size
        turn = opened.getexif().get(ExifTags.Base.Orientation, 1)
        count = frame_count(opened)
        plain = opened.mode in ("RGB", "L") and turn == 1 and not opened.has_transparency_data
        plain = plain and "icc_profile" not in opened.info and count == 1
        suffix: Suffix = _SUFFIXES.get(opened.format or "", "") if plain else ""
        caption = embedded_caption(opened)
        factor = SEEN_AT / max(width, height)
        if factor < 1:
            opened.draft(None, (round(width * factor), round(height * factor)))
        opened.load()
        ImageOps.exif_transpose(opened, in_place=True)
        picture = to_mode(opened, "rgb", ground)
    size = (height, width) if turn in (5, 6, 7, 8) else (width, height)
    if factor < 1:
        small = (max(1, round(size[0] * factor)), max(1, round(size[1] * factor)))
        picture = picture.resize(small, Image.Resampling.BOX, reducing_gap=2)
    return _Opened(np.asarray(picture), size, suffix, caption, count)


def small_picture(data: bytes, ground: tuple[int, int, int] = (255, 255, 255)) -> NDArray[np.uint8]:
    """A file's picture (H, W, 3) at SEEN_AT, upright, sRGB, on `ground`.

    Raises:
        DatasetError: it cannot be decoded.
    """
    return _opened(data, ground).pixels


def _thumbnail(pixels: NDArray[np.uint8]) -> bytes:
    picture = Image.fromarray(pixels)
    picture.thumbnail((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BILINEAR, reducing_gap=1.0)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=70)
    return buffer.getvalue()


def pixel_digest(data: bytes) -> str:
    """A digest of a picture's size and pixels, whatever file they lie in.

    Raises:
        DatasetError: it cannot be decoded.
    """
    with open_picture(data) as opened:
        opened.load()
        ImageOps.exif_transpose(opened, in_place=True)
        picture = to_mode(opened, "rgba")
    return hashlib.sha256(f"{picture.size}".encode() + picture.tobytes()).hexdigest()
