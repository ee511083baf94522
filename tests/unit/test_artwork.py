"""Pictures for repainting: whatever the file holds goes in and comes out again, to the last bit where it can."""

import os
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, TiffImagePlugin

from artgan.engine import artwork as room
from artgan.engine import images, sixteen
from artgan.engine.artwork import Artwork, encode_artwork, open_artwork, resized
from artgan.engine.images import read_recipe
from artgan.errors import DatasetError, UsageError

RED, GREEN = (255, 0, 0), (0, 255, 0)
SIZE = (40, 36)  # width and height of most pictures here
RECIPE = {"kind": "stylize", "name": "Käfer [blau] \U0001f41e", "nested": {"list": [1, None, True]}}
SUFFIXES = (".png", ".tif", ".jpg")
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


def icc(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC profile of version 2 for a display, made by hand."""
    text = b"by hand\0"
    description = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(4 + 4 + 2 + 1 + 67)
    white = b"XYZ " + bytes(4) + struct.pack(">3i", *(round(v * 65536) for v in (0.9642, 1, 0.8249)))
    tags = {b"desc": description, b"cprt": b"text" + bytes(4) + text, b"wtpt": white, **tags}
    place, table, data = 128 + 4 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        table += name + struct.pack(">2I", place + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    head = struct.pack(">I4sI4s4s4s", place + len(data), bytes(4), 0x02400000, b"mntr", space, b"XYZ ")
    head += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp") + bytes(28) + white[8:] + bytes(48)
    return head + struct.pack(">I", len(tags)) + table + data


def gamma(value: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(value * 256))


def wide_profile(curve: float = 2.2) -> bytes:
    """An RGB profile with the primaries of Display P3 (brought to D50), wider than sRGB."""
    corners = {b"r": (0.5151, 0.2412, -0.0011), b"g": (0.2920, 0.6922, 0.0419), b"b": (0.1571, 0.0666, 0.7841)}
    tags = {}
    for name, corner in corners.items():
        tags[name + b"XYZ"] = b"XYZ " + bytes(4) + struct.pack(">3i", *(round(v * 65536) for v in corner))
        tags[name + b"TRC"] = gamma(curve)
    return icc(b"RGB ", tags)


def grey_profile(curve: float) -> bytes:
    return icc(b"GRAY", {b"kTRC": gamma(curve)})


def noise(channels: int = 3, kind: type[Any] = np.uint8, size: tuple[int, int] = SIZE) -> NDArray[Any]:
    """Values (H, W, C); of 16 bits, the low byte says something else than the high one."""
    shape = (size[1], size[0], channels)
    return np.random.default_rng(0).integers(0, int(np.iinfo(kind).max) + 1, shape, kind)


def save(path: Path, picture: Image.Image | NDArray[np.uint8], **options: Any) -> Path:
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(path, **options)
    return path


def whole(values: NDArray[np.float32], top: int) -> NDArray[np.int64]:
    """Pixels (C, H, W) in [-1, 1] as whole numbers (H, W, C), checked to be ones."""
    scaled = (values.astype(np.float64).transpose(1, 2, 0) + 1) * top / 2
    assert np.abs(scaled - scaled.round()).max() < 0.01 * top / 255
    return scaled.round().astype(np.int64)


def written(tmp_path: Path, artwork: Artwork, suffix: str, recipe: Any = RECIPE) -> Path:
    path = tmp_path / f"written{suffix}"
    path.write_bytes(encode_artwork(artwork, suffix, recipe))
    return path


def same(first: Artwork, second: Artwork) -> bool:
    return bool(
        (first.pixels == second.pixels).all()
        and (first.alpha is None) == (second.alpha is None)
        and (first.alpha is None or second.alpha is None or (first.alpha == second.alpha).all())
        and (first.profile, first.bits) == (second.profile, second.bits)
    )


@pytest.mark.parametrize("profile", [None, SRGB, wide_profile()], ids=["plain", "srgb", "wide"])
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".TIFF"])
def test_eight_bits_come_out_as_they_went_in(tmp_path: Path, suffix: str, channels: int, profile: bytes | None) -> None:
    values = noise(channels)
    values[..., 3:] = np.maximum(values[..., 3:], 1)
    opened = open_artwork(save(tmp_path / "in.png", values, icc_profile=profile))
    assert (opened.bits, opened.frames, opened.profile) == (8, 1, profile)
    assert (whole(opened.pixels, 255) == values[..., :3]).all()
    assert opened.pixels.dtype == np.float32
    again = open_artwork(written(tmp_path, opened, suffix))
    assert same(opened, again)
    with Image.open(tmp_path / f"written{suffix}") as picture:
        assert (np.asarray(picture) == values).all()
        assert picture.info.get("icc_profile") == profile


@pytest.mark.parametrize("profile", [None, wide_profile()], ids=["plain", "wide"])
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_come_out_as_they_went_in(
    tmp_path: Path, suffix: str, channels: int, profile: bytes | None
) -> None:
    values = noise(channels, np.uint16)
    values[..., 3:] = np.maximum(values[..., 3:], 1)
    values[0, 0, :3], values[0, 1, :3] = 0, 65535
    tifffile.imwrite(
        tmp_path / "in.tif",
        values,
        photometric="rgb",
        extrasamples=["unassalpha"] if channels == 4 else None,
        iccprofile=profile,
    )
    opened = open_artwork(tmp_path / "in.tif")
    assert (opened.bits, opened.profile) == (16, profile)
    assert (whole(opened.pixels, 65535) == values[..., :3]).all()
    again = open_artwork(written(tmp_path, opened, suffix))
    assert same(opened, again)
    if suffix == ".png":
        assert (imagecodecs.png_decode((tmp_path / "written.png").read_bytes()) == values).all()
    else:
        assert (tifffile.imread(tmp_path / "written.tif") == values).all()


@pytest.mark.parametrize("compression", [None, "lzw", "zlib"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("tiled", [False, True])
def test_sixteen_bits_are_found_however_a_tiff_lays_them_out(
    tmp_path: Path, compression: str | None, byteorder: Literal["<", ">"], planar: str, tiled: bool
) -> None:
    values = noise(3, np.uint16)
    tifffile.imwrite(
        tmp_path / "in.tif",
        values if planar == "contig" else np.ascontiguousarray(values.transpose(2, 0, 1)),
        photometric="rgb",
        planarconfig=planar,
        byteorder=byteorder,
        compression=compression,
        predictor=compression is not None,
        tile=(16, 16) if tiled else None,
        rowsperstrip=None if tiled else 5,
    )
    opened = open_artwork(tmp_path / "in.tif")
    assert opened.bits == 16
    assert (whole(opened.pixels, 65535) == values).all()


def test_a_big_tiff_is_a_tiff(tmp_path: Path) -> None:
    values = noise(3, np.uint16)
    tifffile.imwrite(tmp_path / "in.tif", values, photometric="rgb", bigtiff=True)
    assert (whole(open_artwork(tmp_path / "in.tif").pixels, 65535) == values).all()


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_sixteen_bits_of_grey_become_three_channels(tmp_path: Path, photometric: str) -> None:
    grey = noise(1, np.uint16)
    tifffile.imwrite(tmp_path / "in.tif", grey[..., 0], photometric=photometric)
    opened = open_artwork(tmp_path / "in.tif")
    assert (opened.bits, opened.profile) == (16, None)
    expected = 65535 - grey.astype(int) if photometric == "miniswhite" else grey
    assert (whole(opened.pixels, 65535) == expected).all()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bits_of_any_png(tmp_path: Path, channels: int) -> None:
    values = noise(channels, np.uint16)
    (tmp_path / "in.png").write_bytes(imagecodecs.png_encode(values[..., 0] if channels == 1 else values))
    opened = open_artwork(tmp_path / "in.png")
    assert opened.bits == 16
    seen = values[..., -1] > 0
    colors = values[..., :3] if channels > 2 else values[..., :1]
    assert ((whole(opened.pixels, 65535) == colors) | ~seen[..., None]).all()
    if channels in (2, 4):
        assert opened.alpha is not None
        assert (np.round(opened.alpha[0] * 65535.0) == values[..., -1]).all()


def test_alpha_that_was_multiplied_in_is_taken_out(tmp_path: Path) -> None:
    values = noise(4, np.uint16)
    values[..., 3] = np.maximum(values[..., 3], 20000)
    mixed = values.copy()
    mixed[..., :3] = np.round(values[..., :3] * (values[..., 3:] / 65535.0))
    tifffile.imwrite(tmp_path / "in.tif", mixed, photometric="rgb", extrasamples=["assocalpha"])
    opened = open_artwork(tmp_path / "in.tif")
    assert np.abs(whole(opened.pixels, 65535) - values[..., :3]).max() <= 2
    assert opened.alpha is not None
    assert (np.round(opened.alpha[0] * 65535.0) == values[..., 3]).all()


def test_a_further_channel_that_is_no_alpha_is_left_out(tmp_path: Path) -> None:
    values = noise(4, np.uint16)
    tifffile.imwrite(tmp_path / "in.tif", values, photometric="rgb", extrasamples=["unspecified"])
    opened = open_artwork(tmp_path / "in.tif")
    assert opened.alpha is None
    assert (whole(opened.pixels, 65535) == values[..., :3]).all()


def test_where_sixteen_bits_cannot_be_read_eight_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = noise(3, np.uint16)
    tifffile.imwrite(tmp_path / "in.tif", values, photometric="rgb")
    (tmp_path / "in.png").write_bytes(imagecodecs.png_encode(values))

    def broken(*given: Any) -> None:
        raise RuntimeError("not today")

    monkeypatch.setattr(tifffile, "TiffFile", broken)
    monkeypatch.setattr(imagecodecs, "png_decode", broken)
    for name in ("in.tif", "in.png"):
        opened = open_artwork(tmp_path / name)
        assert opened.bits == 8
        assert np.abs(whole(opened.pixels, 255) - values / 257).max() <= 1


def test_floats_and_palettes_go_the_way_of_eight_bits(tmp_path: Path) -> None:
    opened = open_artwork(save(tmp_path / "in.tif", Image.new("F", SIZE, 0.5)))
    assert opened.bits == 8
    assert np.abs(whole(opened.pixels, 255) - 128).max() <= 1


# How a camera held in each of the eight ways stores what is upright (the EXIF standard's table, undone).
STORED: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    1: lambda up: up,
    2: lambda up: up[:, ::-1],
    3: lambda up: up[::-1, ::-1],
    4: lambda up: up[::-1],
    5: lambda up: up.swapaxes(0, 1),
    6: lambda up: np.rot90(up, 1),
    7: lambda up: up[::-1, ::-1].swapaxes(0, 1),
    8: lambda up: np.rot90(up, -1),
}


@pytest.mark.parametrize("orientation", STORED)
def test_pictures_stand_upright_and_no_longer_say_how_they_lay(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    eight, deep = noise(), noise(3, np.uint16)
    stored = np.ascontiguousarray(STORED[orientation](deep))
    tag = (int(ExifTags.Base.Orientation), "H", 1, orientation, True)
    tifffile.imwrite(tmp_path / "deep.tif", stored, photometric="rgb", extratags=[tag])
    plain = imagecodecs.png_encode(stored)
    data = exif.tobytes().removeprefix(b"Exif\0\0")
    (tmp_path / "deep.png").write_bytes(plain[:33] + sixteen._chunk(b"eXIf", data) + plain[33:])
    for name in ("deep.tif", "deep.png"):
        opened = open_artwork(tmp_path / name)
        assert opened.bits == 16
        assert (whole(opened.pixels, 65535) == deep).all()
    turned = np.ascontiguousarray(STORED[orientation](np.kron(eight, np.ones((8, 8, 1), np.uint8))))
    opened = open_artwork(save(tmp_path / "in.jpg", turned, exif=exif, quality=95, subsampling=0))
    assert np.abs(opened.pixels[:, 4::8, 4::8].transpose(1, 2, 0) * 127.5 + 127.5 - eight).max() < 8
    for suffix in SUFFIXES:
        with Image.open(written(tmp_path, opened, suffix)) as picture:
            assert picture.size == (320, 288)
            assert picture.getexif().get(ExifTags.Base.Orientation, 1) == 1


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("deep", [False, True])
def test_a_profile_survives_to_the_byte(tmp_path: Path, suffix: str, deep: bool) -> None:
    profile = wide_profile()
    made = Artwork(np.zeros((3, 36, 40), np.float32), None, profile, 16 if deep else 8, 1)
    again = open_artwork(written(tmp_path, made, suffix))
    assert again.profile == profile
    assert again.bits == (16 if deep and suffix != ".jpg" else 8)


@pytest.mark.parametrize("profile", [b"damaged", LAB, grey_profile(1)], ids=["damaged", "lab", "grey"])
def test_a_profile_that_does_not_fit_is_dropped(tmp_path: Path, profile: bytes) -> None:
    opened = open_artwork(save(tmp_path / "in.png", noise(), icc_profile=profile))
    assert opened.profile is None
    assert (whole(opened.pixels, 255) == noise()).all()
    tifffile.imwrite(tmp_path / "in.tif", noise(3, np.uint16), photometric="rgb", iccprofile=profile)
    opened = open_artwork(tmp_path / "in.tif")
    assert (opened.profile, opened.bits) == (None, 16)
    assert (whole(opened.pixels, 65535) == noise(3, np.uint16)).all()


def to_srgb_curve(linear: NDArray[Any]) -> NDArray[Any]:
    """IEC 61966-2-1."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)


def test_grey_is_brought_from_its_profile_to_srgb_in_all_its_steps(tmp_path: Path) -> None:
    ramp = np.broadcast_to(np.linspace(0.02, 1, 2000), (40, 2000))
    deep = (ramp * 65535).round().astype(np.uint16)
    tifffile.imwrite(tmp_path / "in.tif", deep, photometric="minisblack", iccprofile=grey_profile(1.8))
    opened = open_artwork(tmp_path / "in.tif")
    assert (opened.profile, opened.bits) == (None, 16)
    assert np.abs((opened.pixels[1] + 1) / 2 - to_srgb_curve(ramp**1.8)).max() < 2 / 255
    assert len(np.unique(opened.pixels)) > 1500
    coarse = (ramp * 255).round().astype(np.uint8)
    eight = open_artwork(save(tmp_path / "in.png", coarse, icc_profile=grey_profile(1.8)))
    assert (eight.profile, eight.bits) == (None, 8)
    assert np.abs((eight.pixels[1] + 1) / 2 - to_srgb_curve((coarse / 255) ** 1.8)).max() < 2 / 255


def test_colours_of_other_kinds_become_srgb(tmp_path: Path) -> None:
    cases = {
        "cmyk.jpg": (Image.new("CMYK", SIZE, (0, 255, 255, 0)), RED),
        "lab.tif": (Image.new("LAB", SIZE, (137, 208, 195)), RED),
        "grey.png": (Image.new("L", SIZE, 90), (90, 90, 90)),
        "bits.png": (Image.new("1", SIZE, 1), (255, 255, 255)),
    }
    for name, (picture, color) in cases.items():
        opened = open_artwork(save(tmp_path / name, picture))
        assert opened.profile is None
        assert np.abs(whole(opened.pixels, 255) - color).max() <= 12


@pytest.mark.parametrize("deep", [False, True])
def test_a_style_is_read_in_the_colours_of_its_content(tmp_path: Path, deep: bool) -> None:
    wide = wide_profile()
    path = tmp_path / "style.tif"
    values = np.full((36, 40, 3), (200, 80, 60), np.uint8)
    if deep:
        tifffile.imwrite(path, values.astype(np.uint16) * 257, photometric="rgb", iccprofile=wide)
    else:
        save(path, values, icc_profile=wide)
    # From P3's linear light to sRGB's, by the matrices of both (CSS Color 4).
    matrix = [[1.2249, -0.2249, 0], [-0.0421, 1.0421, 0], [-0.0196, -0.0786, 1.0983]]
    expected = to_srgb_curve(np.array(matrix) @ (values[0, 0] / 255) ** 2.2) * 255
    opened = open_artwork(path, profile=None)
    assert opened.profile is None
    assert np.abs(whole(opened.pixels, 255) - expected).max() < 3
    plain = save(tmp_path / "plain.png", np.full((36, 40, 3), expected.round().astype(np.uint8)))
    opened = open_artwork(plain, profile=wide)
    assert opened.profile == wide
    assert np.abs(whole(opened.pixels, 255) - (200, 80, 60)).max() <= 3
    assert (whole(open_artwork(path, profile=wide).pixels, 255) == values).all()
    assert (open_artwork(plain, profile=None).pixels == open_artwork(plain).pixels).all()


def test_a_scanners_profile_is_used_but_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = ImageCms.buildTransform

    def one_way(source: Any, target: Any, *modes: Any) -> Any:
        if source is images.SRGB:
            raise ImageCms.PyCMSError("no way back")
        return build(source, target, *modes)

    monkeypatch.setattr(ImageCms, "buildTransform", one_way)
    values = np.full((36, 40, 3), 128, np.uint8)
    tifffile.imwrite(
        tmp_path / "deep.tif", values.astype(np.uint16) * 257, photometric="rgb", iccprofile=wide_profile(1)
    )
    save(tmp_path / "eight.tif", values, icc_profile=wide_profile(1))
    for name in ("deep.tif", "eight.tif"):
        opened = open_artwork(tmp_path / name)
        assert opened.profile is None
        assert np.abs(whole(opened.pixels, 255) - 188).max() <= 1


def half_hidden(mode: str) -> Image.Image:
    """Red on the left, and on the right green that is not seen."""
    picture = Image.new("RGBA", SIZE, (*GREEN, 0))
    picture.paste((*RED, 255), (0, 0, 17, 36))
    return picture if mode == "RGBA" else picture.convert(mode)


def test_what_is_not_seen_has_the_mean_colour_of_what_is(tmp_path: Path) -> None:
    values = noise(4)
    values[:10, :, 3] = 0
    opened = open_artwork(save(tmp_path / "in.png", values))
    assert opened.alpha is not None
    assert (np.round(opened.alpha[0] * 255) == values[..., 3]).all()
    weight = values[..., 3:].astype(float)
    mean = (values[..., :3] * weight).sum((0, 1)) / weight.sum()
    assert np.abs((opened.pixels[:, :10] + 1) * 127.5 - mean[:, None, None]).max() < 0.01
    seen = values[..., 3] > 0
    assert (np.round((opened.pixels + 1) * 127.5).transpose(1, 2, 0)[seen] == values[..., :3][seen]).all()


@pytest.mark.parametrize("much", [room._MUCH, 100])
@pytest.mark.parametrize("kind", ["RGBA", "P", "LA", "deep"])
def test_nothing_hidden_shines_through_a_smaller_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, much: int
) -> None:
    monkeypatch.setattr(room, "_MUCH", much)
    monkeypatch.setattr(room, "SMALLEST", 4)
    path = tmp_path / "in.png"
    if kind == "deep":
        path.write_bytes(imagecodecs.png_encode(np.asarray(half_hidden("RGBA")).astype(np.uint16) * 257))
    elif kind == "P":
        picture = Image.new("P", SIZE, 1)
        picture.putpalette([*RED, *GREEN])
        picture.paste(0, (0, 0, 17, 36))
        save(path, picture, transparency=1)
    else:
        save(path, half_hidden(kind))
    opened = open_artwork(path, longest=15)
    assert opened.pixels.shape == (3, 14, 15)
    assert opened.alpha is not None
    assert opened.alpha.shape == (1, 14, 15)
    assert (opened.alpha[0, :, :5] > 0.9).all()
    assert (opened.alpha[0, :, 9:] < 0.1).all()
    color = (76, 76, 76) if kind == "LA" else RED
    # Pillow divides by an alpha that is clipped and has 8 bits; the fine way does not.
    off = np.abs((opened.pixels + 1) * 127.5 - np.array(color).reshape(3, 1, 1))
    assert (off * np.where(opened.alpha > 0, opened.alpha, 1)).max() < (8 if much == 100 else 0.01)


