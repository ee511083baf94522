"""OKLab against the values that its author gives, and pictures of other channels."""

import pytest
import torch

from artgan.engine.oklab import opaque, to_oklab


@pytest.mark.parametrize(
    ("colour", "lab"),
    [
        ((1, 1, 1), (1, 0, 0)),
        ((-1, -1, -1), (0, 0, 0)),
        ((1, -1, -1), (0.6280, 0.2249, 0.1258)),
        ((-1, 1, -1), (0.8664, -0.2339, 0.1795)),
        ((-1, -1, 1), (0.4520, -0.0324, -0.3115)),
    ],
)
def test_known_colours(colour: tuple[float, ...], lab: tuple[float, ...]) -> None:
    found = to_oklab(torch.tensor(colour).float()[None, :, None, None])
    assert found.flatten().tolist() == pytest.approx(lab, abs=2e-4)


def test_grey_and_transparent_pictures() -> None:
    grey = torch.tensor([-1.0, 0.0, 1.0]).view(1, 1, 1, 3)
    found = to_oklab(grey)
    assert found.shape == (1, 3, 1, 3)
    assert float(found[:, 1:].abs().max()) < 1e-3
    clear = torch.tensor([-1.0, -1.0, -1.0, -1.0]).view(1, 4, 1, 1)
    assert opaque(clear).flatten().tolist() == [1, 1, 1]
    assert opaque(clear * torch.tensor([1, 1, 1, -1]).view(1, 4, 1, 1)).flatten().tolist() == [-1, -1, -1]
