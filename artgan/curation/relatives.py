"""Who among the pictures of a source are copies and variants of one another."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from artgan.curation.alignment import Cells, cells_of
from artgan.curation.borders import Found
from artgan.curation.copies import Group, Likeness, Pair, SearchPart, confirm, groups, near_pairs, reversed_how
from artgan.curation.looks import Floats, without_bars
from artgan.curation.survey import Seen, inside, pixel_digest, small_picture
from artgan.curation.verdicts import Copies, Defects, Variant
from artgan.curation.workers import Reader, Workers, again
from artgan.data.sources import PictureFile

Watch = Callable[[int, int], None]
Rank = tuple[bool, float, bool, int, int]
OF_A_SCAN = 0.75
"""Least likeness in detail of a picture and a scan of it; of watercolours cut from their sheets some come to 0.72."""
_PORTION = 64
"""Pairs that are compared in one go."""


def relatives(
    seen: Sequence[Seen], wrong: Defects, workers: Workers, watch: Watch = lambda done, total: None
) -> Copies:
    """Which pictures are there more than once, and which are variants of others.

    Args:
        seen: what reading each file of the source told.
        wrong: what is wrong with pictures; a sound one stays in place of one that is not.
        workers: of the source.
        watch: called now and then with how many portions of how many are compared.

    Raises:
        DatasetError: a file cannot be read again.
        StorageError: one of the processes was killed.
    """
    source, reader = workers.source, workers.source.reader()
    ranks = [_rank(one, source.files[number], number in wrong) for number, one in enumerate(seen)]
    usable = [number for number, one in enumerate(seen) if one.look is not None]
    usable.sort(key=lambda number: ranks[number], reverse=True)  # of many alike, the best are compared with all others

    @functools.lru_cache(maxsize=4096)
    def pixels(number: int) -> str:
        return pixel_digest(again(reader, source.files[number]))

    twins = _twins(seen, usable, pixels)
    doubled = {twin for others in twins.values() for twin in others}
    usable = [number for number in usable if number not in doubled]
    confirmed = _confirmed(seen, usable, workers, watch)
    found = _with_twins(groups(len(seen), confirmed, lambda number: ranks[number]), twins)
    exact = {
        (group.kept, other)
        for group in found
        for other in group.others
        if seen[group.kept].sha256 == seen[other].sha256
        or (seen[group.kept].size == seen[other].size and pixels(group.kept) == pixels(other))
    }
    variants = _variants(confirmed, found, ranks)
    ties = tuple((pair.first, pair.second) for pair in confirmed)
    return Copies(tuple(found), frozenset(exact), tuple(variants), ties)


def _confirmed(seen: Sequence[Seen], usable: list[int], workers: Workers, watch: Watch) -> list[Pair]:
    """Copies and variants among `usable`, which has the best first.

    Whole files are compared, and scans without their paper with pictures that have none: two sheets cut to the drawing
    in their middle are too easily alike.
    """
    looks = [look for number in usable if (look := seen[number].look) is not None]
    cut = [seen[number].inner is not None for number in usable]

    def spread(work: Callable[[SearchPart], Likeness], parts: Sequence[SearchPart]) -> Iterator[Likeness]:
        return workers.each(functools.partial(_unread, work), parts, whole=True)

    inner = near_pairs([seen[number].inner or look for number, look in zip(usable, looks, strict=True)], spread)
    files = [(workers.source.files[number], None) for number in usable]
    bare = [(workers.source.files[number], seen[number].found) for number in usable]
    jobs = _jobs(near_pairs(looks, spread), files)
    whole = len(jobs)
    jobs += _jobs([pair for pair in inner if cut[pair.first] != cut[pair.second]], bare)
    best: dict[tuple[int, int], Pair] = {}
    for number, pairs in enumerate(workers.each(compare, jobs)):
        for pair in pairs:
            if number < whole or (pair.score >= OF_A_SCAN and (pair.first, pair.second) not in best):
                best[pair.first, pair.second] = pair
        watch(number + 1, len(jobs))
    return [replace(pair, first=usable[pair.first], second=usable[pair.second]) for pair in best.values()]


def _unread(work: Callable[[SearchPart], Likeness], part: SearchPart, reader: Reader) -> Likeness:
    """Work for which nothing need be read."""
    return work(part)


@dataclass(frozen=True)
class Comparison:
    """Candidates to be laid over one another: with each picture's number its file, and what is cut off before."""

    pairs: tuple[Pair, ...]
    files: Mapping[int, tuple[PictureFile, Found | None]]


def _jobs(pairs: Sequence[Pair], files: Sequence[tuple[PictureFile, Found | None]]) -> list[Comparison]:
    """Pairs in portions; those of the same two pictures stay together."""
    jobs, start = [], 0
    for place in range(1, len(pairs) + 1):
        if place == len(pairs) or (place - start >= _PORTION and pairs[place].first != pairs[place - 1].first):
            some = tuple(pairs[start:place])
            numbers = {number for pair in some for number in (pair.first, pair.second)}
            jobs.append(Comparison(some, {number: files[number] for number in numbers}))
            start = place
    return jobs


def compare(job: Comparison, reader: Reader) -> list[Pair]:
    """Those of the pairs that are copies or variants of one another.

    Raises:
        DatasetError: a file cannot be read again.
    """
    return confirm(
        job.pairs,
        lambda number: _grey(reader, *job.files[number]),
        lambda number: _cells(reader, *job.files[number]),
    )


@functools.lru_cache(maxsize=256)
def _cells(reader: Reader, file: PictureFile, found: Found | None) -> Cells:
    return cells_of(without_bars(inside(small_picture(again(reader, file)), found)))


@functools.lru_cache(maxsize=4096)
def _grey(reader: Reader, file: PictureFile, found: Found | None) -> Floats:
    return _cells(reader, file, found).grey


def _variants(pairs: list[Pair], found: list[Group], ranks: list[Rank]) -> list[Variant]:
    """Variants among pictures that are no copies, the best first.

    So none is dropped as a variant of one that is itself dropped. Of two the better one is that with more copies: a
    mirrored picture was made of it, and not of its mirror image.
    """
    lead = {other: group.kept for group in found for other in group.others}
    copies = {group.kept: len(group.others) for group in found}

    def worth(number: int) -> tuple[int, Rank, int]:
        return copies.get(number, 0), ranks[number], -number  # never equal, so that no two are variants of each other

    variants: dict[tuple[int, int], Variant] = {}
    for pair in pairs:
        first, second = (lead.get(number, number) for number in (pair.first, pair.second))
        if pair.kind == "variant" and first != second:
            better, other = sorted((first, second), key=worth, reverse=True)
            how = pair.how if better == first else reversed_how(pair.how)
            variants.setdefault((better, other), Variant(better, other, how))
    return sorted(variants.values(), key=lambda variant: worth(variant.better), reverse=True)


def _twins(seen: Sequence[Seen], usable: list[int], pixels: Callable[[int], str]) -> dict[int, list[int]]:
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
