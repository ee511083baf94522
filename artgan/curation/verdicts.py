"""What becomes of each file: kept, dropped, reported, failed or ignored, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from artgan.curation.copies import Group
from artgan.curation.quality import judge
from artgan.curation.settings import CurateSettings
from artgan.curation.survey import Seen
from artgan.data.sources import BESIDE, Source

Status = Literal["kept", "dropped", "reported", "failed", "ignored"]
Defects = Mapping[int, tuple[str, ...]]
"""What is wrong with pictures, by number."""
STATUSES: tuple[Status, ...] = ("kept", "dropped", "reported", "failed", "ignored")


@dataclass(frozen=True)
class Item:
    """One file of the source.

    Attributes:
        file: its path inside the source.
        status: kept and reported ones are in the set; dropped ones are not; failed ones could not be read; ignored
            ones were never meant to be pictures.
        reason: in words; empty for a picture that is kept as it is.
        duplicate_of: the file that is kept in its place, or that it is a variant of.
        crop: (left, top, right, bottom) in upright pixels of the source, after turning it by `tilt`; None is whole.
        tilt: degrees counter-clockwise by which it is straightened about its centre.
        label: its class.
        output: its path inside the set, when it is written.
        seen: what reading it told; None for files that were not read.
    """

    file: str
    status: Status
    reason: str = ""
    duplicate_of: str | None = None
    crop: tuple[int, int, int, int] | None = None
    tilt: float = 0.0
    label: str | None = None
    output: str | None = None
    seen: Seen | None = None


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
    """

    groups: tuple[Group, ...] = ()
    exact: frozenset[tuple[int, int]] = frozenset()
    variants: tuple[Variant, ...] = ()


def verdicts(
    source: Source,
    seen: Sequence[Seen],
    copies: Copies,
    defects: Mapping[int, tuple[str, ...]],
    settings: CurateSettings,
) -> list[Item]:
    """What becomes of every file of the source, sorted by name; `seen` is what reading each of its files told."""
    names = [file.name for file in source.files]
    original, reasons = _of_copies(names, copies, settings)
    dropped = set(original) if settings.copies == "drop" else set()
    if settings.variants != "off":
        for variant in copies.variants:
            if variant.better not in dropped and variant.other not in dropped:
                original.setdefault(variant.other, variant.better)
                reasons[variant.other].append(f"{names[variant.better]}, {variant.how}")
                dropped |= {variant.other} if settings.variants == "drop" else set()
    for number, found in defects.items():
        reasons[number] += found
        dropped |= {number} if settings.defects == "drop" else set()
    items = [Item(name, "failed", reason) for name, reason in source.passed_over]
    items += [Item(name, "ignored", BESIDE) for name in source.beside]
    for number, (file, one) in enumerate(zip(source.files, seen, strict=True)):
        if one.reason:
            items.append(Item(file.name, "failed", one.reason, label=file.label, seen=one))
            continue
        cut = [one.found.reason] if settings.scans and one.found is not None else []
        status: Status = "dropped" if number in dropped else "reported" if reasons[number] else "kept"
        instead = names[original[number]] if number in original else None
        said = "; ".join([*reasons[number], *cut])
        items.append(Item(file.name, status, said, instead, label=file.label, seen=one))
    return sorted(items, key=lambda item: item.file)


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