@pytest.mark.parametrize("kind", ["RGBA", "LA", "L", "P"])
def test_alpha_of_every_kind(tmp_path: Path, kind: str) -> None:
    grey = Image.fromarray(np.where(np.arange(40) < 20, 90, 200).astype(np.uint8)[None].repeat(36, 0))
    options: dict[str, Any] = {"transparency": 200} if kind == "L" else {}
    if kind == "P":
        options = {"transparency": bytes([255] * 200 + [0] * 56)}
        grey.putpalette([value for level in range(256) for value in (level, level, level)])
    elif kind != "L":
        alpha = grey.point(lambda value: 0 if value == 200 else 255)
        grey = grey.convert(kind)
        grey.putalpha(alpha)
    opened = open_artwork(save(tmp_path / "in.png", grey, **options))
    assert opened.alpha is not None
    assert (opened.alpha[0] == (np.arange(40) < 20)).all()
    assert np.abs(whole(opened.pixels, 255) - 90).max() == 0


def test_opaque_alpha_is_none_and_full_transparency_is_refused(tmp_path: Path) -> None:
    values = noise(4)
    values[..., 3] = 255
    opened = open_artwork(save(tmp_path / "in.png", values))
    assert opened.alpha is None
    assert (whole(opened.pixels, 255) == values[..., :3]).all()
    values[..., 3] = 0
    with pytest.raises(
        DatasetError, match=r"in\.png: nothing in it is visible: it is transparent everywhere\."
    ) as caught:
        open_artwork(save(tmp_path / "in.png", values))
    assert caught.value.hint


