"""Pictures in and out: any file that Pillow reads becomes upright 8-bit sRGB; tensors become PNGs with their recipe."""

import contextlib
import io
import json
import logging
import math
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import (
    ExifTags,
    Image,
    ImageCms,
    ImageFile,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
)

from artgan.engine.storage import parse_json
from artgan.errors import DatasetError, UsageError

Channels = Literal["rgb", "rgba", "grey"]
Color = tuple[int, int, int]
MODES: dict[Channels, str] = {"rgb": "RGB", "rgba": "RGBA", "grey": "L"}
WHITE: Color = (255, 255, 255)
RECIPE_KEY = "artgan"  # in a PNG the name of its text; in a TIFF or JPEG the one key of the JSON that it carries

# Not offered to Pillow: EPS starts Ghostscript on an untrusted file, the others only identify what they cannot decode.
_NOT_READ = {"EPS", "WMF", "MPEG", "BUFR", "GRIB", "HDF5", "PDF"}
# Brands of ISO/IEC 23008-12: HEVC inside; HEIF with whatever inside; AVIF, which Pillow reads itself.
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_HEIF, _AVIF = {b"mif1", b"msf1"}, {b"avif", b"avis"}
_FILMS = {"GIF", "PNG", "WEBP", "AVIF"}
"""What shows its frames one after the other; other formats with several pictures hold sizes, layers or thumbnails."""
_FAR = 2**32
"""Pixels of an animation that are gone through, 2000 frames of full HD; a small file can claim endless large ones."""
_MOST_PAGES = 4096  # of a TIFF: Pillow looks for each page among all before it
_NO_PAGE = 0b101  # a smaller copy or a mask of another page, by the bits of the tag NewSubfileType
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
_LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))


def _formats() -> list[str]:
    Image.init()
    return [name for name in Image.OPEN if name not in _NOT_READ]


@contextlib.contextmanager
def quiet_decoding() -> Iterator[None]:
    """Keep what the decoders say about odd files off the screen; use it around a whole batch, from one thread."""
    loggers = [logging.getLogger(name) for name in ("PIL", "tifffile", "imagecodecs")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


@contextlib.contextmanager
def stderr_shut() -> Iterator[None]:
    """Keep off the screen what libtiff writes there past Python; for a short block, as all threads fall silent."""
    try:
        kept = os.dup(2)
    except OSError:  # there is no stderr
        yield
        return
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextlib.contextmanager
def open_picture(
    source: Path | bytes, hint: str = "Remove it, or save it again as PNG."
) -> Iterator[ImageFile.ImageFile]:
    """Open a picture that is not yet decoded, for a block that decodes it.

    Args:
        source: a file or its bytes.
        hint: what mends a file that is no picture, or is broken.

    Raises:
        DatasetError: it is not a picture, is broken, or is larger than Pillow's guard of about 179 megapixels; found on
            opening it or in the block. Or it is HEIC, and pillow-heif is not installed.
    """
    try:
        with _opened(source) as opened:
            yield opened
    except DatasetError:
        raise
    except Image.DecompressionBombError as error:
        raise DatasetError("more than 179 megapixels", "Make it smaller first.") from error
    except UnidentifiedImageError as error:
        raise DatasetError("not a picture", hint) from error
    except MemoryError as error:
        raise DatasetError("too large for the memory", "Make it smaller first.") from error
    except Exception as error:
        # Pillow's decoders meet hostile bytes with whatever they stumble over: OSError, SyntaxError, struct.error,
        # IndexError, ... One broken file must never stop the others, so all of them become its reason.
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise DatasetError(f"broken: {reason}", hint) from error


def _opened(source: Path | bytes) -> ImageFile.ImageFile:
    """Open a picture; a reader of HEIC, which takes a while to load, is looked for only when there is one to read.

    Raises:
        DatasetError: it is HEIC, and pillow-heif is not installed.
    """

    def opened(formats: list[str]) -> ImageFile.ImageFile:
        return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=formats)

    try:
        return opened(_formats())
    except UnidentifiedImageError:
        if not _is_heic(source):
            raise
    try:
        import pillow_heif
    except ImportError as error:
        raise DatasetError("HEIC, which needs pillow-heif", "pip install 'artgan[heic]'") from error
    if "HEIF" not in Image.OPEN:
        pillow_heif.register_heif_opener(thumbnails=False)  # they may show another state than the picture
    return opened(["HEIF"])


