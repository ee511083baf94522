"""What is remembered of a picture: the same for copies, following every turn, nothing for flat pictures."""

import pickle

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from artgan.curation.hashes import WINDOWS, distances, hashes, turn_hashes, within
from artgan.curation.looks import FORMS, SIDE, averages, chroma, grey_cells, look_at, shrink, turned, without_bars
from tests.conftest import painted


def pixels(seed: int, width: int = 128, height: int = 96) -> NDArray[np.uint8]:
    return np.asarray(painted(seed, width, height))


def test_a_look_is_small_and_travels_between_processes() -> None:
    look = look_at(pixels(1))
    assert pickle.loads(pickle.dumps(look)) == look
    assert len(look.grey) == SIDE * SIDE
    assert not look.flat
    cells = grey_cells([look, look_at(pixels(2))])
    assert cells.shape == (2, SIDE, SIDE)
    assert cells.dtype == np.uint8
    grey = painted(1, 128, 96).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    assert np.abs(cells[0].astype(int) - np.asarray(grey)).max() <= 1


def test_cells_are_means_of_equal_parts_also_where_these_cut_pixels() -> None:
    assert averages(3, 2).tolist() == pytest.approx(np.array([[2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3]]))
    picture = pixels(2, 70, 50)
    assert shrink(picture, 1)[0, 0] == pytest.approx(picture.mean((0, 1)), abs=0.01)
    assert shrink(picture[:48, :64], 16) == pytest.approx(
        picture[:48, :64].reshape(16, 3, 16, 4, 3).mean((1, 3)), abs=0.01
    )


def test_colours_are_those_of_oklab() -> None:
    red, grey = chroma(np.array([[[255, 0, 0], [90, 90, 90]]], np.float32))[:, 0].T
    assert red == pytest.approx([0.2249, 0.1258], abs=1e-3)  # Ottosson's own figures
    assert grey == pytest.approx([0, 0], abs=1e-3)


def test_a_picture_of_one_colour_and_noise_is_flat() -> None:
    noise = np.random.default_rng(0).normal(0, 8, (200, 200, 3))
    assert look_at((noise + 99).clip(0, 255).astype(np.uint8)).flat


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 300), (300, 1), (2, 3)])
def test_pictures_of_hardly_any_pixels_have_a_look(height: int, width: int) -> None:
    for level in (0, 77, 255):
        look = look_at(np.full((height, width, 3), level, np.uint8))
        assert look.flat
        assert set(look.grey) == {level}


def test_bars_are_left_out_and_an_empty_page_is_not() -> None:
    picture = pixels(3)
    barred = np.concatenate([np.full((14, 128, 3), 3, np.uint8), picture, np.full((10, 128, 3), 5, np.uint8)])
    assert np.array_equal(without_bars(barred), picture)
    assert np.array_equal(without_bars(barred.transpose(1, 0, 2)), picture.transpose(1, 0, 2))
    assert np.array_equal(without_bars(picture), picture)
    page = np.full((200, 200, 3), 250, np.uint8)
    page[90:120, 60:150] = pixels(3, 90, 30)
    assert without_bars(page).shape == page.shape


@pytest.mark.parametrize("form", range(8))
def test_hashes_of_turned_pictures_follow_from_the_hash(form: int) -> None:
    grey = grey_cells([look_at(pixels(seed)) for seed in range(6)])
    whole = hashes(grey)[:, 0]
    expected = hashes(np.ascontiguousarray(turned(grey, form)))[:, 0]
    assert distances(turn_hashes(whole, form), expected).max() <= 2, "only a wave of no height may differ"


def test_forms_are_called_what_pillow_calls_them() -> None:
    cells = np.random.default_rng(1).uniform(0, 255, (32, 32)).astype(np.float32)
    picture = Image.fromarray(cells)
    ways = {
        "mirrored": 0,
        "upside down": 1,
        "turned 180": 3,
        "turned 90": 4,
        "turned 270": 2,
    }  # Pillow turns the other way
    for name, way in ways.items():
        assert np.array_equal(turned(cells, FORMS.index(name)), np.asarray(picture.transpose(Image.Transpose(way)))), (
            name
        )
    half = np.asarray(picture.transpose(Image.Transpose.ROTATE_270).transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    assert np.array_equal(turned(cells, FORMS.index("turned 90 and mirrored")), half)


def test_a_crop_has_the_hash_of_the_window_that_was_cut_out_and_light_does_not_matter() -> None:
    rng = np.random.default_rng(4)
    large = Image.fromarray(rng.integers(0, 255, (9, 9, 3), dtype=np.uint8)).resize(
        (200, 200), Image.Resampling.BICUBIC
    )
    crop = large.crop((20, 0, 200, 160)).point(lambda value: value * 0.7 + 20)
    look = hashes(grey_cells([look_at(np.asarray(large)), look_at(np.asarray(crop))]))
    window = WINDOWS.index(((0.0, 0.8), (0.1, 1.0)))
    assert distances(look[:1, window], look[1:, 0]).item() <= 3
    assert distances(look[:1, 0], look[1:, 0]).item() > 8


@pytest.mark.parametrize("radius", [0, 3, 8, 11])
def test_the_search_finds_what_comparing_all_finds(radius: int) -> None:
    rng = np.random.default_rng(5)
    keys = rng.integers(0, 2**64, 700, dtype=np.uint64)
    queries = keys[:400].copy()
    for row in range(400):
        for bit in rng.choice(64, row % 14, replace=False):
            queries[row] ^= np.uint64(1 << int(bit))
    every = np.array([[int(query ^ key).bit_count() for key in keys] for query in queries])
    rows, columns = (every <= radius).nonzero()
    query, key, apart = within(queries, keys, radius)
    assert (query.tolist(), key.tolist(), apart.tolist()) == (
        rows.tolist(),
        columns.tolist(),
        every[rows, columns].tolist(),
    )


def test_the_search_finds_all_planted_pairs_among_many() -> None:
    rng = np.random.default_rng(6)
    keys = rng.integers(0, 2**64, 20_000, dtype=np.uint64)
    for row in range(400):
        flips = sum(1 << int(bit) for bit in rng.choice(64, row % 9, replace=False))
        keys[10_000 + row] = keys[row] ^ np.uint64(flips)
    query, key, _ = within(keys, keys, 8)
    found = set(zip(query.tolist(), key.tolist(), strict=True))
    assert all((row, 10_000 + row) in found for row in range(400))
    assert len(found) < 20_000 + 2 * 400 + 20


def test_nothing_is_found_among_nothing() -> None:
    none = np.zeros(0, np.uint64)
    assert within(none, np.ones(3, np.uint64), 8)[0].tolist() == []
    assert within(np.ones(3, np.uint64), none, 8)[0].tolist() == []
    assert hashes(grey_cells([])).shape == (0, len(WINDOWS))
