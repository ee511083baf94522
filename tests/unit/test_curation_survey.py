"""Reading the files of a source: what is found out about each."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from artgan.curation.album import Album, Leaf
from artgan.curation.borders import Found
from artgan.curation.settings import CurateSettings
from artgan.curation.survey import SEEN_AT, Seen, inside, pixel_digest, see, survey
from artgan.curation.workers import Workers
from artgan.data.sources import PictureFile, scan
from tests.curating import make, on_paper, saved, textured


def seen(data: bytes, **settings: Any) -> Seen:
    return see(PictureFile("x", None, "", len(data)), lambda file: data, CurateSettings(**settings))


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def test_a_picture_is_measured_upright_whatever_its_size() -> None:
    large = textured(0, 700, 400)
    for kind in ("JPEG", "PNG"):
        one = seen(saved(large, kind))
        assert (one.reason, one.size) == ("", (700, 400))
        assert one.quality is not None
        assert (one.quality.width, one.quality.height) == (700, 400)
    lying = seen(saved(large, "JPEG", exif=turned(6)))
    assert lying.size == (400, 700)
    assert lying.picture.shape == (160, 92, 3)
    with Image.open(io.BytesIO(bytes(one.thumbnail))) as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("JPEG", (160, 92))
    assert SEEN_AT > 160


def test_only_files_that_lose_nothing_are_plain() -> None:
    picture = textured(1)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    clear = picture.convert("RGBA")
    clear.putalpha(100)
    assert seen(saved(picture, "JPEG")).plain == ".jpg"
    assert seen(saved(picture, "PNG")).plain == ".png"
    assert seen(saved(picture.convert("L"), "PNG")).plain == ".png"
    others = {
        "webp": saved(picture, "WEBP"),
        "turned": saved(picture, "JPEG", exif=turned(3)),
        "profile": saved(picture, "JPEG", icc_profile=profile),
        "print": saved(picture.convert("CMYK"), "JPEG"),
        "alpha": saved(clear, "PNG"),
        "palette": saved(picture.convert("P"), "PNG"),
        "transparent": saved(picture, "PNG", transparency=(0, 0, 0)),
    }
    assert {name: seen(data).plain for name, data in others.items()} == dict.fromkeys(others, "")


def test_what_is_wrong_with_a_file_becomes_its_reason() -> None:
    whole = saved(textured(2), "JPEG")
    for data, reason in ((b"<html>404</html>", "not a picture"), (whole[: len(whole) // 2], "broken: ")):
        one = seen(data)
        assert one.reason.startswith(reason)
        assert len(one.sha256) == 64
        assert (one.look, one.quality, one.thumbnail) == (None, None, b"")

    def gone(file: PictureFile) -> bytes:
        raise OSError(5, "Input/output\nerror")

    lost = see(PictureFile("x", None, "", 1), gone, CurateSettings())
    assert lost.reason == "cannot be read: [Errno 5] Input/output error"
    assert lost.sha256 == ""


def test_paper_is_no_part_of_the_look() -> None:
    picture = textured(3)
    page = np.asarray(on_paper(picture))
    cut = inside(page, Found((24 / 208, 24 / 168, 184 / 208, 144 / 168), 0.0, ("margin",), 1.0, ""))
    assert np.abs(cut[1:119, 1:159].astype(int) - np.asarray(picture)[1:119, 1:159]).max() == 0
    assert inside(page, None) is page
    assert inside(page, Found((0.5, 0.5, 0.5, 0.5), 1.0, ("margin",), 1.0, "")).shape == (1, 1, 3)


def test_the_digest_of_pixels_does_not_depend_on_the_file() -> None:
    picture = textured(4)
    digest = pixel_digest(saved(picture, "PNG"))
    assert pixel_digest(saved(picture, "BMP")) == digest
    assert pixel_digest(saved(picture.transpose(Image.Transpose.ROTATE_90), "PNG", exif=turned(6))) == digest
    other = picture.copy()
    other.putpixel((0, 0), (1, 2, 3))
    assert pixel_digest(saved(other, "PNG")) != digest
    clear = picture.convert("RGBA")
    clear.putalpha(254)
    assert pixel_digest(saved(clear, "PNG")) != digest


def test_what_the_file_says_of_itself_is_its_caption() -> None:
    exif = Image.Exif()
    exif[0x010E] = "Two quinces on a  plate"
    assert seen(saved(textured(5), "JPEG", exif=exif.tobytes())).caption == "Two quinces on a plate"
    assert seen(saved(textured(5), "JPEG")).caption == ""


def test_of_animations_so_many_frames_count_as_are_asked_for() -> None:
    more = [textured(seed) for seed in range(7, 10)]
    film = saved(textured(6), "GIF", save_all=True, append_images=more)
    assert [seen(film, frames=count).frames for count in (1, 3, 9)] == [1, 3, 4]
    assert seen(saved(textured(6), "PNG"), frames=9).frames == 1


def test_boxes_lie_inside_the_paper_and_have_the_shape_that_is_asked_for() -> None:
    picture = textured(3, 160, 120)
    assert seen(saved(picture, "PNG")).boxes == ()
    (box,) = seen(saved(picture, "PNG"), crop="centre").boxes
    assert box == pytest.approx((1 / 8, 0, 7 / 8, 1))
    (box,) = seen(saved(picture, "PNG"), crop="centre", size=(80, 20)).boxes
    assert box == pytest.approx((0, 1 / 3, 1, 2 / 3))
    page = on_paper(textured(3, 320, 120), 40)
    square, whole = (seen(saved(page, "PNG"), crop="centre", scans=scans).boxes[0] for scans in (True, False))
    assert square == pytest.approx((0.3125, 0, 0.6875, 1), abs=0.02), "shares of the picture"
    assert whole == pytest.approx((0.25, 0, 0.75, 1)), "shares of the page, 400 x 200"


def test_no_further_piece_is_smaller_than_the_size_that_is_wanted() -> None:
    picture = saved(textured(3, 400, 120), "PNG")
    boxes = seen(picture, crop="salient", multi_crop=4, size=(60, 60)).boxes
    assert min(bottom - top for _, top, _, bottom in boxes) < 0.9
    for side, least in ((100, 100 / 120), (120, 1.0), (200, 1.0)):
        boxes = seen(picture, crop="salient", multi_crop=4, size=(side, side)).boxes
        assert len(boxes) == 4
        assert min(bottom - top for _, top, _, bottom in boxes) >= least - 1e-6


def test_what_is_transparent_is_looked_at_on_its_background() -> None:
    clear = saved(Image.new("RGBA", (80, 80), (0, 0, 0, 0)), "PNG")
    for background, level in (("white", 255), ("#204060", (32, 64, 96)), ("keep", 255)):
        found = seen(clear, background=background).picture
        assert np.abs(found.astype(int) - level).max() <= 3


def test_thumbnails_of_many_files_lie_in_the_album_and_come_back(tmp_path: Path) -> None:
    files = {f"{number}.png": saved(textured(number, 48, 40), "PNG") for number in range(4)}
    source = scan(make(tmp_path / "few", {**files, "x.png": b"no picture"}))
    with Workers(source, 1) as workers:
        found = list(survey(workers, CurateSettings(), Album()))
    alone = [seen(data) for data in (*files.values(), b"no picture")]
    assert [bytes(one.thumbnail) for one in found] == [one.thumbnail for one in alone]
    assert [replace(one, thumbnail=b"") for one in found] == [replace(one, thumbnail=b"") for one in alone]
    assert isinstance(found[0].thumbnail, Leaf)
    assert found[4].thumbnail == b""
