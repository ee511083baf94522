"""Curation from end to end, on small messy folders."""

import json
import os
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from artgan.curation import curate as room
from artgan.curation.curate import curate
from artgan.curation.report import CurationReport, Progress
from artgan.data.sources import BESIDE
from artgan.errors import DatasetError, Interrupted, UsageError
from tests.curating import make, manifest, on_paper, saved, textured, tree

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX files")
TURNED = Image.Exif()
TURNED[0x0112] = 6
A, B, C = (textured(seed) for seed in (1, 2, 3))
MESSY: dict[str, bytes] = {
    "cats/a.png": saved(A, "PNG"),
    "cats/a again.bmp": saved(A, "BMP"),
    "cats/a copy.png": saved(A, "PNG"),
    "cats/half.jpg": saved(A.resize((120, 90)), "JPEG", quality=80),
    "cats/phone.jpg": saved(A.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=TURNED.tobytes(), quality=90),
    "dogs/b [final] 🐞.jpg": saved(B, "JPEG", quality=90),
    "dogs/web.webp": saved(B, "WEBP", quality=70),
    "dogs/mirror.jpg": saved(B.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "JPEG", quality=90),
    "dogs/page.png": saved(on_paper(C), "PNG"),
    "dogs/new\nline.png": saved(textured(4), "PNG"),
    "cats/flat.png": saved(Image.new("RGB", (160, 120), (90, 20, 20)), "PNG"),
    "cats/404.jpg": b"<html>404 Not Found</html>",
    "cats/empty.png": b"",
    "dogs/cut off.jpg": saved(B, "JPEG")[:900],
    "cats/notes.txt": b"shopping list",
}


@pytest.fixture
def messy(tmp_path: Path) -> Path:
    return make(tmp_path / "messy", MESSY)


def sorted_out(src: Path, dst: Path | None = None, **settings: Any) -> CurationReport:
    return curate(src, dst, **{"processes": 1, **settings})


def test_a_messy_folder_becomes_a_set(messy: Path, tmp_path: Path) -> None:
    before = tree(messy)
    report = sorted_out(messy, tmp_path / "set")
    assert tree(messy) == before

    lines = manifest(tmp_path / "set")
    assert lines.keys() == MESSY.keys()
    assert {name: line["status"] for name, line in lines.items()} == {
        **dict.fromkeys(("cats/a again.bmp", "cats/a copy.png", "cats/half.jpg", "cats/phone.jpg"), "dropped"),
        **dict.fromkeys(("dogs/web.webp",), "dropped"),
        **dict.fromkeys(("cats/404.jpg", "cats/empty.png", "dogs/cut off.jpg"), "failed"),
        **dict.fromkeys(("cats/flat.png", "dogs/mirror.jpg"), "reported"),
        **dict.fromkeys(("cats/a.png", "dogs/b [final] 🐞.jpg", "dogs/page.png", "dogs/new\nline.png"), "kept"),
        "cats/notes.txt": "ignored",
    }
    reasons = {name: line["reason"] for name, line in lines.items()}
    assert reasons["cats/a again.bmp"] == reasons["cats/a copy.png"] == "the same pixels as cats/a.png"
    assert reasons["cats/half.jpg"] == reasons["cats/phone.jpg"] == "a copy of cats/a.png"
    assert reasons["dogs/mirror.jpg"] == "dogs/b [final] 🐞.jpg, mirrored"
    assert "nearly one colour" in reasons["cats/flat.png"]
    assert "margin" in reasons["dogs/page.png"]
    assert (reasons["cats/404.jpg"], reasons["cats/empty.png"]) == ("not a picture", "empty file")
    assert reasons["dogs/cut off.jpg"].startswith("broken: ")
    assert reasons["cats/notes.txt"] == BESIDE
    assert report.counts == {"kept": 4, "reported": 2, "dropped": 5, "failed": 3, "ignored": 1, "cut": 1}
    assert report.in_set == 6
    assert sorted(len(group) for group in report.groups) == [2, 5]
    assert {group[0] for group in report.groups} == {"cats/a.png", "dogs/b [final] 🐞.jpg"}


