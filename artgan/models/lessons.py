"""What the embedded encoder is taught with: crops of pictures, half of them damaged, and drawings of its own.

Every draw is a function of a seed and the number of the batch. About every fifth picture is kept from the student
(`held_out`), for the figures in its file and for `tests/bench/encoder.py`. Only `artgan.models.train_encoder` and
benchmarks import this module.
"""

import io
import itertools
import math
import random
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

from artgan.engine.images import decode

SIDES = (64, 96, 128, 160)
PIXELS = 24 * 112 * 112
"""About so many pixels are in a batch, whatever the side of its pictures."""


def held_out(name: str) -> bool:
    """Whether a file of this name is kept from the student: about one in five, by a checksum of the name."""
    return zlib.crc32(name.encode()) % 5 == 0


def read_folders(folders: Sequence[Path], withheld: bool = False) -> list[list[Image.Image]]:
    """The pictures of each folder, and of the folders in it, that are to be learnt from (or those withheld).

    Raises:
        DatasetError: one of them is not a picture.
    """
    return [
        [decode(file) for file in sorted(folder.rglob("*.*")) if file.is_file() and held_out(file.name) is withheld]
        for folder in folders
    ]


def draw_batches(folders: Sequence[Sequence[Image.Image]], seed: int) -> Iterator[torch.Tensor]:
    """Batches (N, 3, S, S) in [-1, 1] without end, the same for the same seed; drawn by a thread, four ahead.

    Args:
        folders: pictures per folder; the first is drawn from four times as often as each of the others.
        seed: of the batches.
    """

    def batch(number: int) -> torch.Tensor:
        rng = random.Random(f"{seed} {number}")
        side = rng.choice(SIDES)
        pictures = [_picture(folders, side, rng) for _ in range(round(PIXELS / side**2))]
        return torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures])).permute(0, 3, 1, 2)

    with ThreadPoolExecutor(1) as pool:
        ahead = deque(pool.submit(batch, number) for number in range(4))
        for number in itertools.count(4):
            ahead.append(pool.submit(batch, number))
            yield ahead.popleft().result().float() / 127.5 - 1


def _picture(folders: Sequence[Sequence[Image.Image]], side: int, rng: random.Random) -> Image.Image:
    """One picture to learn from: a crop or a drawing, half of them damaged, some made of several."""
    kind = rng.random()
    if kind < 0.08:  # what a young generator draws: the average of many
        picture = _crop(folders, side, rng)
        for count in range(2, rng.randint(3, 8)):
            picture = Image.blend(picture, _crop(folders, side, rng), 1 / count)
    elif kind < 0.14:
        picture = Image.new("RGB", (side, side))
        tiles = rng.choice((2, 3, 4))
        for tile in range(tiles * tiles):
            box = side // tiles + 1
            picture.paste(_crop(folders, box, rng), (tile % tiles * box, tile // tiles * box))
    elif kind < 0.24:
        picture = _drawing(side, rng)
    else:
        picture = _crop(folders, side, rng)
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2))):
        picture = _damaged(picture, rng)
    return picture


def _crop(folders: Sequence[Sequence[Image.Image]], side: int, rng: random.Random) -> Image.Image:
    shares = [4, *[1] * (len(folders) - 1)]
    picture = rng.choice(rng.choices(folders, shares)[0])
    least = min(picture.size)
    length = min(least, math.exp(rng.uniform(math.log(min(least, 0.6 * side)), math.log(least))))
    width, height = (min(length * math.exp(rng.uniform(-0.2, 0.2)), limit) for limit in picture.size)
    left, top = rng.uniform(0, picture.width - width), rng.uniform(0, picture.height - height)
    box = (left, top, left + width, top + height)
    crop = picture.resize((side, side), rng.choice((Image.Resampling.LANCZOS, Image.Resampling.BILINEAR)), box, 2.0)
    return ImageOps.mirror(crop) if rng.random() < 0.5 else crop


