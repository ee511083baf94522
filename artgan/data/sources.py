"""What lies in a folder or zip: pictures by name, their labels, and a fingerprint of their content. Decodes nothing."""

import contextlib
import csv
import hashlib
import io
import json
import os
import posixpath
import stat
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from artgan.data.shard_names import refuse_shards
from artgan.engine.storage import atomic_write, read_json
from artgan.errors import ArtganError, DatasetError

MAX_FILE_BYTES, MAX_TABLE_BYTES = 1 << 30, 1 << 26
_ZIP_HEADER_BYTES = 30
BESIDE = "not a picture, by its name"
"""The reason of files that lie beside pictures and were never meant to be any."""
HIDDEN = "hidden"
# Anything else unknown is tried and named if it fails.
_BESIDE = {".txt", ".md", ".csv", ".tsv", ".json", ".jsonl", ".html", ".xml", ".db", ".ini", ".toml", ".yaml", ".yml"}
_BESIDE |= {".xmp", ".aae", ".py", ".pdf", ".doc", ".docx", ".zip", ".mp4", ".mov", ".mp3", ".wav", ".lnk", ".log"}


@dataclass(frozen=True, slots=True)
class PictureFile:
    """One file of a source: its path inside it (with /), its class or None, a digest of its content, and its size."""

    name: str
    label: str | None
    digest: str
    bytes: int


@dataclass(frozen=True)
class Source:
    """A scanned folder or zip.

    Attributes:
        path: the folder or zip.
        files: pictures to be, sorted by name.
        classes: sorted class names; empty when there are no labels.
        passed_over: files that say why they are not among `files`, as (name, reason).
        beside: names of files that were never meant to be pictures.
        hidden: names of files, and of whole folders, that systems and programs hide from people.
    """

    path: Path
    files: tuple[PictureFile, ...]
    classes: tuple[str, ...]
    passed_over: tuple[tuple[str, str], ...]
    beside: tuple[str, ...]
    hidden: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """A digest of all names, contents and labels: equal sources train alike, wherever they lie."""
        digest = hashlib.blake2b(digest_size=16)
        for file in self.files:
            digest.update(json.dumps([file.name, file.label, file.digest]).encode())
        return digest.hexdigest()

    def reader(self) -> Callable[[PictureFile], bytes]:
        """A function that reads one file's bytes; it may be called from several threads."""
        if self.path.is_dir():
            return lambda file: (self.path / file.name).read_bytes()
        with _refusing_damage(self.path):
            archive = zipfile.ZipFile(self.path)
        return lambda file: _unpack(archive, file.name)


def scan(path: Path, labels: str = "auto", memo: Path | None = None) -> Source:
    """List the pictures in a folder (all levels, links followed once) or a zip.

    Args:
        path: a folder or a .zip.
        labels: `auto` (one class per folder, when all pictures lie in two or more folders), `none`, or a CSV or JSON
            file of `file,label`; its names are paths inside `path`.
        memo: a file that remembers the digests of unchanged files, so that the next scan need not read them.

    Raises:
        DatasetError: there is nothing at `path`, it is no folder or zip, or the label table cannot be read.
    """
    refuse_shards(path)
    if path.is_dir():
        found = _scan_folder(path, memo)
    elif path.is_file() and _is_zip(path):
        found = _scan_zip(path)
    elif path.exists():
        what = "is not a whole zip" if path.suffix.lower() == ".zip" else "is neither a folder nor a zip"
        raise DatasetError(f"{path} {what}.", "Give the folder that holds the pictures.")
    else:
        raise DatasetError(f"{path} does not exist.", "Check the path; quote it when it holds spaces.")
    names = {file.name: file for file in found if not file.reason}
    passed_over = [(file.name, file.reason) for file in found if file.reason not in ("", BESIDE, HIDDEN)]
    table = (
        {} if labels == "none" else class_folders(names) if labels == "auto" else _table_for(Path(labels), path, names)
    )
    if table:
        passed_over += [(name, f"no label in {Path(labels).name}") for name in names if name not in table]
        names = {name: file for name, file in names.items() if name in table}
    files = tuple(PictureFile(name, table.get(name), names[name].digest, names[name].bytes) for name in sorted(names))
    classes = tuple(sorted({table[name] for name in names if table}))
    beside, hidden = (tuple(file.name for file in found if file.reason == reason) for reason in (BESIDE, HIDDEN))
    return Source(path, files, classes, tuple(passed_over), beside, hidden)


