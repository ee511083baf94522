"""Copies of one another among many pictures: candidates by their hashes, confirmed by laying them over one another."""

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from artgan.curation.alignment import Cells, Fit, fit, plausible
from artgan.curation.hashes import SPANS, WINDOWS, Hashes, Rows, hashes, turn_hashes, within
from artgan.curation.looks import FORMS, SIDE, Floats, Look, averages, grey_cells, turned

SearchPart = tuple[int, Rows]
"""The form of the queries and the windows of the others that are searched for them."""
Likeness = dict[tuple[int, int, int], float]
Each = Callable[[Callable[[SearchPart], Likeness], Sequence[SearchPart]], Iterable[Likeness]]
RADIUS = 8
"""Bits by which hashes of copies may differ: those of a crop and of the nearest window seldom differ in more."""
LIKENESS = 0.75
"""Least correlation of the thumbnails of candidates."""
CROWD = 32
"""Of pictures with the very same hash, so many are compared with all others."""
DETAIL, GRAIN = 0.66, 0.54
"""Least likeness in detail, or in grain, of copies (`Fit`). Of 1,615 watercolours of fruit no two come nearer than 0.57
and 0.48; the most alike 45 of them, each damaged in five ways, not nearer than 0.64 and 0.54. The embedded encoder was
tried for what lies around these limits, and told copies from pictures of one kind no better than these two do."""
TEXTURED, SMOOTH = 6, 0.99
"""With fewer tiles of detail pictures are smooth all over: copies then correlate as wholes, at least so much."""
OVERLAP = 0.5
COLOUR = 0.035
"""Root mean squared distance in OKLab from which colours are other ones, not the same in other light."""
SATURATION, GREY = 0.25, 0.01
"""Share of the other's colours that a grey copy has at most, and OKLab chroma below which both are grey."""
_CELLS = 16
_AT_ONCE = 64  # pairs
_INVERSE = (0, 1, 2, 3, 4, 6, 5, 7)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures of which one is, or may be, a copy of the other.

    Attributes:
        first, second: their numbers, the lower one first.
        kind: near: the same picture saved again; variant: mirrored, turned, grey or in other colours.
        how: what was done to the first to make a variant, in words, as "turned 90, grey"; "" for near.
        score: likeness, at most 1: of the thumbnails for a candidate, in detail once confirmed.
        window: (left, top, right, bottom): the part of the second that the first one shows, as shares of its sides,
            beyond 0 and 1 where the first shows more; for a candidate the whole.
    """

    first: int
    second: int
    kind: Literal["near", "variant"]
    how: str
    score: float
    window: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Group:
    """Near copies: the number of the one to keep, those of the others, and what ties each of these to it."""

    kept: int
    others: tuple[int, ...]
    pairs: tuple[Pair, ...]


def near_pairs(looks: Sequence[Look], each: Each = map) -> list[Pair]:
    """Candidates: pairs whose hashes, of one whole and of a window of the other, differ in at most RADIUS bits.

    All such pairs are found, in about as many steps as there are pictures; only among more than CROWD pictures of the
    very same hash each is compared with the first CROWD alone, so give the best ones first. A variant is looked for
    whole, or cut all round. Flat pictures have no copies (`Look.flat`). Two pictures that are alike in more than one
    form, as those of symmetric things, come once for each; `confirm` decides.

    Args:
        looks: of pictures.
        each: as `map` for the ten parts of the search, of which the first three take longest; may do several at once.

    Returns:
        Pairs sorted by number, `near` also when their colours differ.
    """
    told = np.array([number for number, look in enumerate(looks) if not look.flat], np.int64)
    if len(told) < 2:
        return []
    grey = grey_cells([looks[number] for number in told])
    found = hashes(grey)
    parts = [(0, some) for some in np.split(np.arange(len(WINDOWS)), 3)]
    parts += [(form, np.array([0, 2 * len(SPANS) + 2])) for form in range(1, len(FORMS))]
    best: dict[tuple[int, int, int], float] = {}
    for some in each(functools.partial(_near, grey, found, _leaders(found[:, 0])), parts):
        for name, likeness in some.items():
            best[name] = max(best.get(name, 0.0), likeness)
    return [
        Pair(int(told[one]), int(told[two]), "variant" if form else "near", FORMS[form], score)
        for (one, two, form), score in sorted(best.items())
    ]


def _near(grey: NDArray[np.uint8], found: Hashes, leaders: Rows, part: SearchPart) -> Likeness:
    """The pairs (first, second, form) of which one picture, in some form, is like some windows of the other."""
    form, windows = part
    query, key, _ = within(turn_hashes(found[:, 0], form), found[leaders][:, windows].ravel(), RADIUS)
    owner, window = leaders[key // len(windows)], windows[key % len(windows)]
    apart = query != owner
    query, owner, window = query[apart], owner[apart], window[apart]
    best: Likeness = {}
    for one, two, likeness in zip(query, owner, _likeness(grey, form, query, owner, window), strict=True):
        if likeness >= LIKENESS:
            name = (int(one), int(two), form) if one < two else (int(two), int(one), _INVERSE[form])
            best[name] = max(best.get(name, 0.0), float(likeness))
    return best


def confirm(pairs: Sequence[Pair], grey: Callable[[int], Floats], cells: Callable[[int], Cells]) -> list[Pair]:
    """Those candidates that are copies of one another in every detail, with their kind, their score and their window.

    Args:
        pairs: some that `near_pairs` found; sorted, as pictures are asked for in their order.
        grey: the grey cells of an upright picture by its number, without bars around it; asked for of all.
        cells: all its cells; asked for of the few that may be copies.

    Returns:
        At most one pair of any two pictures.
    """
    best: dict[tuple[int, int], Pair] = {}
    for start in range(0, len(pairs), _AT_ONCE):
        some = pairs[start : start + _AT_ONCE]
        ones = np.stack([turned(grey(pair.first), FORMS.index(pair.how)) for pair in some])
        likely = plausible(ones, np.stack([grey(pair.second) for pair in some]))
        for pair in (pair for pair, might in zip(some, likely, strict=True) if might):
            known = best.get((pair.first, pair.second))
            found = _confirmed(pair, cells(pair.first), cells(pair.second))
            if found is not None and (known is None or found.score > known.score):
                best[pair.first, pair.second] = found
    return list(best.values())


def _confirmed(pair: Pair, first: Cells, second: Cells) -> Pair | None:
    """The pair as it is once both pictures are laid over one another; None if they are no copies."""
    form = FORMS.index(pair.how)
    laid = fit(first.turned(form), second)
    smooth = laid.textured < TEXTURED
    score = laid.whole if smooth else laid.detail
    alike = score >= SMOOTH if smooth else score >= DETAIL or laid.grain >= GRAIN
    if not alike or laid.overlap < OVERLAP:
        return None
    how = ", ".join(word for word in (FORMS[form], _recoloured(laid)) if word)
    return Pair(pair.first, pair.second, "variant" if how else "near", how, score, laid.window)


def reversed_how(how: str) -> str:
    """What was done to the second of two variants, given what was done to the first: turned 90 becomes turned 270."""
    form, comma, rest = how.partition(", ")
    return FORMS[_INVERSE[FORMS.index(form)]] + comma + rest if form in FORMS else how


def groups(count: int, pairs: Sequence[Pair], quality: Callable[[int], Any]) -> list[Group]:
    """Who stays and who goes among near copies: the best picture stays, with it go all that are its own copies.

    So no chain ties strangers together: nothing goes but what was confirmed as a copy of a picture that stays.

    Args:
        count: how many pictures there are.
        pairs: confirmed ones; variants are passed over.
        quality: a sort key by number, the best highest; of equals the first stays.

    Returns:
        Groups of two or more, by the number of the kept one.
    """
    near: dict[int, list[Pair]] = {}
    for pair in pairs:
        if pair.kind == "near":
            near.setdefault(pair.first, []).append(pair)
            near.setdefault(pair.second, []).append(pair)
    gone: set[int] = set()
    found = []
    for number in sorted(range(count), key=quality, reverse=True):
        if number in gone or number not in near:
            continue
        ties = {pair.first + pair.second - number: pair for pair in near[number]}
        others = sorted(ties.keys() - gone)
        gone |= {number, *others}
        if others:
            found.append(Group(number, tuple(others), tuple(ties[other] for other in others)))
    return sorted(found, key=lambda group: group.kept)


def _recoloured(laid: Fit) -> str:
    """What happened to the colours, in words; "" when they are the same but for light and saturation."""
    if laid.chroma < GREY:
        return ""
    if min(laid.saturation, 1 / max(laid.saturation, 1e-6)) < SATURATION:
        return "grey"
    return "other colours" if laid.colour > COLOUR else ""


def _leaders(whole: Hashes) -> Rows:
    """The first CROWD rows of every hash."""
    order = whole.argsort(kind="stable")
    ordered = whole[order]
    place = np.arange(len(whole)) - np.searchsorted(ordered, ordered)
    return np.sort(order[place < CROWD])


def _likeness(grey: NDArray[np.uint8], form: int, query: Rows, owner: Rows, window: Rows) -> Floats:
    """Correlations (N,) of the thumbnails of turned pictures with windows of those of others."""
    whole = averages(SIDE, _CELLS)
    found = np.zeros(len(query), np.float32)
    for number in np.unique(window):
        down, across = (averages(SIDE, _CELLS, *span) for span in WINDOWS[number])
        rows = (window == number).nonzero()[0]
        for some in np.split(rows, range(4096, len(rows), 4096)):
            first, second = (grey[which[some]].astype(np.float32) for which in (query, owner))
            a = (whole @ turned(first, form) @ whole.T).reshape(len(some), -1)
            b = (down @ second @ across.T).reshape(len(some), -1)
            a, b = (x - x.mean(1, keepdims=True) for x in (a, b))
            size = np.sqrt(np.square(a).sum(1) * np.square(b).sum(1))
            found[some] = (a * b).sum(1) / np.maximum(size, 1e-3)
    return found
