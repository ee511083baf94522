"""Pictures in: every kind of file becomes upright 8-bit sRGB with the right values; pictures out carry their recipe."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import EpsImagePlugin, ExifTags, Image, ImageCms

from artgan.engine.images import (
    MODES,
    Channels,
    decode,
    encode_png,
    quiet_decoding,
    read_recipe,
    to_uint8,
)
from artgan.errors import DatasetError, UsageError

ALL: tuple[Channels, ...] = ("rgb", "rgba", "grey")
RED, WHITE = (255, 0, 0), (255, 255, 255)


def saved(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def plain(mode: str, color: Any, size: tuple[int, int] = (6, 4)) -> Image.Image:
    return Image.new(mode, size, color)


def first(picture: Image.Image) -> tuple[int, ...]:
    """The value of a plain picture, checked to be plain."""
    values = np.asarray(picture).reshape(picture.height * picture.width, -1)
    assert (np.ptp(values, axis=0) <= 1).all()
    return tuple(int(value) for value in values[0])


def about(values: tuple[int, ...], expected: tuple[int, ...], within: int) -> bool:
    return len(values) == len(expected) and all(abs(a - b) <= within for a, b in zip(values, expected, strict=True))


def half_transparent_palette() -> Image.Image:
    picture = plain("P", 1)
    picture.putpalette([0, 0, 0, *RED])
    return picture


KINDS: dict[str, tuple[bytes, tuple[int, ...], int]] = {
    # name: file, its RGBA value, how far a value may be off
    "1": (saved(plain("1", 1)), (255, 255, 255, 255), 0),
    "L": (saved(plain("L", 90)), (90, 90, 90, 255), 0),
    "LA": (saved(plain("LA", (90, 51))), (90, 90, 90, 51), 0),
    "L, one value transparent": (saved(plain("L", 90), transparency=90), (90, 90, 90, 0), 0),
    "P": (saved(half_transparent_palette()), (*RED, 255), 0),
    "P with alpha": (saved(half_transparent_palette(), transparency=bytes([255, 51])), (*RED, 51), 0),
    "RGB": (saved(plain("RGB", (10, 20, 30))), (10, 20, 30, 255), 0),
    "RGB, one value transparent": (
        saved(plain("RGB", (10, 20, 30)), transparency=(10, 20, 30)),
        (10, 20, 30, 0),
        0,
    ),
    "RGBA": (saved(plain("RGBA", (10, 20, 30, 51))), (10, 20, 30, 51), 0),
    "CMYK JPEG": (saved(plain("CMYK", (0, 255, 255, 0)), "JPEG", quality=95), (*RED, 255), 3),
    "CMYK TIFF": (saved(plain("CMYK", (0, 255, 255, 0)), "TIFF"), (*RED, 255), 3),
    "YCbCr JPEG": (saved(plain("RGB", (200, 30, 90)), "JPEG", quality=95), (200, 30, 90, 255), 4),
    "LAB TIFF": (saved(plain("LAB", (137, 208, 195)), "TIFF"), (255, 0, 0, 255), 12),
    "16-bit PNG": (saved(plain("I;16", 32896)), (128, 128, 128, 255), 1),
    "16-bit PNG, white": (saved(plain("I;16", 65535)), (255, 255, 255, 255), 0),
    "16-bit TIFF": (saved(plain("I;16", 32896), "TIFF"), (128, 128, 128, 255), 1),
    "16-bit TIFF, big-endian": (saved(plain("I;16B", 32896), "TIFF"), (128, 128, 128, 255), 1),
    "32-bit TIFF with 16-bit values": (saved(plain("I", 32896), "TIFF"), (128, 128, 128, 255), 1),
    "32-bit TIFF with 8-bit values": (saved(plain("I", 128), "TIFF"), (128, 128, 128, 255), 1),
    "32-bit TIFF, nearly black": (saved(plain("I", 1), "TIFF"), (1, 1, 1, 255), 0),
    "float TIFF from 0 to 1": (saved(plain("F", 0.5), "TIFF"), (128, 128, 128, 255), 1),
    "float TIFF from 0 to 255": (saved(plain("F", 100.0), "TIFF"), (100, 100, 100, 255), 0),
    "float TIFF, not a number": (saved(plain("F", float("nan")), "TIFF"), (0, 0, 0, 255), 0),
    "GIF": (saved(plain("RGB", RED), "GIF"), (*RED, 255), 0),
    "WebP": (saved(plain("RGBA", (10, 20, 30, 51)), "WEBP", lossless=True, exact=True), (10, 20, 30, 51), 0),
    "BMP": (saved(plain("RGB", (10, 20, 30)), "BMP"), (10, 20, 30, 255), 0),
}


@pytest.mark.parametrize("channels", ALL)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_has_the_right_values(kind: str, channels: Channels) -> None:
    raw, (red, green, blue, alpha), within = KINDS[kind]
    over_white = [round(value * alpha / 255 + 255 - alpha) for value in (red, green, blue)]
    # The weights of ITU-R 601, as everywhere in Pillow.
    expected: dict[Channels, tuple[int, ...]] = {
        "rgba": (red, green, blue, alpha),
        "rgb": tuple(over_white),
        "grey": (round(float(np.dot(over_white, (0.299, 0.587, 0.114)))),),
    }
    picture = decode(raw, channels)
    assert picture.mode == MODES[channels]
    assert picture.size == (6, 4)
    assert about(first(picture), expected[channels], within + 1), first(picture)


def test_a_16_bit_colour_png_keeps_its_values() -> None:
    row = b"\0" + struct.pack(">3H", 0x8080, 0x1010, 0xFFFF) * 2

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">2I5B", 2, 2, 16, 2, 0, 0, 0))
    raw = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(row * 2)) + chunk(b"IEND", b"")
    assert about(first(decode(raw)), (0x80, 0x10, 0xFF), 1)


def test_a_grey_ramp_of_16_bits_stays_a_ramp() -> None:
    ramp = np.linspace(0, 65535, 256).round().astype(np.uint16)[None]
    assert np.abs(np.asarray(decode(saved(Image.fromarray(ramp)), "grey"))[0].astype(int) - np.arange(256)).max() <= 1


def test_an_animation_is_its_first_frame() -> None:
    frames = [plain("RGB", color) for color in (RED, (0, 255, 0), (0, 0, 255))]
    raw = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    with Image.open(io.BytesIO(raw)) as animation:
        assert getattr(animation, "n_frames", 1) == 3
    assert first(decode(raw)) == RED


def test_a_file_and_its_bytes_are_the_same_picture(tmp_path: Path) -> None:
    raw = saved(plain("RGB", (10, 20, 30)))
    (tmp_path / "no suffix").write_bytes(raw)
    assert decode(tmp_path / "no suffix").tobytes() == decode(raw).tobytes()


# How a camera held in each of the eight ways stores what is upright (the EXIF standard's table, undone).
STORED: dict[int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    1: lambda up: up,
    2: lambda up: up[:, ::-1],
    3: lambda up: up[::-1, ::-1],
    4: lambda up: up[::-1],
    5: lambda up: up.swapaxes(0, 1),
    6: lambda up: np.rot90(up, 1),
    7: lambda up: up[::-1, ::-1].swapaxes(0, 1),
    8: lambda up: np.rot90(up, -1),
}


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("orientation", STORED)
def test_pictures_stand_upright(orientation: int, kind: str) -> None:
    upright = np.random.default_rng(0).integers(0, 256, (3, 5, 3), np.uint8)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    raw = saved(Image.fromarray(np.ascontiguousarray(STORED[orientation](upright))), kind, exif=exif)
    assert (np.asarray(decode(raw)) == upright).all()


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_jpeg_decoded_smaller_is_large_enough_once_it_is_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored = plain("RGB", RED, (256, 64) if orientation == 1 else (64, 256))
    raw = saved(stored, "JPEG", exif=exif)
    assert decode(raw).size == (256, 64)
    assert decode(raw, at_least=(64, 16)).size == (64, 16)
    assert decode(raw, at_least=(65, 16)).size == (128, 32)
    tall = saved(stored.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif)
    assert decode(tall, at_least=(64, 16)).size == (64, 256)


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01\x03\0", b"Exif\0\0"])
@pytest.mark.parametrize("at_least", [None, (4, 4)])
def test_damaged_exif_does_not_cost_the_picture(exif: bytes, at_least: tuple[int, int] | None) -> None:
    with quiet_decoding():
        assert about(first(decode(saved(plain("RGB", RED), "JPEG", exif=exif), at_least=at_least)), RED, 3)


def swapped_profile() -> bytes:
    """An sRGB profile whose red and green primaries have changed places, so that its effect is plain to see."""
    raw = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", raw[128:132])[0]
    places = {bytes(raw[132 + 12 * n : 136 + 12 * n]): 132 + 12 * n for n in range(count)}
    raw[places[b"rXYZ"] : places[b"rXYZ"] + 4], raw[places[b"gXYZ"] : places[b"gXYZ"] + 4] = b"gXYZ", b"rXYZ"
    return bytes(raw)


def test_colours_are_brought_from_their_profile_to_srgb() -> None:
    swapped = swapped_profile()
    assert about(first(decode(saved(plain("RGB", RED), icc_profile=swapped))), (0, 255, 0), 2)
    assert about(first(decode(saved(plain("RGB", RED)))), RED, 0)
    with_alpha = decode(saved(plain("RGBA", (*RED, 51)), icc_profile=swapped), "rgba")
    assert about(first(with_alpha), (0, 255, 0, 51), 2)


def test_an_srgb_profile_changes_nothing() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8))
    decoded = decode(saved(picture, icc_profile=profile))
    assert np.abs(np.asarray(decoded).astype(int) - np.asarray(picture)).max() <= 1


@pytest.mark.parametrize("profile", [b"damaged", ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()])
def test_a_profile_that_does_not_fit_is_passed_over(profile: bytes) -> None:
    assert first(decode(saved(plain("RGB", (10, 20, 30)), icc_profile=profile))) == (10, 20, 30)


NOT_PICTURES = {
    "empty": b"",
    "zeros": bytes(500),
    "a web page": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
    "an svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
}


@pytest.mark.parametrize("kind", NOT_PICTURES)
def test_what_is_no_picture_is_called_so(kind: str) -> None:
    with pytest.raises(DatasetError, match="not a picture") as caught:
        decode(NOT_PICTURES[kind])
    assert caught.value.hint


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"])
def test_half_a_picture_is_broken(kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))
    raw = saved(noise, kind)
    assert decode(raw).size == (32, 32)
    with pytest.raises(DatasetError, match=r"broken: \w|not a picture"):
        decode(raw[: len(raw) // 2])


def test_a_damaged_checksum_is_broken() -> None:
    raw = bytearray(saved(plain("RGB", RED, (64, 64))))
    raw[raw.index(b"IDAT") + 12] ^= 0xFF
    with pytest.raises(DatasetError, match="broken"):
        decode(bytes(raw))


def test_a_bomb_is_refused_before_it_goes_off(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = saved(plain("1", 0, (100, 100)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4000)  # Pillow refuses twice as many
    with pytest.raises(DatasetError, match="megapixels"):
        decode(raw)


def test_a_missing_file_is_a_reason_and_no_crash(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="No such file"):
        decode(tmp_path / "gone.png")


def test_postscript_is_never_given_to_ghostscript(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *given, **named: started.append(given))
    raw = saved(plain("RGB", RED), "EPS")
    with pytest.raises(DatasetError, match="not a picture"):
        decode(raw)
    assert started == []


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_png_carries_its_recipe_and_its_pixels(tmp_path: Path, channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (channels, 5, 7), np.uint8)
    recipe = {"seed": 3, "truncation": 0.7, "name": "Käfer [blau] \U0001f41e", "nested": {"list": [1, None, True]}}
    path = tmp_path / "out.png"
    path.write_bytes(encode_png(pixels, recipe))
    assert read_recipe(path) == recipe
    with Image.open(path) as opened:
        values = np.asarray(opened).reshape(5, 7, channels).transpose(2, 0, 1)
    assert (values == pixels).all()


def test_a_picture_without_a_recipe_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "plain.png").write_bytes(saved(plain("RGB", RED)))
    (tmp_path / "page.png").write_bytes(b"<html>")
    for name in ("plain.png", "page.png", "missing.png"):
        with pytest.raises(UsageError, match=name):
            read_recipe(tmp_path / name)


def test_values_are_rounded_to_the_nearest_byte_and_clipped() -> None:
    levels = np.arange(256)
    middle = (levels / 127.5 - 1).astype(np.float32)
    assert (to_uint8(middle) == levels).all()
    assert (to_uint8(middle + np.float32(0.49 / 127.5)) == levels).all()
    assert (to_uint8(middle - np.float32(0.49 / 127.5)) == levels).all()
    assert to_uint8(np.array([-7, 7], np.float32)).tolist() == [0, 255]