def _table_for(labels: Path, path: Path, names: Mapping[str, object]) -> dict[str, str]:
    """The label table, after checking that it speaks of these pictures at all."""
    table = read_label_table(labels)
    if names and not table.keys() & names.keys():
        example, ours = next(iter(table), "nothing"), next(iter(names))
        raise DatasetError(
            f"{labels} has a label for none of the {len(names)} pictures.",
            f"Names are paths inside {path.name}: the table has {example!r}, the folder {ours!r}.",
        )
    return table


def class_folders(names: Mapping[str, object]) -> dict[str, str]:
    """The class of every picture by its first folder, or nothing unless all lie in two or more folders.

    A single folder around everything, as archives have it, is looked through.
    """
    if not names:
        return {}
    relative = {name: name.lstrip("/") for name in names}  # a zip may hold absolute names
    around = posixpath.commonpath([posixpath.dirname(name) for name in relative.values()])
    inside = {name: PurePosixPath(path).relative_to(around).parts for name, path in relative.items()}
    if any(len(path) < 2 for path in inside.values()):
        return {}
    return {name: path[0] for name, path in inside.items()}


def read_label_table(path: Path) -> dict[str, str]:
    """Read `file,label` rows from a CSV, or from a JSON object {file: label} or list of {"file": ..., "label": ...}.

    Raises:
        DatasetError: it is missing, or has neither form.
    """
    hint = "Write a CSV with the header file,label, or a JSON object of file: label, in UTF-8."
    try:
        rows = read_json(path, MAX_TABLE_BYTES) if path.suffix.lower() == ".json" else _read_csv(path)
        if isinstance(rows, dict):
            rows = [{"file": file, "label": label} for file, label in rows.items()]
        rows = [row for row in rows if row["label"] not in (None, "")]  # a file without a label is told of as such
        if not all(isinstance(row[key], str | int | float) for row in rows for key in ("file", "label")):
            raise TypeError("files and labels are text or numbers")
        pairs = [(str(PurePosixPath(str(row["file"]).replace("\\", "/"))), str(row["label"])) for row in rows]
    except OSError as error:
        raise DatasetError(f"The label table {path} cannot be read: {error.strerror}.", hint) from error
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise DatasetError(f"The label table {path} is not a table of file and label.", hint) from error
    table = dict(pairs)
    if twice := next((file for file, label in pairs if table[file] != label), None):
        raise DatasetError(f"The label table {path} gives {twice!r} more than one label.", "Give each file one label.")
    return table


def _read_csv(path: Path) -> Any:
    if path.exists() and not path.is_file():  # opening a pipe would wait for ever
        raise ValueError("it is not a file")
    if path.stat().st_size > MAX_TABLE_BYTES:
        raise ValueError("it is too large")
    rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")), strict=True)
    header = list(rows.fieldnames or ())
    if any(header.count(name) > 1 for name in ("file", "label")):
        raise ValueError("a column is there twice")
    return list(rows)


class _Found(NamedTuple):
    """A file that lies in a source: its name, digest, size, and why it is not to be read, or ''."""

    name: str
    digest: str
    bytes: int
    reason: str


