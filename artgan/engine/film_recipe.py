"""How a film was made, written into it: as a comment, or in a folder of PNGs into each of them."""

import json
import re
import shutil
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from PIL import ExifTags, Image

from artgan.engine.ffmpeg import literal, read_output
from artgan.engine.images import RECIPE_KEY, quiet_decoding, read_recipe
from artgan.engine.storage import parse_json
from artgan.errors import StorageError, UsageError

FRAME_KEY = "frame"  # which frame of a film a PNG is
_MOST = 1 << 24  # bytes that a recipe may have when it is read
_EXIF = 0x08  # the bit of a WebP's header that says so
_PNG_START = 33  # bytes of the signature and the chunk IHDR


def as_text(recipe: Mapping[str, Any]) -> str:
    """A recipe as films carry it: a line of ASCII, JSON with the one key `artgan`, as in a TIFF or JPEG."""
    return json.dumps({RECIPE_KEY: recipe})


def as_ffmetadata(text: str | None) -> str:
    """The file by which ffmpeg learns a comment that is too long for its command line; without one it says nothing."""
    comment = "comment=" + re.sub(r"([=;#\\])", r"\\\1", text) + "\n" if text is not None else ""
    return ";FFMETADATA1\n" + comment


def insert_recipe(film: Path, suffix: str, text: str, size: tuple[int, int]) -> None:
    """Write a recipe into a whole GIF, WebP or APNG, by way of a second file beside it.

    Args:
        film: the file.
        suffix: its format.
        text: what `as_text` made.
        size: (width, height) of the film.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    whole = film.with_name("with recipe")
    with film.open("rb") as old, whole.open("wb") as new:
        if suffix == ".gif":
            _copy(old, new, _gif_blocks(old))
            new.write(_gif_comment(text.encode()))
            shutil.copyfileobj(old, new)
        elif suffix == ".webp":
            _webp_with_exif(old, new, text, size)
        else:
            _copy(old, new, _PNG_START)
            new.write(_png_text(text))
            shutil.copyfileobj(old, new)
    whole.replace(film)


def read_film_recipe(path: str | Path) -> dict[str, Any]:
    """How artgan made a film, of any format that `write_video` writes, a folder of PNGs included.

    Raises:
        UsageError: it is missing, or not a film that artgan made.
        StorageError: there is no ffmpeg, which reads .mp4, .mov and .mkv.
    """
    path = Path(path)
    try:
        with quiet_decoding():
            recipe = _of_pictures(path) if path.is_dir() else parse_json(_text_in(path))[RECIPE_KEY]
        if not isinstance(recipe, dict) or not recipe:
            raise ValueError("it is not a recipe")
    except StorageError:
        raise
    except (OSError, ValueError, KeyError, TypeError, IndexError, SyntaxError, struct.error, UsageError) as error:
        raise UsageError(f"{path} does not say how it was made.", "Give a film that artgan wrote.") from error
    return recipe


def _of_pictures(folder: Path) -> dict[str, Any]:
    return {key: value for key, value in read_recipe(folder / "00000.png").items() if key != FRAME_KEY}


def _text_in(path: Path) -> str:
    """The comment in a film, whose kind its first bytes tell."""
    if not path.is_file():  # opening a pipe would wait for ever
        raise ValueError("it is not a file")
    with path.open("rb") as file:
        start = file.read(12)
        file.seek(0)
        if start.startswith(b"GIF8"):
            return _gif_comments(file).decode()
        if start.startswith(b"RIFF") and start.endswith(b"WEBP"):
            exif = Image.Exif()
            exif.load(_webp_exif(file))
            return str(exif[ExifTags.Base.ImageDescription])
        if start.startswith(b"\x89PNG"):
            return as_text(read_recipe(path))
    source = ["-protocol_whitelist", "file", "-format_whitelist", "mov,matroska", "-i", literal(path)]
    told = read_output(path, [*source, "-f", "ffmetadata", "pipe:1"], 2 * _MOST).decode()
    comment = re.search(r"^comment=((?:\\.|[^\\\n])*)", told, re.IGNORECASE | re.MULTILINE | re.DOTALL)
    if comment is None:
        raise ValueError("it has no comment")
    return re.sub(r"\\(.)", r"\1", comment[1], flags=re.DOTALL)


def _copy(old: IO[bytes], new: IO[bytes], count: int) -> None:
    old.seek(0)
    new.write(old.read(count))


def _gif_blocks(file: IO[bytes]) -> int:
    """Where the blocks of a GIF begin: after its header and the palette of all frames, if it has one."""
    header = file.read(13)
    return 13 + (3 << (header[10] & 7) + 1 if header[10] & 0x80 else 0)


def _gif_comment(text: bytes) -> bytes:
    pieces = [text[at : at + 255] for at in range(0, len(text), 255)]
    return b"\x21\xfe" + b"".join(bytes([len(piece)]) + piece for piece in pieces) + b"\x00"


def _gif_comments(file: IO[bytes]) -> bytes:
    """The first comment of a GIF that stands before its first frame."""
    file.seek(_gif_blocks(file))
    while (kind := file.read(2)) and kind[0] == 0x21:
        found = b"".join(_gif_pieces(file))
        if kind[1] == 0xFE:
            return found
    raise ValueError("it has no comment")


def _gif_pieces(file: IO[bytes]) -> Iterator[bytes]:
    total = 0
    while length := file.read(1)[0]:
        total += length
        if total > _MOST:
            raise ValueError("its comment is too long")
        yield file.read(length)


def _png_text(text: str) -> bytes:
    # The value alone, under the key `artgan`: just as in a still, so that `read_recipe` reads it too.
    value = json.dumps(json.loads(text)[RECIPE_KEY])
    body = b"iTXt" + RECIPE_KEY.encode() + b"\x00" + b"\x00\x00" + b"\x00" + b"\x00" + value.encode()
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


def _webp_with_exif(old: IO[bytes], new: IO[bytes], text: str, size: tuple[int, int]) -> None:
    """Add the chunk EXIF, which stands at the end; one frame alone has no header for it yet."""
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = text
    added = exif.tobytes().removeprefix(b"Exif\x00\x00")
    added = b"EXIF" + struct.pack("<I", len(added)) + added + b"\x00" * (len(added) % 2)
    _, length, _, kind = struct.unpack("<4sI4s4s", old.read(16))
    if kind == b"VP8X":
        header = bytearray(old.read(14))
        header[4] |= _EXIF
    else:
        old.seek(12)
        width, height = size
        header = bytearray(struct.pack("<IB3x", 10, _EXIF))
        header += (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        length += 4 + len(header)
    new.write(struct.pack("<4sI4s4s", b"RIFF", length + len(added), b"WEBP", b"VP8X") + header)
    shutil.copyfileobj(old, new)
    new.write(added)


def _webp_exif(file: IO[bytes]) -> bytes:
    file.seek(12)
    while len(head := file.read(8)) == 8:
        kind, length = struct.unpack("<4sI", head)
        if kind == b"EXIF":
            if length > _MOST:
                raise ValueError("its comment is too long")
            return file.read(length)
        file.seek(length + length % 2, 1)
    raise ValueError("it has no comment")
