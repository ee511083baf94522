"""Curations that are stopped and gone on with, as folders and packed: the set is that of an undisturbed run."""

import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

from artgan.curation.begun import BEGUN
from artgan.errors import DatasetError, Interrupted, UsageError
from tests.curating import MESSY, after, make, manifest, sorted_out, tree, unzipped

FORMATS = ("zip", "webdataset")


@pytest.fixture
def messy(tmp_path: Path) -> Path:
    return make(tmp_path / "messy", MESSY)


def refused(src: Path, dst: Path, named: str, **settings: Any) -> None:
    before = tree(src.parent)
    with pytest.raises(UsageError, match=named):
        sorted_out(src, dst, **settings)
    assert tree(src.parent) == before


def stopped(src: Path, dst: Path, step: str, done: int, **settings: Any) -> None:
    listen, should_stop = after(step, done)
    with pytest.raises(Interrupted, match=f"{step.lower()}, {done} of"):
        sorted_out(src, dst, on_event=listen, should_stop=should_stop, **settings)


@pytest.mark.parametrize(
    ("step", "done", "pictures"), [("Reading", 3, 0), ("Comparing", 1, 0), ("Writing", 2, 2), ("Writing", 6, 6)]
)
def test_an_interrupted_run_goes_on(step: str, done: int, pictures: int, messy: Path, tmp_path: Path) -> None:
    sorted_out(messy, tmp_path / "set")
    (tmp_path / "set").rename(tmp_path / "whole")
    stopped(messy, tmp_path / "set", step, done)
    begun = tree(tmp_path / "set")
    assert len(begun) == pictures + 1
    assert ".curation.json" in begun
    ages = {name: (tmp_path / "set" / name).stat().st_mtime_ns for name in begun}

    for other in ({"size": 64}, {"frames": 2}, {"split": "0.9/0.1"}, {"background": "keep"}, {"scans": False}):
        refused(messy, tmp_path / "set", "begun with other settings", **other)
    make(tmp_path / "set", {"cats/.a.png.1.4194305.tmp": b"left by a killed process"})
    sorted_out(messy, tmp_path / "set")
    assert tree(tmp_path / "set") == tree(tmp_path / "whole")
    assert [*(tmp_path / "set").glob("**/*.tmp")] == []
    del ages[".curation.json"]
    assert {name: (tmp_path / "set" / name).stat().st_mtime_ns for name in ages} == ages


def test_other_pictures_do_not_go_on_in_a_begun_set(messy: Path, tmp_path: Path) -> None:
    stopped(messy, tmp_path / "set", "Writing", 1)
    (messy / "cats/a.png").unlink()
    refused(messy, tmp_path / "set", "begun with other settings or pictures")


def test_what_was_begun_is_plain_json(messy: Path, tmp_path: Path) -> None:
    stopped(messy, tmp_path / "set", "Reading", 1)
    assert json.loads((tmp_path / "set" / BEGUN).read_text())["settings"]["copies"] == "drop"


def packed(kind: str, folder: Path) -> Path:
    return folder / ("set.zip" if kind == "zip" else "shards")


def content(path: Path) -> dict[str, str]:
    """Digests of what lies at a place and, for a zip, beside it; and nothing hidden lies there."""
    names = {path.name, path.with_suffix(".html").name, "messy"} if path.suffix == ".zip" else {path.name, "messy"}
    assert {other.name for other in path.parent.iterdir()} == names
    return tree(path.parent)


def test_a_zip_holds_the_set_and_the_page_lies_beside_it_too(messy: Path, tmp_path: Path) -> None:
    report = sorted_out(messy, tmp_path / "set.zip")
    assert (report.folder, report.page) == (tmp_path / "set.zip", tmp_path / "set.html")
    assert report.settings.format == "zip"
    inside = unzipped(tmp_path / "set.zip")
    lines = [json.loads(line) for line in inside["manifest.jsonl"].decode().splitlines()]
    assert {line["file"] for line in lines} == MESSY.keys()
    outputs = {line["output"] for line in lines} - {None}
    assert inside.keys() == {*outputs, "manifest.jsonl", "report.html"}
    assert inside["report.html"] == (tmp_path / "set.html").read_bytes()
    assert inside["cats/a.png"] == MESSY["cats/a.png"]
    sorted_out(messy, tmp_path / "any name.ZIP", format="zip")
    assert unzipped(tmp_path / "any name.ZIP").keys() == inside.keys()
    plain = tmp_path / "folder.zip"
    sorted_out(messy, plain, format="folder", page=tmp_path / "look.html")
    assert manifest(plain).keys() == MESSY.keys()


