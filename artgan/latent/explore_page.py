"""The sheet and the page of `artgan explore`: every direction a row of pictures, in files that need nothing else.

Pictures are prepared here; the words and the layout stand in `explore.html.jinja`.
"""

import base64
import functools
import io
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jinja2 import Template
from PIL import Image, ImageDraw, ImageFont

import artgan
from artgan.engine.images import encode_png, to_uint8
from artgan.engine.pages import short, template
from artgan.engine.storage import atomic_write
from artgan.engine.vision import grid

if TYPE_CHECKING:
    from artgan.latent.explore import ExploreResult

STEPS = (-3, -2, -1, 0, 1, 2, 3)
"""Where along a direction pictures are shown, in units of its slider."""
SIDE = 128
CRISP = 64
"""Pictures with no more pixels to a side are kept without loss, and enlarged as squares."""
_WIDEST = 2400  # pixels of a sheet, if one seed fits
_MARGIN = 28


class Strip(NamedTuple):
    """The pictures of one seed along a direction, side by side in one data URI, and what they show in words."""

    uri: str
    seed: str
    alt: str


def write_sheet(path: Path, pictures: torch.Tensor, recipe: Mapping[str, Any]) -> None:
    """Write a PNG whose rows are the directions, with their numbers, and as many seeds side by side as fit.

    Args:
        path: the file.
        pictures: (directions, seeds, STEPS, C, H, W) in [-1, 1].
        recipe: what it says of itself.
    """
    count, seeds, steps, _, _, width = pictures.shape
    few = max(1, min(seeds, _WIDEST // (steps * (width + 2))))
    sheet = to_uint8(grid(pictures[:, :few].flatten(0, 2), few * steps).numpy())
    height, wide = sheet.shape[1:]
    whole = np.full((sheet.shape[0], height, wide + _MARGIN), 255, np.uint8)
    whole[:, :, _MARGIN:] = sheet
    numbers = Image.new("L", (_MARGIN, height), 255)
    pen, row = ImageDraw.Draw(numbers), height / count
    for place in range(count):
        middle = (_MARGIN / 2, (place + 0.5) * row)
        pen.text(middle, str(place + 1), 40, ImageFont.load_default(15), anchor="mm")
    whole[:3, :, :_MARGIN] = np.asarray(numbers)
    atomic_write(path, encode_png(whole, recipe))


def write_page(path: Path, result: "ExploreResult", pictures: torch.Tensor, seeds: Sequence[str], command: str) -> None:
    """Write the page.

    Args:
        path: the HTML file.
        result: what was found.
        pictures: (directions, seeds, STEPS, C, H, W) in [-1, 1].
        seeds: what each seed is called.
        command: what makes the page again.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    crisp = max(pictures.shape[-2:]) <= CRISP
    rows = []
    for direction, row in zip(result.directions, pictures, strict=True):
        name = direction.suggestion or "my-slider"
        words = ["artgan", "explore", "name", str(direction.number), name, "--run", result.run]
        said = f": {direction.words}" if direction.words else ""
        strips = [
            Strip(_strip(each, crisp), seed, f"Direction {direction.number}, seed {short(seed, 40)}, -3 to 3{said}")
            for each, seed in zip(row, seeds, strict=True)
        ]
        rows.append((direction, shlex.join(words), strips))
    pieces = _template().generate(
        result=result,
        rows=rows,
        steps=STEPS,
        seeds=seeds,
        crisp=crisp,
        ratio=pictures.shape[-1] / pictures.shape[-2],
        command=command,
        version=artgan.__version__,
        now=time.strftime("%Y-%m-%d %H:%M"),
    )
    atomic_write(path, pieces)


def _strip(pictures: torch.Tensor, crisp: bool) -> str:
    """Pictures (n, C, H, W) side by side as a data URI, each of SIDE pixels to a side at most."""
    height, width = pictures.shape[2:]
    sides = [max(1, round(side * min(1, SIDE / max(height, width)))) for side in (height, width)]
    if sides != [height, width]:
        pictures = F.interpolate(pictures, sides, mode="bicubic", antialias=True)
    array = to_uint8(torch.cat([*pictures], 2).numpy()).transpose(1, 2, 0)
    image = Image.fromarray(np.ascontiguousarray(array[:, :, 0] if array.shape[2] == 1 else array))
    buffer = io.BytesIO()
    if crisp or image.mode == "RGBA":
        image.save(buffer, "PNG", optimize=True)
    else:
        image.save(buffer, "JPEG", quality=88, optimize=True)
    kind = "png" if crisp or image.mode == "RGBA" else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


@functools.cache
def _template() -> Template:
    return template(Path(__file__).with_name("explore.html.jinja"), short=short)
