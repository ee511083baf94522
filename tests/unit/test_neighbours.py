"""Nearest pictures and what follows from them, against plain loops and where the answer is plain."""

import math

import pytest
import torch

from artgan.errors import UsageError
from artgan.metrics import neighbours
from artgan.metrics.neighbours import density_coverage, diversity, memorisation, nearest, precision_recall


def gaussian(count: int, width: int, seed: int) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def radius(rows: list[list[float]], index: int, k: int) -> float:
    others = [math.dist(rows[index], row) for other, row in enumerate(rows) if other != index]
    return sorted(others)[k - 1]


def balls_by_loops(points: torch.Tensor, centres: torch.Tensor, k: int) -> list[list[bool]]:
    """For each point, whether it lies in the ball around each centre."""
    rows = centres.double().tolist()
    radii = [radius(rows, index, k) for index in range(len(rows))]
    return [
        [math.dist(point, row) <= reach for row, reach in zip(rows, radii, strict=True)]
        for point in points.double().tolist()
    ]


@pytest.fixture(params=[1, 100, 1 << 22], ids=lambda elements: f"blocks of {elements}")
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Matrices in blocks of one row, of a few, and whole."""
    monkeypatch.setattr(neighbours, "_ELEMENTS", request.param)
    monkeypatch.setattr(neighbours, "_ROWS", request.param)


# --- nearest


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("offset", [0, 1e4])
def test_neighbours_are_those_of_all_distances(offset: float) -> None:
    queries, keys = gaussian(23, 6, 0).double() + offset, gaussian(31, 6, 1).double() + offset
    distances, indices = nearest(queries, keys, k=4)
    expected = torch.cdist(queries, keys, compute_mode="donot_use_mm_for_euclid_dist").sort(1)
    assert distances.dtype == torch.float64
    torch.testing.assert_close(distances, expected.values[:, :4])
    assert torch.equal(indices, expected.indices[:, :4])


@pytest.mark.usefixtures("blocks")
def test_no_picture_is_its_own_neighbour_but_its_copy_is() -> None:
    rows = gaussian(25, 6, 0)
    rows[7] = rows[20]
    distances, indices = nearest(rows, rows, exclude_self=True, k=3)
    assert (indices != torch.arange(25)[:, None]).all()
    assert indices[7, 0] == 20
    assert indices[20, 0] == 7
    assert distances[7, 0] == distances[20, 0] == 0
    assert (distances[:, 0] == 0).sum() == 2
    assert nearest(rows, rows)[0].max() == 0


def test_there_are_no_more_neighbours_than_keys() -> None:
    rows = gaussian(5, 3, 0)
    assert nearest(rows, rows, k=99)[0].shape == (5, 5)
    assert nearest(rows, rows, exclude_self=True, k=99)[0].shape == (5, 4)
    assert nearest(rows[:1], rows)[1].tolist() == [[0]]


@pytest.mark.parametrize("size", [1e-25, 1e25])
def test_tiny_and_huge_features_are_told_apart(size: float) -> None:
    queries, keys = gaussian(20, 4, 0).double(), gaussian(20, 4, 1).double()
    distances, indices = nearest(queries * size, keys * size)
    assert torch.equal(indices, nearest(queries, keys)[1])
    torch.testing.assert_close(distances / size, nearest(queries, keys)[0])


# --- precision, recall, density, coverage


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize(("n", "m", "width", "k"), [(20, 30, 2, 3), (30, 20, 5, 1), (12, 12, 40, 5)])
def test_they_are_those_of_plain_loops(n: int, m: int, width: int, k: int) -> None:
    real, fake = gaussian(n, width, 2), gaussian(m, width, 3) * 1.3 + 0.4
    in_real, in_fake = balls_by_loops(fake, real, k), balls_by_loops(real, fake, k)
    precision, recall = precision_recall(real, fake, k)
    assert precision == pytest.approx(sum(map(any, in_real)) / m)
    assert recall == pytest.approx(sum(map(any, in_fake)) / n)
    density, coverage = density_coverage(real, fake, k)
    assert density == pytest.approx(sum(map(sum, in_real)) / (k * m))
    assert coverage == pytest.approx(sum(map(any, zip(*in_real, strict=True))) / n)
    assert 0 < precision < 1 or 0 < recall < 1, "the sets are such that the answer is not trivial"


def test_a_set_against_itself_and_against_one_far_away() -> None:
    real = gaussian(200, 16, 4)
    assert precision_recall(real, real.flip(0)) == (1, 1)
    assert density_coverage(real, real.flip(0), k=4)[1] == 1
    assert density_coverage(real, real.flip(0), k=4)[0] == pytest.approx(5 / 4, rel=1e-9)  # k neighbours and itself
    assert precision_recall(real, real + 100) == (0, 0)
    assert density_coverage(real, real + 100) == (0, 0)


def test_what_is_missing_and_what_is_too_much_show_on_opposite_sides() -> None:
    """Not swapped: fakes of half the reals are precise, fakes beside them are not."""
    left, right = gaussian(200, 8, 5), gaussian(200, 8, 6) + 50
    other = gaussian(400, 8, 7) + torch.tensor([0.0, 50.0]).repeat_interleave(200)[:, None]
    both = torch.cat([left, right])
    precision, recall = precision_recall(both, other[:200])
    assert precision > 0.7
    assert 0.35 < recall < 0.5
    precision, recall = precision_recall(left, other)
    assert 0.35 < precision < 0.5
    assert recall > 0.7
    assert density_coverage(both, other[:200])[1] < 0.55


def test_samples_of_one_distribution_score_as_the_papers_say() -> None:
    density, coverage = density_coverage(gaussian(1000, 4, 8), gaussian(1000, 4, 9), k=5)
    assert density == pytest.approx(1, abs=0.08)
    assert coverage == pytest.approx(1 - 2**-5, abs=0.02)


def test_an_outlier_has_a_ball_for_precision_but_no_weight_for_density() -> None:
    real = torch.cat([gaussian(300, 4, 10), torch.full((1, 4), 100.0)])
    fake = gaussian(300, 4, 11) * 3 + 60
    assert precision_recall(real, fake)[0] == 1
    assert density_coverage(real, fake)[0] < 0.25


@pytest.mark.parametrize("k", [2, 3, 1000])
def test_small_sets_take_their_farthest_neighbour(k: int) -> None:
    real, fake = torch.tensor([[0.0], [1.0], [10.0]]), torch.tensor([[9.5], [30.0], [31.0]])
    assert precision_recall(real, fake, k) == pytest.approx((1 / 3, 1))
    assert density_coverage(real, fake, k) == pytest.approx((3 / 2 / 3, 1))


def test_one_picture_again_and_again_gives_numbers() -> None:
    varied, same = gaussian(50, 8, 12), torch.zeros(50, 8)
    precision, recall = precision_recall(varied, same)
    assert (precision, recall) == (1, 0)
    assert precision_recall(same, varied) == (0, 1)
    assert precision_recall(same, same) == (1, 1)
    assert density_coverage(same, same, k=5) == (10, 1)
    assert density_coverage(same, varied) == (0, 0)
    assert density_coverage(varied, same)[0] > 1
    assert diversity(varied, same) == 0


def test_copies_are_inside_balls_without_size_whatever_rounding_does() -> None:
    real = gaussian(200, 2048, 13).repeat_interleave(4, 0) + 3
    assert precision_recall(real, real[::4]) == (1, 1)


# --- copies


def test_new_pictures_are_seldom_as_near_as_copies() -> None:
    shares = [memorisation(gaussian(400, 8, 2 * seed), gaussian(400, 8, 2 * seed + 1)).share for seed in range(10)]
    assert 0.003 < sum(shares) / 10 < 0.02


def test_copies_are_found_and_named() -> None:
    train, new = gaussian(300, 16, 0), gaussian(100, 16, 1)
    rows = torch.arange(299, 199, -1)
    copies = train[rows] + 1e-3 * gaussian(100, 16, 2)
    found = memorisation(train, torch.cat([copies, new]))
    assert 0.5 <= found.share < 0.53
    assert torch.equal(found.nearest[:100], rows)
    assert (found.distance[:100] < 0.01).all()
    assert (found.distance[100:] > 0.1).all()
    assert found.share == pytest.approx(float((found.distance < found.threshold).double().mean()))
    among = nearest(train, train, exclude_self=True)[0]
    assert float((among < found.threshold).double().mean()) == pytest.approx(0.01, abs=0.004)


@pytest.mark.parametrize("noise", [0, 1e-6])
def test_copies_among_the_training_pictures_do_not_excuse_copies(noise: float) -> None:
    train = gaussian(300, 16, 0)
    doubled = torch.cat([train, train[:50] + noise * gaussian(50, 16, 9)])
    found = memorisation(doubled, torch.cat([train[:50], gaussian(50, 16, 1)]))
    assert found.threshold > 0.5
    assert 0.5 <= found.share < 0.55
    everything = torch.cat([train, train])
    with pytest.raises(UsageError, match="exact copy"):
        memorisation(everything, train)
    with pytest.raises(UsageError, match="the same"):
        memorisation(torch.ones(9, 4), gaussian(9, 4, 0))


# --- diversity


@pytest.mark.usefixtures("blocks")
def test_diversity_is_the_ratio_of_pairwise_distances() -> None:
    real, fake = gaussian(30, 5, 0) + 7, gaussian(41, 5, 1) * 0.4
    by_pairs = [torch.pdist(side.double()).square().mean().sqrt() for side in (fake, real)]
    assert diversity(real, fake) == pytest.approx(float(by_pairs[0] / by_pairs[1]), rel=1e-6)


def test_pictures_that_are_all_the_same_have_no_diversity_to_compare_with() -> None:
    same = torch.full((1000, 5), 0.1)
    assert diversity(gaussian(30, 5, 0), same) == 0
    with pytest.raises(UsageError, match="All real pictures are the same") as caught:
        diversity(same, gaussian(30, 5, 0))
    assert caught.value.hint


# --- what makes no sense


@pytest.mark.parametrize("score", [precision_recall, density_coverage, memorisation, diversity])
def test_features_that_make_no_sense_are_refused(score: object) -> None:
    assert callable(score)
    fine = gaussian(10, 4, 0)
    for wrong in (fine[:1], fine[:, :3], fine * torch.nan, fine[0], torch.ones(10, 4, dtype=torch.int64)):
        with pytest.raises(UsageError):
            score(fine, wrong)
        with pytest.raises(UsageError):
            score(wrong, fine)


def test_no_neighbour_is_refused() -> None:
    fine = gaussian(10, 4, 0)
    for call in (nearest, precision_recall, density_coverage):
        with pytest.raises(UsageError, match="k = 0"):
            call(fine, fine, k=0)
    with pytest.raises(UsageError, match="at least 2"):
        nearest(fine[:1], fine[:1], exclude_self=True)
