"""Every file of a source, read once: what it is, what it looks like, and why it cannot be used."""

import contextlib
import hashlib
import io
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from types import ModuleType
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from artgan.curation.borders import Found, find_picture
from artgan.curation.looks import Look, look_at
from artgan.curation.quality import Quality, quality
from artgan.data.sources import PictureFile, Source
from artgan.engine.images import open_picture, quiet_decoding, stderr_shut, to_mode
from artgan.errors import DatasetError, StorageError

SEEN_AT = 320
"""Pixels of the longest side at which pictures are looked at; a JPEG is decoded at an eighth, a quarter or a half."""
_THUMBNAIL = 160
_FEW = 24  # files; starting processes takes longer than reading so many
_AT_ONCE = 8
Suffix = Literal["", ".jpg", ".png"]
_SUFFIXES: dict[str, Suffix] = {"JPEG": ".jpg", "PNG": ".png"}

Reader = Callable[[PictureFile], bytes]


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
    """

    sha256: str
    reason: str = ""
    size: tuple[int, int] = (0, 0)
    plain: Suffix = ""
    look: Look | None = None
    quality: Quality | None = None
    found: Found | None = None
    inner: Look | None = None
    thumbnail: bytes = b""


def survey(source: Source, processes: int | None = None) -> Iterator[Seen]:
    """Read all files of a source, in order, in several processes.

    A file is decoded once. Nothing here needs torch, so that the processes start quickly.

    Raises:
        StorageError: one of the processes was killed.
    """
    count = processes or os.cpu_count() or 1
    if len(source.files) < _FEW or count == 1:
        reader = source.reader()
        for file in source.files:
            yield see(file, reader)
        return
    # spawn: a fork of a process in which torch has threads may stand still for ever.
    with ProcessPoolExecutor(
        count, multiprocessing.get_context("spawn"), initializer=_open, initargs=(source,)
    ) as pool:
        try:
            with _starting_processes():
                found = pool.map(_see_here, source.files, chunksize=_AT_ONCE)
            yield from found
        except BrokenProcessPool as error:
            raise StorageError(
                "A process that read pictures was killed, or had not enough memory.",
                "Close other programs, or read with one process: --processes 1.",
            ) from error


@contextlib.contextmanager
def _starting_processes() -> Iterator[None]:
    """Start processes that do not hear Ctrl-C, which is ours to answer, and do not run the user's script once more."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    heard = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT]) if os.name == "posix" else None
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        if heard is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, heard)


_reader: Reader | None = None


def _open(source: Source) -> None:
    global _reader  # noqa: PLW0603 - one process reads one source
    if os.name != "posix":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _reader = source.reader()


def _end_with_parent() -> None:
    """A process whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _see_here(file: PictureFile) -> Seen:
    assert _reader is not None
    with quiet_decoding(), stderr_shut():
        return see(file, _reader)


def see(file: PictureFile, reader: Reader) -> Seen:
    """Read one file; whatever is wrong with it becomes the reason."""
    try:
        data = reader(file)
    except Exception as error:  # a disk, or a zip, that gives way: this file's reason, and no harm to the others
        return Seen("", f"cannot be read: {' '.join(str(error).split())[:120] or type(error).__name__}")
    digest = hashlib.sha256(data).hexdigest()
    try:
        pixels, size, plain = _small(data)
    except DatasetError as error:
        return Seen(digest, error.message)
    found = find_picture(pixels)
    inner = look_at(inside(pixels, found)) if found is not None else None
    measured = quality(pixels, size, len(data))
    return Seen(digest, "", size, plain, look_at(pixels), measured, found, inner, _thumbnail(pixels))


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


def _small(data: bytes) -> tuple[NDArray[np.uint8], tuple[int, int], Suffix]:
    """A picture at SEEN_AT, the size of the whole, and the suffix of its file if that is a plain one."""
    with open_picture(data) as opened:
        width, height = opened.size
        turn = opened.getexif().get(ExifTags.Base.Orientation, 1)
        plain = opened.mode in ("RGB", "L") and turn == 1 and not opened.has_transparency_data
        plain = plain and "icc_profile" not in opened.info
        suffix: Suffix = _SUFFIXES.get(opened.format or "", "") if plain else ""
        factor = SEEN_AT / max(width, height)
        if factor < 1:
            opened.draft(None, (round(width * factor), round(height * factor)))
        opened.load()
        picture = to_mode(ImageOps.exif_transpose(opened), "rgb")
    size = (height, width) if turn in (5, 6, 7, 8) else (width, height)
    if factor < 1:
        small = (max(1, round(size[0] * factor)), max(1, round(size[1] * factor)))
        picture = picture.resize(small, Image.Resampling.BOX, reducing_gap=2)
    return np.asarray(picture), size, suffix


def small_picture(data: bytes) -> NDArray[np.uint8]:
    """A file's picture (H, W, 3) at SEEN_AT, upright, sRGB.

    Raises:
        DatasetError: it cannot be decoded.
    """
    return _small(data)[0]


def _thumbnail(pixels: NDArray[np.uint8]) -> bytes:
    picture = Image.fromarray(pixels)
    picture.thumbnail((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BILINEAR)
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
        picture = to_mode(ImageOps.exif_transpose(opened), "rgba")
    return hashlib.sha256(f"{picture.size}".encode() + picture.tobytes()).hexdigest()
