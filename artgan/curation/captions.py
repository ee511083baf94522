"""What a picture shows, in words: from a table, from text files beside it, or from within its own file."""

import contextlib
import csv
import io
import itertools
import posixpath
import re
import stat
import zipfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

from PIL import ExifTags, ImageFile, IptcImagePlugin

from artgan.data.sources import MAX_FILE_BYTES, MAX_TABLE_BYTES, PictureFile, Source
from artgan.engine.storage import parse_json
from artgan.errors import DatasetError

MAX_CHARACTERS = 2000
MAX_TEXT_BYTES = 1 << 16
MAX_XMP_BYTES = 1 << 20
TABLES = ("captions.csv", "captions.tsv", "captions.json", "captions.jsonl", "metadata.csv", "metadata.jsonl")
"""Names of tables that are looked for beside pictures; those called metadata are of a Hugging Face image folder."""
FILE_COLUMNS = ("file", "file_name", "filename", "image")
CAPTION_COLUMNS = ("caption", "text", "description", "title")

Reader = Callable[[PictureFile], bytes]

# Control characters that are no white space, halves of characters, and marks that turn the direction of writing, by
# which a caption could disguise what stands beside it in a report.
_UNSEEN = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff\ufffe\uffff]")
_DESCRIPTION = "{http://purl.org/dc/elements/1.1/}description"
_ITEM = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}li"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"

# What cameras and programs write where a description belongs. Each is matched against the whole text, so that
# "Screenshot" falls and "Screenshot of a lost game" stays.
_NOISE = re.compile(
    "|".join(
        (
            r"[{<].*",  # JSON (our own recipes, what tifffile writes) and XML (OME)
            r"imagej=.*",
            r"[\W\d_]*",  # no letter
            r".+\.(jpe?g|png|tiff?|webp|gif|bmp|heic|psd|xcf)",  # a file's name
            # with a number or a time, as programs name files
            r"(img|dsc[fn]?|dcim|p|pict?|scan|image|photo|screen ?shot|untitled|default)[\W\d_]*(at [\W\d_]*)?([ap]m)?",
            r"([\w-]+ ){0,2}digital (still )?camera|sony dsc|samsung camera pictures|exif_jpeg_\w+",
            r"cof|dav|edf|fbt|hdr|hdrpl|mde|nor|oznor|ptr|rbt|rhdr|sdr|btf|bty",  # how a phone took it
            r"creator: .*|lavc[\d.]*|applemark|lead technologies.*|.*\bjpeg (library|encoder)\b.*|optimi[sz]ed by .*",
            r"(\w+ )?(created|made|edited|processed|drawn|written|exported|generated) (with|by|in|using) (the )?"
            r"(adobe|photoshop|gimp|inkscape|krita|paint|imagemagick|canva|blender|ebay|picasa|snapseed|acdsee)\b.*",
        )
    ),
    re.IGNORECASE | re.DOTALL,
)


def clean_caption(text: str) -> str:
    """One line of at most 2,000 characters, without control characters."""
    return " ".join(_UNSEEN.sub("", text).split())[:MAX_CHARACTERS].rstrip()


def decoded(data: bytes) -> str:
    """Text in UTF-8, in UTF-16 with its mark, or else in Windows' Latin-1, which has the quotation marks too.

    What is not meant as UTF-8 is hardly ever valid as such, so the bytes tell more than what is declared of them.
    """
    try:
        return data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def embedded_caption(opened: ImageFile.ImageFile) -> str:
    """The description that a picture's file carries, or ''; what cameras and programs write of themselves is none.

    Looked for in XMP, IPTC, EXIF (ImageDescription, XPComment, XPTitle, UserComment), and what PNG, JPEG and GIF call
    description, comment or title.

    Args:
        opened: a picture that is not yet loaded, and stays so: text that lies behind a PNG's pixels is not seen.
    """
    for texts in (_of_xmp, _of_iptc, _of_exif, _of_user_comment, _of_text):
        # Pillow and the parsers meet hostile bytes with whatever they stumble over, as in `open_picture`. A caption is
        # an extra: one that cannot be read takes away neither the picture nor the next caption.
        with contextlib.suppress(Exception):
            for text in texts(opened):
                caption = clean_caption(text)
                if not _NOISE.fullmatch(caption):
                    return caption
    return ""


