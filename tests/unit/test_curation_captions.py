"""Captions that picture files carry, and what hostile ones may not do."""

import io
import random
import struct
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageFile, ImageOps, PngImagePlugin

from artgan.curation.captions import embedded_caption
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
        tracemalloc.start()
        try:
            assert embedded_caption(opened) == ""
            assert tracemalloc.get_traced_memory()[1] < 10**7  # of a billion zeros
        finally:
            tracemalloc.stop()
