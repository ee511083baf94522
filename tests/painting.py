"""What tests of painting share: a few steps in place of many, and pictures to paint."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from artgan.style.pace import Pace
from artgan.style.plan import Stage
from tests.conftest import painted


def quicken(monkeypatch: pytest.MonkeyPatch, steps: int = 2) -> None:
    """Paint so many steps at one size, and measure no pace."""
    monkeypatch.setattr("artgan.style.studio.stages", lambda size, detail: (Stage(max(size), steps),))
    monkeypatch.setattr("artgan.style.studio.measure_pace", lambda *settings: Pace(0.001, 0.0, 0.0))


def picture(path: Path, seed: int = 0, width: int = 48, height: int = 36, **options: Any) -> Path:
    """Save a picture that looks like no other seed's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    painted(seed, width, height).save(path, **options)
    return path


def pixels(path: Path) -> NDArray[np.uint8]:
    """The values of a picture of 8 bits, (H, W) or (H, W, C)."""
    with Image.open(path) as opened:
        return np.asarray(opened)
