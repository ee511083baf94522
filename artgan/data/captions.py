"""What pictures show, in words: from tables and text files beside them, and from the folders they lie in."""

import contextlib
import csv
import io
import itertools
import posixpath
import re
import stat
import zipfile
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from artgan.data.sources import MAX_FILE_BYTES, MAX_TABLE_BYTES, PictureFile, Source
from artgan.engine.storage import parse_json
from artgan.errors import DatasetError

MAX_CHARACTERS = 2000
MAX_TEXT_BYTES = 1 << 16
MANIFEST = "manifest.jsonl"
TABLES = ("captions.csv", "captions.tsv", "captions.json", "captions.jsonl", "metadata.csv", "metadata.jsonl", MANIFEST)
"""Names of tables that are looked for beside pictures; those called metadata are of a Hugging Face image folder, the
manifest is what `artgan curate` writes."""
FILE_COLUMNS = ("file", "file_name", "filename", "image")
CAPTION_COLUMNS = ("caption", "text", "description", "title")

Reader = Callable[[PictureFile], bytes]

# Control characters that are no white space, halves of characters, and marks that turn the direction of writing, by
# which a caption could disguise what stands beside it in a report.
_UNSEEN = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff\ufffe\uffff]")


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


def read_caption_table(path: Path) -> dict[str, str]:
    """Read the captions of files from a CSV, TSV, JSON or JSON-lines table.

    A row has the file as file, file_name, filename or image, and its caption as caption, text, description or title; of
    several the first that is filled counts. JSON may also be an object {file: caption}. The manifest of a curated set
    gives the captions of the pictures in the set.

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
        files, caption = _files_of(row), clean_caption(_first(row, CAPTION_COLUMNS))
        for name in (str(PurePosixPath(file.replace("\\", "/"))) for file in files):
            if caption and table.setdefault(name, caption) != caption:
                raise ValueError(f"it gives {name[:100]!r} more than one caption")
    return table


def _files_of(row: dict[str, Any]) -> list[str]:
    """The file that a row speaks of; a manifest names the one in the source there, so of these what was made of it."""
    if not {"status", "output"} <= row.keys():
        return [_first(row, FILE_COLUMNS)]
    parts = row.get("outputs") or [row]
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise ValueError("its outputs are no list of records")
    return [name for part in parts if (name := _first(part, ("output",)))]


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
        read: those that were used.
    """

    of: dict[str, str]
    passed_over: tuple[tuple[str, str], ...]
    read: tuple[str, ...] = ()


def captioned(source: Source) -> Source:
    """A source whose labels are the captions of its pictures, '' where one has none, and whose classes are all of them.

    They are what `captions_beside` finds, or else what the manifest says of a part of a split set. If nothing says
    anything of any picture, the names of class folders are the captions.

    Raises:
        DatasetError: there are none.
    """
    told = captions_beside(source, source.reader())
    folders = {file.name: clean_caption(file.label) for file in source.files if file.label}
    captions = told.of or _of_a_part(source) or folders
    if source.files and not captions:
        raise without_captions(source, told.passed_over)
    files = tuple(replace(file, label=captions.get(file.name, "")) for file in source.files)
    spoken = {*told.read, *(name for name, _ in told.passed_over)}
    return replace(
        source,
        files=files,
        classes=tuple(sorted({file.label for file in files if file.label is not None})),
        passed_over=(*source.passed_over, *told.passed_over),
        beside=tuple(name for name in source.beside if name not in spoken),
    )


def without_captions(source: Source, passed_over: Sequence[tuple[str, str]] = ()) -> DatasetError:
    """The error for a source of which no usable picture has a caption."""
    spoilt = next((f" {name}: {reason}." for name, reason in passed_over), "")
    return DatasetError(
        f"No picture in {source.path} has a caption.{spoilt}",
        "Put a.txt beside a.png, write captions.csv with the header file,caption, or sort pictures into folders that "
        "are called what they show.",
    )


def _of_a_part(source: Source) -> dict[str, str]:
    """The captions of one part of a set that `artgan curate` split, such as train, from the manifest beside it."""
    part = source.path.resolve()
    manifest = part.parent / MANIFEST
    if not part.is_dir() or not manifest.is_file():
        return {}
    with contextlib.suppress(DatasetError):  # anybody's file may be called that
        told = read_caption_table(manifest)
        return {name.removeprefix(f"{part.name}/"): told[name] for name in told if name.startswith(f"{part.name}/")}
    return {}


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
    read: list[str] = []
    for name, data in _read_all(source, reader, tables, MAX_TABLE_BYTES, passed_over):
        folder, suffix = posixpath.dirname(name), PurePosixPath(name).suffix
        try:
            for file, caption in _parse_table(data, suffix).items():
                inside = posixpath.normpath(posixpath.join(folder, file))
                if inside in pictures:
                    captions.setdefault(inside, caption)
            read.append(name)
        except ValueError as error:
            passed_over.append((name, f"not a table of captions: {error}"))
    texts = _texts_of(source, pictures - captions.keys())
    for name, data in _read_all(source, reader, texts, MAX_TEXT_BYTES, passed_over):
        if caption := clean_caption(decoded(data)):
            captions.update(dict.fromkeys(texts[name], caption))
        read.append(name)
    return Captions(captions, tuple(passed_over), tuple(read))


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
