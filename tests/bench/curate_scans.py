"""Pictures on paper, on black and in frames with their place known, and how near a curation comes to it."""

import math
import random
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import artgan
from artgan.curation.verdicts import Item
from artgan.engine.images import decode

WITHIN = 0.02
"""Share of the picture's sides by which a corner may be off."""
Box = tuple[float, float, float, float]
Page = Callable[[Image.Image, random.Random], tuple[Image.Image, Box]]


def _paper(size: tuple[int, int], color: tuple[int, int, int], rng: random.Random) -> Image.Image:
    """A sheet with fibres: coarse and fine noise on its colour."""
    draw = np.random.default_rng(rng.getrandbits(32))
    coarse = draw.normal(0, 3, (size[1] // 12 + 1, size[0] // 12 + 1)).astype(np.float32)
    fibres = np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC))[..., None]
    noise = draw.normal(0, 2, (size[1], size[0], 1))
    return Image.fromarray((np.array(color) + fibres + noise).clip(0, 255).astype(np.uint8))


def _margins(picture: Image.Image, rng: random.Random, least: float, most: float) -> tuple[tuple[int, int], Box]:
    """The size of a page around a picture, and the picture's place on it."""
    width, height = picture.size
    left, right = (round(width * rng.uniform(least, most)) for _ in range(2))
    top, bottom = (round(height * rng.uniform(least, most)) for _ in range(2))
    return (width + left + right, height + top + bottom), (left, top, left + width, top + height)


def plain_page(picture: Image.Image, rng: random.Random) -> tuple[Image.Image, Box]:
    """On one colour, as tools/make_messy.py does it."""
    width, height = picture.size
    page = Image.new("RGB", (round(width * 1.3), round(height * 1.35)), (246, 242, 231))
    left, top = round(width * 0.15), round(height * 0.12)
    page.paste(picture, (left, top))
    return page, (left, top, left + width, top + height)


def paper_page(picture: Image.Image, rng: random.Random) -> tuple[Image.Image, Box]:
    """On paper of several tints, with margins of 6 to 30 %."""
    size, box = _margins(picture, rng, 0.06, 0.3)
    page = _paper(size, rng.choice([(246, 242, 231), (232, 220, 190), (250, 250, 250), (205, 196, 175)]), rng)
    page.paste(picture, (round(box[0]), round(box[1])))
    return page, box


def lettered_page(picture: Image.Image, rng: random.Random) -> tuple[Image.Image, Box]:
    """On paper, with a number above and a title below the picture."""
    size, box = _margins(picture, rng, 0.12, 0.3)
    page = _paper(size, (240, 234, 218), rng)
    page.paste(picture, (round(box[0]), round(box[1])))
    draw, middle = ImageDraw.Draw(page), size[0] / 2
    small, large = (ImageFont.load_default(max(8, round(picture.height * share))) for share in (0.022, 0.03))
    draw.text((middle, box[1] / 2), "PLATE XII", (50, 40, 35), small, anchor="mm")
    draw.text(
        (middle, box[3] + (size[1] - box[3]) * 0.35), "The Return of the Fishing Boats", (40, 30, 30), large, "mm"
    )
    draw.text((middle, box[3] + (size[1] - box[3]) * 0.65), "after the painting of 1872", (60, 50, 45), small, "mm")
    return page, box


def black_bed(picture: Image.Image, rng: random.Random) -> tuple[Image.Image, Box]:
    """On a scanner's black bed."""
    size, box = _margins(picture, rng, 0.05, 0.2)
    page = _paper(size, (14, 14, 16), rng)
    page.paste(picture, (round(box[0]), round(box[1])))
    return page, box


def matted(picture: Image.Image, rng: random.Random) -> tuple[Image.Image, Box]:
    """In a frame of mouldings with a light mat inside."""
    width, height = picture.size
    wood, mat = round(max(width, height) * rng.uniform(0.05, 0.09)), round(max(width, height) * rng.uniform(0.06, 0.12))
    around = wood + mat
    page = Image.new("RGB", (width + 2 * around, height + 2 * around))
    draw, tint = ImageDraw.Draw(page), np.array(rng.choice([(150, 110, 50), (90, 60, 40), (60, 55, 50)]))
    for ring in range(wood):
        light = 0.75 + 0.45 * math.sin(ring / wood * 9) ** 2
        color = tuple(int(value) for value in (tint * light).clip(0, 255))
        draw.rectangle((ring, ring, page.width - 1 - ring, page.height - 1 - ring), outline=color)
    page.paste(_paper((width + 2 * mat, height + 2 * mat), (236, 232, 222), rng), (wood, wood))
    page.paste(picture, (around, around))
    return page, (around, around, around + width, around + height)


PAGES: Mapping[str, tuple[Page, float]] = {
    "page, as make_messy": (plain_page, 1.0),
    "paper, straight": (paper_page, 0.0),
    "paper, to 3 degrees": (paper_page, 3.0),
    "paper and lettering": (lettered_page, 1.5),
    "black bed": (black_bed, 2.0),
    "frame and mat": (matted, 0.0),
}
"""How pictures are put on pages, and by how many degrees these are turned at most."""


