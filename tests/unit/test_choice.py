"""The preset that is chosen when nobody names one: by device, pictures and resolution, and in words."""

import io
import tarfile
from pathlib import Path

import pytest
import torch
from PIL import Image

import artgan
from artgan.errors import DatasetError
from artgan.presets import list_presets
from artgan.training.choice import choose_preset, shorter_sides
from artgan.training.events import Notice
from artgan.training.train import AUTO

CPU, CUDA, MPS = torch.device("cpu"), torch.device("cuda", 0), torch.device("mps")


@pytest.mark.parametrize(
    ("device", "asked", "sides", "expected", "why"),
    [
        (CPU, None, [800, 900], "painter-64", "no GPU is here"),
        (CPU, (128, 128), [], "painter-128", "128x128"),
        (CPU, (64, 96), [], "painter-64", "64x96"),
        (CPU, (16, 16), [], "painter-64", "16x16"),
        (CPU, (8, 64), [], "studio64", "8x64"),
        (CPU, (384, 256), [], "painter-256", "384x256"),
        (CPU, (1024, 512), [], "painter-512", "1024x512"),
        (CUDA, None, [800, 900, 100], "painter-256", "NVIDIA"),
        (CUDA, None, [130, 150, 140], "painter-128", "about 140 pixels"),
        (CUDA, None, [40, 50, 30], "painter-64", "about 40 pixels"),
        (CUDA, None, [], "painter-256", "NVIDIA"),
        (MPS, None, [800], "painter-128", "Apple"),
    ],
)
def test_a_preset_is_chosen_and_says_why(
    device: torch.device, asked: tuple[int, int] | None, sides: list[int], expected: str, why: str
) -> None:
    name, reason = choose_preset(device, asked, sides)
    assert name == expected
    assert why in reason
    assert name in {preset.name for preset in list_presets()}


def test_sides_are_those_of_pictures_and_what_is_broken_is_passed_over(tmp_path: Path) -> None:
    for number in range(60):
        Image.new("RGB", (30 + number, 20)).save(tmp_path / f"{number:02d}.png")
    (tmp_path / "00.png").write_bytes(b"no picture")
    sides = shorter_sides(tmp_path)
    assert set(sides) == {20}
    assert 20 <= len(sides) <= 25
    with pytest.raises(DatasetError):
        shorter_sides(tmp_path / "nowhere")


def test_of_shards_only_the_first_pictures_of_the_first_are_looked_at(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "000.tar", "w") as shard:
        for number in range(60):
            told = io.BytesIO()
            Image.new("RGB", (90, 20 if number < 25 else 70)).save(told, "png")
            content = told.getvalue() if number != 3 else b"no picture"
            for name, data in ((f"{number:02d}.png", content), (f"{number:02d}.cls", b"0")):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                shard.addfile(info, io.BytesIO(data))
    (tmp_path / "001.tar").write_bytes(b"never looked into")
    assert shorter_sides(tmp_path / "{000..001}.tar") == shorter_sides(tmp_path) == [20] * 24
    with pytest.raises(DatasetError, match=r"001\.tar is not a whole tar"):
        shorter_sides(tmp_path / "001.tar")
    with pytest.raises(DatasetError, match="1 of the 3 shards"):
        shorter_sides(tmp_path / "{000..002}.tar")


def test_training_tells_its_choice_and_goes_on_with_it(paintings: Path, tmp_path: Path) -> None:
    told: list[object] = []
    settings: dict[str, object] = {"model.base_channels": 4, "train.match": 0.0}
    for kimg in (0.004, 0.008):
        result = artgan.train(
            *(paintings,), preset=AUTO, overrides=settings, resolution=16, batch=4, kimg=kimg, device="cpu",
            runs_dir=tmp_path / "runs", on_event=told.append,
        )  # fmt: skip
    assert result.run.name == f"00000-{paintings.name}-painter-64"
    assert result.nimg == 8
    said = [event.text for event in told if isinstance(event, Notice)]
    assert said.count("Preset painter-64: you asked for 16x16 pixels.") == 2
