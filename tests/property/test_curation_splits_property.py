"""Splits depend on content alone, keep families together, and come near to the shares in every class."""

from collections import Counter, defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from artgan.curation.splits import NAMES, Unit, cap, split

SHARES = st.lists(st.integers(1, 20), min_size=2, max_size=3).map(
    lambda weights: tuple(weight / sum(weights) for weight in weights)
)
UNITS = st.lists(
    st.tuples(st.integers(0, 10**6), st.sampled_from(["a", "b", None]), st.integers(0, 15)),
    max_size=60,
    unique_by=lambda row: row[0],
).map(lambda rows: [Unit(str(key), label, f"family {number}") for key, label, number in rows])


@settings(max_examples=150, deadline=None)
@given(units=UNITS, shares=SHARES, draw=st.data())
def test_order_and_the_names_of_families_change_nothing(
    units: list[Unit], shares: tuple[float, ...], draw: st.DataObject
) -> None:
    shuffled = draw.draw(st.permutations(units))
    renamed = [Unit(unit.key, unit.label, unit.family[::-1] + "x") for unit in shuffled]
    part_of = dict(zip((unit.key for unit in units), split(units, shares), strict=True))
    assert split(renamed, shares) == [part_of[unit.key] for unit in shuffled]
    beyond = {units[number].key for number in cap(units, 5)}
    assert {shuffled[number].key for number in cap(renamed, 5)} == beyond


@settings(max_examples=200, deadline=None)
@given(units=UNITS, shares=SHARES)
def test_families_are_never_torn_apart(units: list[Unit], shares: tuple[float, ...]) -> None:
    parts = defaultdict(set)
    for unit, part in zip(units, split(units, shares), strict=True):
        parts[unit.family].add(part)
    assert all(len(found) == 1 for found in parts.values())


@settings(max_examples=200, deadline=None)
@given(sizes=st.lists(st.integers(1, 12), min_size=1, max_size=30), shares=SHARES, salt=st.integers(0, 10**6))
def test_parts_are_near_to_their_shares(sizes: list[int], shares: tuple[float, ...], salt: int) -> None:
    """Within one picture if all are single; every part has some if there are families enough."""
    units = [
        Unit(f"{salt} {number} {one}", "a", str(number)) for number, size in enumerate(sizes) for one in range(size)
    ]
    counts = Counter(split(units, shares))
    if len(sizes) >= len(shares):
        assert set(counts) == set(NAMES[len(shares)])
    assert counts["train"] > 0
    if max(sizes) == 1 and len(sizes) * min(shares) >= 1:
        for name, share in zip(NAMES[len(shares)], shares, strict=True):
            assert abs(counts[name] - share * len(units)) <= 1 + 1e-9


@settings(max_examples=100, deadline=None)
@given(counts=st.lists(st.integers(1, 80), min_size=1, max_size=4), shares=SHARES, salt=st.integers(0, 10**6))
def test_single_pictures_are_stratified(counts: list[int], shares: tuple[float, ...], salt: int) -> None:
    units = [Unit(f"{salt} {c} {n}", str(c), f"{c} {n}") for c, count in enumerate(counts) for n in range(count)]
    found = Counter(zip((unit.label for unit in units), split(units, shares), strict=True))
    for c, count in enumerate(counts):
        for name, share in zip(NAMES[len(shares)], shares, strict=True):
            if count * min(shares) >= 1:  # else one picture in each part is more than its share
                assert abs(found[str(c), name] - share * count) <= 1 + 1e-9
