"""The door to torchvision opens, and a grid has the geometry it promises."""

import pytest
import torch

from artgan.engine.vision import grid, state, torchvision


def test_torchvision_is_here_and_works() -> None:
    module = torchvision()
    assert module.__name__ == "torchvision"
    assert torchvision() is module
    assert callable(module.utils.make_grid)
    assert callable(module.models.vgg19)
    assert module.__version__ in state()


@pytest.mark.parametrize(("columns", "rows"), [(1, 3), (3, 1), (2, 3), (3, 2)])
@pytest.mark.parametrize("padding", [0, 2, 5])
def test_a_grid_is_filled_row_by_row_with_white_between(columns: int, rows: int, padding: int) -> None:
    height, width = 4, 6
    count = columns * rows
    pictures = torch.linspace(-1, 0.9, count)[:, None, None, None].expand(count, 3, height, width)
    sheet = grid(pictures, columns, padding)
    assert sheet.shape == (3, rows * (height + padding) + padding, columns * (width + padding) + padding)
    white = torch.ones(sheet.shape, dtype=torch.bool)
    for number in range(count):
        top = padding + number // columns * (height + padding)
        left = padding + number % columns * (width + padding)
        assert torch.equal(sheet[:, top : top + height, left : left + width], pictures[number])
        white[:, top : top + height, left : left + width] = False
    assert (sheet[white] == 1).all()


def test_a_last_row_that_is_not_full_is_white() -> None:
    sheet = grid(torch.zeros(3, 3, 4, 4), columns=2, padding=1)
    assert sheet.shape == (3, 11, 11)
    assert (sheet[:, 6:, 6:] == 1).all()
    assert (sheet[:, 6:10, 1:5] == 0).all()
