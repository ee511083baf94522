"""Pictures of shards: every pass shows each once, however the endless order is cut and from wherever it is read."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from artgan.data.stream import ShuffledShards
from artgan.engine.seeds import Streams

COUNTS = st.lists(st.integers(1, 12), min_size=1, max_size=9)


def order_of(counts: list[int], shuffle: int, seed: int) -> ShuffledShards:
    return ShuffledShards(np.array(counts), shuffle, Streams(seed))


@settings(max_examples=60, deadline=None)
@given(counts=COUNTS, shuffle=st.integers(1, 60), seed=st.integers(0, 2**63 - 1), turn=st.integers(0, 10**6))
def test_every_pass_is_a_permutation(counts: list[int], shuffle: int, seed: int, turn: int) -> None:
    total = sum(counts)
    rows = order_of(counts, shuffle, seed).rows(turn * total, total)
    assert sorted(rows.tolist()) == list(range(total))


@settings(max_examples=60, deadline=None)
@given(
    counts=COUNTS,
    shuffle=st.integers(1, 60),
    seed=st.integers(0, 2**63 - 1),
    start=st.integers(0, 10**7),
    sizes=st.lists(st.integers(1, 50), min_size=1, max_size=6),
)
def test_batches_of_any_size_are_pieces_of_one_sequence(
    counts: list[int], shuffle: int, seed: int, start: int, sizes: list[int]
) -> None:
    whole = order_of(counts, shuffle, seed).rows(start, sum(sizes))
    edges = np.cumsum([0, *sizes])
    forwards, backwards = order_of(counts, shuffle, seed), order_of(counts, shuffle, seed)
    places = range(len(sizes))
    pieces = {place: forwards.rows(start + int(edges[place]), sizes[place]) for place in places}
    jumped = {place: backwards.rows(start + int(edges[place]), sizes[place]) for place in reversed(places)}
    assert np.concatenate([pieces[place] for place in places]).tolist() == whole.tolist()
    assert np.concatenate([jumped[place] for place in places]).tolist() == whole.tolist()


@settings(max_examples=60, deadline=None)
@given(
    counts=COUNTS,
    shuffle=st.integers(1, 60),
    seed=st.integers(0, 100),
    position=st.integers(0, 10**4),
    size=st.integers(1, 40),
)
def test_the_shards_that_are_named_hold_the_pictures_and_those_that_come_next(
    counts: list[int], shuffle: int, seed: int, position: int, size: int
) -> None:
    order = order_of(counts, shuffle, seed)
    named = order.shards(position, size)
    assert len(named) == len(set(named))
    lies_in = np.repeat(np.arange(len(counts)), counts)
    rows = order.rows(position, size)
    there = set(order.rows_of(named).tolist())
    assert set(rows.tolist()) <= there
    # All of the next group are ready, too: the first of its pictures comes within what is left of this one.
    following = order.rows(position + size, sum(counts))
    beyond = [place for place, row in enumerate(following.tolist()) if lies_in[row] not in named]
    assert not beyond or beyond[0] >= min(shuffle, sum(counts))


@settings(max_examples=60, deadline=None)
@given(counts=COUNTS, shuffle=st.integers(1, 60), seed=st.integers(0, 100))
def test_as_many_as_asked_for_are_mixed(counts: list[int], shuffle: int, seed: int) -> None:
    order = order_of(counts, shuffle, seed)
    first = order.rows_of(order.first())
    assert len(first) >= min(shuffle, sum(counts))
    assert sorted(order.rows(0, len(first)).tolist()) == sorted(first.tolist()), "these are shown before any other"
    # One shard fewer would have been too few, but where what was left over at the end has joined the group.
    assert len(first) == sum(counts) or len(first) - counts[order.first()[-1]] < shuffle


def test_pictures_of_different_shards_are_mixed_and_differently_each_time() -> None:
    order = order_of([50] * 8, 200, 0)
    first, second = order.rows(0, 400), order.rows(400, 400)
    assert len(set((first[:200] // 50).tolist())) == 4, "four shards hold two hundred"
    shown = first[:50] // 50
    assert sorted(np.bincount(shown, minlength=8))[3] == 0
    assert max(np.bincount(shown, minlength=8)) < 25, "no shard has the word for long"
    assert first.tolist() != second.tolist()
    assert set(first[:200].tolist()) != set(second[:200].tolist())
    alone = order_of([50], 50, 0)
    assert alone.rows(0, 50).tolist() != alone.rows(50, 50).tolist(), "another order, where there is one group only"
    assert order_of([50] * 8, 200, 1).rows(0, 400).tolist() != first.tolist()
