"""Hashes of 64 bits that copies share but for a few bits, and the search for those that differ in few.

The hash is the sign of the low frequencies of the cosine transform (pHash; Zauner 2010, section 3.2) without the
first, so that brightness and contrast do not matter. It is taken of the whole picture and of windows inside it: a crop
of a picture has the hash of the window that was cut out. Because it holds signs alone, the hash of a mirrored or
turned picture follows from that of the picture.
"""

import itertools
import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from artgan.curation.looks import SIDE, Floats

Hashes = NDArray[np.uint64]
Rows = NDArray[np.int64]
FREQUENCIES = 8
SPANS = (
    *((0.0, 1.0), (0.0, 0.9), (0.05, 0.95), (0.1, 1.0), (0.0, 0.8), (0.1, 0.9), (0.2, 1.0)),
    *((0.0, 0.85), (0.15, 1.0)),
)
"""Parts of a side that a crop may have left; the first is the whole."""
WINDOWS = tuple(itertools.product(SPANS, SPANS))
"""(down, across) of the windows whose hashes are taken; the first is the whole picture."""
_BATCH = 1 << 21  # candidates that are compared at once


def hashes(grey: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Hashes (N, windows) of grey thumbnails (N, SIDE, SIDE), in the order of WINDOWS; the first bit is 0."""
    basis, found = _basis(), []
    count, frequencies = len(SPANS), FREQUENCIES
    for some in np.split(grey, range(256, len(grey), 256)):
        waves = (basis @ some.astype(np.float32) @ basis.T).reshape(-1, count, frequencies, count, frequencies)
        bits = waves.transpose(0, 1, 3, 2, 4).reshape(-1, frequencies * frequencies) > 0
        bits[:, 0] = False
        found.append(np.packbits(bits, 1).view(">u8").astype(np.uint64).reshape(len(some), len(WINDOWS)))
    return np.concatenate(found) if found else np.zeros((0, len(WINDOWS)), np.uint64)


def turn_hashes(whole: NDArray[np.uint64], form: int) -> NDArray[np.uint64]:
    """Hashes (N,) of the pictures that `turned` makes of those with the hashes `whole` (N,)."""
    bits = np.unpackbits(whole.astype(">u8").view(np.uint8).reshape(-1, 8), axis=1).reshape(-1, 8, 8)
    if form & 4:
        bits = bits.transpose(0, 2, 1)
    odd = np.arange(FREQUENCIES, dtype=np.uint8) % 2
    flips = (odd if form & 1 else 0 * odd)[None, :] ^ (odd if form & 2 else 0 * odd)[:, None]
    return np.packbits((bits ^ flips).reshape(-1, 64), 1).view(">u8").astype(np.uint64).reshape(-1)


@cache
def _basis() -> Floats:
    """Cosines (spans * frequencies, SIDE), each integrated over every cell of the thumbnail inside its span."""
    edges = np.arange(SIDE + 1) / SIDE
    rows = []
    for start, end in SPANS:
        inside = (edges.clip(start, end) - start) / (end - start)
        rows.append(np.diff(inside))
        rows += [np.diff(np.sin(np.pi * u * inside)) / (np.pi * u) for u in range(1, FREQUENCIES)]
    return np.array(rows, np.float32)


def within(queries: Hashes, keys: Hashes, radius: int) -> tuple[Rows, Rows, Rows]:
    """All pairs of a query and a key that differ in at most `radius` bits (Norouzi et al. 2012, multi-index hashing).

    Hashes are cut into bands. Two that differ in r bits differ in at most r / bands of some band, so it is enough to
    look up, band by band, all values that near. For random hashes the time grows a little faster than their number.

    Args:
        queries: (N,).
        keys: (M,).
        radius: bits, 0 or more.

    Returns:
        Rows of queries, rows of keys and their distances, sorted by query and key; each pair once.
    """
    bands = min(range(1 if radius < 3 else 2, 17), key=lambda count: _cost(count, radius, len(keys)))
    codes, step = [np.zeros(0, np.int64)], max(1, len(keys))
    for band in range(bands if len(queries) and len(keys) else 0):
        low, high = 64 * band // bands, 64 * (band + 1) // bands
        part = _part(keys, low, high)
        order = part.argsort(kind="stable")
        ordered = part[order]
        masks = _masks(high - low, radius // bands)
        rows = max(1, _BATCH // len(masks))
        for start in range(0, len(queries), rows):
            values = _part(queries[start : start + rows], low, high)[:, None] ^ masks
            first, last = _places(ordered, values, high - low)
            counts = (last - first).ravel()
            begins, hit = first.ravel(), counts.nonzero()[0]
            ends = counts[hit].cumsum()
            cuts = np.searchsorted(ends, np.arange(_BATCH, ends[-1] if len(ends) else 0, _BATCH))
            for some in np.split(hit, np.unique(cuts)):
                number = counts[some]
                offset = np.arange(number.sum()) - np.repeat(number.cumsum() - number, number)
                key = order[np.repeat(begins[some], number) + offset]
                query = start + np.repeat(some // len(masks), number)
                near = distances(queries[query], keys[key]) <= radius
                codes.append(np.unique(query[near] * step + key[near]))
    found = np.unique(np.concatenate(codes))
    query, key = found // step, found % step
    return query, key, distances(queries[query], keys[key])


def distances(some: Hashes, others: Hashes) -> Rows:
    """How many bits differ, for hashes of the same shape."""
    bits = np.ascontiguousarray(some ^ others)
    # As numpy 1.26 cannot count bits, they are added up in pairs, fours and eights (Warren 2012, section 5-1).
    bits = bits - ((bits >> np.uint64(1)) & np.uint64(0x5555555555555555))
    bits = (bits & np.uint64(0x3333333333333333)) + ((bits >> np.uint64(2)) & np.uint64(0x3333333333333333))
    bits = (bits + (bits >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    counts: Rows = ((bits * np.uint64(0x0101010101010101)) >> np.uint64(56)).astype(np.int64)
    return counts


def _cost(bands: int, radius: int, keys: int) -> float:
    """About how many look-ups and comparisons a query takes."""
    bits = 64 // bands
    probes = sum(math.comb(bits, flips) for flips in range(radius // bands + 1))
    return float(bands * probes * (1 + keys / (1 << bits)))


def _part(hashes: Hashes, low: int, high: int) -> Rows:
    part = (hashes >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
    return part.astype(np.int64)


@cache
def _masks(bits: int, most: int) -> Rows:
    """All numbers of so many bits of which at most `most` are set."""
    chosen = (some for count in range(most + 1) for some in itertools.combinations(range(bits), count))
    return np.array([sum(1 << bit for bit in some) for some in chosen], np.int64)


def _places(ordered: Rows, values: Rows, bits: int) -> tuple[Rows, Rows]:
    """Where in ascending numbers each value begins and ends."""
    if bits > 22:  # a table of all values would not fit into the memory
        return np.searchsorted(ordered, values), np.searchsorted(ordered, values, "right")
    table = np.searchsorted(ordered, np.arange((1 << bits) + 1))
    return table[values], table[values + 1]
