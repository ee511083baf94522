"""Captions: what files carry, what tables and text files say, and what hostile ones may not do."""

import io
import os
import random
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageFile, ImageOps, PngImagePlugin

from artgan.curation import captions
from artgan.curation.captions import captions_beside, clean_caption, decoded, embedded_caption, read_caption_table
from artgan.data.sources import Source, scan
from artgan.engine.images import encode_png, open_picture, quiet_decoding
from artgan.errors import DatasetError

PICTURE = Image.new("RGB", (16, 12), (90, 40, 200))


def saved(kind: str = "JPEG", **extra: Any) -> bytes:
    buffer = io.BytesIO()
    PICTURE.save(buffer, kind, **extra)
    return buffer.getvalue()


def caption_of(data: bytes) -> str:
    with open_picture(data) as opened:
        return embedded_caption(opened)


def xmp(inside: str) -> bytes:
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
        'xmlns:q="http://purl.org/dc/elements/1.1/"><rdf:Description rdf:about="">'
        f'{inside}</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode() + b"\0"


def described(*items: tuple[str, str]) -> bytes:
    lines = "".join(f'<rdf:li xml:lang="{language}">{text}</rdf:li>' for language, text in items)
    return xmp(f"<q:description><rdf:Alt>{lines}</rdf:Alt></q:description>")


def iptc(caption: bytes, charset: bytes = b"") -> bytes:
    def field(record: int, number: int, data: bytes) -> bytes:
        return struct.pack(">BBBH", 0x1C, record, number, len(data)) + data

    return (field(1, 90, charset) if charset else b"") + field(2, 5, b"a title") + field(2, 120, caption)


def with_iptc(data: bytes, jpeg: bytes | None = None) -> bytes:
    jpeg = saved() if jpeg is None else jpeg
    block = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">I", len(data)) + data + b"\0" * (len(data) % 2)
    return jpeg[:2] + struct.pack(">BBH", 0xFF, 0xED, len(block) + 2) + block + jpeg[2:]


def exif(tags: dict[int, object], comment: bytes | None = None, endian: str = "<") -> Image.Exif:
    found = Image.Exif()
    found.endian = endian
    for tag, value in tags.items():
        found[tag] = value
    if comment is not None:
        found.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = comment
    return found


DESCRIPTION, XP_COMMENT, XP_TITLE = 0x010E, 0x9C9C, 0x9C9B


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_xmp_is_read_in_the_default_language(kind: str) -> None:
    data = described(("nl", "Een kat"), ("x-default", "A cat &amp; a <![CDATA[<dog>]]>"))
    if kind == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", data.decode())
        assert caption_of(saved("PNG", pnginfo=text)) == "A cat & a <dog>"
    else:
        extra = {"tiffinfo": {700: data}} if kind == "TIFF" else {"xmp": data}
        assert caption_of(saved(kind, **extra)) == "A cat & a <dog>"


@pytest.mark.parametrize(
    "data",
    [
        described(("nl", "Een kat"), ("de", "Eine Katze")),
        xmp("<q:description>Een kat</q:description>"),
        xmp("").replace(b'rdf:about=""', b'rdf:about="" q:description="Een kat"'),
    ],
)
def test_xmp_without_a_default_has_its_first_and_its_short_forms(data: bytes) -> None:
    assert caption_of(saved(xmp=data)) == "Een kat"


def test_xmp_of_a_megabyte_is_not_parsed() -> None:
    data = described(("x-default", "A cat"))
    assert caption_of(saved("TIFF", tiffinfo={700: data + b" " * 100_000})) == "A cat"
    assert caption_of(saved("TIFF", tiffinfo={700: data + b" " * (1 << 20)})) == ""