def compose(name: str, picture: Image.Image, rng: random.Random) -> tuple[Image.Image, Box, float]:
    """A scan, the picture's place on the page, and the degrees counter-clockwise that the page was turned by."""
    put, most = PAGES[name]
    page, box = put(picture, rng)
    tilt = rng.uniform(-most, most)
    corner = page.getpixel((0, 0))
    assert isinstance(corner, tuple)
    page = page.rotate(tilt, Image.Resampling.BICUBIC, fillcolor=corner) if tilt else page
    light = np.linspace(1.0, 0.93, page.width)[None, :, None]
    noise = np.random.default_rng(rng.getrandbits(32)).normal(0, 2.0, (page.height, page.width, 1))
    return Image.fromarray((np.asarray(page) * light + noise).clip(0, 255).astype(np.uint8)), box, tilt


def corners(box: Box, tilt: float, size: tuple[int, int]) -> list[tuple[float, float]]:
    """The corners of a box that was drawn on a page before the page was turned by `tilt` about its centre."""
    cos, sin = math.cos(math.radians(tilt)), math.sin(math.radians(tilt))
    x0, y0 = size[0] / 2, size[1] / 2
    left, top, right, bottom = box
    around = [(x - x0, y - y0) for x, y in ((left, top), (right, top), (right, bottom), (left, bottom))]
    return [(x * cos + y * sin + x0, y * cos - x * sin + y0) for x, y in around]


def error(item: Item, box: Box, tilt: float) -> float:
    """How far a corner of what was cut is off at most, as a share of the picture's sides; the whole if nothing was."""
    assert item.seen is not None
    size = item.seen.size
    cut = corners(item.crop or (0, 0, *size), -item.tilt, size)
    true = corners(box, tilt, size)
    across, down = box[2] - box[0], box[3] - box[1]
    return max(max(abs(x - u) / across, abs(y - v) / down) for (x, y), (u, v) in zip(cut, true, strict=True))


def measure_scans(data: Path, work: Path, sheets: Path | None, count: int = 60) -> None:
    """Cut pictures out of scans that are composed here, and draw what is cut from real ones."""
    folder, truth = work / "scans", {}
    folder.mkdir()
    # Some paintings have bars or thin frames of their own, and what is inside these is no worse an answer.
    alone = artgan.curate(data / "paintings", copies="off", variants="off", outliers="off", defects="off")
    plain = [item.file for item in alone.items if item.seen is not None and item.crop is None]
    print(f"  of {len(alone.items)} paintings as they are, {len(alone.items) - len(plain)} are cut; others go on pages")
    files = [data / "paintings" / name for name in random.Random(5).sample(plain, count)]
    for kind in PAGES:
        for number, file in enumerate(files):
            rng = random.Random(f"{kind} {number}")
            page, box, tilt = compose(kind, decode(file), rng)
            name = f"{kind} {number:03d}.jpg"
            page.save(folder / name, quality=88)
            truth[name] = (kind, box, tilt)
    report = artgan.curate(folder, copies="off", variants="off", outliers="off", defects="off")
    errors: dict[str, list[float]] = {kind: [] for kind in PAGES}
    for item in report.items:
        kind, box, tilt = truth[item.file]
        errors[kind].append(error(item, box, tilt))
    for kind, found in errors.items():
        near = sum(one <= WITHIN for one in found) / len(found)
        print(
            f"  {kind:20} within 2 %: {near:5.1%} of {len(found)}, median {np.median(found):.2%}, most {max(found):.0%}"
        )
    whole = [one for found in errors.values() for one in found]
    print(f"  all                  within 2 %: {sum(one <= WITHIN for one in whole) / len(whole):5.1%} of {len(whole)}")
    if sheets is not None:
        sheets.mkdir(parents=True, exist_ok=True)
        draw_sheet(data / "scans", sheets / "scans.png")
        bad = [item.file for item in report.items if error(item, *truth[item.file][1:]) > WITHIN]
        if bad:
            draw_sheet(folder, sheets / "composed_bad.png", bad[:48])


def draw_sheet(folder: Path, out: Path, only: list[str] | None = None, side: int = 320) -> None:
    """All scans of a folder with what is cut from them, four in a line."""
    report = artgan.curate(folder, copies="off", variants="off", outliers="off", defects="off")
    items = [item for item in report.items if item.seen is not None and (only is None or item.file in only)]
    sheet = Image.new("RGB", (4 * side, -(-len(items) // 4) * (side + 24)), (40, 40, 40))
    for number, item in enumerate(items):
        assert item.seen is not None
        picture = decode(folder / item.file)
        scale = side / max(picture.size)
        small = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS)
        draw = ImageDraw.Draw(small)
        if item.crop is not None:
            places = [(x * scale, y * scale) for x, y in corners(item.crop, -item.tilt, picture.size)]
            draw.line([*places, places[0]], (255, 0, 60), 3)
        x, y = number % 4 * side, number // 4 * (side + 24)
        sheet.paste(small, (x, y))
        said = f"{number + 1}: {item.tilt:+.1f}, {', '.join(item.seen.found.kinds) if item.seen.found else 'whole'}"
        ImageDraw.Draw(sheet).text((x + 4, y + side + 4), said, (255, 255, 255), ImageFont.load_default(14))
    sheet.save(out)
    print(f"  {out}: {len(items)} scans, {sum(item.crop is not None for item in items)} of them cut")
