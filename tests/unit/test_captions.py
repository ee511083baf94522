"""Captions beside pictures: what tables, text files and folders say, and what hostile ones may not do."""

import os
import zipfile
from pathlib import Path

import pytest

from artgan.data import captions
from artgan.data.captions import captioned, captions_beside, clean_caption, decoded, read_caption_table
from artgan.data.sources import Source, scan
from artgan.errors import DatasetError


def test_captions_are_one_line_of_visible_text() -> None:
    assert clean_caption(" a\r\n\tb\x00c\x1b[31m \u00a0 d\x85e \ud83d ") == "a bc[31m d e"
    assert clean_caption("left \u202eright\u2066 \ufeffend") == "left right end"
    assert clean_caption("👩\u200d🎨") == "👩\u200d🎨"  # joined on purpose
    long = clean_caption("word " * 1000)
    assert len(long) <= 2000
    assert long == clean_caption(long)
    assert clean_caption("x" * 1999 + " y") == "x" * 1999
    assert [decoded("Ä".encode(code)) for code in ("utf-8", "utf-8-sig", "utf-16", "cp1252")] == ["Ä"] * 4


def put(root: Path, files: dict[str, str | bytes]) -> Source:
    for name, content in {"a.png": b"1", "b.JPG": b"2", "sub/c.png": b"3", "sub/deep/d": b"4", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return scan(root)


def zipped(root: Path, place: Path, kind_of_text: int = zipfile.ZIP_DEFLATED) -> Source:
    with zipfile.ZipFile(place, "w") as archive:
        for path in sorted(root.rglob("*")):
            kind = kind_of_text if path.suffix == ".txt" else zipfile.ZIP_DEFLATED
            archive.write(path, path.relative_to(root).as_posix(), kind)
    return scan(place)


def beside(source: Source, table: Path | None = None) -> tuple[dict[str, str], dict[str, str]]:
    found = captions_beside(source, source.reader(), table)
    return found.of, dict(found.passed_over)


FORMS = {
    "t.csv": 'file,caption\na.png,one\nsub/c.png,"two, and\nmore"\nb.JPG,\n',
    "t.CSV": '\ufeffartist, Image ,Text\r\nme,a.png,one\r\nme,sub\\c.png,"two, and more"\r\n',
    "t.tsv": "filename\ttitle\tdescription\nb.JPG\na.png\tno\tone\nsub/c.png\ttwo, and more\t\n",
    "t.json": '{"a.png": "one", "sub/c.png": "two, and more", "b.JPG": null}',
    "rows.json": '[{"file_name": "a.png", "text": "one"}, {"file": "./sub/c.png", "caption": "two, and more"}]',
    "t.jsonl": '{"file_name": "a.png", "text": "one"}\n\n{"file_name": "sub/c.png", "text": "two,\\nand more"}\n',
}


@pytest.mark.parametrize("name", FORMS)
def test_tables_of_every_form_are_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(FORMS[name], encoding="utf-8", newline="")
    assert read_caption_table(tmp_path / name) == {"a.png": "one", "sub/c.png": "two, and more"}


BROKEN = {
    "labels.csv": ("file,label\na.png,cat\n", "no caption, text, description or title"),
    "nameless.csv": ("caption\na cat\n", "no file, file_name, filename or image"),
    "twice.csv": ("file,caption\na.png,one\na.png,two\n", "'a.png' more than one caption"),
    "columns.csv": ("file,caption,Caption\na.png,one,two\n", "a column is there twice"),
    "open.csv": ('file,caption\na.png,"one\n', "unexpected end"),
    "wide.csv": ("file,caption\na.png," + "x" * 200_000, "field larger"),
    "text.json": ('"a.png"', "no list of records"),
    "nested.json": ("[" * 100_000, "nested too deeply"),
    "list.json": ('{"a.png": ["one"]}', "are text"),
    "half.jsonl": ('{"file": "a.png", "caption": "one"}\n{"file": ', "Expecting value"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_table_is_named_with_its_fault(tmp_path: Path, name: str) -> None:
    text, fault = BROKEN[name]
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(DatasetError, match=name) as raised:
        read_caption_table(tmp_path / name)
    assert fault in raised.value.message
    source = put(tmp_path / "pictures", {f"captions{Path(name).suffix}": text, "a.txt": "beside"})
    found, passed_over = beside(source)
    assert found == {"a.png": "beside"}
    assert fault in passed_over[f"captions{Path(name).suffix}"]


def test_a_table_that_is_missing_a_pipe_or_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "large.csv").write_text("file,caption\na.png,one\n", encoding="utf-8")
    monkeypatch.setattr(captions, "MAX_TABLE_BYTES", 10)
    for name, fault in {"gone.csv": "No such file", "pipe.csv": "not a file", "large.csv": "too large"}.items():
        with pytest.raises(DatasetError, match=fault):
            read_caption_table(tmp_path / name)


def test_a_table_of_other_pictures_is_refused(tmp_path: Path) -> None:
    source = put(tmp_path / "pictures", {})
    (tmp_path / "t.csv").write_text("file,caption\npictures/a.png,one\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"none of the 4 pictures") as raised:
        beside(source, tmp_path / "t.csv")
    assert "'pictures/a.png'" in raised.value.hint
    assert "'a.png'" in raised.value.hint


@pytest.mark.parametrize("packed", [False, True])
def test_the_nearest_word_counts(tmp_path: Path, packed: bool) -> None:
    files: dict[str, str | bytes] = {
        "metadata.csv": "file_name,text\nsub/c.png,from above\nb.JPG,from metadata\nsub/deep/d,from far above\n",
        "captions.tsv": "file\tcaption\nb.JPG\tfrom captions\n",
        "sub/Metadata.jsonl": '{"file_name": "c.png", "text": "from its folder"}\n',
        "a.TXT": "from its text",
        "b.txt": "never read",
        "other.txt": "of no picture",
    }
    source = put(tmp_path / "pictures", files)
    if packed:
        source = zipped(source.path, tmp_path / "pictures.zip")
    expected = {"a.png": "from its text", "b.JPG": "from captions", "sub/c.png": "from its folder"}
    expected["sub/deep/d"] = "from far above"
    assert beside(source) == (expected, {})
    (tmp_path / "mine.csv").write_text("file,caption\nsub/c.png,mine\n", encoding="utf-8")
    assert beside(source, tmp_path / "mine.csv") == ({**expected, "sub/c.png": "mine"}, {})


def test_text_files_speak_of_the_pictures_with_their_name(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "a.jpg": b"5",
        "a.txt": "\ufeffof both\n",
        "b.JPG.txt": "of exactly this",
        "b.txt": "of its stem",
        "sub/c.txt": "Käse".encode("utf-16"),
        "sub/deep/d.Txt": "“Käse”".encode("cp1252"),
    }
    expected = {"a.png": "of both", "a.jpg": "of both", "b.JPG": "of exactly this", "sub/c.png": "Käse"}
    assert beside(put(tmp_path, files)) == ({**expected, "sub/deep/d": "“Käse”"}, {})


def test_what_is_not_safe_to_read_is_told_of(tmp_path: Path) -> None:
    source = put(tmp_path / "in", {"a.txt": b"x" * (1 << 16), "b.txt": b"x" * ((1 << 16) + 1), "captions.csv": "x"})
    (tmp_path / "in" / "captions.csv").unlink()  # scanned before; now a pipe, which would be waited for
    os.mkfifo(tmp_path / "in" / "captions.csv")
    found, passed_over = beside(source)
    assert found == {"a.png": "x" * 2000}
    assert "larger than 64 KiB" in passed_over["b.txt"]
    assert "pipe" in passed_over["captions.csv"]
    (tmp_path / "in" / "captions.csv").unlink()
    found, passed_over = beside(zipped(tmp_path / "in", tmp_path / "odd.zip", zipfile.ZIP_BZIP2))
    assert found == {}
    assert "unusual way" in passed_over["a.txt"]


def test_texts_without_end_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captions, "MAX_FILE_BYTES", 8)
    found, passed_over = beside(put(tmp_path, {"a.txt": "four", "b.txt": "four", "sub/c.txt": "five!"}))
    assert found == {"a.png": "four", "b.JPG": "four"}
    assert "too much in all" in passed_over["sub/c.txt"]


# --- captions in the place of labels


def told(root: Path) -> dict[str, str | None]:
    return {file.name: file.label for file in captioned(scan(root)).files}


def test_captions_take_the_place_of_labels_and_pictures_without_one_have_none(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "a.txt": "red apple",
        "captions.csv": "file,caption\nb.JPG,pear\n",
        "readme.txt": "of no picture",
        "metadata.csv": "file,label\nb.JPG,a label\n",
    }
    source = put(tmp_path, files)
    found = captioned(source)
    assert {file.name: file.label for file in found.files} == {
        **{"a.png": "red apple", "b.JPG": "pear"},
        **{"sub/c.png": "", "sub/deep/d": ""},
    }
    assert found.classes == ("", "pear", "red apple")
    assert found.beside == ("readme.txt",)
    assert dict(found.passed_over)["metadata.csv"].startswith("not a table of captions")
    assert [file.digest for file in found.files] == [file.digest for file in source.files]


def test_class_folders_speak_when_nothing_else_does(tmp_path: Path) -> None:
    for name in ("red_apples/a.png", "red_apples/b.png", "pears/old/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"picture")
    folders = {"pears/old/c.png": "pears", "red_apples/a.png": "red_apples", "red_apples/b.png": "red_apples"}
    assert told(tmp_path) == folders
    (tmp_path / "red_apples" / "a.txt").write_text("three apples")
    assert told(tmp_path) == {**dict.fromkeys(folders, ""), "red_apples/a.png": "three apples"}


def test_without_any_caption_there_is_a_hint(tmp_path: Path) -> None:
    source = put(tmp_path, {"captions.csv": "file,label\na.png,cat\n"})
    with pytest.raises(DatasetError, match=r"No picture in .* has a caption\. captions\.csv: not a table") as raised:
        captioned(source)
    assert "a.txt beside a.png" in raised.value.hint
    assert "captions.csv" in raised.value.hint


def test_other_captions_are_another_fingerprint(tmp_path: Path) -> None:
    plain = put(tmp_path, {"a.txt": "red apple"}).fingerprint
    before = captioned(scan(tmp_path)).fingerprint
    (tmp_path / "unrelated.txt").write_text("of no picture")
    assert captioned(scan(tmp_path)).fingerprint == before
    (tmp_path / "a.txt").write_text("green apple")
    assert captioned(scan(tmp_path)).fingerprint != before
    assert scan(tmp_path).fingerprint == plain, "to all others it is the same set"


MANIFEST = (
    '{"file": "src/1.tif", "status": "kept", "caption": "an apple", "output": "a.png", "outputs": null}\n'
    '{"file": "a.png", "status": "dropped", "caption": "a copy", "output": null, "outputs": null}\n'
    '{"file": "2.gif", "status": "kept", "caption": "two pears", "output": "sub/c.png", '
    '"outputs": [{"output": "sub/c.png", "crop": null}, {"output": "sub/deep/d", "crop": null}]}\n'
    '{"file": "b.JPG", "status": "kept", "caption": null, "output": "b.JPG", "outputs": null}\n'
)


@pytest.mark.parametrize("packed", [False, True])
def test_a_manifest_speaks_of_what_is_in_the_set(tmp_path: Path, packed: bool) -> None:
    source = put(tmp_path / "set", {"manifest.jsonl": MANIFEST})
    if packed:
        source = zipped(source.path, tmp_path / "set.zip")
    found = captioned(source)
    assert {file.name: file.label for file in found.files} == {
        **{"a.png": "an apple", "b.JPG": "", "sub/c.png": "two pears", "sub/deep/d": "two pears"},
    }
    assert (found.beside, found.passed_over) == ((), ())


def test_a_part_of_a_split_set_is_spoken_of_by_the_manifest_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = '{"file": "x", "status": "kept", "caption": "an apple", "output": "train/sub/c.png", "outputs": null}\n'
    (tmp_path / "manifest.jsonl").write_text(line + line.replace("train", "test").replace("apple", "owl"))
    put(tmp_path / "train", {})
    expected = {"a.png": "", "b.JPG": "", "sub/c.png": "an apple", "sub/deep/d": ""}
    assert told(tmp_path / "train") == expected
    monkeypatch.chdir(tmp_path / "train")
    assert told(Path()) == expected
    (tmp_path / "manifest.jsonl").write_text('{"name": "of something else"}\n')
    with pytest.raises(DatasetError, match="has a caption"):
        told(tmp_path / "train")


@pytest.mark.parametrize(
    "outputs", ['"a.png"', '["a.png"]', '[{"output": ["a.png"]}]', '[{"place": "a.png"}]', '{"a.png": 1}']
)
def test_a_manifest_that_was_tampered_with_is_no_table(tmp_path: Path, outputs: str) -> None:
    row = f'{{"file": "a.png", "status": "kept", "caption": "an apple", "output": "a.png", "outputs": {outputs}}}\n'
    found, passed_over = beside(put(tmp_path, {"manifest.jsonl": row, "a.txt": "beside"}))
    assert found == {"a.png": "beside"}
    assert "not a table of captions" in passed_over["manifest.jsonl"]