def test_xmp_with_entities_is_not_parsed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret", encoding="utf-8")
    for declared in ('<!ENTITY a "aha">', f'<!ENTITY a SYSTEM "{secret.as_uri()}">', ""):
        data = b"<!DOCTYPE x [%s]>" % declared.encode() + described(("x-default", "&a;" if declared else "aha"))
        data = data.replace(data[data.index(b"<?xpacket") : data.index(b"<x:xmp")], b"")
        with_exif = exif({DESCRIPTION: "the next"})
        assert caption_of(saved(xmp=data, exif=with_exif)) == "the next"
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    data = f'<!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]><x>description &l11;</x>'.encode()
    started = time.perf_counter()
    assert caption_of(saved(xmp=data)) == ""
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(
    ("data", "caption"),
    [
        (iptc(b"A cat"), "A cat"),
        (iptc("Café “Müller”".encode(), b"\x1b%G"), "Café “Müller”"),
        (iptc("Café “Müller”".encode()), "Café “Müller”"),
        (iptc("Café “Müller”".encode("cp1252")), "Café “Müller”"),
        (iptc("Café é".encode()[:-1], b"\x1b%G"), "Café"),
        (iptc(b"") + iptc(b"the second"), "the second"),
    ],
)
def test_iptc_is_read_in_whatever_it_is_written(data: bytes, caption: str) -> None:
    assert caption_of(with_iptc(data)) == caption
    assert caption_of(saved("TIFF", tiffinfo={33723: data})) == caption


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_exif_is_read(kind: str) -> None:
    assert caption_of(saved(kind, exif=exif({DESCRIPTION: "Café".encode()}))) == "Café"
    assert caption_of(saved(kind, exif=exif({DESCRIPTION: "Café".encode("latin-1")}))) == "Café"
    assert caption_of(saved(kind, exif=exif({XP_TITLE: "Käse 🧀\0".encode("utf-16-le")}))) == "Käse 🧀"


@pytest.mark.parametrize("endian", "<>")
def test_user_comments_are_read_in_their_code(endian: str) -> None:
    def comment(code: bytes, text: bytes) -> str:
        return caption_of(saved(exif=exif({}, code.ljust(8, b"\0") + text, endian)))

    assert comment(b"ASCII", b"A cat\0\0") == "A cat"
    assert comment(b"", "Café".encode()) == "Café"
    assert comment(b"UNICODE", "Käse".encode("utf-16-le")) == "Käse"
    assert comment(b"UNICODE", "Käse".encode("utf-16-be")) == "Käse"
    own = "utf-16-le" if endian == "<" else "utf-16-be"
    assert comment(b"UNICODE", "富嶽三十六景".encode(own)) == "富嶽三十六景"
    assert comment(b"JIS", "富嶽".encode("iso2022_jp")) == "富嶽"
    assert caption_of(saved(exif=exif({}, b"no code at all"))) == "no code at all"


def test_texts_of_png_jpeg_and_gif_are_read_but_not_our_recipes() -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Title", "the title")
    text.add_text("Software", "some program")
    text.add_itxt("Description", "Käse", zip=True)
    assert caption_of(saved("PNG", pnginfo=text)) == "Käse"
    assert caption_of(saved(comment="A cat")) == "A cat"
    assert caption_of(saved("GIF", comment=b"A cat")) == "A cat"
    recipe = {"kind": "sample", "description": "no caption"}
    assert caption_of(encode_png(np.zeros((3, 4, 4), np.uint8), recipe)) == ""
    assert caption_of(saved(comment='{"artgan": {"kind": "repaint"}}')) == ""
    assert caption_of(saved("TIFF", tiffinfo={270: '{"artgan": {"kind": "repaint"}}'})) == ""


def test_the_first_that_says_something_counts() -> None:
    everything: dict[str, Any] = {
        "xmp": described(("x-default", "of XMP")),
        "comment": "of the file",
        "exif": exif(
            {DESCRIPTION: "of EXIF", XP_COMMENT: "of Windows".encode("utf-16-le")}, b"ASCII\0\0\0of the camera"
        ),
    }
    assert caption_of(with_iptc(iptc(b"of IPTC"), saved(**everything))) == "of XMP"
    everything["xmp"] = described(("x-default", "OLYMPUS DIGITAL CAMERA         "))
    assert caption_of(with_iptc(iptc(b"of IPTC"), saved(**everything))) == "of IPTC"
    assert caption_of(saved(**everything)) == "of EXIF"
    everything["exif"] = exif({XP_COMMENT: "of Windows".encode("utf-16-le")}, b"ASCII\0\0\0of the camera")
    assert caption_of(saved(**everything)) == "of Windows"
    everything["exif"] = exif({}, b"ASCII\0\0\0of the camera")
    assert caption_of(saved(**everything)) == "of the camera"
    del everything["exif"]
    assert caption_of(saved(**everything)) == "of the file"


