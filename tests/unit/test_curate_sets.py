"""The shape of a set, its parts and its captions: from the settings to files on disk."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from artgan.data.sources import scan
from artgan.errors import UsageError
from tests.curating import make, manifest, on_paper, opened, saved, sorted_out, textured, tree, unzipped
from tests.unit.test_curation_outliers import text_page

PICTURES = {
    "wide.png": saved(textured(1, 160, 120), "PNG"),
    "tall.jpg": saved(textured(2, 90, 150), "JPEG", quality=90),
    "page.png": saved(on_paper(textured(3, 160, 120)), "PNG"),
    "small.png": saved(textured(4, 50, 40), "PNG"),
    "square.png": saved(textured(5, 64, 64), "PNG"),
}


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    return make(tmp_path / "shapes", PICTURES)


def sizes(folder: Path) -> dict[str, tuple[int, int]]:
    return {name: opened(folder / line["output"]).size for name, line in manifest(folder).items() if line["output"]}


SHAPES: dict[tuple[str, int | tuple[int, int]], dict[str, tuple[int, int]]] = {
    ("keep", 64): {"wide.png": (85, 64), "tall.jpg": (64, 107), "small.png": (50, 40), "square.png": (64, 64)},
    ("keep", (48, 32)): {"wide.png": (43, 32), "tall.jpg": (32, 53), "small.png": (40, 32), "square.png": (32, 32)},
    ("pad", 64): {"wide.png": (64, 64), "tall.jpg": (64, 64), "small.png": (50, 50), "square.png": (64, 64)},
    ("pad", (48, 32)): dict.fromkeys(("wide.png", "tall.jpg", "small.png", "square.png"), (48, 32)),
    ("centre", 64): {"wide.png": (64, 64), "tall.jpg": (64, 64), "small.png": (40, 40), "square.png": (64, 64)},
    ("centre", (48, 32)): dict.fromkeys(("wide.png", "tall.jpg", "small.png", "square.png"), (48, 32)),
    ("salient", 64): {"wide.png": (64, 64), "tall.jpg": (64, 64), "small.png": (40, 40), "square.png": (64, 64)},
    ("salient", (48, 32)): dict.fromkeys(("wide.png", "tall.jpg", "small.png", "square.png"), (48, 32)),
}


@pytest.mark.parametrize(("crop", "size"), SHAPES)
def test_every_crop_gives_its_sizes(crop: str, size: Any, shapes: Path, tmp_path: Path) -> None:
    before = tree(shapes)
    sorted_out(shapes, tmp_path / "set", crop=crop, size=size)
    assert tree(shapes) == before
    found = sizes(tmp_path / "set")
    page, wide = found.pop("page.png"), SHAPES[crop, size]["wide.png"]
    assert found == SHAPES[crop, size]
    assert np.abs(np.subtract(page, wide)).max() <= 1, "the paper is off"
    handed_on = {name for name, line in manifest(tmp_path / "set").items() if _same(tmp_path / "set", line)}
    expected = {"square.png", "small.png"} if (crop, size) == ("keep", 64) else {"square.png"} if size == 64 else set()
    assert handed_on == expected


def _same(folder: Path, line: dict[str, Any]) -> bool:
    written = (folder / str(line["output"])).read_bytes()
    return written == PICTURES[str(line["file"])]


def test_without_a_size_cuts_are_square_and_as_large_as_can_be(shapes: Path, tmp_path: Path) -> None:
    sorted_out(shapes, tmp_path / "set", crop="centre")
    found = sizes(tmp_path / "set")
    page = found.pop("page.png")
    assert found == {"wide.png": (120, 120), "tall.jpg": (90, 90), "small.png": (40, 40), "square.png": (64, 64)}
    assert np.abs(np.subtract(page, 120)).max() <= 3
    lines = manifest(tmp_path / "set")
    assert (lines["wide.png"]["crop"], lines["square.png"]["crop"]) == ([20, 0, 140, 120], None)
    cut = np.asarray(opened(shapes / "wide.png"))[:, 20:140]
    assert np.array_equal(np.asarray(opened(tmp_path / "set" / "wide.png")), cut)


def test_several_pieces_of_one_picture(tmp_path: Path) -> None:
    src = make(tmp_path / "src", {"cats/long.jpg": saved(textured(6, 480, 100), "JPEG", quality=95)})
    report = sorted_out(src, tmp_path / "set", crop="salient", multi_crop=3, size=64)
    (line,) = manifest(tmp_path / "set").values()
    assert [part["output"] for part in line["outputs"]] == [f"cats/long-0{number}.png" for number in (1, 2, 3)]
    assert (line["output"], line["crop"], report.in_set) == ("cats/long-01.png", None, 1)
    places = [part["crop"] for part in line["outputs"]]
    for part, (left, top, right, bottom) in zip(line["outputs"], places, strict=True):
        assert 0 <= left < right <= 480
        assert 0 <= top < bottom <= 100
        assert bottom - top >= 64
        piece = textured(6, 480, 100).crop((left, top, right, bottom)).resize((64, 64), Image.Resampling.LANCZOS)
        written = opened(tmp_path / "set" / part["output"])
        assert np.abs(np.asarray(written).astype(int) - np.asarray(piece)).mean() < 6
    assert len({tuple(place) for place in places}) == 3


def test_frames_of_animations(tmp_path: Path) -> None:
    films = [textured(number, 80, 64) for number in range(20, 26)]
    files = {
        "film.gif": saved(films[0], "GIF", save_all=True, append_images=films[1:]),
        "still.png": saved(films[2], "PNG"),
    }
    src = make(tmp_path / "src", files)
    sorted_out(src, tmp_path / "one", copies="off", variants="off")
    assert manifest(tmp_path / "one")["film.gif"]["output"] == "film.png"
    sorted_out(src, tmp_path / "set", frames=3, copies="off", variants="off")
    lines = manifest(tmp_path / "set")
    assert [(part["output"], part["frame"]) for part in lines["film.gif"]["outputs"]] == [
        *(("film-01.png", 0), ("film-02.png", 1), ("film-03.png", 2))
    ]
    for number, name in ((0, "film-01.png"), (2, "film-02.png"), (4, "film-03.png")):
        shown = np.asarray(opened(tmp_path / "set" / name)).astype(int)
        assert np.abs(shown - np.asarray(films[number])).mean() < 12
    assert lines["still.png"]["outputs"] is None
    sorted_out(src, tmp_path / "cut", frames=2, crop="salient", multi_crop=2, size=32, copies="off", variants="off")
    assert len(manifest(tmp_path / "cut")["film.gif"]["outputs"]) == 4


def test_backgrounds(tmp_path: Path) -> None:
    clear = textured(7, 80, 64).convert("RGBA")
    clear.paste((0, 0, 0, 0), (0, 0, 40, 64))
    src = make(tmp_path / "src", {"clear.png": saved(clear, "PNG"), "opaque.png": saved(textured(8, 80, 64), "PNG")})
    for background, corner in (("white", (255, 255, 255)), ("#204060", (32, 64, 96))):
        sorted_out(src, tmp_path / background, background=background)
        laid = opened(tmp_path / background / "clear.png")
        assert (laid.mode, laid.getpixel((5, 5))) == ("RGB", corner)
        assert laid.getpixel((60, 30)) == clear.getpixel((60, 30))[:3]  # type: ignore[index]
    sorted_out(src, tmp_path / "kept", background="keep", size=32)
    kept = opened(tmp_path / "kept" / "clear.png")
    assert (kept.mode, kept.size) == ("RGBA", (40, 32))
    assert kept.getchannel("A").getextrema() == (0, 255)
    assert opened(tmp_path / "kept" / "opaque.png").mode == "RGB"


def test_captions_come_from_beside_from_a_table_and_from_within(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "Inside: three plums"
    files = {f"{name}.png": saved(textured(number), "PNG") for number, name in enumerate("abc")}
    files |= {"d.jpg": saved(textured(9), "JPEG", exif=exif.tobytes()), "a.txt": b"Beside: a quince\n"}
    src = make(tmp_path / "src", files)
    sorted_out(src, tmp_path / "set")
    said = {name: line["caption"] for name, line in manifest(tmp_path / "set").items()}
    assert said == {
        **{"a.png": "Beside: a quince", "a.txt": None, "b.png": None, "c.png": None},
        "d.jpg": "Inside: three plums",
    }
    (tmp_path / "words.csv").write_text('file,caption\nb.png,"Table: pears, ripe"\nd.jpg,Table: figs\n')
    sorted_out(src, tmp_path / "told.zip", captions=tmp_path / "words.csv")
    lines = [json.loads(line) for line in unzipped(tmp_path / "told.zip")["manifest.jsonl"].splitlines()]
    told = {line["file"]: line["caption"] for line in lines}
    assert (told["b.png"], told["d.jpg"], told["c.png"]) == ("Table: pears, ripe", "Table: figs", None)


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    """Twelve cats and six dogs, and a copy of a cat that is smaller."""
    files = {f"cats/{number:02}.png": saved(textured(number, 72, 64), "PNG") for number in range(12)}
    files |= {f"dogs/{number:02}.png": saved(textured(number, 72, 64), "PNG") for number in range(12, 18)}
    return make(tmp_path / "classes", files)


def parts(folder: Path) -> dict[str, str | None]:
    """The part that each picture is in, by its content."""
    return {line["sha256"]: line["split"] for line in manifest(folder).values() if line["output"]}


def test_a_split_makes_folders_of_class_folders(classes: Path, tmp_path: Path) -> None:
    sorted_out(classes, tmp_path / "set", split="80/10/10")
    lines = manifest(tmp_path / "set")
    assert all(line["output"] == f"{line['split']}/{name}" for name, line in lines.items())
    counts = {part: [line["split"] for line in lines.values()].count(part) for part in ("train", "val", "test")}
    assert counts["train"] >= 13
    assert min(counts.values()) >= 2, "each class in each part"
    for part in counts:
        assert scan(tmp_path / "set" / part).classes == ("cats", "dogs")


def test_a_picture_keeps_its_part_whatever_it_is_called(classes: Path, tmp_path: Path) -> None:
    sorted_out(classes, tmp_path / "one", split="0.7/0.3")
    (classes / "cats/00.png").rename(classes / "cats/zz.png")
    (classes / "cats/05.png").rename(classes / "cats/!.png")
    (classes / "dogs").rename(classes / "anything")
    sorted_out(classes, tmp_path / "two", split="0.7/0.3")
    assert parts(tmp_path / "one") == parts(tmp_path / "two")
    assert set(parts(tmp_path / "one").values()) == {"train", "test"}


def test_copies_and_variants_train_or_test_together(classes: Path, tmp_path: Path) -> None:
    for number in range(6):
        picture = textured(number, 72, 64)
        mirrored = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        more = {"cats/again.jpg": saved(picture, "JPEG", quality=90), "dogs/mirrored.png": saved(mirrored, "PNG")}
        make(classes, {f"{name[:5]}{number}{name[5:]}": data for name, data in more.items()})
    sorted_out(classes, tmp_path / "set", split="0.5/0.5", copies="report")
    lines = manifest(tmp_path / "set")
    assert len(lines) == 30
    families = [[f"cats/0{n}.png", f"cats/{n}again.jpg", f"dogs/{n}mirrored.png"] for n in range(6)]
    assert [len({lines[name]["split"] for name in family}) for family in families] == [1] * 6
    assert {line["split"] for line in lines.values()} == {"train", "test"}


def test_so_many_of_each_class(classes: Path, tmp_path: Path) -> None:
    report = sorted_out(classes, tmp_path / "set", per_class=5, split="0.8/0.2")
    assert (report.counts["kept"], report.counts["dropped"]) == (10, 8)
    lines = manifest(tmp_path / "set")
    kept = [line["class"] for line in lines.values() if line["output"]]
    assert (kept.count("cats"), kept.count("dogs")) == (5, 5)
    assert {line["reason"] for line in lines.values() if not line["output"]} == {"beyond the 5 of its class"}
    (classes / "cats/00.png").rename(classes / "cats/zz.png")
    sorted_out(classes, tmp_path / "again", per_class=5, split="0.8/0.2")
    assert parts(tmp_path / "again") == parts(tmp_path / "set")


@pytest.mark.usefixtures("one_thread")
def test_a_stranger_among_paintings(tmp_path: Path) -> None:
    files = {f"{number:02}.png": saved(textured(number, 80, 64), "PNG") for number in range(24)}
    files["screen.png"] = saved(Image.fromarray(text_page(1)), "PNG")
    src = make(tmp_path / "src", files)
    status: dict[str, dict[str, str]] = {}
    for answer in ("report", "drop", "off"):
        report = sorted_out(src, outliers=answer, defects="off")
        status[answer] = {item.file: item.status for item in report.items if item.status != "kept"}
        said = {item.file: item.reason for item in report.items if item.reason}
        assert said.keys() == status[answer].keys()
        assert all("unlike the rest" in reason for reason in said.values())
    assert status == {"report": {"screen.png": "reported"}, "drop": {"screen.png": "dropped"}, "off": {}}
    page = Image.new("RGB", (400, 320), (246, 242, 231))
    page.paste(textured(40, 80, 64).resize((200, 160)), (100, 80))
    page.save(src / "page.png")
    unusual = [
        {
            item.file
            for item in sorted_out(src, scans=scans, outliers="report", defects="off").items
            if "unlike" in item.reason
        }
        for scans in (True, False)
    ]
    assert unusual == [{"screen.png"}, {"screen.png", "page.png"}], "paper is no part of a picture"
    (src / "page.png").unlink()
    for number in range(8):
        (src / f"{number:02}.png").unlink()
    assert sorted_out(src, outliers="drop", defects="off").counts["dropped"] == 0, "of 17 none is unusual"


def test_settings_are_refused_before_anything_is_written(shapes: Path, tmp_path: Path) -> None:
    before = tree(tmp_path)
    for settings in ({"split": "1/1"}, {"crop": "pad"}, {"size": 4}, {"background": "x"}, {"multi_crop": 2}):
        with pytest.raises(UsageError):
            sorted_out(shapes, tmp_path / "set", **settings)
    assert tree(tmp_path) == before
    assert not (tmp_path / "set").exists()
