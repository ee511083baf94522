"""Which pictures train and which test, by their content alone: renaming, sorting or adding files moves next to none."""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from artgan.errors import UsageError

NAMES: dict[int, tuple[str, ...]] = {2: ("train", "test"), 3: ("train", "val", "test")}
"""What the parts are called, by how many there are."""
_ROUNDING = 0.002  # of the sum: 33.3/33.3/33.3 is meant as thirds, 0.9/0.2 is a slip


@dataclass(frozen=True, slots=True)
class Unit:
    """One picture to be placed.

    Attributes:
        key: a digest of its content.
        label: its class or None.
        family: what it has in common with pictures that show the same, and with none else; equal keys, equal families.
    """

    key: str
    label: str | None
    family: str


def parse_shares(text: str) -> tuple[float, ...]:
    """The shares in a text like `0.9/0.1` or `80/10/10`: two or three, above 0, with the sum 1.

    Raises:
        UsageError: it has no such form, or the sum is neither 1 nor 100.
    """
    hint = "Write two or three shares whose sum is 1 or 100: 0.9/0.1 for train/test, 80/10/10 for train/val/test."
    try:
        shares = [float(part) for part in text.split("/")]
    except ValueError as error:
        raise UsageError(f"--split {text[:100]!r} is not a list of shares.", hint) from error
    if len(shares) not in NAMES:
        raise UsageError(f"--split {text[:100]!r} has {len(shares)} shares.", hint)
    if not all(0 < share < 100 for share in shares):
        raise UsageError(f"--split {text[:100]!r} has a share that is not between 0 and 100.", hint)
    total = math.fsum(shares)
    if min(abs(total - 1), abs(total / 100 - 1)) > _ROUNDING:
        raise UsageError(f"--split {text[:100]!r} has the sum {total:.4g}.", hint)
    return tuple(share / total for share in shares)


def split(units: Sequence[Unit], shares: Sequence[float]) -> list[str]:
    """The part (of NAMES) for each picture, class by class near to `shares`; a family is never torn apart.

    The families of a class stand in the order of a hash of their content and are cut where the shares end. Adding a
    picture moves each cut by one place at most, so in a class where all are single at most one other picture per cut
    changes its part. (A threshold on the hash would move none, but leaves the sizes to chance: of 20 pictures at
    0.9/0.1, one class in eight would have no test picture.)

    A class with at least as many families as there are parts has one in each; a class of one family trains. A family
    that spans classes is placed with the rarest of them, as there is the least to choose from, and the others make up
    for it where they can.

    Args:
        units: pictures in any order.
        shares: two or three, with the sum 1, such as from `parse_shares`.
    """
    members: defaultdict[str | None, Counter[str]] = defaultdict(Counter)
    places: dict[str, tuple[str, str]] = {}
    for unit in units:
        members[unit.label][unit.family] += 1
        place = (_place(unit), unit.family)
        places[unit.family] = min(place, places.get(unit.family, place))
    part_of: dict[str, int] = {}
    for label in sorted(members, key=lambda label: (len(members[label]), label is not None, label or "")):
        ordered = sorted(members[label], key=places.__getitem__)
        _share_out({family: members[label][family] for family in ordered}, shares, part_of)
    names = NAMES[len(shares)]
    return [names[part_of[unit.family]] for unit in units]


def _place(unit: Unit) -> str:
    """Where a picture stands in the order: a hash of the digest, as not every digest is spread evenly."""
    return hashlib.blake2b(unit.key.encode(), digest_size=16).hexdigest()


def _share_out(sizes: Mapping[str, int], shares: Sequence[float], part_of: dict[str, int]) -> None:
    """Add to `part_of` the families of one class that it does not have yet.

    Args:
        sizes: pictures per family, in order.
        shares: of the parts.
        part_of: the part of each family that is placed.
    """
    free = [family for family in sizes if family not in part_of]
    taken = [sum(sizes[family] for family in sizes if part_of.get(family) == part) for part in range(len(shares))]
    owed = [part == 0 or len(sizes) >= len(shares) for part in range(len(shares))]
    # The largest part comes last and takes what is left: a family too large for the others does it the least harm.
    *small, last = sorted(range(len(shares)), key=lambda part: (shares[part], -part))
    due, given = 0.0, 0
    for number, part in enumerate(small, 1):
        due += shares[part] * sum(sizes.values())
        given += taken[part]
        spare = len(free) - sum(owed[later] and not taken[later] for later in [*small[number:], last])
        picked: list[str] = []
        room = due - given  # what is due to all up to here: so the roundings of single parts do not add up
        for family in free:
            if len(picked) < spare and sizes[family] < 2 * room:  # nearer with it than without it
                picked.append(family)
                room -= sizes[family]
        if spare > 0 and owed[part] and not taken[part] and not picked:
            picked = [min(free, key=sizes.__getitem__)]
        part_of.update(dict.fromkeys(picked, part))
        given += sum(sizes[family] for family in picked)
        free = [family for family in free if family not in part_of]
    part_of.update(dict.fromkeys(free, last))


def cap(units: Sequence[Unit], per_class: int) -> set[int]:
    """The numbers of the units beyond the first `per_class` of their class, in the order of their content's hash."""
    beyond: set[int] = set()
    of_class: defaultdict[str | None, list[int]] = defaultdict(list)
    for number, unit in enumerate(units):
        of_class[unit.label].append(number)
    for numbers in of_class.values():
        numbers.sort(key=lambda number: (_place(units[number]), units[number].family))
        beyond.update(numbers[per_class:])
    return beyond
