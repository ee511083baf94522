"""What lies in a folder or zip: pictures by name, their labels, and a fingerprint of their content. Decodes nothing."""

import csv
import hashlib
import json
import os
import posixpath
import zipfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from artgan.engine.storage import atomic_write
from artgan.errors import ArtganError, DatasetError

MAX_FILE_BYTES = 1 << 30
# Files that lie beside pictures and were never meant to be any; anything else unknown is tried and named if it fails.
_BESIDE = {".txt", ".md", ".csv", ".tsv", ".json", ".jsonl", ".html", ".xml", ".db", ".ini", ".toml", ".yaml", ".yml"}
_BESIDE |= {".xmp", ".aae", ".py", ".pdf", ".doc", ".docx", ".zip", ".mp4", ".mov", ".mp3", ".wav", ".lnk", ".log"}


@dataclass(frozen=True)
class PictureFile:
    """One file of a source: its path inside it (with /), its class or None, and a digest of its content."""

    name: str
    label: str | None
    digest: str


@dataclass(frozen=True)
class Source:
    """A scanned folder or zip.

    Attributes:
        path: the folder or zip.
        files: pictures to be, sorted by name.
        classes: sorted class names; empty when there are no labels.
        passed_over: files that say why they are not among `files`, as (name, reason).
    """

    path: Path
    files: tuple[PictureFile, ...]
    classes: tuple[str, ...]
    passed_over: tuple[tuple[str, str], ...]

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
        archive = zipfile.ZipFile(self.path)
        return lambda file: archive.read(file.name)


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
    if path.is_dir():
        found = _scan_folder(path, memo)
    elif zipfile.is_zipfile(path):
        found = _scan_zip(path)
    elif path.exists():
        raise DatasetError(f"{path} is neither a folder nor a zip.", "Give the folder that holds the pictures.")
    else:
        raise DatasetError(f"{path} does not exist.", "Check the path; quote it when it holds spaces.")
    names = {name: digest for name, digest, reason in found if not reason}
    passed_over = [(name, reason) for name, _, reason in found if reason]
    table = (
        {} if labels == "none" else class_folders(names) if labels == "auto" else _table_for(Path(labels), path, names)
    )
    if table:
        passed_over += [(name, f"no label in {Path(labels).name}") for name in names if name not in table]
        names = {name: digest for name, digest in names.items() if name in table}
    files = tuple(PictureFile(name, table.get(name), names[name]) for name in sorted(names))
    return Source(path, files, tuple(sorted({table[name] for name in names if table})), tuple(passed_over))


def _table_for(labels: Path, path: Path, names: Mapping[str, str]) -> dict[str, str]:
    """The label table, after checking that it speaks of these pictures at all."""
    table = read_label_table(labels)
    if names and not table.keys() & names.keys():
        example, ours = next(iter(table), "nothing"), next(iter(names))
        raise DatasetError(
            f"{labels} has a label for none of the {len(names)} pictures.",
            f"Names are paths inside {path.name}: the table has {example!r}, the folder {ours!r}.",
        )
    return table


def class_folders(names: Mapping[str, str]) -> dict[str, str]:
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
    hint = "Write a CSV with the header file,label, or a JSON object of file: label."
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows: Any = json.loads(text) if path.suffix.lower() == ".json" else list(csv.DictReader(text.splitlines()))
        if isinstance(rows, dict):
            rows = [{"file": file, "label": label} for file, label in rows.items()]
        rows = [row for row in rows if row["label"] not in (None, "")]  # a file without a label is told of as such
        table = {str(PurePosixPath(str(row["file"]).replace("\\", "/"))): str(row["label"]) for row in rows}
    except OSError as error:
        raise DatasetError(f"The label table {path} cannot be read: {error.strerror}.", hint) from error
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise DatasetError(f"The label table {path} is not a table of file and label.", hint) from error
    return table


def _why_not(name: str, size: int) -> str | None:
    """None for a file to try, '' for one to leave out silently, else the reason to tell."""
    suffix = PurePosixPath(name).suffix.lower()
    if any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts) or suffix in _BESIDE:
        return ""
    if size > MAX_FILE_BYTES:
        return "larger than 1 GiB"
    if size == 0:
        return "empty file"
    return None


def _scan_folder(root: Path, memo: Path | None) -> list[tuple[str, str, str]]:
    """(name, digest, reason it is passed over or '') of every file that may be a picture."""
    known: dict[str, Any] = {}
    if memo and memo.is_file():
        try:
            known = dict(json.loads(memo.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            known = {}  # a memo only saves time
    found, fresh, unknown = [], {}, []
    for path in _walk(root, set()):
        name = path.relative_to(root).as_posix()
        try:
            stat = path.stat()
        except OSError as error:
            found.append((name, "", f"cannot be read: {error.strerror}"))
            continue
        reason = _why_not(name, stat.st_size)
        if reason == "":
            continue
        if reason:
            found.append((name, "", reason))
        elif isinstance(entry := known.get(name), list) and entry[:-1] == [stat.st_size, stat.st_mtime_ns]:
            fresh[name] = entry
            found.append((name, str(entry[2]), ""))
        else:
            unknown.append((name, path, stat.st_size, stat.st_mtime_ns))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for (name, _, size, time), (digest, reason) in zip(
            unknown, pool.map(_digest, [entry[1] for entry in unknown]), strict=True
        ):
            found.append((name, digest, reason))
            if digest:
                fresh[name] = [size, time, digest]
    if memo and fresh != known:
        try:
            atomic_write(memo, json.dumps(fresh))
        except ArtganError:
            return found  # a memo only saves time: a full or read-only cache is reported where it matters
    return found


def _digest(path: Path) -> tuple[str, str]:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest(), ""
    except OSError as error:
        return "", f"cannot be read: {error.strerror}"


def _walk(folder: Path, visited: set[tuple[int, int]]) -> Iterator[Path]:
    """Files below `folder`, sorted; linked folders are entered once, so a loop of links ends.

    A folder that may not be looked into stands for itself, so that it is told of.
    """
    try:
        stat = folder.stat()
        entries = [(entry, entry.is_dir(), entry.is_file() or entry.is_symlink()) for entry in sorted(folder.iterdir())]
    except OSError:
        yield folder
        return
    if (stat.st_dev, stat.st_ino) in visited:
        return
    visited.add((stat.st_dev, stat.st_ino))
    for entry, is_folder, is_file in entries:  # anything else is a pipe or a device
        if is_folder and not entry.name.startswith("."):
            yield from _walk(entry, visited)
        elif is_file and not is_folder:
            yield entry


def _scan_zip(path: Path) -> list[tuple[str, str, str]]:
    """Like `_scan_folder`; the digest is made of the checksum and size that the archive itself carries."""
    found = []
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                reason = _why_not(info.filename, info.file_size)
                if info.is_dir() or reason == "":
                    continue
                if info.flag_bits & 1:
                    reason = "locked with a password"
                found.append((info.filename, f"{info.CRC:08x}{info.file_size:x}", reason or ""))
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise DatasetError(
            f"{path} is not a whole zip: {error}.", "Unpack it with another tool, or copy it again."
        ) from error
    return found
