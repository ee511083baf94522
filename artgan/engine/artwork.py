"""Pictures that are repainted: colours in their own profile, alpha, 16 bits, size, dpi go in and come out again."""

import contextlib
import io
import json
import math
import stat
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageFile, ImageOps

from artgan.engine.images import (
    RECIPE_KEY,
    SRGB,
    alpha_of,
    eight_bit,
    encode_png,
    open_picture,
    quiet_decoding,
    stderr_shut,
    to_srgb,
    to_uint8,
)
from artgan.engine.sixteen import Sixteen, encode_deep_png, encode_tiff, read_sixteen
from artgan.errors import DatasetError, UsageError

SMALLEST = 32  # pixels; of less, no network sees anything
LARGEST = 10**9  # pixels
MOST_DPI = 4800
SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg")
_MUCH = 32 * 10**6  # pixels; more are brought down in 8 bits, since the floats of a gigapixel fill 12 GB
_UNSEEN = 1e-3  # of alpha: what Lanczos leaves beside an outline, with colours that are noise
_JPEG_SIDE = 65500  # pixels that libjpeg writes
_JPEG_COMMENT = 65533  # bytes that one comment holds
_HINT = "Save it again as PNG, or give another picture."
_NO_ANIMATIONS = {"PSD", "MPO"}  # their further "frames" are layers, or what a phone keeps beside a photo


@dataclass(frozen=True)
class Artwork:
    """A picture with everything that is kept when it is repainted.

    Attributes:
        pixels: (3, H, W) in [-1, 1], upright, in the colours of `profile`.
        alpha: (1, H, W) in [0, 1]; None is opaque everywhere.
        profile: the ICC profile that the colours are in; None is sRGB.
        bits: depth of the file it came from.
        frames: how many the file has; the first one is used.
        dpi: pixels on an inch of paper, if the file says so.
    """

    pixels: NDArray[np.float32]
    alpha: NDArray[np.float32] | None
    profile: bytes | None
    bits: Literal[8, 16]
    frames: int
    dpi: float | None = None


@dataclass(frozen=True)
class _Stored:
    """What a file holds: colours (H, W, 3) and alpha (H, W) as whole numbers of 8 or 16 bits, and their profile."""

    colors: NDArray[np.uint8] | NDArray[np.uint16]
    alpha: NDArray[np.uint8] | NDArray[np.uint16] | None
    profile: bytes | None


def open_artwork(
    path: Path, longest: int | None = None, profile: bytes | Literal["own"] | None = "own", large: bool = False
) -> Artwork:
    """Read a picture for repainting: first frame, upright (EXIF), alpha apart, 16 bits where the file has them.

    Args:
        path: a file of any kind that Pillow reads.
        longest: pixels that the longest side is brought down to; it is never enlarged.
        profile: the colours to read it in: an RGB profile, None for sRGB, or its own. Its own are those of a valid RGB
            profile, and sRGB for all others, CMYK, LAB and grey. Bringing colours to a profile rounds them to 8 bits.
        large: read up to a gigapixel, not only up to Pillow's guard of about 179 megapixels.

    Raises:
        DatasetError: it is missing, no picture, broken, too large, too small, or transparent everywhere.
    """
    try:
        _refuse_what_is_no_file(path)
        with quiet_decoding(), _pixel_limit(large) as limit:
            deep = read_sixteen(path, limit)
            stored, size = _from_sixteen(deep, longest) if deep else _read(path, longest, limit)
            if min(size) < SMALLEST:
                raise DatasetError(
                    f"{size[0]} × {size[1]} pixels are too few, each side needs {SMALLEST}",
                    "Give a larger picture, or a larger size." if longest else "Give a larger picture.",
                )
            if profile != "own":
                stored = _in_profile(stored, profile)
            pixels, alpha = _as_floats(stored, size)
            frames, dpi = _told(path)
            return Artwork(pixels, alpha, stored.profile, 16 if deep else 8, frames, dpi)
    except MemoryError as error:
        raise DatasetError(f"{path}: too large for the memory.", "Give a smaller --size.") from error
    except DatasetError as error:
        raise DatasetError(f"{path}: {error.message.rstrip('.')}.", error.hint) from error


