"""`model.artgan`: a model in one file to publish. A zip of members stored as they are; none is unpacked or run.

manifest.json           format, sizes and SHA-256 of the others
generator.safetensors   the averaged generator and its named directions
config.toml             its settings, a preset
samples.png             what it draws from the first seeds
README.md               its card
"""

import hashlib
import io
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from artgan.engine.checkpoint import GENERATOR, MANIFEST, GeneratorFile, load_generator, parse_generator
from artgan.engine.storage import parse_json
from artgan.errors import CheckpointError

SUFFIX = ".artgan"
PACK_FORMAT = 1
CARD, CONFIG, SAMPLES = "README.md", "config.toml", "samples.png"
MEMBERS = (MANIFEST, GENERATOR, CONFIG, SAMPLES, CARD)
MOST_BYTES = 1 << 31
_MOST_DIRECTORY = 1 << 12  # bytes; ours are 400
_HINT = "Ask for another copy of it, or use the run that it was made from."
_FIRST_DAY = (1980, 1, 1, 0, 0, 0)  # of a zip's calendar; a clock would make the same model other bytes


def read_model(path: Path) -> GeneratorFile:
    """The generator in a `model.artgan`, a `generator.safetensors`, or a checkpoint folder.

    Raises:
        CheckpointError: it is missing, damaged, of another version, or no model of artgan.
    """
    if path.suffix != SUFFIX:
        return load_generator(path)
    return parse_generator(read_member(path, GENERATOR), path)


def read_member(path: Path, name: str) -> bytes:
    """One member of a `model.artgan`, which agrees with the manifest.

    Raises:
        CheckpointError: the file is missing, damaged, of another version, or has no such member.
    """
    if not path.is_file():
        raise CheckpointError(f"{path} is not there.", "Check the path.")
    try:
        _check_end(path)
        with zipfile.ZipFile(path) as archive:
            entries = _entries(archive)
            manifest = parse_json(archive.read(entries[MANIFEST]).decode())
            if manifest["format"] != f"artgan-model/{PACK_FORMAT}":
                told = " ".join(str(manifest["format"]).split())[:80]
                hint = "Install the artgan that wrote it."
                raise CheckpointError(
                    f"{path} has format {told!r}; this artgan reads artgan-model/{PACK_FORMAT}.", hint
                )
            told = manifest["files"][name]
            raw = archive.read(entries[name])
            if told != _described(raw):
                raise ValueError(f"{name} does not match the manifest")
            return raw
    except (
        *(OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, NotImplementedError, OverflowError),
        *(MemoryError, struct.error, zipfile.BadZipFile, zlib.error),
    ) as error:  # what zipfile and json meet hostile bytes with
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error) or type(error).__name__
        raise CheckpointError(f"{path} is damaged: {' '.join(reason.split())[:200]}.", _HINT) from error


def _check_end(path: Path) -> None:
    """Look at the end of a zip, before zipfile reads a directory into memory whose size the end may lie about.

    Raises:
        OSError: the file is shorter than that.
        ValueError: the end is not as `pack_bytes` writes it: few members, no comment, no ZIP64.
    """
    with path.open("rb") as file:
        file.seek(-42, os.SEEK_END)
        locator, _, mark, size, comment = struct.unpack("<4s16s4s8xI4xH", file.read(42))
    if mark != b"PK\5\6" or comment or locator == b"PK\6\7" or size > _MOST_DIRECTORY:
        raise ValueError("it is no zip of artgan's")


def _entries(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The members of an archive by name, once they are known to be ours and no larger than the file itself.

    Raises:
        ValueError: they are not.
    """
    entries: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        if entry.filename not in MEMBERS:
            raise ValueError(f"it holds {entry.filename[:80]!r}, which no model has")
        if entry.filename in entries:
            raise ValueError(f"it holds {entry.filename} twice")
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise ValueError(f"{entry.filename} is compressed, as no model is")
        if entry.file_size > (MOST_BYTES if entry.filename == GENERATOR else 1 << 26):
            raise ValueError(f"{entry.filename} is too large")
        entries[entry.filename] = entry
    return entries


def pack_bytes(members: Mapping[str, bytes]) -> bytes:
    """A `model.artgan` of members by name, its manifest among them; the same members are the same bytes."""
    files = {name: _described(raw) for name, raw in sorted(members.items())}
    manifest: dict[str, Any] = {"format": f"artgan-model/{PACK_FORMAT}", "files": files}
    whole = {MANIFEST: json.dumps(manifest, indent=2).encode(), **members}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in MEMBERS:
            entry = zipfile.ZipInfo(name, _FIRST_DAY)
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # as on Linux, wherever it is written
            archive.writestr(entry, whole[name])
    return buffer.getvalue()


def _described(raw: bytes) -> dict[str, Any]:
    return {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