def test_the_manifest_says_what_a_file_is_and_where_it_went(messy: Path, tmp_path: Path) -> None:
    os.utime(messy / "cats/a.png", (86_400, 86_400))
    sorted_out(messy, tmp_path / "set")
    lines, digests = manifest(tmp_path / "set"), tree(messy)
    fields = {"file", "status", "reason", "duplicate_of", "class", "crop", "tilt", "output", "bytes", "date"}
    assert {frozenset(line) for line in lines.values()} == {frozenset(fields | {"sha256", "width", "height"})}
    for name, line in lines.items():
        assert line["bytes"] == len(MESSY[name])
        assert line["sha256"] in (digests[name], None)
        assert (line["sha256"] is None) == (name in ("cats/empty.png", "cats/notes.txt"))
        assert (line["output"] is not None) == (line["status"] in ("kept", "reported"))
    assert lines["cats/a.png"]["date"] == "1970-01-02T00:00:00+00:00"
    phone, page = lines["cats/phone.jpg"], lines["dogs/page.png"]
    assert (phone["width"], phone["height"], phone["duplicate_of"], phone["class"]) == (160, 120, "cats/a.png", "cats")
    assert lines["cats/404.jpg"]["width"] is None
    left, top, right, bottom = page["crop"]
    assert np.abs(np.array([left, top, right, bottom]) - (24, 24, 184, 144)).max() <= 2
    assert 0 <= left < right <= page["width"]
    assert 0 <= top < bottom <= page["height"]


def test_the_set_holds_what_the_manifest_says_and_nothing_else(messy: Path, tmp_path: Path) -> None:
    sorted_out(messy, tmp_path / "set")
    lines, found = manifest(tmp_path / "set"), tree(tmp_path / "set")
    outputs = {line["output"]: line for line in lines.values() if line["output"]}
    assert found.keys() == {*outputs, "manifest.jsonl", "report.html"}
    assert {"dogs/new_line.png", "dogs/b [final] 🐞.jpg", "cats/a.png"} <= outputs.keys()
    for output, line in outputs.items():
        with Image.open(tmp_path / "set" / output) as picture:
            picture.load()
            left, top, right, bottom = line["crop"] or (0, 0, line["width"], line["height"])
            assert picture.size == (right - left, bottom - top)
        assert (found[output] == line["sha256"]) == (line["crop"] is None)
    page = (tmp_path / "set" / "report.html").read_text(encoding="utf-8")
    assert "not a picture" in page


def test_two_runs_and_any_number_of_processes_give_equal_bytes(messy: Path, tmp_path: Path) -> None:
    make(messy, {f"dogs/{number}.png": saved(textured(50 + number, 64, 64), "PNG") for number in range(12)})
    sorted_out(messy, tmp_path / "one" / "set", size=100)
    sorted_out(messy, tmp_path / "two" / "set", size=100, processes=2)
    one, two = tree(tmp_path / "one" / "set"), tree(tmp_path / "two" / "set")
    assert len(one) > 18
    assert one.pop("report.html")
    assert two.pop("report.html")
    assert one == two


def test_the_shorter_side_is_brought_down(messy: Path, tmp_path: Path) -> None:
    sorted_out(messy, tmp_path / "set", size=64)
    lines = manifest(tmp_path / "set")
    for line in lines.values():
        if line["output"]:
            assert line["output"].endswith(".png")
            with Image.open(tmp_path / "set" / line["output"]) as picture:
                assert min(picture.size) == 64
                left, top, right, bottom = line["crop"] or (0, 0, line["width"], line["height"])
                sides = right - left, bottom - top
                assert max(picture.size) == round(64 * max(sides) / min(sides))


def test_steps_can_be_turned_off(messy: Path, tmp_path: Path) -> None:
    sorted_out(messy, tmp_path / "set", copies="off", variants="off", defects="off", scans=False)
    lines = manifest(tmp_path / "set")
    unread = {"cats/404.jpg", "cats/empty.png", "dogs/cut off.jpg", "cats/notes.txt"}
    assert {name for name, line in lines.items() if line["status"] == "kept"} == MESSY.keys() - unread
    assert all(line["reason"] == "" and line["crop"] is None for name, line in lines.items() if name not in unread)


