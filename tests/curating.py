"""Messy folders for the tests of curation, and what a curation made of them."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

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


def make(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


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
