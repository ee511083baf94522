"""Fixtures that every test may use: a cache of its own, and small folders of pictures."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def artgan_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, so that no test reads or fills the user's own."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("ARTGAN_CACHE", str(folder))
    return folder


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Small tensors on one thread: several only wait for one another, the longer the busier the machine is."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def painted(seed: int, width: int, height: int) -> Image.Image:
    """A picture that looks like no other: two colours blended across it, a disc, and a little grain."""
    draw = np.random.default_rng(seed)
    across, down = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    start, end, spot = draw.uniform(0, 255, (3, 1, 1, 3))
    blend = (across * draw.uniform(0.2, 1) + down * draw.uniform(0.2, 1))[..., None] / 2
    picture = start * (1 - blend) + end * blend
    x, y, radius = draw.uniform(0.3, 0.7), draw.uniform(0.3, 0.7), draw.uniform(0.1, 0.3)
    picture = np.where(((across - x) ** 2 + (down - y) ** 2 < radius**2)[..., None], spot, picture)
    return Image.fromarray((picture + draw.normal(0, 4, picture.shape)).clip(0, 255).astype(np.uint8))


@pytest.fixture
def paintings(tmp_path: Path) -> Path:
    """A folder of twelve RGB pictures of several sizes, PNG and JPEG, without classes."""
    folder = tmp_path / "paintings"
    folder.mkdir()
    for seed in range(12):
        suffix = "jpg" if seed % 3 == 0 else "png"
        painted(seed, width=16 + 4 * (seed % 4), height=16 + 4 * (seed % 3)).save(folder / f"{seed:02d}.{suffix}")
    return folder


@pytest.fixture
def class_folders(tmp_path: Path) -> Path:
    """A folder of three class folders of very different size: 8 cats, 4 dogs, 2 owls."""
    folder = tmp_path / "animals"
    seed = 100
    for name, count in (("cats", 8), ("dogs", 4), ("owls", 2)):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            painted(seed, 20, 16).save(folder / name / f"{number}.png")
            seed += 1
    return folder
