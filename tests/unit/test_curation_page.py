"""What stands on the page of a curation, and that no name, reason or number of files can break it."""

import base64
import dataclasses
import io
import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import artgan
from artgan.curation.borders import Found
from artgan.curation.numbers import crops_for, palette, place_of, shape_bars, side_bars, spread
from artgan.curation.outliers import reason
from artgan.curation.page import (
    MOST_ALIKE,
    Tile,
    curate_command,
    evenly,
    parts_of,
    share_out,
    weight,
    write_page,
)
from artgan.curation.quality import Quality
from artgan.curation.report import CurationReport
from artgan.curation.settings import CurateSettings
from artgan.curation.survey import Seen
from artgan.curation.verdicts import Item, Part, Status
from tests.unit.test_score_page import HOSTILE, Page

BORDER = "margin around the picture: 10, 10, 10 and 10 % of left, top, right and bottom"


def jpeg(color: tuple[int, int, int], size: tuple[int, int] = (16, 12)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def seen(color: tuple[int, int, int] = (200, 40, 40), size: tuple[int, int] = (640, 480), found: bool = False) -> Seen:
    measured = Quality(*size, 0.6, 0.1, 0.5, 4 / 3, 2.0)
    place = Found((0.1, 0.1, 0.9, 0.9), 1.0, ("margin",), 0.9, BORDER) if found else None
    return Seen("0" * 64, size=size, quality=measured, found=place, thumbnail=jpeg(color))


def item(file: str, status: Status = "kept", reason: str = "", of: str | None = None, label: str | None = None) -> Item:
    unread = status in ("failed", "ignored")
    return Item(file, status, reason, of, label=label, seen=None if unread else seen())


def report_of(*items: Item, groups: tuple[tuple[str, ...], ...] = (), folder: str | None = "set") -> CurationReport:
    ordered = tuple(sorted(items, key=lambda one: one.file))
    place = Path(folder) if folder is not None else None
    return CurationReport(Path("my pictures"), place, None, CurateSettings(), ordered, groups)


CUT = dataclasses.replace(item("page.jpg", reason=BORDER), crop=(64, 48, 576, 432), tilt=1.0, seen=seen(found=True))
WHOLE = report_of(
    item("apple/a.jpg", label="apple"),
    item("apple/a-half.jpg", "dropped", "a copy of apple/a.jpg", "apple/a.jpg", "apple"),
    item("apple/a-same.png", "dropped", "the same pixels as apple/a.jpg", "apple/a.jpg", "apple"),
    item("apple/mirror.jpg", "reported", "apple/a.jpg, mirrored", "apple/a.jpg", "apple"),
    item("apple/grey.jpg", "reported", "apple/mirror.jpg, grey", "apple/mirror.jpg", "apple"),
    item("pear/soft.jpg", "reported", "blurred: sharpness 0.20, the set's median is 0.60", label="pear"),
    item("pear/flat.png", "dropped", "nearly one colour: flatness 1.00", label="pear"),
    item("pear/good.jpg", label="pear"),
    dataclasses.replace(CUT, label="pear"),
    item("404.jpg", "failed", "not a picture"),
    item("notes.txt", "ignored", "not a picture, by its name"),
    groups=(("apple/a.jpg", "apple/a-half.jpg", "apple/a-same.png"),),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "report.html"


def write(path: Path, report: CurationReport) -> Page:
    write_page(path, report)
    return Page(path)


def test_the_page_says_all_there_is_to_say(path: Path) -> None:
    told = write(path, WHOLE).text
    for part in (
        "my pictures 11 files were found. 6 of them are good to train on, and 1 of these was cut out of paper",
        "my pictures was not changed: nothing in it was moved, renamed or deleted, so there is nothing to undo.",
        "The set is in set, with a line for every file in manifest.jsonl.",
        "artgan train set --crops 100 --minutes 10",
        "Not by themselves. 6 pictures are learnt by heart",
        "--crops 100 makes 600 training pictures of these 6",
        "Copies 1 picture that is there more than once",
        "kept apple/a.jpg640 × 480 px, 77 kB left outapple/a-half.jpga copy640 × 480 px",
        "left outapple/a-same.pngthe same pixels",
        "Variants of 1 picture",
        "in the set, look at itapple/grey.jpgapple/mirror.jpg, grey",
        "in the set, look at itapple/mirror.jpgmirrored",
        "640 × 480 px, cut to 512 × 384",
        "pear/soft.jpgblurred: sharpness 0.20",
        "pear/flat.pngnearly one colour",
        "404.jpgnot a picture",
        "notes.txtnot a picture, by its name",
        "apple3 pear3",
        f"artgan {artgan.__version__}",
    ):
        assert part in told, part
    titles: tuple[str, ...] = (
        "Are these enough",
        "The set in numbers",
        "Copies 1 p",
        "Variants of",
        "Cuts 1 p",
        "To look at 1 picture",
    )
    titles += ("Left out 1 picture", "Unreadable 1 file", "Ignored 1 file", "Kept as they are 1 picture", "Settings")
    places = [told.index(title) for title in titles]
    assert places == sorted(places)


def test_every_file_is_named_once_as_an_entry_and_unreadable_ones_have_no_picture(path: Path) -> None:
    page = write(path, WHOLE)
    assert len(page.having("name")) == 12  # apple/a.jpg as a copy's and as a variants' original
    assert len(page.pictures) == 10
    assert len(page.having("head")) == 1


def test_a_report_alone_gives_the_command_that_writes_the_set(path: Path) -> None:
    report = dataclasses.replace(
        WHOLE, folder=None, settings=CurateSettings(copies="report", scans=False, size=(512, 512))
    )
    told = write(path, report).text
    assert "no set was written" in told
    assert "artgan curate 'my pictures' 'my pictures-set' --copies report --no-scans --size 512" in told
    assert "artgan train " not in told
    assert "best apple/a.jpg" in told
    plain = dataclasses.replace(report, source=Path("-x.zip"), settings=CurateSettings(labels="none"))
    assert curate_command(plain) == "artgan curate ./-x.zip ./-x-set --no-labels"


def test_nothing_found_is_said_in_a_page_that_is_whole(path: Path) -> None:
    told = write(path, report_of(item("a.jpg", "failed", "empty file"))).text
    assert "1 file was found. None of them is good to train on." in told
    assert "No picture is left" in told
    assert "artgan train " not in told
    assert "The set in numbers" not in told
    assert "None" not in told.replace("None of them", "")


@pytest.mark.parametrize(
    ("count", "says"), [(3, "at the least"), (99, "Not by"), (100, "A beginning"), (500, "Yes"), (2000, "Plenty")]
)
def test_how_many_pictures_are_enough(count: int, says: str, path: Path) -> None:
    blank = Seen("", size=(640, 480))
    page = write(path, report_of(*(Item(f"{number}.jpg", "kept", seen=blank) for number in range(count))))
    assert says in page.text
    assert len([tag for tag, found in page.elements if tag == "i" and found.get("class") == "here"]) == 1
    assert ("--crops 20 --minutes" in page.text) == (count == 99)


def test_crops_are_taken_of_few_large_pictures_only() -> None:
    assert [crops_for(count, [500] * count) for count in (0, 4, 20, 50, 99, 100)] == [0, 100, 50, 20, 20, 0]
    assert crops_for(50, [191] * 50) == 0
    assert (place_of(0), place_of(100), place_of(10**9)) == (0.0, 50.0, 100.0)


def test_a_cut_lies_where_the_turned_picture_has_it() -> None:
    """Turn the source as the set does; what was under the drawn corners is then at the corners of the box."""
    corners = [
        tuple(map(float, place.split(",")))
        for place in Tile(CUT, "").corners(CUT.crop or (0, 0, 0, 0)).strip("MZ").split(" ")
    ]
    dots = np.zeros((480, 640), np.uint8)
    for x, y in corners:
        dots[round(y) - 3 : round(y) + 3, round(x) - 3 : round(x) + 3] = 255
    turned = np.asarray(Image.fromarray(dots).rotate(CUT.tilt, Image.Resampling.BICUBIC))
    for x, y in ((64, 48), (576, 48), (576, 432), (64, 432)):
        assert turned[y - 1 : y + 1, x - 1 : x + 1].min() > 200
    assert corners[0][0] != 64


def test_a_copy_of_thousands_is_named_and_the_page_stays_short(path: Path) -> None:
    others = [item(f"{number}.jpg", "dropped", "a copy of a.jpg", "a.jpg") for number in range(200)]
    report = report_of(item("a.jpg"), *others, groups=(("a.jpg", *(one.file for one in others)),))
    page = write(path, report)
    assert len(page.pictures) == MOST_ALIKE
    assert ", and 129 more" in page.text


def test_pages_of_many_pictures_are_thinned_out_evenly(path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (160, 160, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG", quality=70)
    one = dataclasses.replace(seen(), thumbnail=buffer.getvalue())
    items = [item(f"{number:05d}.jpg", "reported", "blurred: sharpness 0.20") for number in range(3000)]
    items += [item(f"copy {number:05d}.jpg", "dropped", "a copy", f"kept {number:05d}.jpg") for number in range(3000)]
    items += [item(f"kept {number:05d}.jpg") for number in range(4000)]
    groups = tuple((f"kept {number:05d}.jpg", f"copy {number:05d}.jpg") for number in range(3000))
    report = report_of(*(dataclasses.replace(each, seen=one) for each in items), groups=groups)
    write_page(path, report)
    assert 6e6 < path.stat().st_size < 12e6
    parts = parts_of(report)
    assert {name: part.count for name, part in parts.items()} == {
        **dict.fromkeys(parts, 0),
        "copies": 3000,
        "reported": 3000,
        "kept": 1000,
    }
    for name in ("copies", "reported"):
        files = [int(re.sub(r"\D", "", family.tiles[0].item.file)) for family in parts[name].pictured]
        assert len(files) > 50
        assert np.ptp(np.diff(files)) <= 1
        assert len(parts[name].named) + len(files) == 3000
    assert "more without pictures, to keep this page light" in path.read_text()


def test_equal_reports_give_equal_bytes(path: Path) -> None:
    write_page(path, WHOLE)
    first = path.read_bytes()
    write_page(path, dataclasses.replace(WHOLE))
    assert path.read_bytes() == first
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_the_page_asks_nothing_of_the_network(path: Path) -> None:
    page = write(path, WHOLE)
    for _, found in page.elements:
        assert not any(name.startswith("on") for name in found)
        assert all(found[name].startswith(("data:", "#")) for name in ("src", "href", "srcset") if name in found)
    assert not re.search(r"https?:|@import|url\(", re.sub(r'"data:[^"]*"', "", path.read_text()))
    assert "default-src 'none'" in path.read_text()


@pytest.mark.parametrize(("name", "shown"), HOSTILE.items())
def test_names_are_shown_as_they_are(name: str, shown: str, path: Path) -> None:
    statuses: tuple[Status, ...] = ("kept", "failed", "dropped")
    items = [item(f"{name}/{k}", status, name, label=name) for k, status in enumerate(statuses)]
    items += [item(f"{name}/{k}", "dropped", name, f"{name}/0", name) for k in range(3, 7)]
    groups = ((f"{name}/0", f"{name}/3", f"{name}/4"),)
    report = dataclasses.replace(report_of(*items, groups=groups), source=Path(name), folder=Path(name))
    page = write(path, report)
    assert page.text.count(shown) >= 12
    assert [tag for tag, found in page.elements if tag == "script" or "onload" in found] == ["script"]
    assert len(page.pictures) == 7


def test_the_palette_holds_the_colours_by_their_share() -> None:
    colors = [(250, 240, 230)] * 6 + [(30, 60, 200)] * 3 + [(200, 20, 20)]
    found = palette([dataclasses.replace(item(f"{k}"), seen=seen(color)) for k, color in enumerate(colors)])
    big = [color for color in found if color.share > 5]
    assert [color.share for color in big] == pytest.approx([60, 10, 30], abs=0.1)
    for color, meant in zip(big, ((250, 240, 230), (200, 20, 20), (30, 60, 200)), strict=True):
        assert [int(color.code[k : k + 2], 16) for k in (1, 3, 5)] == pytest.approx(meant, abs=4)


def test_paper_around_a_picture_is_not_in_the_palette() -> None:
    picture = Image.new("RGB", (160, 120), (255, 255, 255))
    picture.paste((20, 90, 60), (40, 30, 120, 90))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=95)
    scan = dataclasses.replace(
        CUT, crop=(180, 140, 460, 340), seen=dataclasses.replace(seen(), thumbnail=buffer.getvalue())
    )
    assert max(int(color.code[1:3], 16) for color in palette([scan])) < 60
    assert palette([item("a", "failed")]) == []


@given(st.lists(st.integers(1, 20_000), max_size=60))
def test_bars_hold_every_side_once(sides: list[int]) -> None:
    bars = side_bars(sides)
    assert sum(bar.count for bar in bars) == len(sides)
    assert len(bars) <= 24
    assert max([bar.share for bar in bars], default=100) == 100
    assert len({bar.name for bar in bars}) == len(bars)


@pytest.mark.parametrize(
    ("sides", "names"),
    [([480], ["480"]), ([400, 690], ["400 to 449", "650 to 699"]), ([20, 900], ["below 64", "768 to 1,023"])],
)
def test_bars_are_named_by_round_numbers(sides: list[int], names: list[str]) -> None:
    bars = side_bars(sides)
    assert [bars[0].name, bars[-1].name][-len(names) :] == names


@given(st.lists(st.floats(1e-3, 1e3), max_size=30))
def test_shapes_are_all_counted(shapes: list[float]) -> None:
    bars = shape_bars(shapes)
    assert sum(bar.count for bar in bars) == len(shapes)
    mirrored = shape_bars([1 / shape for shape in shapes])
    assert len(mirrored) >= 1 or not shapes
    assert [bar.name for bar in shape_bars([0.3, 1.0, 4.0])][4] == "square"


@given(st.lists(st.integers(0, 1000), max_size=9), st.integers(0, 5000))
def test_room_is_shared_out_fairly(wishes: list[int], room: int) -> None:
    given_ = share_out(wishes, room)
    assert all(0 <= part <= wish for part, wish in zip(given_, wishes, strict=True))
    assert sum(given_) <= room
    if sum(wishes) <= room:
        assert given_ == wishes
    short_ = [part for part, wish in zip(given_, wishes, strict=True) if part < wish]
    assert not short_ or max(short_) - min(short_) <= len(wishes)
    assert not short_ or max(given_) - max(short_) <= len(wishes)


@given(st.lists(st.integers(1, 1000), max_size=80), st.integers(0, 20_000))
def test_what_is_chosen_evenly_fits(weights: list[int], room: int) -> None:
    chosen = evenly(weights, room)
    assert chosen == sorted(set(chosen))
    assert sum(weights[place] for place in chosen) <= room
    assert len(chosen) == len(weights) or sum(weights) > room
    assert spread(len(weights), len(weights)) == list(range(len(weights)))


def test_weights_are_said_in_words() -> None:
    assert [weight(size) for size in (0, 77_000, 999_400, 1_240_000, math.pi * 1e9)] == [
        *("1 kB", "77 kB", "999 kB", "1.2 MB", "3,141.6 MB")
    ]


def test_thumbnails_are_handed_on_as_they_are(path: Path) -> None:
    page = write(path, report_of(*(item(f"{k}.jpg") for k in range(4))))
    sources = [found["src"] for tag, found in page.elements if tag == "img"]
    assert [base64.b64decode(uri.partition(",")[2]) for uri in sources] == [seen().thumbnail] * 4
    assert all(found["decoding"] == "async" for tag, found in page.elements if tag == "img")


def test_pieces_are_drawn_one_by_one(path: Path) -> None:
    parts = (Part("a-01.png", (0, 0, 300, 300)), Part("a-02.png", (340, 180, 640, 480)))
    page = write(path, report_of(dataclasses.replace(item("a.jpg"), parts=parts)))
    source = path.read_text(encoding="utf-8")
    assert "cut to 0, 0, 300, 300; cut to 340, 180, 640, 480" in source
    assert source.count('class="edge"') == 2
    assert 'class="off"' not in source  # what one piece leaves out may be in the other
    assert "in 2 pieces" in page.text


def test_a_picture_unlike_the_rest_has_a_part_of_its_own(path: Path) -> None:
    page = write(path, report_of(item("far.jpg", "reported", reason(1.6)), item("blurred.jpg", "reported", "blurred")))
    assert "Unlike the rest 1 picture" in page.text
    assert "unlike the rest (1.60 times as far" in page.text
    assert "To look at 1 picture" in page.text


def test_parts_and_captions_are_counted(path: Path) -> None:
    told = dataclasses.replace(item("a.jpg"), split="train", caption="a pear")
    page = write(path, report_of(told, dataclasses.replace(item("b.jpg"), split="test")))
    assert "in the part called train 1" in page.text
    assert "in the part called test 1" in page.text
    assert "of the set with a caption, kept in the manifest 1" in page.text