def test_shards_hold_the_set(messy: Path, tmp_path: Path) -> None:
    make(messy, {"dogs/b [final] 🐞.txt": b"a dog"})
    report = sorted_out(messy, tmp_path / "shards", format="webdataset", split="0.7/0.3")
    assert (report.folder, report.page) == (tmp_path / "shards", tmp_path / "shards" / "report.html")
    lines = manifest(tmp_path / "shards")
    assert len(lines) == len(MESSY) + 1
    assert {path.name for path in (tmp_path / "shards").iterdir()} == {
        *("train-000000.tar", "test-000000.tar", "manifest.jsonl", "report.html", "classes.json", "shards.json")
    }
    found: dict[str, dict[str, bytes]] = {}
    for part in ("train", "test"):
        with tarfile.open(tmp_path / "shards" / f"{part}-000000.tar") as shard:
            for entry in shard:
                file = shard.extractfile(entry)
                key, _, kind = entry.name.partition(".")
                found.setdefault(key, {"part": part.encode()})[kind] = file.read() if file else b""
    in_set = {name: line for name, line in lines.items() if line["output"]}
    assert {json.loads(sample["json"])["file"] for sample in found.values()} == in_set.keys()
    for sample in found.values():
        line = json.loads(sample["json"])
        assert line == in_set[line["file"]]
        assert sample["part"].decode() == line["split"]
        assert ["cats", "dogs"][int(sample["cls"])] == line["class"]
        assert sample.get("txt", b"").decode() == (line["caption"] or "")
    assert [line["caption"] for line in in_set.values() if line["caption"]] == ["a dog"]


@pytest.mark.parametrize("kind", FORMATS)
def test_packing_that_is_stopped_anywhere_goes_on(kind: str, messy: Path, tmp_path: Path) -> None:
    target = packed(kind, tmp_path)
    sorted_out(messy, target, format=kind)
    whole = content(target)
    for path in tmp_path.iterdir():
        if path != messy:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for step, done in (("Reading", 2), ("Writing", 3), ("Packing", 2)):
        stopped(messy, target, step, done, format=kind)
        assert not target.exists()
        assert not target.with_suffix(".html").exists()
        assert (tmp_path / f".{target.name}.curating" / BEGUN).exists()
        refused(messy, target, "begun with other settings", format=kind, size=64)
    sorted_out(messy, target, format=kind, processes=2)
    assert content(target) == whole


@pytest.mark.parametrize("kind", FORMATS)
def test_what_exists_is_not_packed_over(kind: str, messy: Path, tmp_path: Path) -> None:
    target = packed(kind, tmp_path)
    sorted_out(messy, target, format=kind)
    refused(messy, target, "exists" if kind == "zip" else "is not an empty folder", format=kind, overwrite=True)
    make(tmp_path, {"file": b"precious", "other/mine.txt": b"precious"})
    for name in ("file", "other"):
        refused(messy, tmp_path / name, "exists|is not an empty folder", format=kind, page=tmp_path / "new.html")
    refused(messy, messy / "set.zip", "lie within one another", format=kind)


def test_a_page_beside_a_zip_is_not_written_over(messy: Path, tmp_path: Path) -> None:
    make(tmp_path, {"set.html": b"precious"})
    refused(messy, tmp_path / "set.zip", r"set\.html exists")
    sorted_out(messy, tmp_path / "set.zip", overwrite=True)
    assert unzipped(tmp_path / "set.zip")["report.html"] == (tmp_path / "set.html").read_bytes()


@pytest.mark.parametrize("kind", FORMATS)
def test_a_page_of_its_own_place_and_none_inside_what_is_packed(kind: str, messy: Path, tmp_path: Path) -> None:
    target = packed(kind, tmp_path)
    for page in (target, target / "look.html", target / "sub" / "report.html"):
        refused(messy, target, "There can be no report at", format=kind, page=page)
    stopped(messy, target, "Packing", 1, format=kind, page=tmp_path / "look.html")
    report = sorted_out(messy, target, format=kind, page=tmp_path / "look.html")
    assert report.page == tmp_path / "look.html"
    assert {path.name for path in tmp_path.iterdir()} == {"messy", target.name, "look.html"}


def test_only_a_report_packs_nothing(messy: Path, tmp_path: Path) -> None:
    before = tree(tmp_path)
    for kind in FORMATS:
        report = sorted_out(messy, packed(kind, tmp_path), format=kind, dry_run=True)
        assert (report.folder, report.page) == (None, None)
    assert tree(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["messy"]


def test_an_empty_folder_becomes_one_of_shards(messy: Path, tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    sorted_out(messy, tmp_path / "shards", format="webdataset")
    assert manifest(tmp_path / "shards").keys() == MESSY.keys()


def test_a_file_that_vanishes_while_packing_is_named(messy: Path, tmp_path: Path) -> None:
    staging = tmp_path / ".set.zip.curating"

    def vanish(event: Any) -> None:
        if event.step == "Packing":
            (staging / "dogs" / "new_line.png").unlink(missing_ok=True)

    with pytest.raises(DatasetError, match=r"new_line\.png cannot be read any more"):
        sorted_out(messy, tmp_path / "set.zip", on_event=vanish)
    assert not (tmp_path / "set.zip").exists()
    sorted_out(messy, tmp_path / "set.zip")
    assert "dogs/new_line.png" in unzipped(tmp_path / "set.zip")


def test_a_set_can_be_made_of_a_set(messy: Path, tmp_path: Path) -> None:
    """A zip of ours is a source as any other: nothing is a copy, and classes stay."""
    first = sorted_out(messy, tmp_path / "one.zip", defects="off", variants="drop")
    second = sorted_out(tmp_path / "one.zip", tmp_path / "two", defects="off")
    assert second.counts == {**dict.fromkeys(second.counts, 0), "kept": first.in_set, "ignored": 2}
    assert {line["class"] for line in manifest(tmp_path / "two").values()} == {"cats", "dogs", None}
