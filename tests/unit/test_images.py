"""Pictures in: every kind of file becomes upright 8-bit sRGB with the right values; pictures out carry their recipe."""

import io
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from numpy.typing import NDArray
from PIL import EpsImagePlugin, ExifTags, Image, ImageCms

from artgan.engine.images import (
    MODES,
    Channels,
    decode,
    decode_frames,
    encode_png,
    frame_count,
    open_picture,
    quiet_decoding,
    read_recipe,
    stderr_shut,
    to_uint8,
)
from artgan.errors import DatasetError, UsageError

ALL: tuple[Channels, ...] = ("rgb", "rgba", "grey")
RED, WHITE = (255, 0, 0), (255, 255, 255)


def saved(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def saved_heic(picture: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(picture).save(buffer, quality=95, **options)
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
    "AVIF": (saved(plain("RGB", (200, 30, 90)), "AVIF", quality=95), (200, 30, 90, 255), 4),
    "HEIC": (saved_heic(plain("RGB", (200, 30, 90))), (200, 30, 90, 255), 4),
    "HEIC with alpha": (saved_heic(plain("RGBA", (200, 30, 90, 51))), (200, 30, 90, 51), 4),
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


@pytest.fixture
def no_heif(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where pillow-heif is not installed."""
    Image.init()
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    monkeypatch.setattr(Image, "ID", [name for name in Image.ID if name != "HEIF"])


@pytest.mark.usefixtures("no_heif")
@pytest.mark.parametrize("main", [b"heic", b"heix", b"mif1", b"msf1"])
def test_heic_without_its_reader_says_what_it_needs(tmp_path: Path, main: bytes) -> None:
    raw = saved_heic(plain("RGB", RED))
    assert raw[4:12] == b"ftypheic"
    raw = raw[:8] + main + raw[12:]
    (tmp_path / "picture.heic").write_bytes(raw)
    for source in (raw, tmp_path / "picture.heic"):
        with pytest.raises(DatasetError, match="HEIC, which needs pillow-heif") as caught:
            decode(source)
        assert caught.value.hint == "pip install 'artgan[heic]'"


@pytest.mark.usefixtures("no_heif")
def test_only_heic_is_called_so() -> None:
    film = b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + bytes(400)
    avif = saved(plain("RGB", RED), "AVIF")
    broken_avif = avif[:8] + b"mif1" + avif[12:60]
    for raw in (film, b"\xff\xff\xff\xffftypxxxx", b"\0\0\0\0ftyp", broken_avif):
        with pytest.raises(DatasetError, match=r"not a picture|broken: \w"):
            decode(raw)
    assert about(first(decode(avif)), RED, 4)


def test_heif_of_any_main_brand_is_read() -> None:
    raw = saved_heic(plain("RGB", (200, 30, 90)))
    assert about(first(decode(raw[:8] + b"mif1" + raw[12:])), (200, 30, 90), 4)


def test_half_a_heic_is_no_crash() -> None:
    raw = saved_heic(Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)))
    for share in (0.1, 0.5, 0.9):
        with pytest.raises(DatasetError, match=r"broken: \w|not a picture"):
            decode(raw[: int(len(raw) * share)])


def test_a_heic_stands_upright_once() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    picture = plain("RGB", WHITE, (64, 32))
    picture.paste(RED, (0, 0, 32, 32))  # the left half, above once it is upright
    upright = decode(saved_heic(picture, exif=exif.tobytes()))
    assert upright.size == (32, 64)
    assert about(first(upright.crop((8, 2, 24, 20))), RED, 8)
    assert about(first(upright.crop((8, 44, 24, 62))), WHITE, 8)


BLUE = (0, 0, 255)


@pytest.mark.parametrize("kind", ["RGBA", "LA", "P"])
def test_alpha_is_laid_over_the_background(kind: str) -> None:
    half = {"RGBA": plain("RGBA", (*RED, 128)), "LA": plain("LA", (90, 128)), "P": half_transparent_palette()}[kind]
    raw = saved(half, transparency=bytes([255, 128])) if kind == "P" else saved(half)
    above = (90, 90, 90) if kind == "LA" else RED
    mixed = tuple(round((a * 128 + b * 127) / 255) for a, b in zip(above, BLUE, strict=True))
    assert about(first(decode(raw, background=BLUE)), mixed, 1)
    assert about(first(decode(raw, "grey", background=BLUE)), (round(float(np.dot(mixed, (0.299, 0.587, 0.114)))),), 1)
    assert about(first(decode(raw, "rgba", background=BLUE)), (*above, 128), 0)


COLORS = [(30 * number, 255 - 30 * number, 0) for number in range(8)]


def film(kind: str, count: int = 8, **options: Any) -> bytes:
    pictures = [plain("RGB", color, (16, 16)) for color in COLORS[:count]]
    return saved(pictures[0], kind, save_all=True, append_images=pictures[1:], **options)


FILMS = {
    "GIF": film("GIF"),
    "PNG": film("PNG"),
    "WEBP": film("WEBP", lossless=True),
    "AVIF": film("AVIF", quality=95),
    "TIFF": film("TIFF"),
}


@pytest.mark.parametrize("kind", FILMS)
@pytest.mark.parametrize(
    ("count", "places"), [(1, [0]), (2, [0, 4]), (3, [0, 2, 5]), (8, [*range(8)]), (99, [*range(8)])]
)
def test_frames_are_spread_over_an_animation(tmp_path: Path, kind: str, count: int, places: list[int]) -> None:
    (tmp_path / "film").write_bytes(FILMS[kind])
    for source in (FILMS[kind], tmp_path / "film"):
        found = decode_frames(source, count)
        assert len(found) == len(places)
        for picture, place in zip(found, places, strict=True):
            assert about(first(picture), COLORS[place], 4 if kind == "AVIF" else 0)


@pytest.mark.parametrize("kind", FILMS)
def test_counting_frames_leaves_the_first_where_it_is(kind: str) -> None:
    with open_picture(FILMS[kind]) as opened:
        assert frame_count(opened) == 8
        assert opened.tell() == 0
        assert about(opened.convert("RGB").getpixel((3, 3)), COLORS[0], 4)  # type: ignore[arg-type]


WHOLE_FRAMES = {"lossless": True, "kmin": 1, "kmax": 1}  # else the writer forgets to say that there is alpha


def test_frames_are_composited_as_they_are_shown() -> None:
    """The second frame paints a corner only, and leaves the rest as it was; what is transparent shows the ground."""
    whole, corner = Image.new("RGBA", (8, 8), (0, 0, 0, 0)), Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    whole.paste((*RED, 255), (0, 0, 8, 4))
    corner.paste((0, 255, 0, 255), (0, 0, 4, 4))
    for kind, options in (("PNG", {"disposal": 0, "blend": 1}), ("GIF", {"disposal": 1}), ("WEBP", WHOLE_FRAMES)):
        if kind == "WEBP":
            corner = Image.alpha_composite(whole, corner)
        raw = saved(whole, kind, save_all=True, append_images=[corner], **options)
        _, second = decode_frames(raw, 2, background=BLUE)
        places = [(1, 1), (6, 1), (1, 6), (6, 6)]
        assert [second.getpixel(place) for place in places] == [(0, 255, 0), RED, BLUE, BLUE], kind


@pytest.mark.parametrize("channels", ALL)
def test_frames_come_in_the_mode_asked_for(channels: Channels) -> None:
    assert {picture.mode for picture in decode_frames(FILMS["GIF"], 3, channels)} == {MODES[channels]}


def test_every_page_stands_upright() -> None:
    raw = io.BytesIO()
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    plain("RGB", RED, (16, 8)).save(raw, "TIFF", save_all=True, append_images=[plain("RGB", RED, (20, 6))], exif=turned)
    assert [page.size for page in decode_frames(raw.getvalue(), 2)] == [(8, 16), (6, 20)]


def test_a_still_picture_is_one_frame() -> None:
    rgb = plain("RGB", RED, (64, 64))
    stills = {
        "PNG": saved(rgb),
        "JPEG": saved(rgb, "JPEG"),
        "GIF": saved(rgb, "GIF"),
        "MPO": saved(rgb, "MPO", save_all=True, append_images=[plain("RGB", WHITE, (64, 64))]),
        "ICO": saved(rgb, "ICO", sizes=[(16, 16), (32, 32), (64, 64)]),
        "HEIC": saved_heic(rgb),
    }
    for kind, raw in stills.items():
        with open_picture(raw) as opened:
            assert frame_count(opened) == 1, kind
        (only,) = decode_frames(raw, 5)
        assert about(first(only), RED, 4), kind
    with Image.open(io.BytesIO(stills["MPO"])) as two:
        assert getattr(two, "n_frames", 1) == 2


def test_thumbnails_and_masks_of_a_tiff_are_no_pages() -> None:
    pages = [plain("RGB", color, (16, 16)) for color in COLORS[:4]]
    for page, kind in zip(pages, (0, 1, 2, 4), strict=True):
        page.encoderinfo = {"tiffinfo": {254: kind}}
    raw = saved(pages[0], "TIFF", save_all=True, append_images=pages[1:], tiffinfo={254: 0})
    found = [first(page) for page in decode_frames(raw, 9)]
    assert found == [COLORS[0], COLORS[2]]


@pytest.mark.parametrize("kind", FILMS)
def test_of_a_broken_film_comes_what_can_be_read(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), np.uint8)
    pictures = [Image.fromarray(values) for values in noise]
    raw = saved(pictures[0], kind, save_all=True, append_images=pictures[1:])
    read = 0
    with quiet_decoding():
        for share in (0.3, 0.6, 0.9, 1.0):
            cut = raw[: int(len(raw) * share)]
            try:
                alone = decode(cut)
            except DatasetError:
                with pytest.raises(DatasetError):
                    decode_frames(cut, 6)
                continue
            found = decode_frames(cut, 6)
            assert found[0].tobytes() == alone.tobytes()
            assert len(found) >= read
            read = len(found)
    assert read == 6


def test_a_gif_cannot_be_counted_to_its_end_and_gives_what_is_before() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), np.uint8)
    pictures = [Image.fromarray(values) for values in noise]
    raw = saved(pictures[0], "GIF", save_all=True, append_images=pictures[1:], duration=40)
    cut = raw[: raw.rindex(b"\x21\xf9\x04") + 12]  # inside what describes the last frame
    with Image.open(io.BytesIO(cut)) as opened, pytest.raises(Exception, match=r"unpack|index"):
        assert getattr(opened, "n_frames", 1)
    with quiet_decoding():
        whole, found = decode_frames(raw, 6), decode_frames(cut, 6)
        assert [one.tobytes() for one in found] == [one.tobytes() for one in whole[:5]]
        with open_picture(cut) as opened:
            assert frame_count(opened) == 5
            assert opened.tell() == 0


def test_a_thumbnail_is_never_taken_for_the_picture() -> None:
    with_thumbnail = pillow_heif.from_pillow(plain("RGB", RED, (256, 256)))
    with_thumbnail.info["thumbnails"] = [64]
    raw = io.BytesIO()
    with_thumbnail.save(raw)
    assert decode(raw.getvalue(), at_least=(32, 32)).size == (256, 256)


def test_a_broken_page_does_not_cost_those_behind_it() -> None:
    raw = bytearray(film("TIFF", 4, compression="tiff_adobe_deflate"))
    with open_picture(bytes(raw)) as opened:
        opened.seek(1)
        start = int(opened.tag_v2[273][0])  # type: ignore[attr-defined]
    raw[start : start + 2] = b"\xff\xff"
    with quiet_decoding(), stderr_shut():
        assert [first(page) for page in decode_frames(bytes(raw), 4)] == [COLORS[0], COLORS[2], COLORS[3]]


def test_a_bomb_on_a_later_page_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = [plain("RGB", RED), plain("RGB", WHITE, (100, 100)), plain("RGB", BLUE)]
    raw = saved(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    assert len(decode_frames(raw, 3)) == 3
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4000)
    assert [first(page) for page in decode_frames(raw, 3)] == [RED, BLUE]


def test_a_film_that_claims_endless_frames_is_not_gone_through() -> None:
    raw = bytearray(FILMS["PNG"])
    at = raw.index(b"acTL")
    raw[at + 4 : at + 8] = struct.pack(">I", 2**31 - 1)
    raw[at + 12 : at + 16] = struct.pack(">I", zlib.crc32(raw[at : at + 12]))
    with open_picture(bytes(raw)) as opened:
        assert frame_count(opened) == 2**32 // 256
    assert first(decode_frames(bytes(raw), 2)[0]) == COLORS[0]


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
