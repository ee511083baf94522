"""Batches: every picture once per pass, classes as often as asked, and the right label on each."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from artgan.config import DataSettings
from artgan.data.pictures import Pictures, load_pictures


def load(path: Path, seed: int = 0, **settings: object) -> Pictures:
    return load_pictures(path, DataSettings.model_validate({"resolution": 8, **settings}), seed)


def rows_of(pictures: Pictures, batch: torch.Tensor) -> list[int]:
    """Which picture of the set each picture of a batch is."""
    known = {picture.numpy().tobytes(): row for row, picture in enumerate(pictures.at(list(range(len(pictures)))))}
    assert len(known) == len(pictures)
    return [known[picture.contiguous().numpy().tobytes()] for picture in batch]


def test_a_set_says_what_it_is(class_folders: Path) -> None:
    pictures = load(class_folders, shape="12x8")
    assert len(pictures) == 14
    assert pictures.shape == (3, 8, 12)
    assert pictures.classes == ("cats", "dogs", "owls")
    assert pictures.labels.tolist() == [0] * 8 + [1] * 4 + [2] * 2
    assert pictures.ready.pictures == 14
    assert load(class_folders, labels="none").classes == ()
    assert load(class_folders, labels="none").labels.tolist() == [0] * 14


@pytest.mark.parametrize(("channels", "count"), [("rgb", 3), ("rgba", 4), ("grey", 1)])
def test_a_batch_is_bytes_laid_out_channels_last(paintings: Path, channels: str, count: int) -> None:
    batch, labels = load(paintings, channels=channels, shape="12x8").batch(0, 5)
    assert batch.shape == (5, count, 8, 12)
    assert batch.dtype == torch.uint8
    assert batch.is_contiguous(memory_format=torch.channels_last)
    assert labels.shape == (5,)
    assert labels.dtype == torch.int64


def test_the_pixels_are_those_of_the_files(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    originals = [draw.integers(0, 256, (8, 8, 3), np.uint8) for _ in range(5)]
    for number, original in enumerate(originals):
        Image.fromarray(original).save(tmp_path / f"{number}.png")
    batch = load(tmp_path).at([3, 0, 3])
    assert (batch.permute(0, 2, 3, 1).numpy() == np.stack([originals[n] for n in (3, 0, 3)])).all()


def test_every_pass_shows_every_picture_once_in_a_new_order(paintings: Path) -> None:
    pictures = load(paintings)
    passes = [rows_of(pictures, pictures.batch(start, 12)[0]) for start in (0, 12, 24)]
    assert all(sorted(order) == list(range(12)) for order in passes)
    assert len({tuple(order) for order in passes}) == 3


def test_the_order_hangs_on_the_seed(paintings: Path) -> None:
    orders = [tuple(load(paintings, seed).order(0, 12)) for seed in (0, 1, 0)]
    assert orders[0] == orders[2] != orders[1]


def test_labels_are_those_of_the_pictures(class_folders: Path) -> None:
    pictures = load(class_folders)
    for start in (0, 9, 100):
        batch, labels = pictures.batch(start, 9)
        assert labels.tolist() == [pictures.labels[row].item() for row in rows_of(pictures, batch)]


def test_balanced_shows_every_class_equally_and_every_picture_of_a_class_in_turn(class_folders: Path) -> None:
    pictures = load(class_folders, balanced=True)
    batch, labels = pictures.batch(0, 3 * 8)
    assert Counter(labels.tolist()) == {0: 8, 1: 8, 2: 8}
    for start in range(0, 24, 3):
        assert sorted(labels[start : start + 3].tolist()) == [0, 1, 2], "one of each per round"
    assert sorted(Counter(rows_of(pictures, batch)).values()) == [1] * 8 + [2] * 4 + [4] * 2
    plain = load(class_folders).batch(0, 14)[1]
    assert Counter(plain.tolist()) == {0: 8, 1: 4, 2: 2}


def test_balanced_without_classes_is_the_usual_order(paintings: Path) -> None:
    assert (load(paintings, balanced=True).order(5, 20) == load(paintings).order(5, 20)).all()


def test_mirror_flips_about_half_and_the_same_ones_each_time(paintings: Path) -> None:
    plain, mirrored = load(paintings), load(paintings, mirror=True)
    before, _ = plain.batch(0, 60)
    after, _ = mirrored.batch(0, 60)
    assert torch.equal(after, load(paintings, mirror=True).batch(0, 60)[0])
    kept = (after == before).flatten(1).all(1)
    flipped = (after == before.flip(3)).flatten(1).all(1)
    assert (kept ^ flipped).all()
    assert 15 <= int(flipped.sum()) <= 45
    assert not torch.equal(flipped, (mirrored.batch(60, 60)[0] == plain.batch(60, 60)[0].flip(3)).flatten(1).all(1))
    other = load(paintings, seed=1, mirror=True).batch(0, 60)[0]
    assert not torch.equal(after, other)


def test_a_set_can_be_read_in_any_order_and_far_out(paintings: Path) -> None:
    pictures = load(paintings)
    far = pictures.order(10**9, 5)
    near = pictures.order(0, 5)
    assert (pictures.order(10**9, 5) == far).all()
    assert (load(paintings).order(0, 5) == near).all()
