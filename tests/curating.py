"""Messy folders for the tests of curation, and what a curation made of them."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from artgan.curation.curate import curate
from artgan.curation.report import CurationReport, Progress
from tests.conftest import painted


def textured(seed: int, width: int = 160, height: int = 120) -> Image.Image:
    """A painting with strokes all over, so that its copies can be told from pictures that are only alike."""
    draw = np.random.default_rng(seed)
    strokes = Image.fromarray(draw.integers(0, 256, (height // 10, width // 10, 3), np.uint8))
    return Image.blend(painted(seed, width, height), strokes.resize((width, height), Image.Resampling.BICUBIC), 0.5)


def saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def on_paper(picture: Image.Image, margin: int = 24) -> Image.Image:
    page = Image.new("RGB", (picture.width + 2 * margin, picture.height + 2 * margin), (246, 242, 231))
    page.paste(picture, (margin, margin))
    return page


_TURNED = Image.Exif()
_TURNED[0x0112] = 6
_A, _B, _C = (textured(seed) for seed in (1, 2, 3))
MESSY: dict[str, bytes] = {
    "cats/a.png": saved(_A, "PNG"),
    "cats/a again.bmp": saved(_A, "BMP"),
    "cats/a copy.png": saved(_A, "PNG"),
    "cats/half.jpg": saved(_A.resize((120, 90)), "JPEG", quality=80),
    "cats/phone.jpg": saved(_A.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=_TURNED.tobytes(), quality=90),
    "dogs/b [final] 🐞.jpg": saved(_B, "JPEG", quality=90),
    "dogs/web.webp": saved(_B, "WEBP", quality=70),
    "dogs/mirror.jpg": saved(_B.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "JPEG", quality=90),
    "dogs/page.png": saved(on_paper(_C), "PNG"),
    "dogs/new\nline.png": saved(textured(4), "PNG"),
    "cats/flat.png": saved(Image.new("RGB", (160, 120), (90, 20, 20)), "PNG"),
    "cats/404.jpg": b"<html>404 Not Found</html>",
    "cats/empty.png": b"",
    "dogs/cut off.jpg": saved(_B, "JPEG")[:900],
    "cats/notes.txt": b"shopping list",
    ".DS_Store": b"where the windows were",
}


def make(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def small_mess(folder: Path) -> Path:
    """Six pictures in two classes, a copy, a broken file, notes, a hidden file."""
    files = {f"{'cats' if n < 3 else 'dogs'}/{n}.bmp": saved(textured(n), "BMP") for n in range(6)}
    files |= {"cats/0 copy.bmp": files["cats/0.bmp"], "dogs/404.jpg": b"<html>", "cats/notes.txt": b"x"}
    return make(folder, {**files, ".DS_Store": b"x"})


def tree(folder: Path) -> dict[str, str]:
    """What lies in a folder: a digest of every file, by name."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def manifest(folder: Path) -> dict[str, dict[str, Any]]:
    """The lines of a manifest by file, after checking that no file has two."""
    lines = [json.loads(line) for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len({line["file"] for line in lines}) == len(lines)
    return {line["file"]: line for line in lines}


def sorted_out(src: Path, dst: Path | None = None, **settings: Any) -> CurationReport:
    """A curation in this process alone, without the encoder, unless the settings say otherwise."""
    return curate(src, dst, **{"processes": 1, "outliers": "off", **settings})


def after(step: str, done: int) -> tuple[Callable[[Progress], None], Callable[[], bool]]:
    """Listens, and asks to stop when a step has come so far."""
    now = [Progress("", 0, 0)]

    def listen(event: Progress) -> None:
        now[0] = event

    return listen, lambda: now[0].step == step and now[0].done >= done


def opened(path: Path) -> Image.Image:
    """A picture that is decoded whole, as RGB or RGBA."""
    with Image.open(path) as picture:
        picture.load()
        return picture.copy()


def unzipped(path: Path) -> dict[str, bytes]:
    """What lies in a zip, by name."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}