def _refuse_what_is_no_file(path: Path) -> None:
    try:
        status = path.stat()
        if stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
            path.open("rb").close()
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        reason = getattr(error, "strerror", None) or error
        raise DatasetError(f"cannot be read: {reason}", "Check the path and its permissions.") from error
    if stat.S_ISDIR(status.st_mode):
        raise DatasetError("a folder, not a picture", "Give one picture.")
    if not stat.S_ISREG(status.st_mode):
        raise DatasetError("a pipe or a device, not a file", "Give a file.")
    if status.st_size == 0:
        raise DatasetError("the file is empty", "Give another picture.")


@contextlib.contextmanager
def _pixel_limit(large: bool) -> Iterator[int]:
    """Lift Pillow's guard for a block, which must see to it itself, as Pillow's does not say how large a picture is."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        yield LARGEST if large or before is None else 2 * before
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _read(path: Path, longest: int | None, limit: int) -> tuple[_Stored, tuple[int, int]]:
    """The Pillow way: what the file holds, in 8 bits, and the (width, height) it shall have."""
    with open_picture(path, _HINT) as opened:
        _refuse_large(opened, limit)
        Image.MAX_IMAGE_PIXELS = limit // 2  # for pictures within the file, whose size shows only now
        size = _within(opened.size, longest)
        opened.draft(None, size)
        with stderr_shut() if opened.format == "TIFF" else contextlib.nullcontext():
            opened.load()
        # In place, as a copy of a gigapixel is 4 GB; so are the modes that are brought down before they are converted.
        ImageOps.exif_transpose(opened, in_place=True)
        size = _within(opened.size, max(size))
        picture: Image.Image = opened
        if size != picture.size and picture.width * picture.height > _MUCH:
            picture = eight_bit(picture)
            if picture.mode in ("1", "P", "PA") or "transparency" in picture.info:
                picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
            picture = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3)
        alpha = alpha_of(picture)
        color, profile = _own_colors(eight_bit(picture), opened.info.get("icc_profile"))
        return _Stored(np.asarray(color), None if alpha is None else np.asarray(alpha), profile), size


def _refuse_large(opened: ImageFile.ImageFile, limit: int) -> None:
    pixels = opened.width * opened.height
    if pixels > limit:
        raise DatasetError(
            f"{pixels / 1e6:.0f} megapixels are too many to read as they are",
            "Make it smaller first."
            if pixels > LARGEST
            else "Give --size, the longest side in pixels to repaint it in.",
        )


def _own_colors(picture: Image.Image, profile: bytes | None) -> tuple[Image.Image, bytes | None]:
    """8-bit colours as RGB, with the profile they are in: their own if it is one for RGB, else None for sRGB."""
    if picture.mode in ("RGB", "RGBA", "RGBX", "RGBa", "P", "PA", "YCbCr") and _is_usable(profile):
        if picture.mode in ("P", "PA", "RGBa"):
            picture = picture.convert("RGBA")
        return picture.convert("RGB"), profile
    return to_srgb(picture, profile), None


def _is_usable(profile: bytes | None, both_ways: bool = True) -> bool:
    """Whether RGB colours can be brought from this profile, and to it: a scanner's may know only the way from it."""
    if not isinstance(profile, bytes):
        return False
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        ImageCms.buildTransform(opened, SRGB, "RGB", "RGB")
        if both_ways:
            ImageCms.buildTransform(SRGB, opened, "RGB", "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return False
    return True


def _from_sixteen(deep: Sixteen, longest: int | None) -> tuple[_Stored, tuple[int, int]]:
    height, width, channels = deep.colors.shape
    colors: NDArray[np.uint8] | NDArray[np.uint16] = deep.colors
    profile = deep.profile if channels == 3 and _is_usable(deep.profile) else None
    if channels == 1:
        # littleCMS is asked for 256 greys, and the others lie between them: its 8 bits do not become steps.
        greys = to_srgb(Image.fromarray(np.arange(256, dtype=np.uint8)[None]), deep.profile)
        nodes = np.asarray(greys)[0].T * 257.0
        table = np.stack([np.interp(np.arange(65536), np.arange(256) * 257, node) for node in nodes], -1)
        colors = table.round().astype(np.uint16)[deep.colors[..., 0]]
    elif profile is None and _is_usable(deep.profile, both_ways=False):
        colors = np.asarray(to_srgb(_as_picture(deep.colors), deep.profile))
    return _Stored(colors, deep.alpha, profile), _within((width, height), longest)


def _as_picture(colors: NDArray[np.uint8] | NDArray[np.uint16]) -> Image.Image:
    eight = colors if colors.dtype == np.uint8 else (colors / np.float32(257)).round().astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(eight))