def test_what_is_asked_to_go_goes_and_copies_may_stay(messy: Path) -> None:
    report = sorted_out(messy, variants="drop", defects="drop", copies="report")
    status = {item.file: item.status for item in report.items}
    assert status["dogs/mirror.jpg"] == status["cats/flat.png"] == "dropped"
    assert status["cats/a again.bmp"] == status["cats/half.jpg"] == status["dogs/web.webp"] == "reported"


def test_a_blurred_enlargement_and_a_scan_are_worse_than_the_picture(tmp_path: Path) -> None:
    picture = textured(7, 240, 160)
    files = {f"{number}.png": saved(textured(20 + number, 240, 160), "PNG") for number in range(4)}
    files |= {"small.png": saved(picture, "PNG"), "on a page.png": saved(on_paper(picture, 40), "PNG")}
    lines = {item.file: item for item in sorted_out(make(tmp_path / "src", files)).items}
    assert lines["small.png"].status == "kept"
    assert (lines["on a page.png"].status, lines["on a page.png"].duplicate_of) == ("dropped", "small.png")
    large = picture.resize((96, 64)).resize((960, 640), Image.Resampling.BICUBIC)
    files |= {"large.png": saved(large, "PNG")}
    lines = {item.file: item for item in sorted_out(make(tmp_path / "src", files), defects="drop").items}
    assert "blurred" in lines["large.png"].reason
    assert (lines["small.png"].status, lines["large.png"].status) == ("kept", "dropped")


def test_equal_files_leave_one_whatever_else_is_like_them(tmp_path: Path) -> None:
    flat, picture = (saved(image, "PNG") for image in (Image.new("RGB", (99, 80), "red"), textured(8)))
    files = {f"{number:02}.png": picture for number in range(40)} | {f"flat {n}.png": flat for n in range(3)}
    files["flat.bmp"] = saved(Image.new("RGB", (99, 80), "red"), "BMP")
    files["other.png"] = saved(Image.new("RGB", (99, 80), "blue"), "PNG")
    files["larger.jpg"] = saved(textured(8).resize((320, 240)), "JPEG", quality=95)
    report = sorted_out(make(tmp_path / "src", files), tmp_path / "set", defects="off")
    left = [item.file for item in report.items if item.output]
    assert left == ["flat 0.png", "larger.jpg", "other.png"]


def test_class_folders_stay_and_can_be_left_unsaid(messy: Path, tmp_path: Path) -> None:
    sorted_out(messy, tmp_path / "set")
    assert {line["class"] for line in manifest(tmp_path / "set").values() if line["output"]} == {"cats", "dogs"}
    sorted_out(messy, tmp_path / "plain", labels="none")
    lines = manifest(tmp_path / "plain")
    assert {line["class"] for line in lines.values()} == {None}
    assert lines["cats/a.png"]["output"] == "cats/a.png"


@posix
def test_odd_names_pipes_and_loops(tmp_path: Path) -> None:
    names = ["cats [/x].png", "\x1b[31mred.png", "\t.png", "🐞" * 60 + ".png", "a" * 251 + ".png", "-dash.png"]
    src = make(tmp_path / "src", {name: saved(textured(n), "PNG") for n, name in enumerate(names)})
    raw = os.fsencode(src) + b"/caf\xe9"
    try:
        os.mkdir(raw)  # noqa: PTH102 - a name that is not UTF-8
        for name, seed in ((b"/one \xff.png", 30), (b"/two.png", 30)):
            Path(os.fsdecode(raw + name)).write_bytes(saved(textured(seed), "PNG"))
    except OSError:
        pytest.skip("this disk holds only names in UTF-8")
    os.mkfifo(src / "pipe.png")
    (src / "loop").symlink_to(".")
    (src / "gone.png").symlink_to("nowhere")
    report = sorted_out(src, tmp_path / "set")
    lines = manifest(tmp_path / "set")
    assert len(lines) == len(report.items) == len(names) + 4
    assert lines["pipe.png"]["reason"] == "a pipe or a device, not a file"
    assert lines["gone.png"]["status"] == "failed"
    latin = "caf\\udce9/one \\udcff.png"
    assert lines[latin]["output"] is None or lines[latin]["output"] == "caf_udce9/one _udcff.png"
    twins = [lines[latin], lines["caf\\udce9/two.png"]]
    assert sorted(line["status"] for line in twins) == ["dropped", "kept"]
    assert any("\\udce9" in line["reason"] for line in twins)
    outputs = [line["output"] for line in lines.values() if line["output"]]
    assert len(outputs) == len(names) + 1
    assert all(part.isprintable() and len(part.encode()) <= 210 for name in outputs for part in Path(name).parts)
    assert all((tmp_path / "set" / unicodedata.normalize("NFC", name)).is_file() for name in outputs)