class _NoDoctype(ElementTree.TreeBuilder):
    """Builds XML that declares nothing: with no DOCTYPE there are no entities, so nothing to blow up or to fetch."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ValueError("XMP has no DOCTYPE")


def _of_xmp(opened: ImageFile.ImageFile) -> Iterator[str]:
    """dc:description: in the default language, then in others (XMP specification, part 1, 8.2.2.4 and 8.3).

    Pillow would want defusedxml for it; of that one thing is needed, and the standard parser offers it. A pattern in
    place of a parser would stumble over other prefixes, quotes and CDATA.
    """
    data = opened.info.get("xmp", b"")
    if b"description" not in data or len(data) > MAX_XMP_BYTES:  # most packets tell only of exposure and edits
        return
    root = ElementTree.fromstring(data.rstrip(b"\x00 "), ElementTree.XMLParser(target=_NoDoctype()))
    for description in root.iter(_DESCRIPTION):
        items = sorted(description.iter(_ITEM), key=lambda item: item.get(_LANGUAGE) != "x-default")
        yield from (item.text or "" for item in items)
        yield description.text or ""
    yield from (element.get(_DESCRIPTION, "") for element in root.iter())


def _of_iptc(opened: ImageFile.ImageFile) -> Iterator[str]:
    """The caption 2:120 (IPTC-IIM 4.2); 1:90 tells whether it is UTF-8."""
    found = IptcImagePlugin.getiptcinfo(opened) if opened.format in ("JPEG", "MPO", "TIFF") else None
    caption = found.get((2, 120)) if found else None
    for data in caption if isinstance(caption, list) else [caption]:
        if found and data:
            # Programs cut it at 2,000 bytes, in the middle of a character if need be.
            utf8 = found.get((1, 90)) == b"\x1b%G"
            yield data.decode("utf-8", "ignore") if utf8 else decoded(data)


def _of_exif(opened: ImageFile.ImageFile) -> Iterator[str]:
    exif = opened.getexif()
    yield decoded(_bytes(exif.get(ExifTags.Base.ImageDescription)))
    for tag in (ExifTags.Base.XPComment, ExifTags.Base.XPTitle):
        yield _bytes(exif.get(tag)).decode("utf-16-le", "ignore")


def _bytes(value: object) -> bytes:
    """The bytes of a tag that holds text; a number is none, and would be taken for a count of zeros."""
    if isinstance(value, str):
        return value.encode("latin-1")  # as Pillow takes all text of EXIF for Latin-1, this gives its bytes back
    return value if isinstance(value, bytes) else b""


def _of_user_comment(opened: ImageFile.ImageFile) -> Iterator[str]:
    """UserComment, whose first 8 bytes name its character code (Exif 3.0, 4.6.6)."""
    exif = opened.getexif()
    data = _bytes(exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment))
    code, text = data[:8], data[8:]
    if code == b"UNICODE\0":
        # Writers disagree whether it follows the byte order of the EXIF; the zeros of common characters tell.
        zeros = text[0::2].count(0) - text[1::2].count(0)
        big = zeros > 0 or (zeros == 0 and exif.endian == ">")
        yield text.decode("utf-16-be" if big else "utf-16-le", "ignore")
    elif code == b"JIS\0\0\0\0\0":
        yield text.decode("iso2022_jp", "ignore")
    else:
        yield decoded(text if code in (b"ASCII\0\0\0", bytes(8)) else data)


def _of_text(opened: ImageFile.ImageFile) -> Iterator[str]:
    named = {key.lower(): value for key, value in opened.info.items() if isinstance(key, str)}
    for text in [named.get(name, "") for name in ("description", "comment", "title")]:
        yield decoded(text) if isinstance(text, bytes) else str(text)


def read_caption_table(path: Path) -> dict[str, str]:
    """Read the captions of files from a CSV, TSV, JSON or JSON-lines table.

    A row has the file as file, file_name, filename or image, and its caption as caption, text, description or title; of
    several the first that is filled counts. JSON may also be an object {file: caption}.

    Raises:
        DatasetError: it is missing, or has no such form.
    """
    hint = "Write a CSV with the header file,caption and one row per file, or a JSON object of file: caption."
    try:
        if path.exists() and not path.is_file():  # opening a pipe would wait for ever
            raise ValueError("it is not a file")
        if path.stat().st_size > MAX_TABLE_BYTES:
            raise ValueError("it is too large")
        return _parse_table(path.read_bytes(), path.suffix)
    except OSError as error:
        raise DatasetError(f"The caption table {path} cannot be read: {error.strerror}.", hint) from error
    except ValueError as error:
        raise DatasetError(f"The caption table {path} is not a table of file and caption: {error}.", hint) from error


def _parse_table(data: bytes, suffix: str) -> dict[str, str]:
    """Captions by file, cleaned; files without one are left out.

    Raises:
        ValueError: what is wrong with it.
    """
    text = decoded(data)
    table: dict[str, str] = {}
    for row in _json_rows(text, suffix.lower()) if suffix.lower().startswith(".json") else _csv_rows(text, suffix):
        file, caption = _first(row, FILE_COLUMNS), clean_caption(_first(row, CAPTION_COLUMNS))
        name = str(PurePosixPath(file.replace("\\", "/")))
        if caption and table.setdefault(name, caption) != caption:
            raise ValueError(f"it gives {name[:100]!r} more than one caption")
    return table


def _first(row: dict[str, Any], columns: tuple[str, ...]) -> str:
    """What stands in the first of `columns` that is filled, or ''."""
    there = [row[column] for column in columns if column in row]
    if not there:
        raise ValueError(f"a row has no {', '.join(columns[:-1])} or {columns[-1]}")
    filled = next((value for value in there if value not in (None, "")), "")
    if not isinstance(filled, str | int | float):
        raise ValueError("files and captions are text")
    return str(filled)


def _json_rows(text: str, suffix: str) -> Iterator[dict[str, Any]]:
    if suffix == ".jsonl":
        rows = [parse_json(line) for line in text.split("\n") if line.strip()]
    else:
        rows = parse_json(text)
        if isinstance(rows, dict):
            rows = [{"file": file, "caption": caption} for file, caption in rows.items()]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("it is no list of records")
    for row in rows:
        yield {key.strip().lower(): value for key, value in row.items()}


def _csv_rows(text: str, suffix: str) -> Iterator[dict[str, Any]]:
    rows = csv.reader(io.StringIO(text), delimiter="\t" if suffix.lower() == ".tsv" else ",", strict=True)
    try:
        header = [name.strip().lower() for name in next(rows, [])]
        if any(header.count(name) > 1 for name in FILE_COLUMNS + CAPTION_COLUMNS):
            raise ValueError("a column is there twice")
        yield from (dict(itertools.zip_longest(header, row[: len(header)], fillvalue="")) for row in rows if row)
    except csv.Error as error:
        raise ValueError(str(error)) from error


@dataclass(frozen=True)
class Captions:
    """What tables and text files beside pictures say.

    Attributes:
        of: captions by the name of the picture, cleaned; pictures without one are not in it.
        passed_over: tables and text files that could not be used, as (name, reason).
    """

    of: dict[str, str]
    passed_over: tuple[tuple[str, str], ...]


def captions_beside(source: Source, reader: Reader, table: Path | None = None) -> Captions:
    """The captions of a source's pictures that are not in their own files.

    For each picture the first of: `table`; the nearest table in the source that has one of the names TABLES, whose
    names are relative to its own folder; a text file with the picture's name, `a.png.txt` or `a.txt`.

    Args:
        source: a scanned folder or zip.
        reader: its reader.
        table: a table that the user gives; its names are paths inside the source.

    Raises:
        DatasetError: `table` cannot be read, or speaks of none of the pictures.
    """
    pictures = {file.name for file in source.files}
    captions: dict[str, str] = {}
    passed_over: list[tuple[str, str]] = []
    if table is not None:
        given = read_caption_table(table)
        captions = {name: caption for name, caption in given.items() if name in pictures}
        if pictures and not captions:
            example, ours = next(iter(given), "nothing"), next(iter(source.files)).name
            raise DatasetError(
                f"{table} has a caption for none of the {len(pictures)} pictures.",
                f"Names are paths inside {source.path.name}: the table has {example!r}, the folder {ours!r}.",
            )
    tables = [name for name in source.beside if posixpath.basename(name).lower() in TABLES]
    tables.sort(key=lambda name: (-name.count("/"), name))
    for name, data in _read_all(source, reader, tables, MAX_TABLE_BYTES, passed_over):
        folder, suffix = posixpath.dirname(name), PurePosixPath(name).suffix
        try:
            for file, caption in _parse_table(data, suffix).items():
                inside = posixpath.normpath(posixpath.join(folder, file))
                if inside in pictures:
                    captions.setdefault(inside, caption)
        except ValueError as error:
            passed_over.append((name, f"not a table of captions: {error}"))
    texts = _texts_of(source, pictures - captions.keys())
    for name, data in _read_all(source, reader, texts, MAX_TEXT_BYTES, passed_over):
        if caption := clean_caption(decoded(data)):
            captions.update(dict.fromkeys(texts[name], caption))
    return Captions(captions, tuple(passed_over))


def _texts_of(source: Source, pictures: set[str]) -> dict[str, list[str]]:
    """Text files that have a picture's name, each with its pictures; `a.txt` speaks of a.jpg and a.png alike."""
    texts = {name[:-4]: name for name in source.beside if name[-4:].lower() == ".txt"}
    of_text: dict[str, list[str]] = {}
    for picture in sorted(pictures):
        if text := texts.get(picture) or texts.get(posixpath.splitext(picture)[0]):
            of_text.setdefault(text, []).append(picture)
    return of_text


