"""The page of a curation: what became of every file and pictures that show it, in one file that needs nothing else.

Numbers, colours and pictures are prepared here; the words and the layout stand in `page.html.jinja`.
"""

import base64
import dataclasses
import functools
import math
import os
import re
import shlex
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Template

import artgan
from artgan.curation.numbers import Bar, crops_for, palette, place_of, shape_bars, side_bars, size_of, spread
from artgan.curation.outliers import UNLIKE
from artgan.curation.report import CurationReport
from artgan.curation.settings import CurateSettings, size_in_words
from artgan.curation.verdicts import IN_A_SET, Item, Place
from artgan.engine.pages import LONGEST, short, template
from artgan.engine.storage import atomic_write

PICTURE_BYTES = 8_600_000
"""All pictures with their captions; what is named without a picture has TEXT_BYTES, and both stay below 12 MB."""
TEXT_BYTES = 2_800_000
MOST_KEPT = 240
MOST_ALIKE = 12
"""Pictures of one group that are shown; MOST_NAMES more are named."""
MOST_NAMES = 60
MOST_CLASSES = 200
BREAKS = re.compile(r"(?<=[/_.-])(?=.)")
"""Where a long name may break."""
_AROUND = 500  # bytes of markup around a picture


@dataclasses.dataclass(frozen=True)
class Tile:
    """A file as it is shown: `said` is its reason, in as few words as its place allows."""

    item: Item
    said: str

    @property
    def uri(self) -> str:
        """Its thumbnail, or nothing."""
        seen = self.item.seen
        if seen is None or not len(seen.thumbnail):
            return ""
        return f"data:image/jpeg;base64,{base64.b64encode(bytes(seen.thumbnail)).decode()}"

    @property
    def size(self) -> str:
        """Of the file, in words."""
        seen = self.item.seen
        if seen is None or not min(seen.size):
            return ""
        width, height = seen.size
        if seen.quality is None:
            return f"{width:,} × {height:,} px"
        return f"{width:,} × {height:,} px, {weight(seen.quality.bits_per_pixel * width * height / 8)}"

    @property
    def places(self) -> list[Place]:
        """Where what is cut out of it lies; none when all of it is taken."""
        places = dict.fromkeys(part.crop for part in self.item.parts if part.crop is not None)
        return [*places] or ([self.item.crop] if self.item.crop is not None else [])

    def corners(self, place: Place) -> str:
        """The corners of what is cut out, in pixels of the source as it lies, for a path of SVG."""
        if self.item.seen is None:
            return ""
        (width, height), (left, top, right, bottom) = self.item.seen.size, place
        # The box holds after turning counter-clockwise, so on the source it lies turned clockwise; y is downward.
        cos, sin = math.cos(math.radians(self.item.tilt)), math.sin(math.radians(self.item.tilt))
        corners = (
            (x - width / 2, y - height / 2) for y, x in ((top, left), (top, right), (bottom, right), (bottom, left))
        )
        turned = ((x * cos - y * sin + width / 2, x * sin + y * cos + height / 2) for x, y in corners)
        return "M" + " ".join(f"{x:.1f},{y:.1f}" for x, y in turned) + "Z"

    @property
    def letters(self) -> int:
        """Bytes that its words take, about."""
        return min(len(self.item.file), LONGEST) + min(len(self.said), 2 * LONGEST) + 70


