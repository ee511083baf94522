"""Names in the set, and the pictures that are written under them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from artgan.curation.borders import find_picture
from artgan.curation.survey import Seen
from artgan.curation.verdicts import Item
from artgan.curation.writing import is_handed_on, named, sharpened, write_picture
from artgan.errors import StorageError
from tests.curating import on_paper, saved, textured

JPEG = Seen("0", "", (160, 120), ".jpg")
OTHER = Seen("0", "", (160, 120))


def outputs(*names: str, seen: Seen = JPEG, not_these: tuple[str, ...] = ()) -> list[str | None]:
    return [item.output for item in named([Item(name, "kept", seen=seen) for name in names], None, not_these)]


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
    (long,) = outputs("名" * 85 + ".jpg")
    assert long is not None
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
    assert [item.output for item in named(items, None)] == [None, None, "c.jpg"]


@pytest.mark.parametrize(
    ("seen", "size", "crop", "handed_on"),
    [
        (JPEG, None, None, True),
        (JPEG, 120, None, True),
        (JPEG, 119, None, False),
        (JPEG, None, (0, 0, 9, 9), False),
        (OTHER, None, None, False),
        (None, None, None, False),
    ],
)
def test_a_file_is_handed_on_when_nothing_is_to_be_done(
    seen: Seen | None, size: int | None, crop: Any, handed_on: bool
) -> None:
    assert is_handed_on(Item("a.jpg", "kept", crop=crop, seen=seen), size) is handed_on


def written(data: bytes, folder: Path, size: int | None = None, **item: Any) -> Path:
    one = Item("a.tif", "kept", output="cats/a.png", **{"seen": OTHER, **item})
    write_picture(one, lambda file: data, None, size, folder)
    return folder / "cats/a.png"


def test_a_picture_is_cut_straightened_and_made_smaller(tmp_path: Path) -> None:
    picture = textured(0)
    data = saved(picture, "TIFF")
    with Image.open(written(data, tmp_path / "whole")) as whole:
        assert np.array_equal(np.asarray(whole), np.asarray(picture))
    with Image.open(written(data, tmp_path / "cut", crop=(10, 20, 90, 100))) as cut:
        assert np.array_equal(np.asarray(cut), np.asarray(picture)[20:100, 10:90])
    with Image.open(written(data, tmp_path / "small", size=60)) as small:
        assert np.array_equal(np.asarray(small), np.asarray(picture.resize((80, 60), Image.Resampling.LANCZOS)))
    with Image.open(written(data, tmp_path / "both", size=40, crop=(10, 20, 90, 100))) as both:
        assert both.size == (40, 40)
    with Image.open(written(data, tmp_path / "large", size=500)) as large:
        assert large.size == (160, 120)
    with Image.open(written(data, tmp_path / "tilt", crop=(40, 30, 120, 90), tilt=5.0)) as tilted:
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
    place = sharpened(saved(page, "PNG"), found)
    assert np.abs(np.array(place.box) - (60, 60, 460, 360)).max() <= 1
    assert place.tilt == 0
