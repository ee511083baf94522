"""Curation from end to end, on small messy folders."""

import os
import unicodedata
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from artgan.curation.report import Progress
from artgan.data.sources import BESIDE, HIDDEN
from artgan.errors import DatasetError, UsageError
from tests.curating import MESSY, make, manifest, on_paper, saved, sorted_out, textured, tree

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX files")


@pytest.fixture
def messy(tmp_path: Path) -> Path:
    return make(tmp_path / "messy", MESSY)


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
        **dict.fromkeys(("cats/notes.txt", ".DS_Store"), "ignored"),
    }
    reasons = {name: line["reason"] for name, line in lines.items()}
    assert reasons["cats/a again.bmp"] == reasons["cats/a copy.png"] == "the same pixels as cats/a.png"
    assert reasons["cats/half.jpg"] == reasons["cats/phone.jpg"] == "a copy of cats/a.png"
    assert reasons["dogs/mirror.jpg"] == "dogs/b [final] 🐞.jpg, mirrored"
    assert "nearly one colour" in reasons["cats/flat.png"]
    assert "margin" in reasons["dogs/page.png"]
    assert (reasons["cats/404.jpg"], reasons["cats/empty.png"]) == ("not a picture", "empty file")
    assert reasons["dogs/cut off.jpg"].startswith("broken: ")
    assert (reasons["cats/notes.txt"], reasons[".DS_Store"]) == (BESIDE, HIDDEN)
    assert report.counts == {"kept": 4, "reported": 2, "dropped": 5, "failed": 3, "ignored": 2, "cut": 1}
    assert report.in_set == 6
    assert sorted(len(group) for group in report.groups) == [2, 5]
    assert {group[0] for group in report.groups} == {"cats/a.png", "dogs/b [final] 🐞.jpg"}


def test_the_manifest_says_what_a_file_is_and_where_it_went(messy: Path, tmp_path: Path) -> None:
    os.utime(messy / "cats/a.png", (86_400, 86_400))
    sorted_out(messy, tmp_path / "set")
    lines, digests = manifest(tmp_path / "set"), tree(messy)
    fields = {"file", "status", "reason", "duplicate_of", "class", "crop", "tilt", "split", "caption", "output"}
    fields |= {"outputs", "bytes", "date", "sha256", "width", "height"}
    assert {frozenset(line) for line in lines.values()} == {frozenset(fields)}
    assert {(line["split"], line["caption"], line["outputs"]) for line in lines.values()} == {(None, None, None)}
    for name, line in lines.items():
        assert line["bytes"] == len(MESSY[name])
        assert line["sha256"] in (digests[name], None)
        assert (line["sha256"] is None) == (name in ("cats/empty.png", "cats/notes.txt", ".DS_Store"))
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
    settings: dict[str, Any] = {"size": (48, 40), "crop": "salient", "multi_crop": 2, "split": "0.8/0.2"}
    for name, processes in (("one", 1), ("again", 1), ("two", 2)):
        sorted_out(messy, tmp_path / "set", processes=processes, **settings)
        (tmp_path / "set").rename(tmp_path / name)
    one, again, two = (tree(tmp_path / name) for name in ("one", "again", "two"))
    assert len(one) > 30
    assert one == again == two


def test_steps_can_be_turned_off(messy: Path, tmp_path: Path) -> None:
    sorted_out(messy, tmp_path / "set", copies="off", variants="off", defects="off", scans=False)
    lines = manifest(tmp_path / "set")
    unread = {"cats/404.jpg", "cats/empty.png", "dogs/cut off.jpg", "cats/notes.txt", ".DS_Store"}
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
    report = sorted_out(messy, tmp_path / "set", page=tmp_path / "set" / "look.html")
    assert report.page == tmp_path / "set" / "look.html"
    assert report.page.read_bytes().lstrip().startswith(b"<!doctype html")
    assert not (tmp_path / "set" / "report.html").exists()
    refused(messy, tmp_path / "more", "There can be no report at", page=tmp_path / "more")


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
    (tmp_path / "half.zip").write_bytes(b"PK half of it")
    with pytest.raises(DatasetError, match="not a whole zip"):
        sorted_out(tmp_path / "half.zip", tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_a_zip_is_called_one(messy: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not the name of a zip") as caught:
        sorted_out(messy, tmp_path / "set", format="zip")
    assert caught.value.hint == "Call it set.zip."
    assert [path.name for path in tmp_path.iterdir()] == ["messy"]


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
    assert [event.done for event in read] == list(range(1, len(MESSY) - 2))
    assert {event.total for event in read} == {len(MESSY) - 3}
    assert list(dict.fromkeys(event.step for event in told)) == ["Reading", "Comparing", "Cutting", "Writing"]
    assert all(0 < event.done <= event.total for event in told)
    assert [event.done for event in told if event.step == "Writing"] == [1, 2, 3, 4, 5, 6]
