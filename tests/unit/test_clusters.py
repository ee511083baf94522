"""Kinds of pictures that were planted are found, and so are those that are missing."""

import pytest
import torch

from artgan.errors import UsageError
from artgan.metrics.clusters import mode_coverage
from artgan.metrics.neighbours import nearest


def blobs(kinds: list[int], each: int, seed: int, width: int = 8, apart: float = 40) -> torch.Tensor:
    """Pictures of some kinds, `each` of every kind; a kind has its place whatever the seed."""
    places = torch.randn(100, width, generator=torch.Generator().manual_seed(123)) * apart
    generator = torch.Generator().manual_seed(seed)
    return torch.cat([places[kind] + torch.randn(each, width, generator=generator) for kind in kinds])


@pytest.mark.parametrize(("kinds", "painted"), [(10, 10), (10, 7), (10, 1), (30, 12), (2, 1), (1, 1)])
def test_the_share_is_that_of_the_kinds_painted(kinds: int, painted: int) -> None:
    found = mode_coverage(blobs(list(range(kinds)), 30, 0), blobs(list(range(painted)), 25, 1), clusters=kinds)
    assert found.clusters == kinds
    assert found.share == painted / kinds
    assert sum(found.reached) == painted
    assert found.sizes == (30,) * kinds
    assert sorted(found.fakes) == [0] * (kinds - painted) + [25] * painted
    for kind in range(kinds):
        where = found.assignment[kind * 30 : kind * 30 + 30]
        assert (where == where[0]).all()
        assert found.reached[int(where[0])] == (kind < painted)


def test_a_fake_beside_every_kind_reaches_none() -> None:
    found = mode_coverage(blobs([0, 1, 2], 40, 0), blobs([0, 1, 2], 40, 1) + 15, clusters=3)
    assert found.share == 0
    assert sum(found.fakes) == 120


def test_kinds_come_largest_first_and_each_has_its_picture() -> None:
    real = torch.cat([blobs([3], 10, 0), blobs([1], 60, 1), blobs([2], 25, 2)])
    found = mode_coverage(real, blobs([1], 5, 3), clusters=3)
    assert found.sizes == (60, 25, 10)
    assert found.reached == (True, False, False)
    assert found.assignment.dtype == torch.int64
    assert found.assignment.tolist() == [2] * 10 + [0] * 60 + [1] * 25
    for kind, row in enumerate(found.centre_index):
        members = (found.assignment == kind).nonzero().flatten()
        centre = real[members].mean(0, keepdim=True)
        assert row == members[int(nearest(centre, real[members])[1])]


@pytest.mark.parametrize(("count", "clusters"), [(2, 2), (39, 2), (200, 10), (1400, 50)])
def test_there_is_a_kind_for_every_twenty_pictures(count: int, clusters: int) -> None:
    real = torch.randn(count, 6, generator=torch.Generator().manual_seed(0))
    found = mode_coverage(real, real[:2])
    assert found.clusters == clusters
    assert sum(found.sizes) == count


def test_other_pictures_of_one_distribution_reach_nearly_everything() -> None:
    """Even where there are few of a kind in many directions, and so every centre lies nearer to its own."""
    generator = torch.Generator().manual_seed(0)
    for width, count in ((4, 400), (256, 120)):
        real, other = torch.randn(2, count, width, generator=generator)
        assert mode_coverage(real, other).share >= 0.8


def test_two_pictures_are_no_narrower_a_kind_than_many() -> None:
    """In many directions two pictures lie far apart, and their centre half as far from either."""
    real, other = blobs(list(range(10)), 2, 0, width=256), blobs(list(range(10)), 1, 1, width=256)
    found = mode_coverage(real, other, clusters=10)
    assert found.sizes == (2,) * 10
    assert found.share == 1


def test_a_kind_ends_where_95_percent_of_its_pictures_do() -> None:
    real = torch.arange(-100.0, 101)[:, None]  # distances from the middle: 0 once, 1 to 100 twice
    assert mode_coverage(real, torch.tensor([[95.0], [101.0]]), clusters=1).share == 1
    assert mode_coverage(real, torch.tensor([[-96.0], [101.0]]), clusters=1).share == 0


def test_centres_settle_in_the_middle_of_their_kinds() -> None:
    """A line has one best division in two, wherever k-means begins."""
    for seed in range(5):
        found = mode_coverage(torch.arange(100.0)[:, None], torch.zeros(2, 1), clusters=2, seed=seed)
        assert max(found.sizes) <= 52
        assert sorted(found.centre_index) == pytest.approx([25, 75], abs=2)


def test_pictures_over_and_over_make_fewer_kinds() -> None:
    three = blobs([0, 1, 2], 1, 0)
    found = mode_coverage(three.repeat(50, 1), three[:2].repeat(5, 1), clusters=10)
    assert found.clusters == 3
    assert found.sizes == (50, 50, 50)
    assert found.share == pytest.approx(2 / 3)
    assert mode_coverage(three.repeat(50, 1), three + 1e-3).share == 1
    assert mode_coverage(three.repeat(50, 1), three + 100).share == 0


def test_a_picture_that_is_alone_lends_the_radius_of_others() -> None:
    real = torch.cat([blobs([0], 50, 0), blobs([1], 50, 1), blobs([2], 1, 2)])
    alone = real[100:]
    for fake, reached in ((alone + 0.3, True), (alone + 20, False)):
        found = mode_coverage(real, fake.repeat(2, 1), clusters=3)
        assert found.sizes == (50, 50, 1)
        assert found.centre_index[2] == 100
        assert found.reached == (False, False, reached)


def test_as_many_kinds_as_pictures() -> None:
    real = blobs([0, 1, 2, 3], 1, 0)
    found = mode_coverage(real, real[:2], clusters=99)
    assert found.clusters == 4
    assert found.share == 0.5


def test_only_the_seed_decides() -> None:
    real, fake = torch.randn(2, 300, 5, generator=torch.Generator().manual_seed(0))
    state = torch.random.get_rng_state()
    first = mode_coverage(real, fake, seed=1)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.rand(1)
    second = mode_coverage(real, fake, seed=1)
    assert torch.equal(first.assignment, second.assignment)
    assert first.reached == second.reached
    assert not torch.equal(first.assignment, mode_coverage(real, fake, seed=2).assignment)


def test_what_makes_no_sense_is_refused() -> None:
    real = blobs([0, 1], 10, 0)
    with pytest.raises(UsageError, match="0 kinds"):
        mode_coverage(real, real, clusters=0)
    with pytest.raises(UsageError, match="the same"):
        mode_coverage(torch.ones(10, 8), real)
    for wrong in (real[:1], real[:, :3], real * torch.nan):
        with pytest.raises(UsageError):
            mode_coverage(real, wrong)
