"""Names in the set, and the pictures that are written under them."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from artgan.curation.borders import find_picture
from artgan.curation.settings import CurateSettings
from artgan.curation.survey import Seen
from artgan.curation.verdicts import Item, Part
from artgan.curation.writing import Job, is_handed_on, named, parted, sharpened, write_pictures
from artgan.data.sources import PictureFile
from artgan.errors import StorageError
from tests.curating import on_paper, opened, saved, textured

JPEG = Seen("0", "", (160, 120), ".jpg")
OTHER = Seen("0", "", (160, 120))
WHOLE = (Part(),)
PLAIN = CurateSettings()


def outputs(*names: str, seen: Seen = JPEG, not_these: tuple[str, ...] = (), split: str | None = None) -> list[str]:
    items = [Item(name, "kept", parts=WHOLE, seen=seen, split=split) for name in names]
    return [item.output or "" for item in named(items, PLAIN, not_these)]


def test_names_stay_readable_and_their_suffix_fits_the_content() -> None:
    kept = ["a.jpg", "b.jpeg", "cats [final] 🐞.jpg", "sub/two  spaces/é.jpg", "-rf.jpg"]
    assert outputs(*kept) == kept
    assert outputs("LOUD.JPG", "lying.png", "no_suffix", "St. Anna", "v1.5") == [
        *("LOUD.jpg", "lying.jpg", "no_suffix.jpg", "St. Anna.jpg", "v1.5.jpg")
    ]
    assert outputs("a.tif", "b.webp", "c", seen=OTHER) == ["a.png", "b.png", "c.png"]


def test_names_that_a_system_cannot_hold_are_changed() -> None:
    assert outputs("new\nline\x1b.jpg", 'a:b*c?"<>|\\d.jpg', "trailing ./x.jpg", "con \udcff.jpg") == [
        *("new_line_.jpg", "a_b_c______d.jpg", "trailing_/x.jpg", "con _udcff.jpg")
    ]
    assert outputs("con.jpg", "aux/x.jpg", "LPT1.old.jpg", "console.jpg") == [
        *("_con.jpg", "_aux/x.jpg", "_LPT1.old.jpg", "console.jpg")
    ]
    (long,) = outputs("名" * 85 + ".jpg")
    assert long.startswith("名" * 60)
    assert len(long.encode()) < 215


def test_no_two_have_one_name_whatever_the_case() -> None:
    assert outputs("a.bmp", "A.tif", "a.webp", "b/a.bmp", seen=OTHER) == ["a.png", "A-2.png", "a-3.png", "b/a.png"]
    assert outputs("x\n.jpg", "x\r.jpg", "x_-2.jpg") == ["x_.jpg", "x_-2.jpg", "x_-2-2.jpg"]
    assert outputs("a.png/x.bmp", "a.tif", seen=OTHER) == ["a.png/x.png", "a-2.png"]
    assert outputs("Report.html/x.jpg", "report.html.jpg", not_these=("report.html",)) == [
        *("Report.html_/x.jpg", "report.html.jpg")
    ]


def test_absolute_names_of_a_zip_stay_inside_the_set() -> None:
    assert outputs("/etc/cron.jpg", "//b.jpg", "C:/x.jpg") == ["etc/cron.jpg", "b.jpg", "C_/x.jpg"]


def test_only_what_is_in_the_set_has_a_name() -> None:
    items = [Item("a.jpg", "dropped", seen=JPEG), Item("b.jpg", "failed"), Item("c.jpg", "reported", seen=JPEG)]
    items = [replace(item, parts=parted(item)) for item in items]
    assert [item.output for item in named(items, PLAIN)] == [None, None, "c.jpg"]


def test_parts_of_the_set_are_folders_around_all_others() -> None:
    assert outputs("cats/a.jpg", "b.jpg", split="train") == ["train/cats/a.jpg", "train/b.jpg"]
    items = [Item("a.jpg", "kept", parts=WHOLE, seen=JPEG, split=split) for split in ("train", "test")]
    assert [item.output for item in named(items, PLAIN)] == ["train/a.jpg", "test/a.jpg"]


def test_several_of_one_file_are_numbered() -> None:
    three, one = Item("a.gif", "kept", parts=WHOLE * 3, seen=OTHER), Item("a-02.tif", "kept", parts=WHOLE, seen=OTHER)
    found = named([three, one], PLAIN)
    assert [[part.output for part in item.parts] for item in found] == [
        ["a-01.png", "a-02.png", "a-03.png"],
        ["a-02-2.png"],
    ]
    assert found[0].output == "a-01.png"


def test_a_part_for_every_box_inside_the_paper_and_for_every_frame() -> None:
    halves = ((0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0))
    cut = Item("a.tif", "kept", crop=(20, 10, 120, 110), seen=replace(OTHER, boxes=halves))
    assert parted(cut) == (Part("", (20, 10, 70, 110)), Part("", (70, 10, 120, 110)))
    assert parted(replace(cut, crop=None)) == (Part("", (0, 0, 80, 120)), Part("", (80, 0, 160, 120)))
    whole = replace(cut, crop=None, seen=replace(OTHER, boxes=((0.0, 0.0, 1.0, 1.0),)))
    assert parted(whole) == (Part(),)
    assert parted(replace(whole, tilt=1.0)) == (Part("", (0, 0, 160, 120)),)
    film = Item("a.gif", "kept", seen=replace(OTHER, frames=3))
    assert parted(film) == (Part(), Part(frame=1), Part(frame=2))
    assert len(parted(replace(cut, seen=replace(OTHER, boxes=halves, frames=3)))) == 6
    assert parted(replace(cut, status="dropped")) == parted(Item("x", "failed")) == ()
    tiny = Item("a.tif", "kept", seen=replace(OTHER, size=(3, 1), boxes=((0.9, 0.0, 0.95, 1.0),)))
    assert parted(tiny) == (Part("", (3, 0, 4, 1)),)


@pytest.mark.parametrize(
    ("seen", "settings", "crop", "handed_on"),
    [
        (JPEG, {}, None, True),
        (JPEG, {"size": (120, 120)}, None, True),
        (JPEG, {"size": (500, 120)}, None, True),
        (JPEG, {"size": (119, 119)}, None, False),
        (JPEG, {}, (0, 0, 9, 9), False),
        (OTHER, {}, None, False),
        (None, {}, None, False),
        (JPEG, {"size": (160, 120), "crop": "salient"}, None, True),
        (JPEG, {"size": (80, 60), "crop": "salient"}, None, False),
        (JPEG, {"size": (320, 240), "crop": "pad"}, None, True),
        (JPEG, {"size": (320, 320), "crop": "pad"}, None, False),
    ],
)
def test_a_file_is_handed_on_when_nothing_is_to_be_done(
    seen: Seen | None, settings: dict[str, Any], crop: Any, handed_on: bool
) -> None:
    item = Item("a.jpg", "kept", parts=(Part("", crop),), seen=seen)
    assert is_handed_on(item, CurateSettings(**settings)) is handed_on
    twice = replace(item, parts=item.parts * 2)
    assert not is_handed_on(twice, CurateSettings(**settings))


FILE = PictureFile("a.tif", None, "", 9)


def write(data: bytes, folder: Path, *parts: Part, tilt: float = 0.0, **settings: Any) -> None:
    with Image.open(io.BytesIO(data)) as picture:
        job = Job(FILE, picture.size, tilt, parts, handed_on=False)
    write_pictures(job, lambda file: data, CurateSettings(**settings), folder)


def written(data: bytes, folder: Path, box: Any = None, tilt: float = 0.0, **settings: Any) -> Path:
    write(data, folder, Part("cats/a.png", box), tilt=tilt, **settings)
    return folder / "cats/a.png"


def test_a_picture_is_cut_straightened_and_made_smaller(tmp_path: Path) -> None:
    picture = textured(0)
    data = saved(picture, "TIFF")
    with Image.open(written(data, tmp_path / "whole")) as whole:
        assert np.array_equal(np.asarray(whole), np.asarray(picture))
    with Image.open(written(data, tmp_path / "cut", box=(10, 20, 90, 100))) as cut:
        assert np.array_equal(np.asarray(cut), np.asarray(picture)[20:100, 10:90])
    with Image.open(written(data, tmp_path / "small", size=(60, 60))) as small:
        assert np.array_equal(np.asarray(small), np.asarray(picture.resize((80, 60), Image.Resampling.LANCZOS)))
    with Image.open(written(data, tmp_path / "both", size=(40, 40), box=(10, 20, 90, 100))) as both:
        assert both.size == (40, 40)
    with Image.open(written(data, tmp_path / "large", size=(500, 500))) as large:
        assert large.size == (160, 120)
    with Image.open(written(data, tmp_path / "tilt", box=(40, 30, 120, 90), tilt=5.0)) as tilted:
        straight = picture.rotate(5.0, Image.Resampling.BICUBIC).crop((40, 30, 120, 90))
        assert np.array_equal(np.asarray(tilted), np.asarray(straight))


def test_what_an_earlier_run_wrote_stays_but_not_an_empty_file(tmp_path: Path) -> None:
    data = saved(textured(1), "TIFF")
    path = written(data, tmp_path)
    whole = path.read_bytes()
    path.write_bytes(b"as it was")
    assert written(data, tmp_path).read_bytes() == b"as it was"
    path.write_bytes(b"")
    assert written(data, tmp_path).read_bytes() == whole


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "cats").write_text("a file")
    with pytest.raises(StorageError, match="cats"):
        written(saved(textured(1), "TIFF"), tmp_path)


def test_the_place_of_a_picture_is_found_to_the_pixel() -> None:
    page = on_paper(textured(5, 400, 300), 60)
    found = find_picture(np.asarray(page.resize((320, 258), Image.Resampling.BOX)))
    assert found is not None
    place = sharpened((FILE, found), lambda file: saved(page, "PNG"))
    assert np.abs(np.array(place.box) - (60, 60, 460, 360)).max() <= 1
    assert place.tilt == 0


def test_the_bytes_of_a_file_that_is_handed_on_stay_as_they_are(tmp_path: Path) -> None:
    data = saved(textured(6), "JPEG")
    write_pictures(Job(FILE, (160, 120), 0.0, (Part("a.jpg"),), True), lambda file: data, PLAIN, tmp_path)
    assert (tmp_path / "a.jpg").read_bytes() == data


def test_a_large_jpeg_is_decoded_small_and_looks_as_if_it_was_not(tmp_path: Path) -> None:
    large = textured(7, 960, 640)
    data = saved(large, "JPEG", quality=95)
    small = opened(written(data, tmp_path / "whole", size=(64, 48)))
    cut = opened(written(data, tmp_path / "cut", box=(320, 160, 880, 580), size=(64, 48), crop="centre"))
    assert (small.size, cut.size) == ((72, 48), (64, 48))
    for found, box in ((small, None), (cut, (320, 160, 880, 580))):
        exact = large.resize(found.size, Image.Resampling.LANCZOS, box)
        assert np.abs(np.asarray(found).astype(int) - np.asarray(exact)).mean() < 3


def test_frames_are_those_of_the_animation(tmp_path: Path) -> None:
    shades = [Image.new("RGB", (40, 30), (60 * number, 0, 0)) for number in range(4)]
    film = saved(shades[0], "GIF", save_all=True, append_images=shades[1:], duration=50)
    parts = [Part(f"{number}.png", None, number) for number in range(3)]
    write(film, tmp_path, *parts, frames=3)
    reds = [np.asarray(opened(tmp_path / part.output))[..., 0].mean() for part in parts]
    assert reds == pytest.approx([0, 60, 120], abs=1)
    (tmp_path / "0.png").unlink()
    before = (tmp_path / "1.png").stat().st_mtime_ns
    write(film, tmp_path, *parts, frames=3)
    assert np.asarray(opened(tmp_path / "0.png"))[..., 0].mean() == 0
    assert (tmp_path / "1.png").stat().st_mtime_ns == before


def test_what_is_transparent_stays_so_or_lies_on_its_background(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (40, 40), (255, 0, 0, 255))
    clear.putpixel((0, 0), (0, 0, 255, 0))
    for name, data in (("rgba", saved(clear, "PNG")), ("palette", saved(clear.quantize(8), "PNG"))):
        kept = opened(written(data, tmp_path / f"{name} kept", background="keep"))
        assert (kept.mode, kept.getpixel((0, 0))[3], kept.getpixel((9, 9))) == ("RGBA", 0, (255, 0, 0, 255))  # type: ignore[index]
        laid = opened(written(data, tmp_path / f"{name} laid", background="#102030"))
        assert (laid.mode, laid.getpixel((0, 0)), laid.getpixel((9, 9))) == ("RGB", (16, 32, 48), (255, 0, 0))
    opaque = written(saved(textured(8), "PNG"), tmp_path / "opaque", background="keep")
    assert opened(opaque).mode == "RGB"


def test_what_is_padded_lies_on_the_background(tmp_path: Path) -> None:
    path = written(saved(textured(9), "PNG"), tmp_path, size=(80, 80), crop="pad", background="#102030")
    padded = opened(path)
    assert (padded.size, padded.getpixel((40, 0)), padded.getpixel((40, 79))) == ((80, 80), (16, 32, 48), (16, 32, 48))
    assert padded.getpixel((40, 12)) != (16, 32, 48)