def _drawing(side: int, rng: random.Random) -> Image.Image:
    """Shapes, words, stripes or noise."""
    dice = np.random.default_rng(rng.getrandbits(32))
    kind = rng.randrange(4)
    if kind == 0:  # noise whose spectrum falls as 1 / f to a power, grey or in colours
        spectrum = np.fft.rfft2(dice.normal(size=(rng.choice((1, 3)), side, side)))
        f = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]) + 1 / side
        waves = np.fft.irfft2(spectrum / f ** rng.uniform(0, 2), s=(side, side))
        waves = waves / waves.std() * rng.uniform(10, 80) + dice.uniform(40, 215, (3, 1, 1))
        return _clipped(waves.transpose(1, 2, 0))
    picture = Image.new("RGB", (side, side), _colour(rng))
    pen = ImageDraw.Draw(picture)
    if kind == 1:
        angle, period, ink = rng.uniform(0, math.pi), rng.uniform(3, side / 2), _colour(rng)
        for step in range(-2 * side, 2 * side, max(2, round(period))):
            x, y = side / 2 + step * math.cos(angle), side / 2 + step * math.sin(angle)
            dx, dy = side * math.sin(angle) * 2, -side * math.cos(angle) * 2
            pen.line([(x - dx, y - dy), (x + dx, y + dy)], ink, max(1, round(period * rng.uniform(0.2, 0.6))))
        return picture
    for _ in range(rng.randint(1, 12)):
        spot = sorted(rng.uniform(-0.2, 1.2) * side for _ in range(2))
        box = [spot[0], rng.uniform(-0.2, 0.8) * side]
        box += [spot[1], box[1] + rng.uniform(0.05, 0.6) * side]
        if kind == 2:
            font = ImageFont.load_default(size=rng.uniform(0.08, 0.5) * side)
            word = "".join(rng.choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ", k=8))
            pen.text((box[0], box[1]), word, _colour(rng), font)
        else:
            shape = rng.choice((pen.ellipse, pen.rectangle))
            shape(box, fill=_colour(rng), outline=_colour(rng), width=rng.randint(0, 4))
    return picture


def _colour(rng: random.Random) -> tuple[int, int, int]:
    return rng.randrange(256), rng.randrange(256), rng.randrange(256)


def _damaged(picture: Image.Image, rng: random.Random) -> Image.Image:
    """A picture as files, printers and bad generators would have it."""
    side, kind = picture.width, rng.randrange(9)
    if kind == 0:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.04 * side)))
    elif kind == 1:
        dice = np.random.default_rng(rng.getrandbits(32))
        picture = _clipped(np.asarray(picture) + dice.normal(0, rng.uniform(2, 60), (side, side, rng.choice((1, 3)))))
    elif kind == 2:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=rng.randint(3, 60))
        picture = Image.open(buffer).convert("RGB")
    elif kind == 3:  # fewer pixels, enlarged softly or as blocks
        few = rng.randint(4, side // 2)
        ways = (Image.Resampling.NEAREST, Image.Resampling.BICUBIC)
        picture = picture.resize((few, few), Image.Resampling.BOX).resize((side, side), rng.choice(ways))
    elif kind == 4:
        gain, lift = np.exp(np.array([rng.uniform(-0.5, 0.5) for _ in range(3)])), rng.uniform(-60, 60)
        picture = _clipped(np.asarray(picture) * gain + lift)
    elif kind == 5:
        picture = rng.choice((ImageOps.grayscale, ImageOps.invert, ImageOps.autocontrast))(picture).convert("RGB")
    elif kind == 6:
        picture = ImageOps.posterize(picture, rng.randint(1, 4))
    elif kind == 7:
        left, top = rng.uniform(-0.2, 0.8) * side, rng.uniform(-0.2, 0.8) * side
        box = [left, top, left + rng.uniform(0.1, 0.6) * side, top + rng.uniform(0.1, 0.6) * side]
        ImageDraw.Draw(picture).rectangle(box, fill=_colour(rng))
    else:
        picture = picture.rotate(rng.uniform(-180, 180), Image.Resampling.BILINEAR, fillcolor=_colour(rng))
    return picture


def _clipped(values: NDArray[np.float64]) -> Image.Image:
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))