def test_a_zip_is_read_and_cannot_write_outside(messy: Path, tmp_path: Path) -> None:
    archive = tmp_path / "messy.zip"
    outside = tmp_path / "outside" / "evil.png"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in MESSY.items():
            packed.writestr(name, content)
        packed.writestr("../up.png", saved(textured(60), "PNG"))
        packed.writestr(str(outside), saved(textured(61), "PNG"))
    before = archive.read_bytes()
    report = sorted_out(archive, tmp_path / "set")
    assert archive.read_bytes() == before
    lines = manifest(tmp_path / "set")
    assert lines.keys() == {*MESSY, "../up.png", str(outside)}
    assert lines["../up.png"]["reason"] == "its name leads out of the zip"
    assert lines[str(outside)]["output"] == outside.relative_to(outside.anchor).as_posix()
    assert {line["date"] for line in lines.values()} == {None}
    assert not outside.exists()
    assert report.counts["failed"] == 4
    assert {path.name for path in tmp_path.iterdir()} >= {"set", "messy.zip"}
    assert not (tmp_path / "up.png").exists()


@pytest.mark.parametrize("settings", [{"dst": None}, {"dst": "set", "dry_run": True}])
def test_only_a_report_writes_nothing(messy: Path, tmp_path: Path, settings: dict[str, Any]) -> None:
    before = tree(tmp_path)
    dst = settings.pop("dst")
    report = sorted_out(messy, dst and tmp_path / dst, **settings)
    assert (report.folder, report.page, report.counts["cut"]) == (None, None, 1)
    assert tree(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["messy"]


def test_a_page_is_written_where_it_is_asked_for(messy: Path, tmp_path: Path) -> None:
    page = tmp_path / "pages" / "look.html"
    report = sorted_out(messy, page=page)
    assert (report.page, report.folder) == (page, None)
    assert page.read_text(encoding="utf-8").lstrip().lower().startswith("<!doctype html")
    with pytest.raises(UsageError, match=r"look\.html exists"):
        sorted_out(messy, page=page)
    page.write_text("old")
    sorted_out(messy, page=page, overwrite=True)
    assert page.read_text(encoding="utf-8") != "old"


def refused(src: Path, dst: Path, named: str, **settings: Any) -> None:
    before = tree(src.parent)
    with pytest.raises(UsageError, match=named):
        sorted_out(src, dst, **settings)
    assert tree(src.parent) == before


def test_a_target_that_holds_anything_else_is_refused(messy: Path, tmp_path: Path) -> None:
    make(tmp_path, {"other/mine.png": b"precious", "file": b"precious", "odd/.curation.json": b"{"})
    refused(messy, tmp_path / "other", "other is not empty")
    refused(messy, tmp_path / "file", "file is not a folder")
    refused(messy, tmp_path / "odd", "odd is not empty")
    sorted_out(messy, tmp_path / "set")
    refused(messy, tmp_path / "set", "set holds a finished set")
    (tmp_path / "empty").mkdir()
    assert sorted_out(messy, tmp_path / "empty").folder == tmp_path / "empty"


def test_source_and_target_lie_apart(messy: Path, tmp_path: Path) -> None:
    for dst in (messy, messy / "set", tmp_path, messy / ".." / "messy"):
        refused(messy, dst, "lie within one another")
    refused(messy, tmp_path / "set", "lie within one another", page=messy / "report.html")
    with pytest.raises(UsageError, match="lie within one another"):
        sorted_out(messy, page=messy / "cats/a.png", overwrite=True)
    assert (messy / "cats/a.png").read_bytes() == MESSY["cats/a.png"]


@posix
def test_a_link_does_not_hide_that_they_are_one(messy: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(messy)
    refused(messy, tmp_path / "link" / "set", "lie within one another")


def test_sources_without_pictures_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    make(tmp_path, {"file.txt": b"text", "notes/readme.md": b"words"})
    for src, named in (("empty", "no picture in"), ("notes", "no picture in"), ("gone", "does not exist")):
        with pytest.raises(DatasetError, match=named):
            sorted_out(tmp_path / src, tmp_path / "set")
    with pytest.raises(DatasetError, match="neither a folder nor a zip"):
        sorted_out(tmp_path / "file.txt", tmp_path / "set")
    assert not (tmp_path / "set").exists()


def after(step: str, done: int) -> tuple[Callable[[Progress], None], Callable[[], bool]]:
    """Listens, and asks to stop when a step has come so far."""
    now = [Progress("", 0, 0)]

    def listen(event: Progress) -> None:
        now[0] = event

    return listen, lambda: now[0].step == step and now[0].done >= done


@pytest.mark.parametrize(("step", "done", "pictures"), [("Reading", 3, 0), ("Writing", 2, 2), ("Writing", 6, 6)])
def test_an_interrupted_run_goes_on(step: str, done: int, pictures: int, messy: Path, tmp_path: Path) -> None:
    sorted_out(messy, tmp_path / "whole")
    listen, should_stop = after(step, done)
    with pytest.raises(Interrupted, match=f"{step.lower()}, {done} of"):
        sorted_out(messy, tmp_path / "set", on_event=listen, should_stop=should_stop)
    begun = tree(tmp_path / "set")
    assert len(begun) == pictures + 1
    assert ".curation.json" in begun
    ages = {name: (tmp_path / "set" / name).stat().st_mtime_ns for name in begun}

    refused(messy, tmp_path / "set", "begun with other settings", size=64)
    make(tmp_path / "set", {"cats/.a.png.1.4194305.tmp": b"left by a killed process"})
    sorted_out(messy, tmp_path / "set")
    found, whole = tree(tmp_path / "set"), tree(tmp_path / "whole")
    found.pop("report.html")
    whole.pop("report.html")
    assert found == whole
    del ages[".curation.json"]
    assert {name: (tmp_path / "set" / name).stat().st_mtime_ns for name in ages} == ages


def test_other_pictures_do_not_go_on_in_a_begun_set(messy: Path, tmp_path: Path) -> None:
    listen, should_stop = after("Writing", 1)
    with pytest.raises(Interrupted):
        sorted_out(messy, tmp_path / "set", on_event=listen, should_stop=should_stop)
    (messy / "cats/a.png").unlink()
    refused(messy, tmp_path / "set", "begun with other settings or pictures")


def test_a_file_that_vanishes_meanwhile_is_named(messy: Path, tmp_path: Path) -> None:
    def vanish(event: Progress) -> None:
        if event.step == "Writing" and event.done == 1:
            (messy / "dogs/new\nline.png").unlink()

    with pytest.raises(DatasetError, match=r"line\.png cannot be read any more"):
        sorted_out(messy, tmp_path / "set", on_event=vanish)
    assert not (tmp_path / "set" / "manifest.jsonl").exists()


def test_progress_is_told_of_every_file(messy: Path, tmp_path: Path) -> None:
    told: list[Progress] = []
    sorted_out(messy, tmp_path / "set", on_event=told.append)
    read = [event for event in told if event.step == "Reading"]
    assert [event.done for event in read] == list(range(1, len(MESSY) - 1))
    assert {event.total for event in read} == {len(MESSY) - 2}
    assert [event.done for event in told if event.step == "Writing"] == [1, 2, 3, 4, 5, 6]


def test_what_was_begun_is_plain_json(messy: Path, tmp_path: Path) -> None:
    listen, should_stop = after("Reading", 1)
    with pytest.raises(Interrupted):
        sorted_out(messy, tmp_path / "set", on_event=listen, should_stop=should_stop)
    assert json.loads((tmp_path / "set" / room.BEGUN).read_text())["settings"]["copies"] == "drop"
