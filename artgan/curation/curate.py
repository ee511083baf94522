"""`artgan.curate`: from a messy folder to a training set."""

import functools
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from artgan.curation.copies import Group, Pair, confirm, groups, near_pairs
from artgan.curation.page import write_page
from artgan.curation.report import CurationReport, Progress, manifest_lines
from artgan.curation.settings import Answer, CurateSettings
from artgan.curation.survey import Reader, Seen, inside, pixel_digest, small_picture, survey
from artgan.curation.verdicts import Copies, Defects, Item, Variant, defects_of, verdicts
from artgan.curation.writing import named, sharpened, write_picture
from artgan.data.sources import PictureFile, Source, scan
from artgan.engine.images import quiet_decoding
from artgan.engine.storage import atomic_write, read_json, refuse_existing, sweep
from artgan.errors import DatasetError, Interrupted, UsageError

Rank = tuple[bool, float, bool, int, int]
OF_A_SCAN = 0.75
"""Least likeness in detail of a picture and a scan of it; of watercolours cut from their sheets some come to 0.72."""
MANIFEST, PAGE, BEGUN = "manifest.jsonl", "report.html", ".curation.json"


def curate(
    src: str | Path,
    dst: str | Path | None = None,
    *,
    dry_run: bool = False,
    page: str | Path | None = None,
    copies: Answer = "drop",
    variants: Answer = "report",
    defects: Answer = "report",
    scans: bool = True,
    least_side: int = 64,
    size: int | None = None,
    labels: Literal["auto", "none"] = "auto",
    overwrite: bool = False,
    processes: int | None = None,
    on_event: Callable[[Progress], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> CurationReport:
    """Sort out a folder or zip of pictures, and write what is left as a training set. The source is never changed.

    Args:
        src: a folder (all levels) or a zip.
        dst: a folder that does not exist, is empty, or holds what an interrupted run of the same settings wrote; None
            only reports.
        dry_run: only report, whatever `dst` is.
        page: where to write the report to look at; by default report.html in `dst`, and none without it.
        copies: drop, report or off: what to do with all but the best of pictures that are saved more than once.
        variants: the same for mirrored, turned and grey ones.
        defects: the same for pictures that are too small, blurred, nearly flat, black, white or extreme in shape.
        scans: cut off paper, frames and bars around pictures, and straighten them.
        least_side: pixels that the shorter side needs not to be called too small.
        size: pixels that the shorter side is brought down to.
        labels: auto keeps class folders as classes; none does not speak of them.
        overwrite: replace a `page` that exists; a set is never written over.
        processes: how many read at once; all cores by default.
        on_event: called as files are done.
        should_stop: asked between files; True ends the work, and the same call goes on.

    Raises:
        UsageError: an argument makes no sense, or `dst` holds something else.
        DatasetError: there is no picture in `src`.
        Interrupted: it was stopped.
    """
    settings = CurateSettings(copies, variants, defects, scans, least_side, size, labels).checked()
    place = Path(src)
    target = None if dst is None or dry_run else Path(dst)
    report_page = Path(page) if page is not None else target / PAGE if target is not None else None
    if page is not None and report_page is not None:
        refuse_existing(report_page, overwrite)
        _refuse_inside(place, report_page)
    if target is not None:
        _refuse_inside(place, target)
    source = scan(place, labels=labels)
    if not source.files:
        raise DatasetError(f"There is no picture in {place}.", "Give the folder that holds the pictures.")
    if target is not None:
        _begin(target, source, settings)
    watch = functools.partial(_watched, on_event, should_stop)
    with quiet_decoding():
        seen: list[Seen] = []
        for one in survey(source, processes):
            seen.append(one)
            watch("Reading", len(seen), len(source.files))
        reader = functools.partial(_again, source.reader())
        wrong = defects_of(seen, settings)
        found = _copies(source, seen, wrong, reader)
        items = _cut(verdicts(source, seen, found, wrong, settings), source, reader, settings)
        if target is not None:
            items = named(items, settings.size, (MANIFEST, PAGE, BEGUN))
            files = {file.name: file for file in source.files}
            written = [item for item in items if item.output is not None]
            for number, item in enumerate(written, 1):
                write_picture(item, reader, files[item.file], settings.size, target)
                watch("Writing", number, len(written))
    names = [file.name for file in source.files]
    grouped = tuple((names[group.kept], *(names[other] for other in group.others)) for group in found.groups)
    report = CurationReport(place, target, report_page, settings, tuple(items), grouped)
    if report_page is not None:
        write_page(report_page, report)
    if target is not None:
        atomic_write(target / MANIFEST, manifest_lines(report, source))
        (target / BEGUN).unlink(missing_ok=True)
    return report


def _watched(
    on_event: Callable[[Progress], None], should_stop: Callable[[], bool], step: str, done: int, total: int
) -> None:
    on_event(Progress(step, done, total))
    if should_stop():
        raise Interrupted(f"Stopped: {step.lower()}, {done} of {total}.", "The same command goes on from here.")


def _again(reader: Reader, file: PictureFile) -> bytes:
    """Read a file that was read before.

    Raises:
        DatasetError: it is gone, or the disk gives way.
    """
    try:
        return reader(file)
    except Exception as error:  # as in `see`
        hint = "Leave the folder alone meanwhile; the same command goes on from here."
        raise DatasetError(f"{file.name} cannot be read any more.", hint) from error


def _refuse_inside(src: Path, dst: Path) -> None:
    """Keep source and set apart.

    Raises:
        UsageError: one lies in the other.
    """
    one, two = Path(os.path.realpath(src)), Path(os.path.realpath(dst))
    if one == two or one in two.parents or two in one.parents:
        raise UsageError(f"{dst} and {src} lie within one another.", "Write it somewhere else.")


def _begin(folder: Path, source: Source, settings: CurateSettings) -> None:
    """Make the folder of the set, or go on with one that was begun alike.

    Raises:
        UsageError: something else is there.
        StorageError: it cannot be made.
    """
    begun = {"settings": settings.plain(), "source": source.fingerprint}
    hint = "Choose a folder that is new or empty."
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is not a folder.", hint)
    if folder.exists() and any(folder.iterdir()):
        if (folder / MANIFEST).exists():
            raise UsageError(f"{folder} holds a finished set.", hint)
        try:
            before = read_json(folder / BEGUN)
        except (OSError, ValueError) as error:
            raise UsageError(f"{folder} is not empty.", hint) from error
        if before != json.loads(json.dumps(begun)):
            raise UsageError(f"{folder} was begun with other settings or pictures.", hint)
        for begun_folder in [folder, *folder.rglob("*/")]:
            sweep(begun_folder)
        return
    atomic_write(folder / BEGUN, json.dumps(begun))


def _copies(source: Source, seen: list[Seen], wrong: Defects, reader: Reader) -> Copies:
    """Which pictures are there more than once, and which are variants of others."""
    ranks = [_rank(one, source.files[number], number in wrong) for number, one in enumerate(seen)]
    usable = [number for number, one in enumerate(seen) if one.look is not None]
    usable.sort(key=lambda number: ranks[number], reverse=True)  # of many alike, the best are compared with all others

    @functools.lru_cache(maxsize=4096)
    def pixels(number: int) -> str:
        return pixel_digest(reader(source.files[number]))

    twins = _twins(seen, usable, pixels)
    doubled = {twin for others in twins.values() for twin in others}
    usable = [number for number in usable if number not in doubled]
    confirmed = _confirmed(source, seen, usable, reader)
    found = _with_twins(groups(len(seen), confirmed, lambda number: ranks[number]), twins)
    exact = {
        (group.kept, other)
        for group in found
        for other in group.others
        if seen[group.kept].sha256 == seen[other].sha256
        or (seen[group.kept].size == seen[other].size and pixels(group.kept) == pixels(other))
    }
    variants = _variants(confirmed, found, ranks)
    return Copies(tuple(found), frozenset(exact), tuple(variants))


def _confirmed(source: Source, seen: list[Seen], usable: list[int], reader: Reader) -> list[Pair]:
    """Copies and variants among `usable`, which has the best first.

    Whole files are compared, and scans without their paper with pictures that have none: two sheets cut to the drawing
    in their middle are too easily alike.
    """

    @functools.lru_cache(maxsize=256)
    def whole(place: int) -> NDArray[np.uint8]:
        return small_picture(reader(source.files[usable[place]]))

    looks = [look for number in usable if (look := seen[number].look) is not None]
    confirmed = confirm(near_pairs(looks), whole)
    cut = [seen[number].inner is not None for number in usable]
    inner = near_pairs([seen[number].inner or look for number, look in zip(usable, looks, strict=True)])
    known = {(pair.first, pair.second) for pair in confirmed}
    scanned = [pair for pair in inner if cut[pair.first] != cut[pair.second] and (pair.first, pair.second) not in known]
    scans = confirm(scanned, lambda place: inside(whole(place), seen[usable[place]].found))
    confirmed += [pair for pair in scans if pair.score >= OF_A_SCAN]
    return [replace(pair, first=usable[pair.first], second=usable[pair.second]) for pair in confirmed]


def _variants(pairs: list[Pair], found: list[Group], ranks: list[Rank]) -> list[Variant]:
    """Variants among pictures that are no copies, the best first.

    So none is dropped as a variant of one that is itself dropped. Of two the better one is that with more copies: a
    mirrored picture was made of it, and not of its mirror image.
    """
    lead = {other: group.kept for group in found for other in group.others}
    copies = {group.kept: len(group.others) for group in found}

    def worth(number: int) -> tuple[int, Rank]:
        return copies.get(number, 0), ranks[number]

    variants: dict[tuple[int, int], Variant] = {}
    for pair in pairs:
        first, second = (lead.get(number, number) for number in (pair.first, pair.second))
        if pair.kind == "variant" and first != second:
            better, other = sorted((first, second), key=worth, reverse=True)
            variants.setdefault((better, other), Variant(better, other, pair.how))
    return sorted(variants.values(), key=lambda variant: worth(variant.better), reverse=True)


def _twins(seen: list[Seen], usable: list[int], pixels: Callable[[int], str]) -> dict[int, list[int]]:
    """For each picture those that are the same file, or are flat, which gives no hash, and have its very pixels."""
    first: dict[object, int] = {}
    twins: dict[int, list[int]] = {}
    for number in usable:
        one = seen[number]
        flat = one.look is not None and one.look.flat
        before = first.setdefault((one.size, pixels(number)) if flat else one.sha256, number)
        if before != number:
            twins.setdefault(before, []).append(number)
    return twins


def _with_twins(found: list[Group], twins: dict[int, list[int]]) -> list[Group]:
    """Groups in which every picture has its twins beside it."""
    known = {number for group in found for number in (group.kept, *group.others)}
    found = found + [Group(number, (), ()) for number in twins if number not in known]
    wider = []
    for group in found:
        others = [*group.others, *(twin for one in (group.kept, *group.others) for twin in twins.get(one, []))]
        wider.append(replace(group, others=tuple(sorted(others))))
    return sorted(wider, key=lambda group: group.kept)


_SCANNED = 0.8
"""What a scan's pixels count beside those of another copy: it has been through one more camera."""


def _rank(one: Seen, file: PictureFile, wrong: bool) -> Rank:
    """Larger is better: sound, more pixels of the picture, a plain file of full colours, more bytes; a shorter name."""
    pixels = float(one.size[0] * one.size[1])
    if one.found is not None:
        left, top, right, bottom = one.found.box
        share = (right - left) * (bottom - top)
        # A thin border is found on one copy and not on the next; only what is clearly a scan counts less.
        pixels *= share * _SCANNED if share < 0.9 else 1.0
    return not wrong, round(pixels), bool(one.plain), file.bytes, -len(PurePosixPath(file.name).name)


def _cut(items: list[Item], source: Source, reader: Reader, settings: CurateSettings) -> list[Item]:
    """Items with the place of the picture in each scan, to the pixel."""
    if not settings.scans:
        return items
    files = {file.name: file for file in source.files}

    def cut(item: Item) -> Item:
        if item.status not in ("kept", "reported") or item.seen is None or item.seen.found is None:
            return item
        place = sharpened(reader(files[item.file]), item.seen.found)
        return replace(item, crop=place.box, tilt=place.tilt)

    return [cut(item) for item in items]
