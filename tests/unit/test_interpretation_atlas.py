"""Maps of pictures: no two in a cell, alike near alike, and samples where the real pictures like them are."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from artgan.errors import Interrupted
from artgan.interpretation.atlas import affinities, assign, grid_for, lay_out, principal
from artgan.interpretation.maps import Side, draw_maps
from artgan.metrics.sets import PictureSet

pytestmark = pytest.mark.usefixtures("one_thread")
PLACES = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30)


def groups(each: int = 12, dimensions: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    """Three groups of rows far from one another, and which one each row is of."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(3).repeat_interleave(each)
    centres = 10 * torch.eye(3, dimensions)
    return centres[labels] + 0.5 * torch.randn(3 * each, dimensions, generator=generator), labels


@settings(max_examples=60, deadline=None)
@given(PLACES, st.integers(1, 8), st.integers(1, 8), st.sampled_from([math.inf, 1.0, 2.5]))
def test_no_two_pictures_share_a_cell(places: list[tuple[float, float]], columns: int, rows: int, reach: float) -> None:
    points = torch.tensor(places, dtype=torch.float64)
    cells = assign(points, columns, rows, reach)
    taken = [cell for cell in cells if cell is not None]
    assert len(set(taken)) == len(taken)
    assert all(0 <= column < columns and 0 <= row < rows for column, row in taken)
    if reach == math.inf:
        assert len(taken) == min(len(places), columns * rows)
    for (x, y), cell in zip(places, cells, strict=True):
        if cell is not None:
            assert math.hypot(x * (columns - 1) - cell[0], y * (rows - 1) - cell[1]) <= reach + 1e-9


def test_a_picture_alone_takes_the_cell_of_its_place() -> None:
    assert assign(torch.tensor([[0.0, 1.0], [0.49, 0.0]]), 3, 2) == [(0, 1), (1, 0)]


def test_the_nearest_chooses_first_and_the_others_lie_around() -> None:
    assert assign(torch.tensor([[0.1, 0.0], [0.0, 0.0]]), 5, 1) == [(1, 0), (0, 0)]
    assert assign(torch.tensor([[0.1, 0.0], [0.0, 0.0]]), 5, 1, reach=0.5) == [None, (0, 0)]


@given(st.integers(1, 3000), st.floats(0.2, 5))
def test_a_grid_has_room_for_all(count: int, aspect: float) -> None:
    columns, rows = grid_for(count, aspect)
    assert columns * rows >= count


def test_alike_lies_near_alike() -> None:
    values, labels = groups()
    places = lay_out(values)
    assert places.shape == (36, 2)
    assert float(places.min()) >= 0
    assert float(places.max()) <= 1
    apart = torch.cdist(places, places)
    apart.fill_diagonal_(torch.inf)
    assert labels[apart.argmin(1)].equal(labels)
    assert lay_out(values).equal(places)


def test_few_or_equal_rows_can_be_laid_out_too() -> None:
    assert lay_out(torch.eye(2)).isfinite().all()
    assert lay_out(torch.ones(8, 3)).isfinite().all()


def test_it_stops_when_asked() -> None:
    with pytest.raises(Interrupted):
        lay_out(groups()[0], should_stop=lambda: True)


def test_neighbours_count_as_many_as_the_perplexity_says() -> None:
    """For rows all equally far from one another every share is the same, whatever is asked for."""
    equal = affinities(torch.ones(6, 6, dtype=torch.float64), 3.0)
    torch.testing.assert_close(equal, (1 - torch.eye(6, dtype=torch.float64)) / 30)
    values, _ = groups()
    shares = affinities(torch.cdist(values, values).double().square(), 5.0)
    assert float(shares.sum()) == pytest.approx(1)
    assert shares.equal(shares.T)
    # The groups are far apart: nearly all of it lies within them.
    within = sum(float(shares[start : start + 12, start : start + 12].sum()) for start in (0, 12, 24))
    assert within > 0.999


def test_principal_directions_hold_the_variance_and_keep_their_sign() -> None:
    values = torch.tensor([[1.0, 5.0, 0.0], [2.0, 1.0, 0.0], [0.0, -3.0, 0.0], [1.0, 0.0, 0.0]])
    found = principal(values, 30)
    assert found.shape == (4, 2)
    torch.testing.assert_close(torch.cdist(found, found), torch.cdist(values.double(), values.double()))
    assert principal(values, 1)[:, 0].argmax() == 0


def side(values: torch.Tensor, classes: tuple[int, ...] = ()) -> Side:
    def read(places: Sequence[int]) -> list[Image.Image | str]:
        return [Image.new("RGB", (8, 8), (int(values[place].argmax()) * 90, 60, 60)) for place in places]

    return Side(PictureSet("some", len(values), read, str, None, (8, 8)), values, classes)


def test_what_is_never_painted_is_a_hole_in_the_map_of_samples() -> None:
    values, labels = groups(each=40)
    real, classes = side(values, tuple(labels.tolist())), labels[labels < 2].tolist()
    fake = side(values[labels < 2] + 0.1, tuple(classes))
    names = ("apple", "pear", "plum")
    figures, maps = draw_maps(fake, real, names, lambda event: None, lambda: False)
    assert 0.15 < figures.empty <= 0.4
    assert (figures.reals, figures.fakes + figures.hidden) == (80, 80)
    assert [kind.fake for kind in figures.kinds] == [0.5, 0.5, 0]
    assert sum(kind.real or 0 for kind in figures.kinds) == pytest.approx(1, abs=1e-3)
    assert maps[0].size == maps[1].size
    alpha = [np.asarray(one.getchannel("A")).mean() for one in maps]
    assert alpha[0] <= alpha[1]
    whole, _ = draw_maps(real, real, names, lambda event: None, lambda: False)
    assert (whole.empty, whole.hidden, whole.floor) == (0, 0, None)
    assert figures.floor is None  # there are not twice as many real pictures
    small, _ = draw_maps(side(values[::3] + 0.1), real, (), lambda event: None, lambda: False)
    assert small.floor is not None
    assert small.floor < 0.15


def test_a_map_without_classes_finds_kinds_and_one_without_reals_stands_alone() -> None:
    values, labels = groups()
    figures, maps = draw_maps(side(values), None, (), lambda event: None, lambda: False)
    assert len(maps) == 1
    assert (figures.named, figures.reals, figures.fakes, figures.empty) == (False, 0, 36, 0)
    assert all(kind.real is None for kind in figures.kinds)
    assert sum(kind.fake for kind in figures.kinds) == pytest.approx(1, abs=1e-3)
    many = tuple(f"class {number}" for number in range(20))
    found, _ = draw_maps(side(values, tuple(labels.tolist())), None, many, lambda event: None, lambda: False)
    assert found.kinds == ()