def _is_heic(source: Path | bytes) -> bool:
    """Whether a file says of itself that it is HEIF with HEVC inside."""
    if isinstance(source, bytes):
        head = source[:256]
    else:
        with source.open("rb") as file:
            head = file.read(256)
    if head[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(head[:4], "big"), len(head))
    main, *others = [head[at : at + 4] for at in (8, *range(16, end - 3, 4))]
    brands = {main, *others}
    return bool(brands & _HEIC) or (main in _HEIF and not brands & _AVIF)


def decode(
    source: Path | bytes,
    channels: Channels = "rgb",
    at_least: tuple[int, int] | None = None,
    background: Color = WHITE,
) -> Image.Image:
    """Read a picture: first frame, upright (EXIF), sRGB (ICC), 8 bits, in the mode asked for.

    Args:
        source: a file or its bytes.
        channels: rgb, rgba or grey.
        at_least: (width, height) that is enough; a JPEG may then be decoded at a half, a quarter or an eighth, never
            smaller than that.
        background: sRGB, 0 to 255, that alpha is laid over, unless it is kept as in rgba.

    Raises:
        DatasetError: it is not a picture, is broken, or is larger than Pillow's guard of about 179 megapixels.
    """
    with open_picture(source) as opened:
        if at_least:
            lies = opened.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
            opened.draft(None, at_least[::-1] if lies else at_least)
        return _upright(opened, channels, background)


