"""Pictures in and out: any file that Pillow reads becomes upright 8-bit sRGB; tensors become PNGs with their recipe."""

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, ImageOps, PngImagePlugin, UnidentifiedImageError

from artgan.errors import DatasetError, UsageError

Channels = Literal["rgb", "rgba", "grey"]
MODES: dict[Channels, str] = {"rgb": "RGB", "rgba": "RGBA", "grey": "L"}
PNG_KEY = "artgan"

# Not offered to Pillow: EPS starts Ghostscript on an untrusted file, the others only identify what they cannot decode.
_NOT_READ = {"EPS", "WMF", "MPEG", "BUFR", "GRIB", "HDF5", "PDF"}
_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
_LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))


def _formats() -> list[str]:
    Image.init()
    return [name for name in Image.OPEN if name not in _NOT_READ]


@contextlib.contextmanager
def quiet_decoding() -> Iterator[None]:
    """Keep what Pillow says about odd files off the screen; use it around a whole batch, from one thread."""
    logger = logging.getLogger("PIL")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


def decode(source: Path | bytes, channels: Channels = "rgb", at_least: tuple[int, int] | None = None) -> Image.Image:
    """Read a picture: first frame, upright (EXIF), sRGB (ICC), 8 bits, in the mode asked for.

    Args:
        source: a file or its bytes.
        channels: rgb (alpha is laid over white), rgba or grey.
        at_least: (width, height) that is enough; a JPEG may then be decoded at a half, a quarter or an eighth, never
            smaller than that.

    Raises:
        DatasetError: it is not a picture, is broken, or is larger than Pillow's guard of about 179 megapixels.
    """
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=_formats()) as opened:
            if at_least:
                lies = opened.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
                opened.draft(None, at_least[::-1] if lies else at_least)
            opened.load()
            upright = ImageOps.exif_transpose(opened)
            return to_mode(upright, channels)
    except Image.DecompressionBombError as error:
        raise DatasetError("more than 179 megapixels", "Make it smaller first.") from error
    except UnidentifiedImageError as error:
        raise DatasetError("not a picture", "Remove it, or save it again as PNG.") from error
    except MemoryError as error:
        raise DatasetError("too large for the memory", "Make it smaller first.") from error
    except Exception as error:
        # Pillow's decoders meet hostile bytes with whatever they stumble over: OSError, SyntaxError, struct.error,
        # IndexError, ... One broken file must never stop the others, so all of them become its reason.
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise DatasetError(f"broken: {reason}", "Remove it, or save it again as PNG.") from error


def to_mode(picture: Image.Image, channels: Channels) -> Image.Image:
    """Bring a picture of any mode to 8-bit sRGB, RGBA or grey."""
    alpha = _alpha(picture)
    color = _eight_bit(picture)
    color = _to_srgb(color, picture.info.get("icc_profile"))
    if channels == "rgba":
        color.putalpha(alpha if alpha is not None else 255)
        return color
    if alpha is not None:
        white = Image.new("RGB", color.size, (255, 255, 255))
        color = Image.composite(color, white, alpha)
    return color.convert(MODES[channels])


def _alpha(picture: Image.Image) -> Image.Image | None:
    if picture.has_transparency_data:
        return picture.convert("RGBA").getchannel("A")
    return None


def _eight_bit(picture: Image.Image) -> Image.Image:
    """16-bit, 32-bit and float pictures as L, the brightest value a file of that kind can hold becoming 255."""
    if picture.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(picture).astype(np.float32) / 257).round().astype(np.uint8))
    if picture.mode in ("I", "F"):
        values = np.nan_to_num(np.asarray(picture, dtype=np.float64))
        peak = float(values.max(initial=0))
        top = next((limit for limit in (1.0, 255.0, 65535.0) if peak <= limit), peak)
        if picture.mode == "I" and top == 1.0:
            top = 255.0  # whole numbers: 1 is nearly black, not white
        return Image.fromarray((values.clip(0) * (255 / top)).round().astype(np.uint8))
    return picture


def _to_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    if picture.mode in ("1", "P", "PA", "La"):
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    if picture.mode in ("LA", "RGBA", "RGBa", "RGBX"):
        picture = picture.convert("L" if picture.mode == "LA" else "RGB")
    if picture.mode == "LAB":
        transform = ImageCms.buildTransform(_LAB, _SRGB, "LAB", "RGB")
        return ImageCms.applyTransform(picture, transform) or picture
    if profile and picture.mode in ("RGB", "CMYK", "L"):
        # A profile that is damaged or made for another kind of picture says nothing: the plain colours are used then.
        with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError):
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(picture, source, _SRGB, outputMode="RGB")
            if converted is not None:
                return converted
    return picture.convert("RGB")


def to_uint8(pictures: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Values in [-1, 1], clipped, as 0 to 255, rounded to nearest."""
    return ((pictures.clip(-1, 1) + 1) * 127.5).round().astype(np.uint8)


def encode_png(picture: NDArray[np.uint8], recipe: Mapping[str, Any]) -> bytes:
    """A PNG of (C, H, W) values with C = 1, 3 or 4, carrying `recipe` as JSON under the key `artgan`."""
    text = PngImagePlugin.PngInfo()
    text.add_itxt(PNG_KEY, json.dumps(recipe, ensure_ascii=False))
    array = picture[0] if picture.shape[0] == 1 else np.ascontiguousarray(picture.transpose(1, 2, 0))
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG", pnginfo=text)
    return buffer.getvalue()


def read_recipe(path: str | Path) -> dict[str, Any]:
    """How artgan made a PNG: kind, run, nimg, seeds, command, settings.

    Raises:
        UsageError: it is not a PNG, or not one that artgan made.
    """
    try:
        with Image.open(path, formats=["PNG"]) as picture:
            picture.load()
            recipe: dict[str, Any] = dict(json.loads(getattr(picture, "text", {})[PNG_KEY]))
    except (OSError, SyntaxError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} does not say how it was made.", "Give a PNG that artgan wrote.") from error
    return recipe