def test_the_longest_side_is_brought_down_and_never_enlarged(tmp_path: Path) -> None:
    smooth = np.linspace(0, 255, 200)[None, :, None] * np.ones((100, 1, 3))
    path = save(tmp_path / "in.png", smooth.astype(np.uint8))
    opened = open_artwork(path, longest=64)
    assert opened.pixels.shape == (3, 32, 64)
    assert (np.diff(opened.pixels[0, 5]) > 0).all()
    assert open_artwork(path, longest=200).pixels.shape == (3, 100, 200)
    assert same(open_artwork(path, longest=900), open_artwork(path))


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_jpeg_is_decoded_small_where_that_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, orientation: int
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    smooth = np.linspace(0, 255, 512)[None, :, None] * np.ones((320, 1, 3))
    path = save(tmp_path / "in.jpg", smooth.astype(np.uint8), exif=exif, quality=95)
    decoded: list[tuple[int, int]] = []

    def watched(picture: Image.Image) -> None:
        decoded.append(picture.size)

    monkeypatch.setattr(room, "alpha_of", watched)
    small, full = open_artwork(path, longest=100), open_artwork(path)
    assert [max(size) for size in decoded] == [128, 512]
    shape = (3, 62, 100) if orientation == 1 else (3, 100, 62)
    assert small.pixels.shape == shape
    assert np.abs(small.pixels - resized(full.pixels, shape[2], shape[1])).max() < 0.03


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "CMYK", "1", "I;16"])
def test_very_large_pictures_are_brought_down_in_eight_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    down, across = np.mgrid[:160, :200]
    smooth = np.stack([across, down, across / 2 + down / 3], -1).astype(np.uint8)
    if mode == "I;16":
        picture = Image.fromarray(smooth[..., 0].astype(np.uint16) * 257)
    else:
        picture = Image.fromarray(smooth).convert(mode)
    path = save(tmp_path / "in.tif", picture, compression="raw")
    fine = open_artwork(path, longest=50)
    monkeypatch.setattr(room, "_MUCH", 1000)
    coarse = open_artwork(path, longest=50)
    assert coarse.pixels.shape == fine.pixels.shape == (3, 40, 50)
    assert np.abs(coarse.pixels - fine.pixels).mean() < 0.02