def _read_all(
    source: Source, reader: Reader, names: Collection[str], most_bytes: int, passed_over: list[tuple[str, str]]
) -> Iterator[tuple[str, bytes]]:
    """Each file and its bytes; those that cannot be read, or are larger, are told of in `passed_over`."""
    if not names:  # a large zip is not listed again for nothing
        return
    size_of, total = _sizes(source), 0
    for name in names:
        try:
            size = size_of(name)
            if size > most_bytes or (total := total + size) > MAX_FILE_BYTES:  # a zip bomb's could be without end
                raise ValueError(f"larger than {most_bytes >> 10} KiB, or too much in all")
            data = reader(PictureFile(name, None, "", size))
        except Exception as error:  # a disk, or a zip, that gives way: as in `see`
            reason = " ".join(str(error).split())[:120] or type(error).__name__
            passed_over.append((name, f"cannot be read: {reason}"))
        else:
            yield name, data


def _sizes(source: Source) -> Callable[[str], int]:
    """A function that tells how large a file beside the pictures is; it raises ValueError if it is not safe to read."""
    if source.path.is_dir():

        def in_folder(name: str) -> int:
            status = (source.path / name).stat()
            if not stat.S_ISREG(status.st_mode):
                raise ValueError("a pipe or a device, not a file")
            return status.st_size

        return in_folder
    with zipfile.ZipFile(source.path) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}

    def in_zip(name: str) -> int:
        if entries[name].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError("packed in an unusual way (not deflate)")
        return entries[name].file_size

    return in_zip