NOISE = [
    "OLYMPUS DIGITAL CAMERA",
    "SONY DSC",
    "DCIM",
    "Created with GIMP",
    "Screenshot",
    "KONICA MINOLTA DIGITAL CAMERA",
]
NOISE += ["CREATOR: gd-jpeg v1.0 (using IJG JPEG v62), quality = 90", "KODAK Digital Still Camera", "Exif_JPEG_PICTURE"]
NOISE += [
    "IMG_1234",
    "DSC00012.JPG",
    "Screenshot 2024-01-02 at 10.11.12",
    "Untitled-1",
    "hdrpl",
    "12345",
    "---",
    "Default",
]
NOISE += ['{"shape": [512, 512, 3]}', "<?xml version='1.0'?><OME/>", "ImageJ=1.53t\nimages=3", "my holiday.jpg"]
NOISE += [
    "File written by Adobe Photoshop® 5.0",
    "Intel(R) JPEG Library, version 1,5,4,36",
    "Lavc58.54.100",
    "AppleMark",
]
SPEECH = [
    "Screenshot of a lost game",
    "A digital camera on a table",
    "Created by Anna Ancher in 1890",
    "cat",
    "富嶽三十六景",
]
SPEECH += [
    "[Portrait of a woman]",
    "Painted with a photoshop of horrors",
    "Untitled (Rome), 1971",
    "Photo 51 by Franklin",
]


@pytest.mark.parametrize("text", NOISE)
def test_what_programs_write_is_no_caption(text: str) -> None:
    assert caption_of(saved(comment=text.encode())) == ""


@pytest.mark.parametrize("text", SPEECH)
def test_what_people_write_is(text: str) -> None:
    assert caption_of(saved(comment=text.encode())) == text


def test_captions_are_one_line_of_visible_text() -> None:
    assert clean_caption(" a\r\n\tb\x00c\x1b[31m \u00a0 d\x85e \ud83d ") == "a bc[31m d e"
    assert clean_caption("left \u202eright\u2066 \ufeffend") == "left right end"
    assert clean_caption("👩\u200d🎨") == "👩\u200d🎨"  # joined on purpose
    long = clean_caption("word " * 1000)
    assert len(long) <= 2000
    assert long == clean_caption(long)
    assert clean_caption("x" * 1999 + " y") == "x" * 1999
    assert [decoded("Ä".encode(code)) for code in ("utf-8", "utf-8-sig", "utf-16", "cp1252")] == ["Ä"] * 4


def rich() -> list[bytes]:
    tags: dict[int, object] = {DESCRIPTION: "a", XP_COMMENT: "b".encode("utf-16-le"), 0x0112: 6}
    comment = b"UNICODE\0" + "c".encode("utf-16-le")
    text = PngImagePlugin.PngInfo()
    text.add_itxt("Description", "d" * 50, zip=True)
    packet = described(("x-default", "é"))
    jpeg = saved(exif=exif(tags, comment), xmp=packet, comment="e")
    tiff = saved("TIFF", exif=exif(tags, comment), tiffinfo={33723: iptc(b"f"), 700: packet})
    return [jpeg, with_iptc(iptc(b"f")), saved("PNG", pnginfo=text, exif=exif(tags, comment)), tiff]


@pytest.mark.parametrize("number", range(4))
def test_damage_is_no_harm_and_looking_changes_nothing(number: int) -> None:
    """What a file decodes to, or fails with, is the same whether its caption was looked for or not."""

    def outcome(data: bytes, look: Callable[[ImageFile.ImageFile], object]) -> object:
        try:
            with open_picture(data) as opened:
                opened.getexif()
                look(opened)
                opened.load()
                return ImageOps.exif_transpose(opened).tobytes()
        except DatasetError as error:
            return error.message

    whole, draws = rich()[number], random.Random(number)
    with quiet_decoding():
        for _ in range(150):
            data = bytearray(whole)
            for _ in range(draws.randint(1, 6)):
                data[draws.randrange(len(data))] = draws.choice((0, 1, 0xFF, draws.randrange(256)))
            assert outcome(bytes(data), embedded_caption) == outcome(bytes(data), lambda _: None)


def test_a_number_where_text_belongs_takes_no_memory() -> None:
    with open_picture(saved()) as opened:
        opened.getexif()[XP_COMMENT] = 10**9
        opened.getexif()[DESCRIPTION] = 10**9
        started = time.perf_counter()
        assert embedded_caption(opened) == ""
        assert time.perf_counter() - started < 0.05  # a billion zeros take longer


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
