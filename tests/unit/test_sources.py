"""What lies in a folder or zip: which files count as pictures, what class they have, and when two sources are equal."""

import io
import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from artgan.data.sources import Source, scan
from artgan.errors import DatasetError


def put(root: Path, *names: str) -> Path:
    """Files of distinct content; scanning reads no pictures, so they need not be any."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(f"content of {name}".encode())
    return root


def listed(source: Source) -> list[str]:
    return [file.name for file in source.files]


def labelled(source: Source) -> dict[str, str | None]:
    return {file.name: file.label for file in source.files}


def zipped(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"" if name.endswith("/") else f"content of {name}")
    return path


def test_every_level_every_suffix_and_none_count(tmp_path: Path) -> None:
    names = ["IMG_1.JPG", "a.png", "deep/er/b.Jpeg", "deep/no suffix", "x.tif"]
    put(tmp_path, *names)
    assert listed(scan(tmp_path)) == sorted(names)


def test_what_lies_beside_pictures_and_what_is_hidden_is_left_out_and_told_apart(tmp_path: Path) -> None:
    beside = ["Thumbs.db", "a.xmp", "desktop.ini", "film.mp4", "labels.csv", "more.zip", "notes.TXT"]
    hidden = [".DS_Store", "._a.png", ".hidden/b.png", ".hidden/deep/c.png", "__MACOSX/a.png", "deep/.git/c.png"]
    source = scan(put(tmp_path, "a.png", *beside, *hidden))
    assert listed(source) == ["a.png"]
    assert source.passed_over == ()
    assert sorted(source.beside) == beside
    assert sorted(source.hidden) == [".DS_Store", "._a.png", ".hidden", "__MACOSX/a.png", "deep/.git"]


def test_what_is_hidden_changes_no_fingerprint_and_the_folder_itself_may_be_hidden(tmp_path: Path) -> None:
    plain, root = put(tmp_path / "plain", "a.png"), put(tmp_path / ".root", "a.png", ".b.png", ".c/d.png")
    assert listed(scan(root)) == ["a.png"]
    assert scan(root).hidden == (".b.png", ".c")
    assert scan(root).fingerprint == scan(plain).fingerprint


def test_what_cannot_be_a_picture_is_told_of(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    (tmp_path / "empty.jpg").touch()
    with (tmp_path / "huge.tif").open("wb") as file:
        file.truncate((1 << 30) + 1)  # takes no room: the file is a hole
    (tmp_path / "broken link.png").symlink_to(tmp_path / "gone.png")
    source = scan(tmp_path)
    assert listed(source) == ["a.png"]
    reasons = dict(source.passed_over)
    assert reasons["empty.jpg"] == "empty file"
    assert "1 GiB" in reasons["huge.tif"]
    assert "cannot be read" in reasons["broken link.png"]


def test_links_are_followed_once_and_a_loop_ends(tmp_path: Path) -> None:
    elsewhere = put(tmp_path / "elsewhere", "far.png")
    root = put(tmp_path / "root", "a.png", "sub/b.png")
    (root / "linked").symlink_to(elsewhere)
    (root / "twice").symlink_to(elsewhere)
    (root / "sub" / "loop").symlink_to(root)
    (root / "self").symlink_to(root / "self")
    (root / "link.png").symlink_to(root / "a.png")
    assert listed(scan(root)) == ["a.png", "link.png", "linked/far.png", "sub/b.png"]


def test_class_folders_are_classes(class_folders: Path) -> None:
    source = scan(class_folders)
    assert source.classes == ("cats", "dogs", "owls")
    assert all(file.label == file.name.split("/")[0] for file in source.files)
    assert scan(class_folders, labels="none").classes == ()
    assert {file.label for file in scan(class_folders, labels="none").files} == {None}


def test_a_picture_beside_the_folders_means_they_are_no_classes(tmp_path: Path) -> None:
    source = scan(put(tmp_path, "cats/a.png", "dogs/b.png", "c.png"))
    assert source.classes == ()
    assert set(labelled(source).values()) == {None}


def test_a_note_beside_the_folders_changes_nothing(tmp_path: Path) -> None:
    assert scan(put(tmp_path, "cats/a.png", "dogs/b.png", "licence.txt")).classes == ("cats", "dogs")


def test_one_folder_is_no_class(tmp_path: Path) -> None:
    assert scan(put(tmp_path, "cats/a.png", "cats/b.png")).classes == ()


def test_a_folder_around_everything_is_looked_through(tmp_path: Path) -> None:
    source = scan(put(tmp_path, "archive/v2/cats/a.png", "archive/v2/dogs/old/b.png"))
    assert labelled(source) == {"archive/v2/cats/a.png": "cats", "archive/v2/dogs/old/b.png": "dogs"}


TABLES = {
    "table.csv": "file,label\na.png,cat\nsub/b.png,dog\n",
    "with a mark.csv": "\ufefffile,label\r\na.png,cat\r\nsub/b.png,dog\r\n",
    "more columns.csv": "label,artist,file\ncat,me,a.png\ndog,you,sub\\b.png\n",
    "object.json": '{"a.png": "cat", "sub/b.png": "dog"}',
    "rows.JSON": '[{"file": "a.png", "label": "cat"}, {"file": "sub/b.png", "label": "dog", "more": 1}]',
}


@pytest.mark.parametrize("name", TABLES)
def test_labels_are_read_from_a_table(tmp_path: Path, name: str) -> None:
    put(tmp_path / "pictures", "a.png", "sub/b.png", "stray.png")
    (tmp_path / name).write_text(TABLES[name], encoding="utf-8", newline="")
    source = scan(tmp_path / "pictures", labels=str(tmp_path / name))
    assert labelled(source) == {"a.png": "cat", "sub/b.png": "dog"}
    assert source.classes == ("cat", "dog")
    assert [(file, name in reason) for file, reason in source.passed_over] == [("stray.png", True)]


def test_numbers_are_labels_too(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text('{"a.png": 3, "b.png": 10}')
    assert scan(put(tmp_path, "a.png", "b.png"), labels=str(tmp_path / "t.json")).classes == ("10", "3")


@pytest.mark.parametrize(
    ("name", "text"),
    [("t.csv", "file,label\na.png,cat\nb.png\nc.png,\n"), ("t.json", '{"a.png": "cat", "b.png": null, "c.png": ""}')],
)
def test_an_empty_label_is_none(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    source = scan(put(tmp_path, "a.png", "b.png", "c.png"), labels=str(tmp_path / name))
    assert labelled(source) == {"a.png": "cat"}
    assert [file for file, _ in source.passed_over] == ["b.png", "c.png"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", b"file;label\na.png;cat\n"),
        ("t.csv", b"picture,kind\na.png,cat\n"),
        ("t.csv", b"\xff\xfe\x00"),
        ("t.json", b"{"),
        ("t.json", b"[1, 2]"),
        ("t.json", b'["a.png"]'),
        ("t.json", b'[{"file": "a.png"}]'),
        ("t.json", b"3"),
    ],
)
def test_a_table_of_another_form_is_refused_by_name(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError) as caught:
        scan(put(tmp_path, "a.png"), labels=str(tmp_path / name))
    assert name in caught.value.message
    assert "file,label" in caught.value.hint


def test_a_table_that_is_missing_or_fits_nothing_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    with pytest.raises(DatasetError, match=r"gone\.csv"):
        scan(tmp_path, labels=str(tmp_path / "gone.csv"))
    (tmp_path / "t.csv").write_text("file,label\nother.png,cat\n")
    with pytest.raises(DatasetError, match="none of the 1") as caught:
        scan(tmp_path, labels=str(tmp_path / "t.csv"))
    assert "'other.png'" in caught.value.hint
    assert "'a.png'" in caught.value.hint


def test_a_zip_is_a_folder(tmp_path: Path) -> None:
    names = ["set/", "set/cats/A.JPG", "set/dogs/b.png", "__MACOSX/set/cats/._A.JPG", "set/.DS_Store", "set/notes.txt"]
    source = scan(zipped(tmp_path / "set.zip", *names))
    assert labelled(source) == {"set/cats/A.JPG": "cats", "set/dogs/b.png": "dogs"}
    assert (source.beside, source.hidden) == (("set/notes.txt",), ("__MACOSX/set/cats/._A.JPG", "set/.DS_Store"))
    read = source.reader()
    assert read(source.files[1]) == b"content of set/dogs/b.png"


def test_a_zip_may_have_any_suffix_and_a_folder_reads_its_files(tmp_path: Path) -> None:
    assert listed(scan(zipped(tmp_path / "archive.bin", "a.png"))) == ["a.png"]
    source = scan(put(tmp_path / "folder", "sub/a.png"))
    assert source.reader()(source.files[0]) == b"content of sub/a.png"


def test_locked_files_in_a_zip_are_told_of(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", "open.png", "locked.png")
    raw = bytearray(path.read_bytes())
    entry = raw.rindex(b"PK\x01\x02")  # the last entry of the central directory
    raw[entry + 8] |= 1
    path.write_bytes(raw)
    source = scan(path)
    assert listed(source) == ["open.png"]
    assert [(name, "password" in reason) for name, reason in source.passed_over] == [("locked.png", True)]


def damaged_zips() -> dict[str, bytes]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("bü.png", b"x" * 50)
    raw = buffer.getvalue()
    entry = raw.index(b"PK\x01\x02")
    return {
        "cut": raw[: len(raw) // 2],
        "no directory": raw[:entry] + b"\0" * 20 + raw[entry + 20 :],
        "a name that is no text": raw[: entry + 46] + b"b\xff" + raw[entry + 48 :],
        "a version of the future": raw[: entry + 6] + b"\xff" + raw[entry + 7 :],
        "text": b"not a zip",
        "empty": b"",
    }


@pytest.mark.parametrize("damage", damaged_zips())
def test_a_damaged_zip_is_refused_by_name(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "set.zip"
    path.write_bytes(damaged_zips()[damage])
    with pytest.raises(DatasetError, match=r"set\.zip") as caught:
        scan(path)
    assert caught.value.hint
    assert caught.value.exit_code == 3


def test_nothing_at_the_path_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="does not exist"):
        scan(tmp_path / "gone")
    assert scan(tmp_path).files == ()


def test_the_fingerprint_is_of_names_contents_and_labels_wherever_they_lie(tmp_path: Path) -> None:
    one = put(tmp_path / "one", "cats/a.png", "dogs/b.png")
    same = shutil.copytree(one, tmp_path / "same")
    original = scan(one).fingerprint
    assert scan(same).fingerprint == original
    put(same, "readme.txt")
    assert scan(same).fingerprint == original
    assert scan(same, labels="none").fingerprint != original
    (same / "cats" / "a.png").rename(same / "cats" / "c.png")
    assert scan(same).fingerprint != original
    (same / "cats" / "c.png").rename(same / "cats" / "a.png")
    (same / "cats" / "a.png").write_bytes(b"Content of cats/a.png")
    assert scan(same).fingerprint != original
    assert (
        scan(zipped(tmp_path / "1.zip", "a.png")).fingerprint == scan(zipped(tmp_path / "2.zip", "a.png")).fingerprint
    )
    assert scan(zipped(tmp_path / "3.zip", "b.png")).fingerprint != scan(tmp_path / "1.zip").fingerprint


def test_unchanged_files_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, memo = put(tmp_path / "root", "a.png", "b.png"), tmp_path / "cache" / "memo.json"
    first = scan(root, memo=memo)
    put(root, "new.png")
    opened: list[str] = []
    read = Path.open

    def watched(path: Path, *given: Any, **named: Any) -> Any:
        opened.append(path.name)
        return read(path, *given, **named)

    monkeypatch.setattr(Path, "open", watched)
    second = scan(root, memo=memo)
    monkeypatch.undo()
    assert "new.png" in opened
    assert not {"a.png", "b.png"} & set(opened)
    assert second.files[:2] == first.files
    assert second == scan(root)


def test_a_changed_file_is_noticed_though_its_size_is_the_same(tmp_path: Path) -> None:
    root, memo = put(tmp_path / "root", "a.png", "b.png"), tmp_path / "memo.json"
    before = scan(root, memo=memo)
    stat = (root / "a.png").stat()
    (root / "a.png").write_bytes((root / "a.png").read_bytes()[::-1])
    os.utime(root / "a.png", ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    (root / "b.png").unlink()
    after = scan(root, memo=memo)
    assert listed(after) == ["a.png"]
    assert after.files[0].digest != before.files[0].digest
    assert after == scan(root)


@pytest.mark.parametrize("content", ["", "{", "null", "[1]", "3", json.dumps({"a.png": 3}), json.dumps({"a.png": []})])
def test_a_damaged_memo_costs_only_time(tmp_path: Path, content: str) -> None:
    root, memo = put(tmp_path / "root", "a.png"), tmp_path / "memo.json"
    memo.write_text(content)
    assert scan(root, memo=memo) == scan(root)


def test_a_memo_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    root = put(tmp_path / "root", "a.png")
    (tmp_path / "file").touch()
    assert scan(root, memo=tmp_path / "file" / "memo.json") == scan(root)
