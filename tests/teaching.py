"""What tests of learnt styles share: few and tiny crops, and a .style that nobody had to wait for."""

from pathlib import Path

import numpy as np
import pytest
import torch

from artgan.engine.device import Engine
from artgan.style import lessons as teaching
from artgan.style.features import Features, embedded_features
from artgan.style.lessons import Lessons
from artgan.style.taught import Taught, shipped_stylist
from tests.conftest import painted


def quicken_lessons(monkeypatch: pytest.MonkeyPatch, crop: int = 32, pairs: int = 1) -> None:
    """Teach with few tiny crops of few tiny pictures."""
    for module in ("lessons", "style_train"):
        monkeypatch.setattr(f"artgan.style.{module}.CROP", crop)
        monkeypatch.setattr(f"artgan.style.{module}.SIDE", 2 * crop)
    monkeypatch.setattr(teaching, "PAIRS", pairs)
    monkeypatch.setattr("artgan.style.style_train._PAINTED", 2)


def features() -> Features:
    """The embedded encoder on the CPU."""
    return embedded_features(Engine.detect("cpu", "float32"))


def drawn(seed: int, width: int = 48, height: int = 40) -> torch.Tensor:
    """A picture (1, 3, H, W) in [-1, 1] that looks like no other seed's."""
    values = np.array(painted(seed, width, height).convert("RGB"), np.float32)
    return torch.from_numpy(values).permute(2, 0, 1)[None] / 127.5 - 1


def write_style(path: Path, seed: int = 1) -> Path:
    """Write a .style that has had no lesson."""
    lessons = Lessons(shipped_stylist(), features(), [], 0)
    picture = ((drawn(seed)[0] + 1) * 127.5).round().to(torch.uint8)
    Taught(lessons.state(), picture, 1.0, ("none",), 0, 0.0).write(path)
    return path
