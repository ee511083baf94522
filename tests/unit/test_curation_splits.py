"""Splits: shares as text, and where pictures go when classes are tiny, families large, or a picture is added."""

from collections import Counter

import pytest

from artgan.curation.splits import Unit, cap, parse_shares, split
from artgan.errors import UsageError

TWO, THREE = (0.9, 0.1), (0.8, 0.1, 0.1)


def singles(count: int, label: str | None = None, start: int = 0) -> list[Unit]:
    return [Unit(f"{label}{number}", label, f"{label}{number}") for number in range(start, start + count)]


def family(name: str, label: str, count: int) -> list[Unit]:
    return [Unit(f"{name}{number}", label, name) for number in range(count)]


def counted(units: list[Unit], shares: tuple[float, ...]) -> dict[str | None, dict[str, int]]:
    """How many pictures of each class lie in each part."""
    parts: dict[str | None, Counter[str]] = {}
    for unit, part in zip(units, split(units, shares), strict=True):
        parts.setdefault(unit.label, Counter())[part] += 1
    return {label: dict(found) for label, found in parts.items()}


@pytest.mark.parametrize(
    ("text", "shares"),
    [
        ("0.9/0.1", (0.9, 0.1)),
        (" 80 / 10 / 10 ", (0.8, 0.1, 0.1)),
        (".7/.2/.1", (0.7, 0.2, 0.1)),
        ("33.3/33.3/33.3", (1 / 3, 1 / 3, 1 / 3)),
        ("99/1", (0.99, 0.01)),
    ],
)
def test_shares_are_read(text: str, shares: tuple[float, ...]) -> None:
    assert parse_shares(text) == pytest.approx(shares, abs=1e-12)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "not a list"),
        ("a/b", "not a list"),
        ("0.9/0.1/", "not a list"),
        ("0.9,0.1", "not a list"),
        ("1", "1 shares"),
        ("25/25/25/25", "4 shares"),
        ("1/0", "not between"),
        ("1.1/-0.1", "not between"),
        ("nan/0.1", "not between"),
        ("inf/0.1", "not between"),
        ("0.9/0.2", "sum 1.1"),
        ("9/1", "sum 10"),
        ("1e308/1e308", "not between"),
    ],
)
def test_other_text_is_refused_by_the_name_of_the_flag(text: str, fault: str) -> None:
    with pytest.raises(UsageError, match=fault) as raised:
        parse_shares(text)
    assert "--split" in raised.value.message
    assert "80/10/10" in raised.value.hint


def test_every_class_has_its_shares() -> None:
    units = singles(200, "cats") + singles(50, "dogs") + singles(7)
    assert counted(units, TWO) == {
        "cats": {"train": 180, "test": 20},
        "dogs": {"train": 45, "test": 5},
        None: {"train": 6, "test": 1},
    }
    assert counted(units, THREE) == {
        "cats": {"train": 160, "val": 20, "test": 20},
        "dogs": {"train": 40, "val": 5, "test": 5},
        None: {"train": 5, "val": 1, "test": 1},
    }
    assert counted(singles(17, "a"), TWO) == {"a": {"train": 15, "test": 2}}  # 1.7
    assert split([], TWO) == []


@pytest.mark.parametrize("shares", [TWO, THREE, (0.1, 0.9), (0.02, 0.49, 0.49), (0.5, 0.5)])
def test_tiny_classes_have_one_in_each_part_if_they_can(shares: tuple[float, ...]) -> None:
    assert counted(singles(1, "a"), shares) == {"a": {"train": 1}}
    assert counted(family("f", "a", 5), shares) == {"a": {"train": 5}}
    for count in range(len(shares), 12):
        assert len(counted(singles(count, "a"), shares)["a"]) == len(shares)
    mixed = family("f", "a", 30) + family("g", "a", 30) + family("h", "a", 1)
    assert len(counted(mixed, shares)["a"]) == len(shares)


def test_a_family_too_large_for_the_test_set_trains() -> None:
    units = family("large", "a", 50) + singles(50, "a")
    assert counted(units, TWO) == {"a": {"train": 90, "test": 10}}
    assert counted(units, THREE) == {"a": {"train": 80, "val": 10, "test": 10}}
    for number in range(20):  # wherever it stands in the order
        units = family(f"large{number}", "a", 185) + singles(15, "a", 15 * number)
        assert counted(units, TWO) == {"a": {"train": 185, "test": 15}}


def test_a_family_over_two_classes_stays_together_and_both_are_tested() -> None:
    """The rare class has two families, which span both; were the other class placed first, both would mostly train."""
    for number in range(20):
        spans = [Unit(f"{label}{number}{name}", label, name) for name in "st" for label in ("common", "rare")]
        units = singles(60, "common", 100 * number) + spans
        parts = dict(zip(units, split(units, TWO), strict=True))
        assert parts[spans[0]] == parts[spans[1]] != parts[spans[2]] == parts[spans[3]]
        assert counted(units, TWO) == {"common": {"train": 56, "test": 6}, "rare": {"train": 1, "test": 1}}


def test_a_class_that_another_has_placed_a_picture_of_is_not_given_one_more() -> None:
    for number in range(20):
        units = [Unit(f"{label}{number}", label, "spans") for label in ("a", "b")]
        units += singles(1, "a", number) + singles(2, "b", 2 * number)
        assert counted(units, TWO) == {"a": {"train": 1, "test": 1}, "b": {"train": 2, "test": 1}}


@pytest.mark.parametrize("shares", [TWO, THREE, (1 / 3, 1 / 3, 1 / 3)])
def test_adding_a_picture_moves_at_most_one_per_cut(shares: tuple[float, ...]) -> None:
    units = singles(200, "a") + singles(40, "b")
    before = split(units, shares)
    most = 0
    for number in range(300):
        added = [Unit(f"added {number}", "a", f"added {number}"), *units]
        moved = [unit for unit, was, now in zip(units, before, split(added, shares)[1:], strict=True) if was != now]
        assert {unit.label for unit in moved} <= {"a"}
        most = max(most, len(moved))
    assert 0 < most <= len(shares) - 1


def test_a_growing_class_moves_few_at_every_size() -> None:
    units = singles(120, "a")
    for count in range(1, 120):
        before, after = split(units[:count], THREE), split(units[: count + 1], THREE)
        assert sum(was != now for was, now in zip(before, after[:count], strict=True)) <= 2


def test_the_order_is_that_of_the_content_alone() -> None:
    units = singles(100, "a")
    renamed = [Unit(unit.key, "b", f"renamed {unit.key}") for unit in units]
    assert split(renamed, THREE) == split(units, THREE)
    assert cap(renamed, 30) == cap(units, 30)


def test_no_part_is_made_of_the_first_files() -> None:
    """Digests of a zip begin with a checksum, but those of other callers might count up."""
    units = [Unit(f"{number:08}", None, str(number)) for number in range(1000)]
    tests = [number for number, part in enumerate(split(units, TWO)) if part == "test"]
    assert 400 < sum(tests) / len(tests) < 600


def test_a_cap_keeps_so_many_of_each_class_and_the_same_ones() -> None:
    units = singles(50, "a") + singles(5, "b") + singles(20)
    beyond = cap(units, 10)
    kept = [unit for number, unit in enumerate(units) if number not in beyond]
    assert Counter(unit.label for unit in kept) == {"a": 10, "b": 5, None: 10}
    backwards = cap(units[::-1], 10)
    assert {len(units) - 1 - number for number in backwards} == beyond
    assert cap(units, 9) > beyond  # a smaller cap keeps none that a larger one drops
    assert cap(units, 50) == set()
