"""Whatever the pictures, looks and groups keep their promises."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from artgan.curation.copies import Pair, groups
from artgan.curation.hashes import turn_hashes, within
from artgan.curation.looks import SIDE, grey_cells, look_at, without_bars

words = st.lists(st.integers(0, 2**64 - 1), max_size=30)


@settings(max_examples=60, deadline=None)
@given(height=st.integers(1, 90), width=st.integers(1, 90), levels=st.integers(1, 256), seed=st.integers(0, 999))
def test_every_picture_has_a_look_and_keeps_half_of_its_sides(height: int, width: int, levels: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, levels, (height, width, 3), dtype=np.uint8)
    inside = without_bars(pixels)
    assert inside.shape[0] * 2 >= height
    assert inside.shape[1] * 2 >= width
    (cells,) = grey_cells([look_at(pixels)])
    assert cells.shape == (SIDE, SIDE)
    assert int(pixels.min()) <= cells.min()
    assert cells.max() <= int(pixels.max())


@settings(max_examples=60, deadline=None)
@given(queries=words, keys=words, near=st.lists(st.integers(0, 2**12 - 1), max_size=10), radius=st.integers(0, 12))
def test_the_search_is_exact(queries: list[int], keys: list[int], near: list[int], radius: int) -> None:
    keys = keys + [query ^ change << 20 for query, change in zip(queries, near, strict=False)]
    expected = [
        (one, two, (query ^ key).bit_count())
        for (one, query), (two, key) in itertools.product(enumerate(queries), enumerate(keys))
        if (query ^ key).bit_count() <= radius
    ]
    found = within(np.array(queries, np.uint64), np.array(keys, np.uint64), radius)
    assert [*zip(*(part.tolist() for part in found), strict=True)] == expected


@given(words, st.integers(0, 7))
def test_turning_back_gives_the_hash_back(some: list[int], form: int) -> None:
    whole = np.array(some, np.uint64)
    back = (0, 1, 2, 3, 4, 6, 5, 7)[form]
    assert turn_hashes(turn_hashes(whole, form), back).tolist() == some


@given(
    ties=st.sets(st.tuples(st.integers(0, 11), st.integers(0, 11)).filter(lambda tie: tie[0] < tie[1])),
    quality=st.lists(st.integers(0, 5), min_size=12, max_size=12),
)
def test_what_goes_is_a_copy_of_what_stays(ties: set[tuple[int, int]], quality: list[int]) -> None:
    found = groups(12, [Pair(one, two, "near", "", 0.9) for one, two in sorted(ties)], quality.__getitem__)
    members = [number for group in found for number in (group.kept, *group.others)]
    assert len(members) == len(set(members)), "nobody is in two groups"
    gone = {number for group in found for number in group.others}
    for group in found:
        for other, tie in zip(group.others, group.pairs, strict=True):
            assert {tie.first, tie.second} == {group.kept, other}
            assert quality[group.kept] >= quality[other]
    assert not [tie for tie in ties if not gone & {*tie}], "no two copies stay"
