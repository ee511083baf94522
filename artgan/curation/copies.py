"""Copies of one another among many pictures: candidates by their hashes, confirmed by laying them over one another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from artgan.curation.alignment import Fit, fit
from artgan.curation.hashes import SPANS, WINDOWS, Hashes, Rows, hashes, turn_hashes, within
from artgan.curation.looks import FORMS, SIDE, Floats, Look, averages, grey_cells, turned, without_bars

RADIUS = 8
"""Bits by which hashes of copies may differ: those of a crop and of the nearest window seldom differ in more."""
LIKENESS = 0.75
"""Least correlation of the thumbnails of candidates."""
CROWD = 32
"""Of pictures with the very same hash, so many are compared with all others."""
DETAIL = 0.63
"""Least likeness in detail of copies (`Fit`); of 1,615 watercolours of fruit no two come nearer than about 0.57."""
DOUBTFUL = 0.75
"""Where they are less alike than this, `same` is asked too, if there is one."""
TEXTURED, SMOOTH = 6, 0.99
"""With fewer tiles of detail pictures are smooth all over: copies then correlate as wholes, at least so much."""
OVERLAP = 0.5
COLOUR = 0.035
"""Root mean squared distance in OKLab from which colours are other ones, not the same in other light."""
SATURATION, GREY = 0.25, 0.01
"""Share of the other's colours that a grey copy has at most, and OKLab chroma below which both are grey."""
_CELLS = 16
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


def near_pairs(looks: Sequence[Look]) -> list[Pair]:
    """Candidates: pairs whose hashes, of one whole and of a window of the other, differ in at most RADIUS bits.

    All such pairs are found, in about as many steps as there are pictures; only among more than CROWD pictures of the
    very same hash each is compared with the first CROWD alone, so give the best ones first. A variant is looked for
    whole, or cut all round. Flat pictures have no copies (`Look.flat`). Two pictures that are alike in more than one
    form, as those of symmetric things, come once for each; `confirm` decides.

    Returns:
        Pairs sorted by number, `near` also when their colours differ.
    """
    told = np.array([number for number, look in enumerate(looks) if not look.flat], np.int64)
    if len(told) < 2:
        return []
    grey = grey_cells([looks[number] for number in told])
    found = hashes(grey)
    leaders = _leaders(found[:, 0])
    best: dict[tuple[int, int, int], float] = {}
    for form in range(len(FORMS)):
        chosen = np.arange(len(WINDOWS)) if form == 0 else np.array([0, 2 * len(SPANS) + 2])
        keys = found[leaders][:, chosen]
        query, key, _ = within(turn_hashes(found[:, 0], form), keys.ravel(), RADIUS)
        owner, window = leaders[key // len(chosen)], chosen[key % len(chosen)]
        apart = query != owner
        query, owner, window = query[apart], owner[apart], window[apart]
        for one, two, likeness in zip(query, owner, _likeness(grey, form, query, owner, window), strict=True):
            if likeness >= LIKENESS:
                name = (int(one), int(two), form) if one < two else (int(two), int(one), _INVERSE[form])
                best[name] = max(best.get(name, 0.0), float(likeness))
    return [
        Pair(int(told[one]), int(told[two]), "variant" if form else "near", FORMS[form], score)
        for (one, two, form), score in sorted(best.items())
    ]


def confirm(
    pairs: Sequence[Pair],
    thumbnail: Callable[[int], NDArray[np.uint8]],
    same: Callable[[NDArray[np.uint8], NDArray[np.uint8]], bool] | None = None,
) -> list[Pair]:
    """Those candidates that are copies of one another in every detail, with their kind, their score and their window.

    Args:
        pairs: what `near_pairs` found; sorted, as thumbnails are read in their order.
        thumbnail: upright sRGB (H, W, 3) of a picture by its number, 128 to 256 px on the longest side.
        same: asked of pairs that are doubtful, with both thumbnails, the first turned like the second, for example by
            the embedded encoder: whether they are copies.

    Returns:
        At most one pair of any two pictures.
    """
    read = lru_cache(64)(lambda number: without_bars(thumbnail(number)))
    best: dict[tuple[int, int], Pair] = {}
    for pair in pairs:
        form = FORMS.index(pair.how)
        first, second = _turned_picture(read(pair.first), form), read(pair.second)
        laid = fit(first, second)
        known = best.get((pair.first, pair.second))
        smooth = laid.textured < TEXTURED
        score = laid.whole if smooth else laid.detail
        if score < (SMOOTH if smooth else DETAIL) or laid.overlap < OVERLAP or (known and known.score >= score):
            continue
        if same and score < DOUBTFUL and not same(first, second):
            continue
        how = ", ".join(word for word in (FORMS[form], _recoloured(laid)) if word)
        kind: Literal["near", "variant"] = "variant" if how else "near"
        best[pair.first, pair.second] = Pair(pair.first, pair.second, kind, how, score, laid.window)
    return list(best.values())


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


def _turned_picture(pixels: NDArray[np.uint8], form: int) -> NDArray[np.uint8]:
    """`turned` for a picture (H, W, 3)."""
    flipped = pixels.transpose(1, 0, 2) if form & 4 else pixels
    return np.ascontiguousarray(flipped[:: -1 if form & 2 else 1, :: -1 if form & 1 else 1])


def _leaders(whole: Hashes) -> Rows:
    """The first CROWD rows of every hash."""
    order = whole.argsort(kind="stable")
    ordered = whole[order]
    place = np.arange(len(whole)) - np.searchsorted(ordered, ordered)
    return np.sort(order[place < CROWD])


def _likeness(grey: Floats, form: int, query: Rows, owner: Rows, window: Rows) -> Floats:
    """Correlations (N,) of the thumbnails of turned pictures with windows of those of others."""
    whole = averages(SIDE, _CELLS)
    found = np.zeros(len(query), np.float32)
    for number in np.unique(window):
        down, across = (averages(SIDE, _CELLS, *span) for span in WINDOWS[number])
        rows = (window == number).nonzero()[0]
        for some in np.split(rows, range(4096, len(rows), 4096)):
            a = (whole @ turned(grey[query[some]], form) @ whole.T).reshape(len(some), -1)
            b = (down @ grey[owner[some]] @ across.T).reshape(len(some), -1)
            a, b = (x - x.mean(1, keepdims=True) for x in (a, b))
            size = np.sqrt(np.square(a).sum(1) * np.square(b).sum(1))
            found[some] = (a * b).sum(1) / np.maximum(size, 1e-3)
    return found
