"""Who is a copy or variant of whom, from files to groups."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from artgan.curation import relatives as room
from artgan.curation.album import Album
from artgan.curation.relatives import relatives
from artgan.curation.settings import CurateSettings
from artgan.curation.survey import Seen, survey
from artgan.curation.verdicts import Copies, verdicts
from artgan.curation.workers import Workers
from artgan.data.captions import Captions
from artgan.data.sources import scan
from artgan.errors import DatasetError
from tests.curating import make, on_paper, saved, textured


@contextmanager
def surveyed(folder: Path, processes: int = 1) -> Iterator[tuple[list[str], list[Seen], Workers]]:
    with Workers(scan(folder), processes) as workers:
        seen = list(survey(workers, CurateSettings(), Album()))
        yield [file.name for file in workers.source.files], seen, workers


def found(folder: Path, wrong: tuple[str, ...] = (), processes: int = 1) -> tuple[Copies, list[str]]:
    with surveyed(folder, processes) as (names, seen, workers):
        return relatives(seen, {names.index(name): ("bad",) for name in wrong}, workers), names


def grouped(folder: Path, *wrong: str) -> list[list[str]]:
    copies, names = found(folder, wrong)
    return [[names[group.kept], *(names[other] for other in group.others)] for group in copies.groups]


A, B = textured(1, 200, 150), textured(2, 200, 150)


def test_the_best_of_several_copies_stays(tmp_path: Path) -> None:
    files = {
        "a thumbnail.png": saved(A.resize((100, 75)), "PNG"),
        "b.webp": saved(A, "WEBP", quality=80),
        "c long name.jpg": saved(A, "JPEG", quality=90),
        "d.jpg": saved(A, "JPEG", quality=90),
        "e.jpg": saved(A, "JPEG", quality=70),
        "other.png": saved(B, "PNG"),
    }
    folder = make(tmp_path, files)
    assert grouped(folder) == [["d.jpg", "a thumbnail.png", "b.webp", "c long name.jpg", "e.jpg"]]
    assert grouped(folder, "d.jpg")[0][0] == "c long name.jpg", "a sound one stays in place of one that is not"
    (folder / "f.png").write_bytes(saved(A.resize((300, 225)), "PNG"))
    assert grouped(folder)[0][0] == "f.png"


def test_same_pixels_are_told_from_copies(tmp_path: Path) -> None:
    files = {"a.png": saved(A, "PNG"), "b.bmp": saved(A, "BMP"), "c.jpg": saved(A, "JPEG", quality=80)}
    copies, names = found(make(tmp_path, {**files, "d.png": files["a.png"]}))
    assert {(names[kept], names[other]) for kept, other in copies.exact} == {("a.png", "b.bmp"), ("a.png", "d.png")}
    assert [len(group.others) for group in copies.groups] == [3]


def test_a_scan_is_a_copy_of_what_was_scanned_but_two_sheets_are_not(tmp_path: Path) -> None:
    files = {"page.png": saved(on_paper(A, 90), "PNG"), "bare.png": saved(A, "PNG")}
    files |= {"other page.png": saved(on_paper(B, 90), "PNG")}
    assert grouped(make(tmp_path, files)) == [["bare.png", "page.png"]]


def test_flat_pictures_are_compared_pixel_by_pixel(tmp_path: Path) -> None:
    red, blue = Image.new("RGB", (90, 80), "red"), Image.new("RGB", (90, 80), "blue")
    files = {"a.png": saved(red, "PNG"), "b.bmp": saved(red, "BMP"), "c.png": saved(blue, "PNG")}
    files |= {"d.png": saved(Image.new("RGB", (80, 90), "red"), "PNG")}
    assert grouped(make(tmp_path, files)) == [["a.png", "b.bmp"]]


def test_variants_are_those_of_the_kept_and_never_of_one_another(tmp_path: Path) -> None:
    """Four files of one size: a picture, its mirror image, and a copy of each; nothing tells which was first."""
    nearly = A.copy()
    nearly.putpixel((0, 0), (0, 0, 0))
    files = {"0.bmp": A, "1.bmp": ImageOps.mirror(A), "2.bmp": nearly, "3.bmp": ImageOps.mirror(nearly)}
    folder = make(tmp_path, {name: saved(picture, "BMP") for name, picture in files.items()})
    with surveyed(folder) as (names, seen, workers):
        copies = relatives(seen, {}, workers)
        settings = CurateSettings(split="0.5/0.5", copies="report").checked()
        items = verdicts(workers.source, seen, copies, {}, {}, Captions({}, ()), settings)
    assert [(variant.better, variant.other, variant.how) for variant in copies.variants] == [(0, 1, "mirrored")]
    assert [item.duplicate_of for item in items] == [None, "0.bmp", "0.bmp", "1.bmp"]
    assert len({item.split for item in items}) == 1
    assert names == [*files]


def test_a_variant_was_made_of_what_has_more_copies(tmp_path: Path) -> None:
    files = {
        "a.png": saved(ImageOps.mirror(A).resize((240, 180)), "PNG"),
        "b.png": saved(A, "PNG"),
        "c.jpg": saved(A, "JPEG", quality=80),
    }
    copies, names = found(make(tmp_path, files))
    assert [(names[one.better], names[one.other]) for one in copies.variants] == [("b.png", "a.png")]


def test_portions_and_processes_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes: list[Callable[[Image.Image], Image.Image]] = [
        *(ImageOps.mirror, ImageOps.flip, ImageOps.grayscale, lambda picture: picture.resize((80, 60)))
    ]
    files = {}
    for seed in range(5):
        picture = textured(seed, 120, 90)
        for number, change in enumerate([lambda same: same, *changes]):
            files[f"{seed}{number}.png"] = saved(change(picture), "PNG")
    folder = make(tmp_path, files)
    alone, names = found(folder)
    assert [names[group.kept] for group in alone.groups] == [f"{seed}0.png" for seed in range(5)]
    assert len(alone.variants) >= 15
    monkeypatch.setattr(room, "_PORTION", 2)
    told: list[tuple[int, int]] = []
    with surveyed(folder, 2) as (_, seen, workers):
        assert relatives(seen, {}, workers, lambda done, total: told.append((done, total))) == alone
    total = told[0][1]
    assert total > 6
    assert told == [(done, total) for done in range(1, total + 1)]


def test_pairs_of_one_picture_stay_in_one_portion(monkeypatch: pytest.MonkeyPatch) -> None:
    from artgan.curation.copies import Pair
    from artgan.data.sources import PictureFile

    monkeypatch.setattr(room, "_PORTION", 3)
    pairs = [Pair(first, second, "near", "", 0.9) for first in range(4) for second in range(first + 1, 5)]
    files = [(PictureFile(str(number), None, "", 1), None) for number in range(5)]
    jobs = room._jobs(pairs, files)
    assert [pair for job in jobs for pair in job.pairs] == pairs
    assert [{pair.first for pair in job.pairs} for job in jobs] == [{0}, {1}, {2, 3}]
    assert all({*job.files} == {n for pair in job.pairs for n in (pair.first, pair.second)} for job in jobs)
    assert room._jobs([], files) == []


def test_a_file_that_vanishes_meanwhile_is_named(tmp_path: Path) -> None:
    folder = make(tmp_path, {"a.png": saved(A, "PNG"), "b.jpg": saved(A, "JPEG")})
    with surveyed(folder) as (_, seen, workers):
        (folder / "b.jpg").unlink()
        with pytest.raises(DatasetError, match=r"b\.jpg cannot be read any more"):
            relatives(seen, {}, workers)
