"""The order of the pictures is a function of position alone, however it is cut into batches."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artgan.config import DataSettings
from artgan.data.cache import DatasetReady, Decoded
from artgan.data.pictures import DecodedPictures, Pictures
from artgan.engine.seeds import Streams


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with room for the sets of this file."""
    return tmp_path_factory.mktemp("sets")


def pictures(folder: Path, count: int, classes: int, balanced: bool, seed: int) -> Pictures:
    """A set of one-pixel pictures, each of which is its own number; the classes take turns."""
    place = folder / str(count)
    if not place.is_dir():
        place.mkdir()
        np.arange(count, dtype=np.uint8).tofile(place / "pictures.u8")
    labels = [row % classes for row in range(count)] if classes else []
    index = {"shape": [1, 1, 1], "classes": [str(c) for c in range(classes)], "count": count, "labels": labels}
    decoded = Decoded(place, index, "", DatasetReady(place, count, count, {}, (), 0, True))
    return DecodedPictures(decoded, DataSettings(balanced=balanced), Streams(seed))


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(4, 30),
    classes=st.integers(0, 4),
    balanced=st.booleans(),
    seed=st.integers(0, 2**63 - 1),
    start=st.integers(0, 10**7),
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=5),
)
def test_batches_of_any_size_are_pieces_of_one_sequence(
    folder: Path, count: int, classes: int, balanced: bool, seed: int, start: int, sizes: list[int]
) -> None:
    whole, whole_labels = pictures(folder, count, classes, balanced, seed).batch(start, sum(sizes))
    in_pieces = pictures(folder, count, classes, balanced, seed)
    position = start
    for size in sizes:
        batch, labels = in_pieces.batch(position, size)
        here = slice(position - start, position - start + size)
        assert batch.tolist() == whole[here].tolist()
        assert labels.tolist() == whole_labels[here].tolist()
        position += size
    if classes:
        assert (whole.flatten().long() % classes == whole_labels).all()


@settings(max_examples=60, deadline=None)
@given(count=st.integers(4, 60), seed=st.integers(0, 2**63 - 1), turn=st.integers(0, 1000))
def test_every_pass_is_a_permutation(folder: Path, count: int, seed: int, turn: int) -> None:
    batch, _ = pictures(folder, count, 0, False, seed).batch(turn * count, count)
    assert sorted(batch.flatten().tolist()) == list(range(count))


@settings(max_examples=40, deadline=None)
@given(count=st.integers(4, 30), classes=st.integers(2, 4), seed=st.integers(0, 2**63 - 1), rounds=st.integers(1, 40))
def test_balanced_is_balanced_from_any_round(folder: Path, count: int, classes: int, seed: int, rounds: int) -> None:
    _, labels = pictures(folder, count, classes, True, seed).batch(rounds * classes, rounds * classes)
    assert [int((labels == c).sum()) for c in range(classes)] == [rounds] * classes
