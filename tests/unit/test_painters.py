"""The painters keep their promises: same seed same picture, any size, and schools one can tell apart."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from artgan.data.painters import SCHOOLS, paint, paint_collection
from artgan.errors import SettingError

every_school = pytest.mark.parametrize("school", SCHOOLS)


def seen_from_afar(picture: NDArray[np.uint8], side: int = 8) -> NDArray[np.float32]:
    """A picture averaged down to side x side, as one vector."""
    small = Image.fromarray(picture).resize((side, side), Image.Resampling.BOX)
    return np.asarray(small, np.float32).ravel()


def character(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The strength of detail at three scales, of each half against its mirror, and the light from top to bottom."""
    grey = Image.fromarray(picture).convert("L")
    scales = [np.asarray(grey.resize((n, n), Image.Resampling.BOX), np.float32) for n in (64, 32, 16)]
    detail = [np.log1p(np.percentile(np.abs(np.diff(s, axis=a)), (40, 75, 95))) for s in scales for a in (0, 1)]
    mirror = [np.log1p(np.abs(scales[1] - np.flip(scales[1], axis)).mean()) for axis in (0, 1)]
    light = scales[2].mean(1)[::2] / 64
    small = seen_from_afar(picture).reshape(8, 8, 3)
    frame = np.log1p(np.abs(small[2:6, 2:6].mean((0, 1)) - small[[0, -1]].mean((0, 1))))
    return np.concatenate([*detail, mirror, light, frame, [np.log1p(scales[0].std())]]).astype(np.float32)


@every_school
def test_same_seed_paints_the_same_bytes(school: str) -> None:
    assert np.array_equal(paint(school, 3, 48), paint(school, 3, 48))


@every_school
def test_other_seeds_paint_other_pictures(school: str) -> None:
    pictures = np.stack([seen_from_afar(paint(school, seed, 32)) for seed in range(10)])
    apart = np.abs(pictures[:, None] - pictures[None]).mean(-1)[~np.eye(10, dtype=bool)]
    assert apart.min() > 1
    assert apart.mean() > 15


@every_school
@pytest.mark.parametrize("size", [(8, 8), (64, 64), (96, 32), (32, 96), (50, 71)])
def test_any_size_and_proportion(school: str, size: tuple[int, int]) -> None:
    picture = paint(school, 1, *size)
    assert picture.shape == (size[1], size[0], 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 8


def test_height_is_the_width_when_left_out() -> None:
    assert np.array_equal(paint("tilings", 5, 40), paint("tilings", 5, 40, 40))


@every_school
@pytest.mark.parametrize("size", [(64, 64), (96, 48)])
def test_a_larger_picture_is_the_same_picture_sharper(school: str, size: tuple[int, int]) -> None:
    for seed in range(4):
        small = paint(school, seed, *size)
        large = Image.fromarray(paint(school, seed, 2 * size[0], 2 * size[1]))
        reduced = np.asarray(large.resize(size, Image.Resampling.BOX), np.float32)
        assert np.abs(reduced - small).mean() < 5


def test_schools_are_told_apart_by_their_nearest_mean() -> None:
    def gallery(first: int, count: int) -> list[NDArray[np.float32]]:
        return [np.stack([character(paint(s, first + i, 64)) for i in range(count)]) for s in SCHOOLS]

    train, test = gallery(0, 24), gallery(1000, 16)
    means = np.stack([pictures.mean(0) for pictures in train])
    within = np.concatenate([pictures - mean for pictures, mean in zip(train, means, strict=True)]).std(0)
    right = {}
    for index, (school, pictures) in enumerate(zip(SCHOOLS, test, strict=True)):
        nearest = np.linalg.norm((pictures[:, None] - means) / within, axis=-1).argmin(1)
        right[school] = float((nearest == index).mean())
    assert min(right.values()) >= 0.6, right
    assert np.mean(list(right.values())) >= 0.9, right


def test_unknown_school_names_the_nearest() -> None:
    with pytest.raises(SettingError) as caught:
        paint("neoplastik", 0, 64)
    assert "neoplastik" in caught.value.message
    assert "neoplastic" in caught.value.hint


def test_unknown_school_like_no_other_names_them_all() -> None:
    with pytest.raises(SettingError) as caught:
        paint("xyz", 0, 64)
    assert all(school in caught.value.hint for school in SCHOOLS)


@pytest.mark.parametrize("size", [(7, 7), (64, 7), (8, 25), (200, 64), (0, 0), (-8, -8)])
def test_impossible_sizes_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(SettingError):
        paint("waves", 0, *size)


def test_collection_has_a_folder_for_each_school(tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    folder = paint_collection(
        tmp_path / "new" / "set", 10, size=(24, 16), on_picture=lambda done, total: heard.append((done, total))
    )
    assert folder == tmp_path / "new" / "set"
    assert heard == [(i + 1, 10) for i in range(10)]
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    first = [f"{s}/{s}-0000.png" for s in SCHOOLS]
    assert names == sorted(first + [f"{s}/{s}-0001.png" for s in list(SCHOOLS)[:2]])
    with Image.open(folder / names[0]) as image:
        assert image.size == (24, 16)
        assert image.mode == "RGB"


def test_collection_is_the_same_again_and_differs_by_seed(tmp_path: Path) -> None:
    def files(name: str, seed: int) -> dict[str, bytes]:
        folder = paint_collection(tmp_path / name, 4, size=16, seed=seed, schools=["waves", "orphist"])
        return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.png")}

    first = files("a", 1)
    assert len(first) == 4
    assert files("a", 1) == first == files("b", 1)
    other = files("c", 2)
    assert other.keys() == first.keys()
    assert all(other[name] != first[name] for name in first)


def test_collection_pictures_can_be_painted_singly(tmp_path: Path) -> None:
    folder = paint_collection(tmp_path, 3, size=20, seed=2, schools=["impasto"])
    with Image.open(folder / "impasto" / "impasto-0002.png") as image:
        assert np.array_equal(np.asarray(image), paint("impasto", 2_000_002, 20))


def test_a_bad_collection_leaves_nothing_behind(tmp_path: Path) -> None:
    for schools in (["waves", "cubist"], []):
        with pytest.raises(SettingError):
            paint_collection(tmp_path / "set", 4, size=16, schools=schools)
    with pytest.raises(SettingError):
        paint_collection(tmp_path / "set", 4, size=4)
    assert not (tmp_path / "set").exists()


def test_an_interrupted_collection_holds_only_whole_files(tmp_path: Path) -> None:
    def stop(done: int, _total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        paint_collection(tmp_path, 8, size=16, on_picture=stop)
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert [p.suffix for p in files] == [".png"] * 3
    for path in files:
        with Image.open(path) as image:
            image.load()
