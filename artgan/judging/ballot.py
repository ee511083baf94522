"""A ballot: which pictures are shown together, in which order, on which side, and which questions come twice."""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from artgan.judging.papers import Mode

REPEATED = 10
"""One in so many questions is asked again."""
Couple = tuple[int, int]


@dataclass(frozen=True)
class Question:
    """What a question shows: a couple of pictures, the sides from left to right, and the place it is asked again of."""

    couple: int
    sides: str
    repeats: int | None = None


def couple(a: Sequence[str | None], b: Sequence[str | None], draw: random.Random) -> list[Couple]:
    """Couples of pictures of the same kind, as many as there are, none of them twice; kinds take turns.

    Args:
        a: the kind of every picture of one side; None is left out.
        b: the same of the other side.
        draw: chooses among them.
    """
    lots = [_lots(kinds, draw) for kinds in (a, b)]
    ranked = [
        (rank, draw.random(), found)
        for kind in lots[0]
        for rank, found in enumerate(zip(lots[0][kind], lots[1].get(kind, []), strict=False))
    ]
    return [found for _, _, found in sorted(ranked)]


def _lots(kinds: Sequence[str | None], draw: random.Random) -> dict[str, list[int]]:
    """The places of every kind, each in a random order."""
    lots = defaultdict(list)
    for place, kind in enumerate(kinds):
        if kind is not None:
            lots[kind].append(place)
    for places in lots.values():
        draw.shuffle(places)
    return lots


def deal(couples: int, mode: Mode, draw: random.Random) -> list[Question]:
    """Questions about so many couples in a random order, a tenth of them asked again later.

    In pairs each side is on the left as often as on the right, but for one where they are odd in number, and a
    question that is asked again shows its sides switched. In turing mode each picture has a question of its own.
    """
    if mode == "pairs":
        sides = ["ab", "ba"] * ((couples + 1) // 2)
        draw.shuffle(sides)
        fresh = list(zip(range(couples), sides, strict=False))
    else:
        fresh = [(number, side) for number in range(couples) for side in "ab"]
    draw.shuffle(fresh)
    again = draw.sample(fresh[: len(fresh) // 2], len(fresh) // REPEATED)
    late = len(fresh) * 2 // 3  # others have passed by then
    order = [(number, sides, False) for number, sides in fresh]
    tail = [*order[late:], *((number, sides[::-1], True) for number, sides in again)]
    draw.shuffle(tail)
    order = [*order[:late], *tail]
    places = {(number, sides): place for place, (number, sides, repeated) in enumerate(order) if not repeated}
    return [
        Question(number, sides, places[number, sides[::-1]] if repeated else None) for number, sides, repeated in order
    ]


def names(count: int, draw: random.Random) -> list[str]:
    """So many different names that say nothing."""
    found: dict[str, None] = {}
    while len(found) < count:
        found[f"{draw.getrandbits(40):010x}"] = None
    return list(found)