def test_pictures_beyond_pillows_guard_are_read_only_when_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path / "in.png", np.zeros((2000, 1500, 3), np.uint8))
    deep = tmp_path / "deep.tif"
    tifffile.imwrite(deep, np.zeros((2000, 1500, 3), np.uint16), photometric="rgb")
    assert open_artwork(path, longest=100).pixels.shape == (3, 100, 75)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000_000)  # Pillow refuses twice as many
    for file in (path, deep):
        with pytest.raises(DatasetError, match=rf"{file.name}: 3 megapixels") as caught:
            open_artwork(file)
        assert "--size" in caught.value.hint
        assert open_artwork(file, longest=100, large=True).pixels.shape == (3, 100, 75)
        assert Image.MAX_IMAGE_PIXELS == 1_000_000
    monkeypatch.setattr(room, "LARGEST", 2_500_000)
    for large in (False, True):
        with pytest.raises(DatasetError, match="megapixels") as caught:
            open_artwork(path, longest=100, large=large)
        assert "--size" not in caught.value.hint
    assert Image.MAX_IMAGE_PIXELS == 1_000_000


def test_a_picture_of_few_pixels_is_refused_with_its_size(tmp_path: Path) -> None:
    path = save(tmp_path / "in.png", noise(size=(31, 90)))
    with pytest.raises(DatasetError, match="31 × 90 pixels"):
        open_artwork(path)
    open_artwork(save(path, noise(size=(32, 32))))
    with pytest.raises(DatasetError, match="64 × 21 pixels") as caught:
        open_artwork(save(path, noise(size=(300, 100))), longest=64)
    assert "size" in caught.value.hint