@dataclasses.dataclass(frozen=True)
class Family:
    """Files that are shown together, the one that the others are like first; most are of one file alone.

    Attributes:
        tiles: at most MOST_ALIKE.
        more: names of further ones.
        beyond: how many there are besides.
    """

    tiles: tuple[Tile, ...]
    more: tuple[str, ...] = ()
    beyond: int = 0

    @property
    def letters(self) -> int:
        """Bytes that it takes without its pictures, about."""
        return sum(tile.letters for tile in self.tiles) + sum(min(len(name), LONGEST) + 40 for name in self.more)

    @property
    def bytes(self) -> int:
        """Bytes that it takes with its pictures, about; 0 if it has none."""
        pictures = [len(tile.item.seen.thumbnail) * 4 // 3 for tile in self.tiles if tile.item.seen]
        return self.letters + sum(pictures) + _AROUND * len(self.tiles) if any(pictures) else 0


@dataclasses.dataclass(frozen=True)
class Part:
    """A part of the page: those with pictures, those without, and the number of those that there is no room for."""

    pictured: list[Family]
    named: list[Family]
    unnamed: int

    @property
    def count(self) -> int:
        """All of them."""
        return len(self.pictured) + len(self.named) + self.unnamed


def write_page(path: Path, report: CurationReport) -> None:
    """Write the page of a curation; equal reports give equal bytes.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    in_set = [item for item in report.items if item.status in IN_A_SET]
    sizes = [size_of(item) for item in in_set if item.seen is not None and min(item.seen.size) > 0]
    sides = [min(size) for size in sizes]
    classes = Counter(item.label for item in in_set if item.label is not None).most_common()
    crops = crops_for(report.in_set, sides)
    pieces = _template().generate(
        report=report,
        heading=_name(report.source),
        counts=report.counts,
        parts=parts_of(report),
        sides=side_bars(sides),
        median=round(statistics.median(sides)) if sides else 0,
        large={side: sum(least >= side for least in sides) for side in (64, 128, 256)},
        shapes=shape_bars([width / height for width, height in sizes]),
        upright=statistics.median([width / height for width, height in sizes]) if sizes else 1.0,
        palette=palette(in_set),
        splits=sorted(Counter(item.split for item in in_set if item.split is not None).items(), reverse=True),
        captioned=sum(bool(item.caption) for item in in_set),
        size=size_in_words(report.settings.size) if report.settings.size is not None else "",
        classes=[Bar(name, count, 100 * count / classes[0][1]) for name, count in classes[:MOST_CLASSES]],
        unlisted=classes[MOST_CLASSES:],
        rarest=classes[-1][1] if classes else 0,
        crops=crops,
        place=place_of(report.in_set),
        command=training_command(report, crops) if report.folder is not None else curate_command(report),
        version=artgan.__version__,
    )
    atomic_write(path, pieces)


def parts_of(report: CurationReport) -> dict[str, Part]:
    """What each part of the page shows, thinned out evenly to PICTURE_BYTES and TEXT_BYTES."""
    found = _families(report)
    kept = found["kept"]
    found["kept"] = [kept[place] for place in spread(len(kept), min(len(kept), MOST_KEPT))]
    weights = [[family.bytes for family in families] for families in found.values()]
    shown, rest = {}, {}
    for (name, families), bounds, room in zip(
        found.items(), weights, share_out([sum(each) for each in weights], PICTURE_BYTES), strict=True
    ):
        able = [place for place, size in enumerate(bounds) if size]
        chosen = {able[place] for place in evenly([bounds[place] for place in able], room)}
        shown[name] = [family for place, family in enumerate(families) if place in chosen]
        rest[name] = [family for place, family in enumerate(families) if place not in chosen]
    unnamed = len(kept) - len(shown["kept"])
    rest["kept"] = []
    rooms = share_out([sum(family.letters for family in families) for families in rest.values()], TEXT_BYTES)
    parts = {}
    for (name, families), room in zip(rest.items(), rooms, strict=True):
        chosen = set(evenly([family.letters for family in families], room))
        named = [family for place, family in enumerate(families) if place in chosen]
        parts[name] = Part(shown[name], named, len(families) - len(named) + (unnamed if name == "kept" else 0))
    return parts


def _families(report: CurationReport) -> dict[str, list[Family]]:
    """Every file in the part of the page where it belongs, and with what it is like."""
    items = {item.file: item for item in report.items}
    groups = [[items[file] for file in group if file in items] for group in report.groups]
    groups = [group for group in groups if len(group) > 1] if report.settings.copies != "off" else []
    copied = {other.file: group[0].file for group in groups for other in group[1:]}
    better = {item.file: item.duplicate_of for item in report.items if item.duplicate_of in items}
    likes: dict[str, list[Item]] = {}
    for item in report.items:
        if item.file in better and copied.get(item.file) != item.duplicate_of:
            likes.setdefault(_root(item.file, better, copied), []).append(item)
    placed = set(copied) | {item.file for others in likes.values() for item in others}
    alone = [item for item in report.items if item.file not in placed]
    heads = {group[0].file for group in groups} | set(likes)

    def lone(status: str) -> list[Family]:
        chosen = sorted((item for item in alone if item.status == status), key=lambda item: (item.reason, item.file))
        return [Family((Tile(item, _without_border(item)),)) for item in chosen]

    kept = [item for item in alone if item.status == "kept" and not _is_cut(item) and item.file not in heads]
    reported = lone("reported")
    return {
        "copies": [_family(*group) for group in groups],
        "variants": [_family(items[head], *others) for head, others in likes.items()],
        "cuts": [Family((Tile(item, _border(item)),)) for item in report.items if _is_cut(item)],
        "outliers": [family for family in reversed(reported) if _is_unlike(family.tiles[0].item)],  # the farthest first
        "reported": [family for family in reported if not _is_unlike(family.tiles[0].item)],
        "dropped": lone("dropped"),
        "failed": lone("failed"),
        "ignored": lone("ignored"),
        "kept": [Family((Tile(item, ""),)) for item in kept],
    }


def _family(head: Item, *others: Item) -> Family:
    shown, more = others[: MOST_ALIKE - 1], others[MOST_ALIKE - 1 :]

    def said(item: Item) -> str:
        """The reason without the name of the first, which stands beside it."""
        words = _without_border(item).replace(f"a copy of {head.file}", "a copy", 1)
        words = words.replace(f"the same pixels as {head.file}", "the same pixels", 1)
        return words.replace(f"{head.file}, ", "", 1)

    tiles = (Tile(head, _without_border(head)), *(Tile(item, said(item)) for item in shown))
    return Family(tiles, tuple(item.file for item in more[:MOST_NAMES]), max(0, len(more) - MOST_NAMES))


def _root(file: str, better: Mapping[str, str | None], copied: Mapping[str, str]) -> str:
    """What a variant of a variant of a picture is like in the end."""
    passed = [file]
    while (after := better.get(passed[-1])) is not None and after not in passed:
        passed.append(after)
        if after in copied:
            break
    return passed[-1]


def _is_cut(item: Item) -> bool:
    return item.crop is not None or any(part.crop is not None for part in item.parts)


def _is_unlike(item: Item) -> bool:
    return UNLIKE in item.reason


def _border(item: Item) -> str:
    """What is cut off; an empty text for a picture without a border."""
    return item.seen.found.reason if item.seen is not None and item.seen.found is not None else ""


def _without_border(item: Item) -> str:
    """Its reason but for what is cut off, which stands beside the cut."""
    return item.reason.removesuffix(_border(item)).removesuffix("; ")


def share_out(wishes: Sequence[int], room: int) -> list[int]:
    """Room for each: all that it wishes for the modest ones, equal parts of what is left for the others."""
    given, left = [0] * len(wishes), room
    order = sorted(range(len(wishes)), key=wishes.__getitem__)
    for done, place in enumerate(order):
        given[place] = min(wishes[place], left // (len(wishes) - done))
        left -= given[place]
    return given


def evenly(weights: Sequence[int], room: int) -> list[int]:
    """Places of as many as have room, spread evenly."""
    count = len(weights) if sum(weights) <= room else min(len(weights), room * len(weights) // sum(weights))
    while count and sum(weights[place] for place in spread(len(weights), count)) > room:
        count = count * 19 // 20
    return spread(len(weights), count)


def training_command(report: CurationReport, crops: int) -> str:
    """The command that trains on the set; nothing for a zip or shards in parts, of which none has a name of its own."""
    if report.folder is None:
        return ""
    labels = " --no-labels" if report.settings.labels == "none" else ""
    if report.settings.split is not None and report.settings.format != "folder":
        return ""
    place = report.folder / "train" if report.settings.split is not None else report.folder
    return f"artgan train {_argument(place)}{f' --crops {crops}' if crops else ''}{labels} --minutes 10"


def curate_command(report: CurationReport) -> str:
    """The command that writes the set which the report speaks of."""
    name = _name(report.source)
    target = report.source.parent / f"{Path(name).stem}-set" if report.source.name else Path(f"../{name}-set")
    words = [f"artgan curate {_argument(report.source)} {_argument(target)}"]
    for field in dataclasses.fields(CurateSettings):
        value, flag = getattr(report.settings, field.name), field.name.replace("_", "-")
        if value != field.default:
            plain = value is False or (field.name == "labels" and value == "none")
            text = size_in_words(value) if field.name == "size" else str(value)
            words.append(f"--no-{flag}" if plain else f"--{flag} {shlex.quote(text)}")
    return " ".join(words)


def _name(source: Path) -> str:
    """Of a folder or zip that may be given as a dot; links stay as they are."""
    return os.path.basename(os.path.abspath(source)) or str(source)  # noqa: PTH100, PTH119


def _argument(path: Path | None) -> str:
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def weight(size: float) -> str:
    """Bytes in words."""
    return f"{size / 1e6:,.1f} MB" if size >= 999_500 else f"{max(1, round(size / 1e3))} kB"


@functools.cache
def _template() -> Template:
    return template(Path(__file__).with_name("page.html.jinja"), short=short, at_breaks=BREAKS.split, n="{:,}".format)
