"""What holds for every ballot, whatever is drawn."""

import random
from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from artgan.judging.ballot import couple, deal, names
from artgan.judging.figures import interval, wilson
from artgan.judging.prints import choose_size

SEEDS = st.integers(0, 2**63)
KINDS = st.lists(st.sampled_from(["apple", "pear", "plum", None]), max_size=40)
SIZES = st.lists(st.tuples(st.integers(1, 900), st.integers(1, 900)), min_size=1, max_size=5)


@settings(deadline=None)
@given(st.integers(1, 90), SEEDS)
def test_pairs_are_balanced_and_can_be_read_back(couples: int, seed: int) -> None:
    dealt = deal(couples, "pairs", random.Random(seed))
    fresh = [each for each in dealt if each.repeats is None]
    assert sorted(each.couple for each in fresh) == list(range(couples))
    first = Counter(each.sides for each in fresh)
    assert abs(first["ab"] - first["ba"]) == couples % 2
    again = [(place, each) for place, each in enumerate(dealt) if each.repeats is not None]
    assert len(again) == couples // 10
    assert len({each.repeats for _, each in again}) == len(again)
    for place, each in again:
        before = dealt[each.repeats or 0]
        assert before.repeats is None
        assert (before.couple, before.sides) == (each.couple, each.sides[::-1])
        assert place - (each.repeats or 0) > couples // 10


@settings(deadline=None)
@given(st.integers(1, 90), SEEDS)
def test_single_pictures_are_half_of_each_side(couples: int, seed: int) -> None:
    dealt = deal(couples, "turing", random.Random(seed))
    fresh = sorted((each.couple, each.sides) for each in dealt if each.repeats is None)
    assert fresh == sorted((number, side) for number in range(couples) for side in "ab")
    for each in dealt:
        if each.repeats is not None:
            assert dealt[each.repeats].sides == each.sides
            assert dealt[each.repeats].couple == each.couple


@settings(deadline=None)
@given(KINDS, KINDS, SEEDS)
def test_couples_are_of_one_kind_and_all_that_there_are(a: list[str | None], b: list[str | None], seed: int) -> None:
    found = couple(a, b, random.Random(seed))
    assert all(a[i] is not None and a[i] == b[j] for i, j in found)
    assert len({i for i, _ in found}) == len({j for _, j in found}) == len(found)
    counts = Counter(a), Counter(b)
    assert len(found) == sum(min(counts[0][kind], counts[1][kind]) for kind in counts[0] if kind is not None)
    taken = Counter(a[i] for i, _ in found[: len(found) // 2])
    shared = {kind for kind in taken if min(counts[0][kind], counts[1][kind]) > max(taken.values())}
    assert all(max(taken.values()) - taken[kind] <= 1 for kind in shared)  # kinds take turns


@settings(deadline=None)
@given(st.integers(1, 500), SEEDS)
def test_names_are_different_and_say_nothing(count: int, seed: int) -> None:
    found = names(count, random.Random(seed))
    assert len(set(found)) == count
    assert {len(name) for name in found} == {10}


@settings(deadline=None)
@given(SIZES, SIZES, st.none() | st.integers(16, 2048))
def test_all_pictures_get_one_size(a: list[tuple[int, int]], b: list[tuple[int, int]], longer: int | None) -> None:
    size, notes = choose_size((a, b), longer)
    assert max(size) == longer if longer else 1 <= min(size) <= max(size) <= 512
    assert any("enlarges" in note for note in notes) <= (longer is not None)


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(1, 60))
def test_wilson_holds_its_share_and_mirrors(chosen: int, more: int) -> None:
    count = chosen + more
    low, high = wilson(chosen, count)
    assert 0 <= low <= chosen / count <= high <= 1
    assert abs(low + wilson(more, count)[1] - 1) < 1e-12


@settings(deadline=None, max_examples=30)
@given(st.lists(st.lists(st.sampled_from([0.0, 1.0]), min_size=5, max_size=5), min_size=1, max_size=4))
def test_the_interval_is_never_narrower_than_that_of_free_answers(rows: list[list[float]]) -> None:
    values = np.array(rows)
    low, high = interval(values)
    plain = wilson(int(values.sum()), values.size)
    assert 0 <= low <= plain[0]
    assert plain[1] <= high <= 1