def test_animations_tell_their_frames(tmp_path: Path) -> None:
    frames = [Image.new("RGB", SIZE, color) for color in (RED, GREEN, (0, 0, 255))]
    for name in ("in.gif", "in.webp", "in.png", "in.tif"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        opened = open_artwork(tmp_path / name)
        assert opened.frames == 3
        assert np.abs(whole(opened.pixels, 255) - RED).max() <= 3
    with tifffile.TiffWriter(tmp_path / "deep.tif") as writer:
        for level in (100, 200):
            writer.write(np.full((36, 40, 3), level, np.uint16), photometric="rgb")
    opened = open_artwork(tmp_path / "deep.tif")
    assert (opened.frames, opened.bits) == (2, 16)
    assert (whole(opened.pixels, 65535) == 100).all()


def refused(path: Path, reason: str) -> None:
    with pytest.raises(DatasetError) as caught:
        open_artwork(path)
    assert caught.value.message.startswith(f"{path}: ")
    assert reason in caught.value.message
    assert caught.value.message.count("\n") == 0
    assert caught.value.hint


def test_what_cannot_be_read_is_told_in_one_sentence(tmp_path: Path) -> None:
    refused(tmp_path / "gone.png", "No such file")
    refused(tmp_path, "a folder")
    refused(tmp_path / ("x" * 5000), "cannot be read")
    (tmp_path / "empty.png").touch()
    refused(tmp_path / "empty.png", "empty")
    (tmp_path / "page.jpg").write_text("<!DOCTYPE html><html><body>404 Not Found</body></html>")
    refused(tmp_path / "page.jpg", "not a picture")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    refused(tmp_path / "pipe.png", "a pipe")


@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
def test_half_a_deep_picture_is_broken(tmp_path: Path, compression: str | None) -> None:
    values = noise(3, np.uint16, (200, 200))
    tifffile.imwrite(tmp_path / "in.tif", values, photometric="rgb", compression=compression, rowsperstrip=10)
    raw = (tmp_path / "in.tif").read_bytes()
    (tmp_path / "in.tif").write_bytes(raw[: len(raw) // 2])
    refused(tmp_path / "in.tif", "")
    png = bytes(imagecodecs.png_encode(values))
    (tmp_path / "in.png").write_bytes(png[: len(png) // 2])
    refused(tmp_path / "in.png", "broken")


def test_a_deep_picture_that_lacks_parts_is_not_filled_with_black(tmp_path: Path) -> None:
    path = tmp_path / "in.tif"
    tifffile.imwrite(path, noise(3, np.uint16), photometric="rgb", rowsperstrip=6)
    raw = path.read_bytes()
    height = struct.pack("<HHII", 257, 4, 1, SIZE[1])
    assert height in raw
    path.write_bytes(raw.replace(height, struct.pack("<HHII", 257, 4, 1, 20 * SIZE[1])))
    assert sixteen.read_sixteen(path, 10**6) is None


def test_odd_files_are_read_without_a_word(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = save(tmp_path / "odd.tif", noise(), compression="tiff_adobe_deflate")
    with tifffile.TiffFile(path) as file:
        start = file.pages.first.dataoffsets[0]
    raw = path.read_bytes()
    path.write_bytes(raw[: start + 20] + bytes(40) + raw[start + 60 :])
    with Image.open(path) as picture, pytest.raises(OSError, match="decoder"):
        picture.load()
    assert "ZIPDecode" in capfd.readouterr().err  # libtiff speaks past Python
    refused(path, "broken")
    # A deep one, with a tag that tifffile logs about.
    tifffile.imwrite(path, noise(3, np.uint16), photometric="rgb", extratags=[(700, 7, 3, b"\xff\xff\xff", True)])
    open_artwork(path)
    assert capfd.readouterr() == ("", "")
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


def test_decoders_of_sixteen_bits_are_loaded_only_for_them(tmp_path: Path) -> None:
    path = save(tmp_path / "in.tif", noise())
    script = (
        "import sys; from pathlib import Path; from artgan.engine.artwork import open_artwork;"
        "open_artwork(Path(sys.argv[1]));"
        "print({'tifffile', 'imagecodecs', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_resizing_keeps_what_is_even_and_the_range() -> None:
    even = np.full((2, 30, 50), 0.3, np.float32)
    for width, height in ((7, 5), (100, 90), (50, 30)):
        assert (resized(even, width, height) == np.float32(0.3)).all()
        assert resized(even, width, height).shape == (2, height, width)
    edge = np.zeros((1, 40, 40), np.float32)
    edge[..., 20:] = 1
    for width in (13, 97):
        values = resized(edge, width, 40)
        assert values.dtype == np.float32
        assert (values.min(), values.max()) == (0, 1)
    values = np.random.default_rng(0).normal(size=(3, 40, 60)).astype(np.float32)
    assert (resized(values, 60, 40) == values).all()
    # Antialiased: a checkerboard becomes grey, and a slope stays one but for its ends.
    board = (np.indices((64, 64)).sum(0) % 2).astype(np.float32)[None]
    assert np.abs(resized(board, 16, 16)[:, 2:-2, 2:-2] - 0.5).max() < 0.01
    slope = np.broadcast_to(np.arange(90, dtype=np.float32), (1, 40, 90))
    assert np.abs(resized(slope, 30, 40)[0, :, 3:-3] - (np.arange(30) * 3 + 1)[3:-3]).max() < 1e-3


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("alpha", [False, True])
def test_a_written_picture_says_how_it_was_made(tmp_path: Path, suffix: str, bits: Literal[8, 16], alpha: bool) -> None:
    seen = np.full((1, 36, 40), 0.5, np.float32) if alpha else None
    made = Artwork(np.zeros((3, 36, 40), np.float32), seen, wide_profile(), bits, 1)
    long = {"commands": ["artgan stylize Käfer.png"] * 6000}
    assert len(str(long)) > 100_000
    for recipe in (RECIPE, long, {}):
        assert read_recipe(written(tmp_path, made, suffix, recipe)) == recipe
        assert encode_artwork(made, suffix, recipe) == encode_artwork(made, suffix, recipe)
    with Image.open(tmp_path / f"written{suffix}") as picture:
        picture.load()


@pytest.mark.parametrize("kind", ["TIFF", "JPEG"])
@pytest.mark.parametrize("text", ["no JSON", '{"shape": [1]}', "[" * 10000, '{"artgan": 3}'])
def test_what_others_wrote_is_no_recipe(tmp_path: Path, kind: str, text: str) -> None:
    options: dict[str, Any] = {"comment": text} if kind == "JPEG" else {"description": text}
    for more in (options, {}):
        path = save(tmp_path / "in", noise(), format=kind, **more)
        with pytest.raises(UsageError, match="does not say"):
            read_recipe(path)


def test_values_are_clipped_and_rounded_to_nearest(tmp_path: Path) -> None:
    ramp = np.linspace(-1.2, 1.2, 40 * 36 * 3, dtype=np.float32).reshape(3, 36, 40)
    for bits, top in ((8, 255), (16, 65535)):
        made = Artwork(ramp, None, None, 16 if bits == 16 else 8, 1)
        expected = ((ramp.astype(np.float64).clip(-1, 1) + 1) / 2).transpose(1, 2, 0) * top
        for suffix in (".png", ".tif"):
            again = open_artwork(written(tmp_path, made, suffix))
            assert np.abs(whole(again.pixels, top) - expected).max() <= 0.51


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("bits", [8, 16])
def test_dpi_are_written_and_read_again(tmp_path: Path, suffix: str, bits: Literal[8, 16]) -> None:
    made = Artwork(np.zeros((3, 36, 40), np.float32), None, None, bits, 1, 300)
    path = written(tmp_path, made, suffix)
    with Image.open(path) as picture:
        assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.01)
    assert open_artwork(path).dpi == pytest.approx(300, abs=0.01)
    again = replace(open_artwork(path), bits=bits)
    assert encode_artwork(again, suffix, RECIPE) == path.read_bytes(), "what was rounded once stays"
    assert open_artwork(written(tmp_path, replace(made, dpi=None), suffix)).dpi is None


def test_dpi_that_make_no_sense_are_not_kept(tmp_path: Path) -> None:
    for dpi in (0.2, 100_000):
        assert open_artwork(save(tmp_path / "in.png", noise(), dpi=(dpi, dpi))).dpi is None
    tags = {282: TiffImagePlugin.IFDRational(0, 0), 283: TiffImagePlugin.IFDRational(0, 0), 296: 2}
    assert open_artwork(save(tmp_path / "in.tif", noise(), tiffinfo=tags)).dpi is None
    centimetres = {282: 118.11, 283: 118.11, 296: 3}
    assert open_artwork(save(tmp_path / "in.tif", noise(), tiffinfo=centimetres)).dpi == pytest.approx(300, abs=0.01)


def test_a_jpeg_lies_over_white_in_full_colour(tmp_path: Path) -> None:
    pixels = np.full((3, 36, 40), -1, np.float32)
    pixels[0, :, 1::2] = 1  # one pixel wide: halved colour would blur them into one another
    made = Artwork(pixels, np.full((1, 36, 40), 0.4, np.float32), None, 16, 1)
    again = open_artwork(written(tmp_path, made, ".JPG"))
    assert again.alpha is None
    expected = np.where(pixels > 0, 255, 153).transpose(1, 2, 0)
    assert np.abs(whole(again.pixels, 255) - expected).max() < 6


def test_other_kinds_are_refused_by_name() -> None:
    made = Artwork(np.zeros((3, 36, 40), np.float32), None, None, 8, 1)
    for suffix in (".webp", "", ".jpg2"):
        with pytest.raises(UsageError) as caught:
            encode_artwork(made, suffix, {})
        assert all(kind in caught.value.hint for kind in SUFFIXES)
    wide = Artwork(np.zeros((3, 32, 65501), np.float32), None, None, 8, 1)
    with pytest.raises(UsageError, match="65501"):
        encode_artwork(wide, ".jpg", {})