def decode_frames(
    source: Path | bytes, count: int, channels: Channels = "rgb", background: Color = WHITE
) -> list[Image.Image]:
    """Read frames of an animation as they are shown, or pages of a TIFF; a still picture gives one.

    Args:
        source: a file or its bytes: GIF, PNG, WebP, AVIF or TIFF.
        count: frames at most, 1 or more: the first, and others evenly spread. Of a file that is broken further on come
            the frames before, or the pages that can be read.
        channels: as in `decode`.
        background: as in `decode`.

    Raises:
        DatasetError: the first frame cannot be read, see `decode`.
    """
    with open_picture(source) as opened:
        places = _frames(opened)
        found = [_upright(opened, channels, background)]
        spread = min(count, len(places))
        for number in range(1, spread):
            try:
                opened.seek(places[number * len(places) // spread])
                if opened.width * opened.height <= 2 * (Image.MAX_IMAGE_PIXELS or math.inf):  # Pillow checks the first
                    found.append(_upright(opened, channels, background))
            except Exception:  # as in `open_picture`: what is broken has been read as far as it goes
                if opened.format != "TIFF":  # pages stand alone, a frame is painted over the one before
                    break
        return found


def frame_count(opened: ImageFile.ImageFile) -> int:
    """How many frames `decode_frames` can give: as the file says, or for GIF and TIFF counted without decoding."""
    return len(_frames(opened))


def _frames(opened: ImageFile.ImageFile) -> Sequence[int]:
    """The numbers by which Pillow knows the frames of an animation or the pages of a TIFF; the first is 0."""
    if isinstance(opened, TiffImagePlugin.TiffImageFile):
        return _pages(opened)
    if opened.format not in _FILMS:
        return range(1)
    try:
        count = getattr(opened, "n_frames", 1)
    except Exception:  # a GIF is counted by walking through it; those before the break are there
        count = opened.tell() + 1
        opened.seek(0)
    return range(min(count, max(1, _FAR // (opened.width * opened.height))))


def _pages(opened: TiffImagePlugin.TiffImageFile) -> list[int]:
    """The first page of a TIFF and those others that are neither smaller copies nor masks."""
    pages = [0]
    with contextlib.suppress(Exception):  # EOFError behind the last; anything else where the list of pages breaks off
        for number in range(1, _MOST_PAGES):
            opened.seek(number)
            if not int(opened.tag_v2.get(ExifTags.Base.NewSubfileType, 0)) & _NO_PAGE:
                pages.append(number)
    opened.seek(0)
    return pages


def _upright(opened: ImageFile.ImageFile, channels: Channels, background: Color) -> Image.Image:
    """The frame at which an opened picture stands, decoded."""
    opened.load()
    ImageOps.exif_transpose(opened, in_place=True)
    return to_mode(opened, channels, background)


def to_mode(picture: Image.Image, channels: Channels, background: Color = WHITE) -> Image.Image:
    """Bring a picture of any mode to 8-bit sRGB, RGBA or grey; the latter lay alpha over `background`."""
    alpha = alpha_of(picture)
    color = eight_bit(picture)
    color = to_srgb(color, picture.info.get("icc_profile"))
    if channels == "rgba":
        color.putalpha(alpha if alpha is not None else 255)
        return color
    if alpha is not None:
        color = Image.composite(color, Image.new("RGB", color.size, background), alpha)
    return color if color.mode == MODES[channels] else color.convert(MODES[channels])


def alpha_of(picture: Image.Image) -> Image.Image | None:
    """How opaque each pixel is, as L; None for a picture of a kind that is opaque."""
    if picture.has_transparency_data:
        return picture.convert("RGBA").getchannel("A")
    return None


def eight_bit(picture: Image.Image) -> Image.Image:
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


def to_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """An 8-bit picture of any mode as RGB, brought from `profile` to sRGB; its alpha is left out."""
    if picture.mode in ("1", "P", "PA", "La"):
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    if picture.mode in ("LA", "RGBA", "RGBa", "RGBX"):
        picture = picture.convert("L" if picture.mode == "LA" else "RGB")
    if picture.mode == "LAB":
        transform = ImageCms.buildTransform(_LAB, SRGB, "LAB", "RGB")
        return ImageCms.applyTransform(picture, transform) or picture
    if profile and picture.mode in ("RGB", "CMYK", "L"):
        # A profile that is damaged or made for another kind of picture says nothing: the plain colours are used then.
        with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError):
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(picture, source, SRGB, outputMode="RGB")
            if converted is not None:
                return converted
    return picture.convert("RGB")


def to_uint8(pictures: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Values in [-1, 1], clipped, as 0 to 255, rounded to nearest."""
    return ((pictures.clip(-1, 1) + 1) * 127.5).round().astype(np.uint8)


def encode_png(
    picture: NDArray[np.uint8], recipe: Mapping[str, Any], profile: bytes | None = None, dpi: float | None = None
) -> bytes:
    """A PNG of (C, H, W) values with C = 1, 3 or 4, carrying `recipe` as JSON under the key `artgan`, and `profile`.

    With `dpi` it also says how many pixels are printed on an inch.
    """
    text = PngImagePlugin.PngInfo()
    text.add_itxt(RECIPE_KEY, json.dumps(recipe, ensure_ascii=False))
    array = picture[0] if picture.shape[0] == 1 else np.ascontiguousarray(picture.transpose(1, 2, 0))
    buffer = io.BytesIO()
    density = {} if dpi is None else {"dpi": (dpi, dpi)}
    Image.fromarray(array).save(buffer, "PNG", pnginfo=text, icc_profile=profile, **density)
    return buffer.getvalue()


def read_recipe(path: str | Path) -> dict[str, Any]:
    """How artgan made a picture: kind, run, nimg, seeds, command, settings.

    Raises:
        UsageError: it is not a PNG, TIFF or JPEG, or not one that artgan made.
    """
    try:
        with Image.open(path, formats=["PNG", "TIFF", "JPEG"]) as picture:
            if isinstance(picture, TiffImagePlugin.TiffImageFile):
                text = parse_json(str(picture.tag_v2[TiffImagePlugin.IMAGEDESCRIPTION]))[RECIPE_KEY]
            elif isinstance(picture, JpegImagePlugin.JpegImageFile):
                text = parse_json(b"".join(data for name, data in picture.applist if name == "COM").decode())[
                    RECIPE_KEY
                ]
            else:
                picture.load()
                text = parse_json(getattr(picture, "text", {})[RECIPE_KEY])
            recipe: dict[str, Any] = dict(text)
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, Image.DecompressionBombError) as error:
        raise UsageError(
            f"{path} does not say how it was made.", "Give a PNG, TIFF or JPEG that artgan wrote."
        ) from error
    return recipe
