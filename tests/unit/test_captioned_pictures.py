"""Captions on their way to the networks: the cache keeps them, batches bring them, and sets are told apart by them."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
import torch

from artgan.config import DataSettings
from artgan.data.cache import decode_source
from artgan.data.pictures import Pictures, load_pictures
from artgan.engine.captions import BUCKETS, encode_caption
from artgan.errors import DatasetError, SettingError
from artgan.presets import resolve
from tests.curating import make, saved, sorted_out, textured

SMALL = DataSettings(resolution=8, captions=True)


def load(path: Path, **settings: object) -> Pictures:
    return load_pictures(path, DataSettings.model_validate({"resolution": 8, "captions": True, **settings}))


@pytest.fixture
def orchard(paintings: Path) -> Path:
    """Twelve pictures: 6 red apples, 4 pears, and two without a caption."""
    for number in range(10):
        (paintings / f"{number:02}.txt").write_text("red apple" if number < 6 else "pear")
    return paintings


def test_a_set_says_what_its_pictures_show(orchard: Path) -> None:
    pictures = load(orchard)
    assert pictures.classes == ()
    assert pictures.captions == ("", "pear", "red apple")
    assert [pictures.captions[label] for label in pictures.labels] == ["red apple"] * 6 + ["pear"] * 4 + [""] * 2
    assert pictures.c_dim == BUCKETS
    assert [pictures.captions[label] for label in pictures.commonest(8)] == ["red apple", "pear"]
    assert pictures.commonest(1) == [2]
    assert pictures.ready.captions == {"red apple": 6, "pear": 4, "": 2}
    assert pictures.ready.classes == {}
    assert pictures.ready.skipped == (), "texts that are read are not told of"


def test_a_batch_brings_the_vector_of_each_pictures_caption(orchard: Path) -> None:
    pictures = load(orchard)
    _, labels = pictures.batch(0, 12)
    rows = pictures.conditions(labels)
    assert rows is not None
    assert rows.shape == (12, BUCKETS)
    for label, row in zip(labels.tolist(), rows, strict=True):
        assert torch.equal(row, encode_caption(pictures.captions[label]))
    assert Counter(labels.tolist()) == {0: 2, 1: 4, 2: 6}
    balanced = load(orchard, balanced=True).batch(0, 12)[1]
    assert Counter(balanced.tolist()) == {0: 4, 1: 4, 2: 4}


def test_classes_and_nothing_are_told_as_before(class_folders: Path) -> None:
    pictures = load(class_folders, captions=False)
    labels = pictures.batch(0, 5)[1]
    assert pictures.conditions(labels) is labels
    assert (pictures.c_dim, pictures.captions) == (3, ())
    plain = load(class_folders, captions=False, labels="none")
    assert plain.conditions(plain.batch(0, 5)[1]) is None
    assert plain.c_dim == 0


def test_folders_of_classes_are_captions_and_share_their_pixels_with_them(class_folders: Path) -> None:
    pictures = load(class_folders)
    assert pictures.captions == ("cats", "dogs", "owls")
    known = load(class_folders, captions=False)
    assert known.ready.from_cache
    assert known.classes == ("cats", "dogs", "owls")


def test_captions_are_kept_in_the_cache_and_belong_to_the_fingerprint(orchard: Path, tmp_path: Path) -> None:
    first = decode_source(orchard, SMALL)
    index = json.loads((first.folder / "index.json").read_text())
    assert index["classes"] == ["", "pear", "red apple"]
    shutil.copytree(orchard, tmp_path / "moved")
    moved = decode_source(tmp_path / "moved", SMALL)
    assert moved.ready.from_cache
    assert moved.fingerprint == first.fingerprint
    (orchard / "00.txt").write_text("a green apple")
    changed = decode_source(orchard, SMALL)
    assert changed.fingerprint != first.fingerprint
    assert "a green apple" in changed.index["classes"]


def test_captions_of_files_that_cannot_be_read_are_none(paintings: Path) -> None:
    (paintings / "broken.png").write_bytes(b"no picture")
    (paintings / "broken.txt").write_text("red apple")
    with pytest.raises(DatasetError, match=r"No picture in .* has a caption"):
        load(paintings)
    (paintings / "00.txt").write_text("pear")
    assert load(paintings).captions == ("", "pear")


def test_captions_do_not_go_with_labels() -> None:
    for labels in ("none", "table.csv"):
        with pytest.raises(SettingError, match=r"data\.captions does not go with data\.labels"):
            resolve(None, {"data.captions": True, "data.labels": labels})


@pytest.mark.parametrize("split", [None, "0.75/0.25"])
def test_a_curated_set_is_trained_on_with_its_captions(tmp_path: Path, split: str | None) -> None:
    files = {f"{number}.png": saved(textured(number), "PNG") for number in range(12)}
    files |= {f"{number}.txt": f"caption {number}".encode() for number in range(12)}
    sorted_out(make(tmp_path / "src", files), tmp_path / "set", split=split)
    pictures = load(tmp_path / "set" / ("train" if split else ""))
    assert len(pictures.captions) == len(pictures)
    names = sorted(path.stem for path in pictures.ready.source.glob("*.png"))
    assert [pictures.captions[label] for label in pictures.labels] == [f"caption {name}" for name in names]