def _in_profile(stored: _Stored, wanted: bytes | None) -> _Stored:
    """The same colours, as far as they exist there, in another RGB profile, or in sRGB."""
    if stored.profile == wanted:
        return stored
    source, target = (
        SRGB if profile is None else ImageCms.ImageCmsProfile(io.BytesIO(profile))
        for profile in (stored.profile, wanted)
    )
    picture = _as_picture(stored.colors)
    picture = ImageCms.profileToProfile(picture, source, target, outputMode="RGB") or picture
    return _Stored(np.asarray(picture), stored.alpha, wanted)


def _within(size: tuple[int, int], longest: int | None) -> tuple[int, int]:
    """(width, height), brought down to a longest side."""
    if longest is None or max(size) <= longest:
        return size
    width, height = (max(1, round(side * longest / max(size))) for side in size)
    return width, height


def _as_floats(stored: _Stored, size: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Pixels (3, H, W) in [-1, 1] and alpha (1, H, W) in [0, 1] or None, in this (width, height)."""
    planes = (_unit(plane) for plane in np.moveaxis(stored.colors, -1, 0))  # one at a time: floats are large
    if stored.alpha is None:
        return np.concatenate([resized(plane, *size) for plane in planes]) * 2 - 1, None
    weight = _unit(stored.alpha)
    share = _lanczos(weight, *size)
    alpha = share.clip(0, 1)
    if alpha.shape != weight.shape:
        alpha[alpha < _UNSEEN] = 0
    if not alpha.any():
        raise DatasetError("nothing in it is visible: it is transparent everywhere", "Give another picture.")
    # Each pixel counts as much as it is seen, so that what lies hidden beside a border does not shine through it.
    # Both overshoot alike at a border, and are clipped only after the division.
    seen = np.concatenate([_lanczos(plane * weight, *size) for plane in planes])
    mean = seen.sum((1, 2), dtype=np.float64) / share.sum(dtype=np.float64)
    colors = np.divide(seen, share, out=np.empty_like(seen), where=alpha > 0)
    # Where nothing is seen, many files hold leftovers; a network looks at them all the same.
    pixels = np.where(alpha > 0, colors, mean.astype(np.float32)[:, None, None]).clip(0, 1) * 2 - 1
    return pixels, alpha if alpha.min() < 1 else None


def _unit(plane: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.float32]:
    """Whole numbers (H, W) as (1, H, W) in [0, 1]."""
    return plane[None].astype(np.float32) / np.float32(np.iinfo(plane.dtype).max)


def resized(values: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """Float values (C, H, W) as (C, height, width), antialiased (Lanczos), clipped to the range they had."""
    return _lanczos(values, width, height).clip(values.min(), values.max())


def _lanczos(values: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    if values.shape[1:] == (height, width):
        return values
    planes = [Image.fromarray(np.ascontiguousarray(plane)) for plane in values]
    return np.stack([np.asarray(plane.resize((width, height), Image.Resampling.LANCZOS)) for plane in planes])


def _told(path: Path) -> tuple[int, float | None]:
    """How many frames a file has, and its dpi."""
    dpi: float | None = None
    # A later frame may be broken where the first, which is used, is not.
    with contextlib.suppress(DatasetError), open_picture(path) as opened:
        dpi = _density(opened.info.get("dpi"))
        if opened.format not in _NO_ANIMATIONS:
            return max(1, int(getattr(opened, "n_frames", 1))), dpi
    return 1, dpi


def _density(told: object) -> float | None:
    """The dpi that a file tells, if it makes sense."""
    with contextlib.suppress(TypeError, ValueError, IndexError, ZeroDivisionError, OverflowError):
        dpi = float(told[0])  # type: ignore[index]
        if math.isfinite(dpi) and 1 <= dpi <= MOST_DPI:
            return dpi
    return None


def encode_artwork(artwork: Artwork, suffix: str, recipe: Mapping[str, Any]) -> bytes:
    """A picture as the bytes of a file, with its colours' profile, its alpha and `recipe`, which `read_recipe` reads.

    PNG and TIFF keep the artwork's depth; a JPEG has 8 bits and lies over white. All keep its dpi. The same artwork
    gives the same bytes.

    Args:
        artwork: values out of range are clipped, and rounded to nearest.
        suffix: .png, .tif, .tiff, .jpg or .jpeg.
        recipe: how it was made; anything that JSON can say.

    Raises:
        UsageError: it is another suffix, or the picture is larger than a JPEG can be.
    """
    kind = suffix.lower()
    if kind not in SUFFIXES:
        raise UsageError(
            f"{suffix or 'No suffix'} is not a kind of picture that can be written.", "Give .png, .tif or .jpg."
        )
    if kind in (".jpg", ".jpeg"):
        return _encode_jpeg(artwork, recipe)
    values = artwork.pixels if artwork.alpha is None else np.concatenate([artwork.pixels, artwork.alpha * 2 - 1])
    if artwork.bits == 8:
        encode = encode_png if kind == ".png" else encode_tiff
        return encode(to_uint8(values), recipe, artwork.profile, artwork.dpi)
    deep = ((values.clip(-1, 1) + 1) * np.float32(32767.5)).round().astype(np.uint16)
    return (encode_deep_png if kind == ".png" else encode_tiff)(deep, recipe, artwork.profile, artwork.dpi)


def _encode_jpeg(artwork: Artwork, recipe: Mapping[str, Any]) -> bytes:
    height, width = artwork.pixels.shape[1:]
    if max(width, height) > _JPEG_SIDE:
        raise UsageError(f"A JPEG has no room for {width} × {height} pixels.", "Write a .png or .tif.")
    over_white = artwork.pixels if artwork.alpha is None else (artwork.pixels - 1) * artwork.alpha + 1
    picture = Image.fromarray(np.ascontiguousarray(to_uint8(over_white).transpose(1, 2, 0)))
    buffer = io.BytesIO()
    density = {} if artwork.dpi is None else {"dpi": (round(artwork.dpi), round(artwork.dpi))}
    picture.save(buffer, "JPEG", quality=95, subsampling=0, icc_profile=artwork.profile, **density)
    jpeg, text = buffer.getvalue(), json.dumps({RECIPE_KEY: recipe}).encode()
    pieces = [text[start : start + _JPEG_COMMENT] for start in range(0, len(text), _JPEG_COMMENT)]
    comments = b"".join(b"\xff\xfe" + struct.pack(">H", len(piece) + 2) + piece for piece in pieces)
    first = 4 + int.from_bytes(jpeg[4:6])  # JFIF's segment has to stay the first
    return jpeg[:first] + comments + jpeg[first:]