def _is_hidden(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return any((part.startswith(".") and part != "..") or part == "__MACOSX" for part in parts)


def _why_not(name: str, size: int) -> str:
    """The reason to leave a file unread, or ''."""
    if PurePosixPath(name).suffix.lower() in _BESIDE:
        return BESIDE
    if size > MAX_FILE_BYTES:
        return "larger than 1 GiB"
    return "" if size else "empty file"


def _scan_folder(root: Path, memo: Path | None) -> list[_Found]:
    """Every file of a folder; a hidden folder stands for what is in it."""
    known = _read_memo(memo) if memo else {}
    found, fresh, unknown = [], {}, []
    for path in _walk(root):
        name = path.relative_to(root).as_posix()
        size, time, reason = (0, 0, HIDDEN) if _is_hidden(name) else _look_at(path)
        if reason:
            found.append(_Found(name, "", size, reason))
        elif isinstance(entry := known.get(name), list) and entry[:-1] == [size, time]:
            fresh[name] = entry
            found.append(_Found(name, str(entry[2]), size, ""))
        else:
            unknown.append((name, path, size, time))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        digests = pool.map(_digest, [path for _, path, _, _ in unknown])
        for (name, _, size, time), (digest, reason) in zip(unknown, digests, strict=True):
            found.append(_Found(name, digest, size, reason))
            if digest:
                fresh[name] = [size, time, digest]
    if memo and fresh != known:
        # A memo only saves time: a full or read-only cache is reported where it matters.
        with contextlib.suppress(ArtganError):
            atomic_write(memo, json.dumps(fresh))
    return found


def _read_memo(memo: Path) -> dict[str, Any]:
    try:
        return dict(read_json(memo))
    except (OSError, ValueError, TypeError):
        return {}  # a memo only saves time


def _look_at(path: Path) -> tuple[int, int, str]:
    """Size and time of a file, and the reason to leave it unread, or ''."""
    try:
        status = path.stat()
    except OSError as error:
        return 0, 0, f"cannot be read: {error.strerror}"
    if stat.S_ISDIR(status.st_mode):
        return 0, 0, "a folder that cannot be looked into"
    if not stat.S_ISREG(status.st_mode):
        return 0, 0, "a pipe or a device, not a file"
    return status.st_size, status.st_mtime_ns, _why_not(path.name, status.st_size)


def _digest(path: Path) -> tuple[str, str]:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest(), ""
    except OSError as error:
        return "", f"cannot be read: {error.strerror}"


def _walk(root: Path) -> Iterator[Path]:
    """Everything below `root` but folders, in order; linked folders are entered once, so a loop of links ends.

    A folder that is hidden or may not be looked into stands for itself, so that it is told of.
    """
    visited: set[tuple[int, int]] = set()
    open_folders = [iter([root])]  # not by recursion: folders may be nested deeper than Python's calls
    while open_folders:
        entry = next(open_folders[-1], None)
        if entry is None:
            open_folders.pop()
        elif not _is_folder(entry) or (entry is not root and entry.name.startswith(".")):
            yield entry
        else:
            try:
                status, inside = entry.stat(), sorted(entry.iterdir())
            except OSError:
                yield entry
                continue
            if (status.st_dev, status.st_ino) not in visited:
                visited.add((status.st_dev, status.st_ino))
                open_folders.append(iter(inside))


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # in a folder whose names may be seen and nothing else
        return False


def _is_zip(path: Path) -> bool:
    with _refusing_damage(path):
        return zipfile.is_zipfile(path)


@contextlib.contextmanager
def _refusing_damage(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # zipfile meets hostile bytes with whatever it stumbles over
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise DatasetError(
            f"{path} is not a whole zip: {reason}.", "Unpack it with another tool, or copy it again."
        ) from error


def _scan_zip(path: Path) -> list[_Found]:
    """Like `_scan_folder`; the digest is made of the checksum and size that the archive itself carries."""
    with _refusing_damage(path), zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        readable = {id(archive.getinfo(entry.filename)) for entry in entries}
    overlapping = _overlapping(entries)
    found = []
    for entry in entries:
        name, size = entry.filename, entry.file_size
        outside = not name or ".." in name.replace("\\", "/").split("/")
        if name.endswith("/"):
            continue
        reason = HIDDEN if _is_hidden(name) and not outside else _why_not(name, size)
        if reason in (BESIDE, HIDDEN):
            pass
        elif outside:
            reason = "its name leads out of the zip"
        elif entry.flag_bits & 1:
            reason = "locked with a password"
        elif id(entry) not in readable:
            reason = "another file in the zip has the same name"
        elif id(entry) in overlapping:
            reason = "overlaps another file in the zip, as in a zip bomb"
        elif not reason and entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            # A few bytes of bzip2 unpack to gigabytes, and Python offers no way to unpack only some of them.
            reason = "packed in an unusual way (not deflate)"
        found.append(_Found(name, f"{entry.CRC:08x}{size:x}", size, reason))
    return found


def _overlapping(entries: Sequence[zipfile.ZipInfo]) -> set[int]:
    """Entries (by id) that share bytes of the archive with the next one: each byte shall be unpacked once at most."""
    ordered = sorted(entries, key=lambda entry: entry.header_offset)
    return {
        id(entry)
        for entry, after in zip(ordered, ordered[1:], strict=False)
        if entry.header_offset + _ZIP_HEADER_BYTES + entry.compress_size > after.header_offset
    }


def _unpack(archive: zipfile.ZipFile, name: str) -> bytes:
    """The bytes of one entry: in parts, as only so it stays below the size that the archive tells, true or not."""
    unpacked = io.BytesIO()
    with archive.open(name) as entry:
        while part := entry.read(1 << 20):
            unpacked.write(part)
    return unpacked.getvalue()
