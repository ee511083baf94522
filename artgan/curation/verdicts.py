"""What becomes of each file: kept, dropped, reported, failed or ignored, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from artgan.curation.copies import Group
from artgan.curation.quality import judge
from artgan.curation.settings import CurateSettings
from artgan.curation.splits import Unit, cap, parse_shares, split
from artgan.curation.survey import Seen
from artgan.data.captions import Captions
from artgan.data.sources import BESIDE, HIDDEN, Source

Status = Literal["kept", "dropped", "reported", "failed", "ignored"]
Defects = Mapping[int, tuple[str, ...]]
"""What is wrong with pictures, by number."""
STATUSES: tuple[Status, ...] = ("kept", "dropped", "reported", "failed", "ignored")
IN_A_SET = ("kept", "reported")
Place = tuple[int, int, int, int]
"""(left, top, right, bottom) in upright pixels of the source."""


@dataclass(frozen=True, slots=True)
class Part:
    """One picture of the set.

    Attributes:
        output: its path inside the set; empty while nothing is written.
        crop: where it lies in the source, after turning that by the item's `tilt`; None is the whole.
        frame: its number among the pictures that are taken from an animation.
    """

    output: str = ""
    crop: Place | None = None
    frame: int = 0


@dataclass(frozen=True)
class Item:
    """One file of the source.

    Attributes:
        file: its path inside the source.
        status: kept and reported ones are in the set; dropped ones are not; failed ones could not be read; ignored
            ones were never meant to be pictures.
        reason: in words; empty for a picture that is kept as it is.
        duplicate_of: the file that is kept in its place, or that it is a variant of.
        crop: where the picture lies on its paper, after turning by `tilt`; None is whole.
        tilt: degrees counter-clockwise by which it is straightened about its centre.
        label: its class.
        split: the part of the set that it belongs to, such as train; None when there are no parts.
        caption: what it shows, in words; empty when nobody says.
        parts: the pictures of the set that are made of it: one, unless it is cut into several or is an animation.
        seen: what reading it told; None for files that were not read.
    """

    file: str
    status: Status
    reason: str = ""
    duplicate_of: str | None = None
    crop: Place | None = None
    tilt: float = 0.0
    label: str | None = None
    split: str | None = None
    caption: str = ""
    parts: tuple[Part, ...] = ()
    seen: Seen | None = None

    @property
    def output(self) -> str | None:
        """Its path inside the set, or that of its first part; None while it is not written."""
        return self.parts[0].output or None if self.parts else None


@dataclass(frozen=True)
class Variant:
    """Two pictures, one of them mirrored, turned or without colours: the better one, the other, and how."""

    better: int
    other: int
    how: str


@dataclass(frozen=True)
class Copies:
    """What was found out about copies, by the numbers of the source's files.

    Attributes:
        groups: near copies.
        exact: (kept, other) of those whose pixels are the very same.
        variants: of one another.
        ties: all pairs that show the same, also those that no group and no variant speaks of.
    """

    groups: tuple[Group, ...] = ()
    exact: frozenset[tuple[int, int]] = frozenset()
    variants: tuple[Variant, ...] = ()
    ties: tuple[tuple[int, int], ...] = ()


def verdicts(
    source: Source,
    seen: Sequence[Seen],
    copies: Copies,
    defects: Defects,
    outliers: Mapping[int, str],
    told: Captions,
    settings: CurateSettings,
) -> list[Item]:
    """What becomes of every file of the source, sorted by name.

    Args:
        source: whose files they are.
        seen: what reading each of its files told.
        copies: what was found out about copies.
        defects: what is wrong with pictures.
        outliers: why pictures are unlike the rest, by number.
        told: what pictures show, where it is known from elsewhere than the file itself.
        settings: of the steps.
    """
    names = [file.name for file in source.files]
    original, reasons = _of_copies(names, copies, settings)
    dropped = set(original) if settings.copies == "drop" else set()
    if settings.variants != "off":
        for variant in copies.variants:
            if variant.better not in dropped and variant.other not in dropped:
                if variant.other not in original:  # of one picture's variants each is one of all others
                    original[variant.other] = variant.better
                    reasons[variant.other].append(f"{names[variant.better]}, {variant.how}")
                dropped |= {variant.other} if settings.variants == "drop" else set()
    for number, found in defects.items():
        reasons[number] += found
        dropped |= {number} if settings.defects == "drop" else set()
    for number, found_unlike in outliers.items():
        reasons[number].append(found_unlike)
        dropped |= {number} if settings.outliers == "drop" else set()
    items = [Item(name, "failed", reason) for name, reason in source.passed_over]
    unread = dict(told.passed_over)
    items += [
        Item(name, "ignored", f"{BESIDE}; {unread[name]}" if name in unread else BESIDE) for name in source.beside
    ]
    items += [Item(name, "ignored", HIDDEN) for name in source.hidden]
    for number, (file, one) in enumerate(zip(source.files, seen, strict=True)):
        if one.reason:
            items.append(Item(file.name, "failed", one.reason, label=file.label, seen=one))
            continue
        cut = [one.found.reason] if settings.scans and one.found is not None else []
        status: Status = "dropped" if number in dropped else "reported" if reasons[number] else "kept"
        instead = names[original[number]] if number in original else None
        said = "; ".join([*reasons[number], *cut])
        caption = told.of.get(file.name) or one.caption
        items.append(Item(file.name, status, said, instead, label=file.label, caption=caption, seen=one))
    families = dict(zip(names, _families(seen, copies), strict=True))
    return _shared_out(sorted(items, key=lambda item: item.file), families, settings)


def _families(seen: Sequence[Seen], copies: Copies) -> list[str]:
    """For each file a name that it shares with all that show the same, and with those that show the same as these.

    It is the least of their digests, so that it does not depend on what files are called.
    """
    parent = list(range(len(seen)))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = number = parent[parent[number]]
        return number

    pairs = [(group.kept, other) for group in copies.groups for other in group.others]
    for one, two in (*pairs, *((variant.better, variant.other) for variant in copies.variants), *copies.ties):
        parent[root(one)] = root(two)
    first: dict[str, int] = {}  # the same file is the same family, also where nobody looked for copies
    for number, one_seen in enumerate(seen):
        parent[root(number)] = root(first.setdefault(one_seen.sha256 or f"{number}", number))
    least: dict[int, str] = {}
    for number, one_seen in enumerate(seen):
        least[root(number)] = min(one_seen.sha256, least.get(root(number), one_seen.sha256))
    return [least[root(number)] for number in range(len(seen))]


def _shared_out(items: list[Item], families: Mapping[str, str], settings: CurateSettings) -> list[Item]:
    """Items without what is beyond `per_class`, each in its part of the set."""
    if settings.per_class is not None:
        in_set, units = _units(items, families)
        for number in cap(units, settings.per_class):
            place = in_set[number]
            beyond = f"beyond the {settings.per_class} of its class"
            said = "; ".join(word for word in (items[place].reason, beyond) if word)
            items[place] = replace(items[place], status="dropped", reason=said)
    if settings.split is not None:
        in_set, units = _units(items, families)
        for place, name in zip(in_set, split(units, parse_shares(settings.split)), strict=True):
            items[place] = replace(items[place], split=name)
    return items


def _units(items: Sequence[Item], families: Mapping[str, str]) -> tuple[list[int], list[Unit]]:
    """The numbers of the items that are in the set, and what decides where each goes."""
    in_set = [(number, item.seen) for number, item in enumerate(items) if item.status in IN_A_SET]
    return [number for number, _ in in_set], [
        Unit(seen.sha256, items[number].label, families[items[number].file]) for number, seen in in_set if seen
    ]


def _of_copies(
    names: Sequence[str], copies: Copies, settings: CurateSettings
) -> tuple[dict[int, int], list[list[str]]]:
    """For each copy the number of the one to keep, and for each file what to say."""
    original: dict[int, int] = {}
    reasons: list[list[str]] = [[] for _ in names]
    for group in copies.groups if settings.copies != "off" else ():
        for other in group.others:
            how = "the same pixels as" if (group.kept, other) in copies.exact else "a copy of"
            original[other] = group.kept
            reasons[other].append(f"{how} {names[group.kept]}")
    return original, reasons


def defects_of(seen: Sequence[Seen], settings: CurateSettings) -> Defects:
    """What is wrong with pictures, by number; nothing when it is not asked for."""
    if settings.defects == "off":
        return {}
    measured = {number: one.quality for number, one in enumerate(seen) if one.quality is not None}
    judged = judge(list(measured.values()), least_side=settings.least_side)
    return {number: found for number, found in zip(measured, judged, strict=True) if found}
