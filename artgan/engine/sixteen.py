"""Pictures of 16 bits a channel, which Pillow would cut to 8: TIFF and PNG, read and written whole."""

import contextlib
import io
import json
import math
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, TiffImagePlugin

from artgan.engine.images import RECIPE_KEY, open_picture

_PNG = b"\x89PNG\r\n\x1a\n"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0")  # the last is BigTIFF; of its big-endian kind Pillow cannot tell the depth
_ICC_TAG = 34675
_METRES = 0.0254  # in an inch
_PLAIN_COMPRESSIONS = {1, 5, 8, 32773, 32946, 50000}  # none, LZW, deflate, PackBits, deflate, Zstandard
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = 0, 1, 2
_ASSOCIATED, _UNASSOCIATED = 1, 2

# What EXIF's orientations ask to be done with stored (H, W, C) values.
_UPRIGHT: dict[int, Callable[[NDArray[np.uint16]], NDArray[np.uint16]]] = {
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].swapaxes(0, 1),
    8: lambda stored: np.rot90(stored, 1),
}


@dataclass(frozen=True)
class Sixteen:
    """A picture of 16 bits a channel: colours (H, W, 1 or 3), upright, and alpha (H, W), not multiplied in."""

    colors: NDArray[np.uint16]
    alpha: NDArray[np.uint16] | None
    profile: bytes | None


def read_sixteen(path: Path, most_pixels: int) -> Sixteen | None:
    """Read a TIFF or PNG of 16 bits a channel.

    None means that Pillow should have it: it is of another kind, larger than `most_pixels`, or cannot be read here.
    """
    # Whatever goes wrong here is not worth telling: Pillow either reads the file, or says better what is wrong.
    with contextlib.suppress(Exception):
        with path.open("rb") as file:
            head = file.read(26)
        if head.startswith(_PNG) and head[24] == 16:
            return _read_png(path)
        if head.startswith(_TIFF) and _is_plain_tiff(path, most_pixels):
            return _read_tiff(path, most_pixels)
    return None


def _read_png(path: Path) -> Sixteen:
    import imagecodecs

    with open_picture(path) as opened:  # Pillow guards against bombs and knows the chunks
        opened.load()
        orientation = opened.getexif().get(ExifTags.Base.Orientation, 1)
        profile = opened.info.get("icc_profile")
    values = imagecodecs.png_decode(path.read_bytes())
    if values.dtype != np.uint16:
        raise ValueError("not 16 bits")
    values = _upright(values[..., None] if values.ndim == 2 else values, orientation)
    channels = 3 if values.shape[2] >= 3 else 1
    return Sixteen(values[..., :channels], values[..., channels] if values.shape[2] > channels else None, profile)


def _is_plain_tiff(path: Path, most_pixels: int) -> bool:
    """Whether all samples are whole numbers of 16 bits, grey or RGB; asked of Pillow, which is loaded already."""
    with path.open("rb") as file:
        head = file.read(8)
        tags = TiffImagePlugin.ImageFileDirectory_v2(head + file.read(8) if head[2:3] == b"+" else head)
        file.seek(tags.next)
        tags.load(file)
    return (
        set(tags.get(TiffImagePlugin.BITSPERSAMPLE, ())) == {16}
        and set(tags.get(TiffImagePlugin.SAMPLEFORMAT, (1,))) == {1}
        and tags.get(TiffImagePlugin.COMPRESSION, 1) in _PLAIN_COMPRESSIONS
        and tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB)
        and 0 < tags[TiffImagePlugin.IMAGEWIDTH] * tags[TiffImagePlugin.IMAGELENGTH] <= most_pixels
    )


def _read_tiff(path: Path, most_pixels: int) -> Sixteen:
    import tifffile

    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        if not isinstance(page, tifffile.TiffPage) or page.size > 6 * most_pixels:
            raise ValueError("too large")
        # tifffile fills with black what the file lacks; a picture that was cut off must not pass as whole.
        parts = list(zip(page.dataoffsets, page.databytecounts, strict=True))
        there = all(count and offset + count <= file.filehandle.size for offset, count in parts)
        if not there or len(parts) != math.prod(page.chunked):
            raise ValueError("cut off")
        values = page.asarray().astype(np.uint16, copy=False)
        axes, extras = page.axes, tuple(int(kind) for kind in page.extrasamples)
        profile, orientation = page.tags.valueof(_ICC_TAG), page.tags.valueof(ExifTags.Base.Orientation, default=1)
        photometric = int(page.photometric)
    values = {"YX": lambda: values[..., None], "YXS": lambda: values, "SYX": lambda: values.transpose(1, 2, 0)}[axes]()
    values = _upright(values, orientation)
    channels = 3 if photometric == _RGB else 1
    colors = values[..., :channels]
    if values.shape[2] > channels and not extras:
        extras = (_UNASSOCIATED,)  # the file does not say what it has more: alpha, as Pillow takes it
    kind = next((kind for kind in extras if kind in (_ASSOCIATED, _UNASSOCIATED)), None)
    alpha = values[..., channels + extras.index(kind)] if kind else None
    if photometric == _WHITE_IS_ZERO:
        colors = 65535 - colors
    if alpha is not None and kind == _ASSOCIATED:
        colors = _divided(colors, alpha)
    return Sixteen(colors, alpha, profile if isinstance(profile, bytes) else None)


def _divided(colors: NDArray[np.uint16], alpha: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Colours that had alpha multiplied in, as they were before."""
    whole = colors.astype(np.float32) * 65535 / np.maximum(alpha, 1)[..., None]
    return whole.clip(0, 65535).round().astype(np.uint16)


def _upright(stored: NDArray[np.uint16], orientation: object) -> NDArray[np.uint16]:
    turn = _UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return turn(stored) if turn else stored


def encode_deep_png(
    picture: NDArray[np.uint16], recipe: Mapping[str, Any], profile: bytes | None, dpi: float | None = None
) -> bytes:
    """A PNG of (3 or 4, H, W) values of 16 bits, with the same chunks as `encode_png` writes."""
    import imagecodecs

    plain = bytes(imagecodecs.png_encode(np.ascontiguousarray(picture.transpose(1, 2, 0)), level=6))
    text = RECIPE_KEY.encode() + b"\0\0\0\0\0" + json.dumps(recipe, ensure_ascii=False).encode()
    header = len(_PNG) + 25  # IHDR: length, name, 13 bytes, checksum
    color = _chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(profile)) if profile else b""
    metre = round((dpi or 0) / _METRES)
    density = _chunk(b"pHYs", struct.pack(">IIB", metre, metre, 1)) if dpi else b""
    return plain[:header] + color + density + _chunk(b"iTXt", text) + plain[header:]


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def encode_tiff(
    picture: NDArray[np.uint8] | NDArray[np.uint16],
    recipe: Mapping[str, Any],
    profile: bytes | None,
    dpi: float | None = None,
) -> bytes:
    """A deflated TIFF of (3 or 4, H, W) values; a fourth channel is alpha, not multiplied in; no time is written.

    With `dpi` it also says how many pixels are printed on an inch.
    """
    import tifffile

    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        np.ascontiguousarray(picture.transpose(1, 2, 0)),
        photometric="rgb",
        planarconfig="contig",
        extrasamples=["unassalpha"] if len(picture) == 4 else None,
        compression="zlib",
        predictor=True,
        iccprofile=profile,
        description=json.dumps({RECIPE_KEY: recipe}),
        metadata=None,
        software="artgan",
        resolution=None if dpi is None else (dpi, dpi),
        resolutionunit=None if dpi is None else "INCH",
    )
    return buffer.getvalue()
