"""Sets of pictures with graded damage, and near copies of pictures: what `tests/bench/encoder.py` measures with."""

import io
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

import artgan
from artgan.engine.images import decode, to_uint8
from artgan.engine.seeds import latents
from artgan.models.lessons import held_out
from artgan.models.render import render

SIDE = 128
COUNT = 240
"""Pictures on each side of a comparison."""
Change = Callable[[Image.Image, random.Random], Image.Image]


@dataclass(frozen=True)
class Base:
    """Pictures held out from the encoder: one side of every comparison, and what the others are made of.

    Attributes:
        real: squares of SIDE pixels.
        views: other squares from the same files, mirrored, by group (class, or file).
    """

    real: list[Image.Image]
    views: dict[str, list[Image.Image]]

    def others(self, without: int = 0) -> list[Image.Image]:
        """COUNT of the views in a fixed order, those of the first groups left out."""
        found = [view for name in sorted(self.views)[without:] for view in self.views[name]]
        return random.Random(0).sample(found, min(COUNT, len(found)))


def find_files(folder: Path) -> list[Path]:
    """All pictures in a folder and its folders."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})


def read_base(folder: Path, by_class: bool, least: float) -> Base:
    """The held-out pictures of a folder as squares of at least that share of them, grouped by folder or by file."""
    rng = random.Random(1)
    files = [file for file in find_files(folder) if held_out(file.name)]
    real: list[Image.Image] = []
    views: dict[str, list[Image.Image]] = {}
    for file in files:
        picture = decode(file)
        real += [square(picture, least if number else 1, rng) for number in range(-(-COUNT // len(files)))]
        group = views.setdefault(file.parent.name if by_class else file.name, [])
        group += [ImageOps.mirror(square(picture, least, rng)) for _ in range(-(-2 * COUNT // len(files)))]
    return Base(real[:COUNT], views)


def square(picture: Image.Image, least: float, rng: random.Random) -> Image.Image:
    """A square of `least` of the shorter side or more, anywhere, at SIDE pixels; for 1 the one in the middle."""
    side = min(picture.size) * rng.uniform(least, 1)
    left, top = ((length - side) * (0.5 if least == 1 else rng.random()) for length in picture.size)
    return picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS, (left, top, left + side, top + side), 2.0)


def to_tensor(pictures: Sequence[Image.Image]) -> torch.Tensor:
    """Pictures of one size as (N, 3, H, W) in [-1, 1]."""
    stacked = np.stack([np.asarray(picture.convert("RGB")) for picture in pictures])
    return torch.from_numpy(stacked).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_picture(x: torch.Tensor) -> Image.Image:
    """One of (3, H, W) in [-1, 1] as a picture."""
    return Image.fromarray(to_uint8(x.detach().numpy()).transpose(1, 2, 0))


def blurred(radius: float) -> Change:
    return lambda picture, rng: picture.filter(ImageFilter.GaussianBlur(radius))


def noisy(deviation: float) -> Change:
    def change(picture: Image.Image, rng: random.Random) -> Image.Image:
        grain = np.random.default_rng(rng.getrandbits(32)).normal(0, deviation, (*picture.size[::-1], 3))
        return Image.fromarray((np.asarray(picture) + grain).clip(0, 255).astype(np.uint8))

    return change


def jpeg(quality: int) -> Change:
    def change(picture: Image.Image, rng: random.Random) -> Image.Image:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality)
        return Image.open(buffer).convert("RGB")

    return change


def shrunk(factor: int) -> Change:
    return lambda picture, rng: picture.resize(
        (max(1, picture.width // factor), max(1, picture.height // factor)), Image.Resampling.BICUBIC
    ).resize(picture.size, Image.Resampling.BICUBIC)


def tinted(picture: Image.Image, rng: random.Random) -> Image.Image:
    return Image.fromarray((np.asarray(picture) * (1.15, 1.0, 0.8)).clip(0, 255).astype(np.uint8))


def brightened(factor: float) -> Change:
    return lambda picture, rng: ImageEnhance.Brightness(picture).enhance(factor)


def cropped(share: float) -> Change:
    def change(picture: Image.Image, rng: random.Random) -> Image.Image:
        width, height = (round(length * share) for length in picture.size)
        left, top = rng.randint(0, picture.width - width), rng.randint(0, picture.height - height)
        return picture.crop((left, top, left + width, top + height))

    return change


DAMAGES: Mapping[str, Change] = {
    **{f"blur {radius} px": blurred(radius) for radius in (0.7, 1.5, 3)},
    **{f"noise {deviation}/255": noisy(deviation) for deviation in (8, 20, 50)},
    **{f"JPEG q{quality}": jpeg(quality) for quality in (40, 15, 5)},
    "a third of the pixels": shrunk(3),
    "warmer colours": tinted,
}
COPIES: Mapping[str, Change] = {
    **{f"crop {share:.0%}": cropped(share) for share in (0.9, 0.8)},
    "JPEG q30": jpeg(30),
    "+20 %": brightened(1.2),
    "-20 %": brightened(0.8),
    "half": shrunk(2),
}


def damaged_sets(base: Base, strange: Base) -> Iterator[tuple[str, torch.Tensor]]:
    """(what was done, pictures): nothing, damage to all, groups left out, strange pictures mixed in."""
    others, rng = base.others(), random.Random(2)
    yield "nothing", to_tensor(others)
    for name, change in DAMAGES.items():
        yield name, to_tensor([change(picture, rng) for picture in others])
    for sevenths in (1, 2, 4):
        yield f"{sevenths}/7 of groups left out", to_tensor(base.others(round(len(base.views) * sevenths / 7)))
    for share in (0.1, 0.3, 0.6):
        count = round(share * len(others))
        yield f"{share:.0%} strange", to_tensor([*strange.others()[:count], *others[count:]])


def sampled_sets(run: Path, most: int = 5) -> Iterator[tuple[str, torch.Tensor]]:
    """(run and age, pictures) of some checkpoints of a run, classes in turn, enlarged to SIDE."""
    found = sorted(run.glob("checkpoints/*/generator.safetensors"))
    for path in [found[round(number)] for number in np.linspace(0, len(found) - 1, min(most, len(found)))]:
        loaded = artgan.load(path, device="cpu")
        z = latents(tuple(range(COUNT)), loaded.settings.model.z_dim)
        c = torch.arange(COUNT) % len(loaded.classes) if loaded.classes else None
        pictures = render(loaded.network, loaded.engine, z, c)[:, :3].expand(-1, 3, -1, -1)
        large = torch.nn.functional.interpolate(pictures, (SIDE, SIDE), mode="bicubic", antialias=True).clamp(-1, 1)
        yield f"{loaded.run[:24]} {loaded.nimg / 1000:.1f} kimg", large
