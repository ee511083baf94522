"""Strangers in a set of pictures are found, few or many, and pictures of a class of their own are none."""

import weakref
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from artgan.curation import outliers as module
from artgan.curation.outliers import FARTHER, LEAST, embed, embedded, outliers, reason
from artgan.curation.survey import Seen
from artgan.errors import UsageError
from tests.curating import saved, textured

Floats = NDArray[np.float32]


def cloud(seed: int, count: int, centre: float = 5.0, spread: float = 0.2, width: int = 24) -> Floats:
    """Rows whose roots lie around one point."""
    draw = np.random.default_rng(seed)
    return np.square(draw.normal(centre, spread, (count, width))).astype(np.float32)


def numbers(found: list[tuple[int, float]]) -> list[int]:
    return [number for number, _ in found]


def text_page(seed: int) -> NDArray[np.uint8]:
    """Black lines of dots and dashes on white, as a page of writing looks from afar."""
    draw = np.random.default_rng(seed)
    page = Image.new("RGB", (120, 160), "white")
    pen = ImageDraw.Draw(page)
    for top in range(12, 148, 6):
        left = 10
        while left < 105:
            length = int(draw.integers(2, 9))
            pen.rectangle((left, top, left + length, top + 2), fill="black")
            left += length + 3
    return np.asarray(page)


@pytest.mark.usefixtures("one_thread")
def test_pages_of_text_among_paintings_are_found() -> None:
    pictures = [np.asarray(textured(seed)) for seed in range(40)]
    strangers = [text_page(seed) for seed in range(2)]
    found = outliers(embed([*pictures[:7], strangers[0], *pictures[7:], strangers[1]]))
    assert set(numbers(found)) == {7, 41}
    assert outliers(embed(pictures)) == []


@pytest.mark.usefixtures("one_thread")
def test_embeddings_do_not_depend_on_how_many_pictures_there_are_or_on_their_size() -> None:
    pictures = [np.asarray(textured(seed)) for seed in range(9)]  # one more than go through the encoder at once
    whole = embed(picture for picture in pictures)
    assert whole.shape == (9, 512)
    assert whole.dtype == np.float16
    np.testing.assert_array_equal(whole, embed(pictures))
    np.testing.assert_allclose(whole[8:], embed(pictures[8:]), rtol=2e-3, atol=1e-3)
    larger = np.asarray(textured(3).resize((320, 240), Image.Resampling.LANCZOS))
    apart = np.linalg.norm((whole - embed([larger])).astype(np.float32), axis=1)
    assert apart.argmin() == 3
    assert apart[3] < 0.2 * np.sort(apart)[1]


@pytest.mark.usefixtures("one_thread")
def test_pictures_are_taken_one_by_one_and_not_kept() -> None:
    alive: list[weakref.ref[NDArray[np.uint8]]] = []
    most = 0

    def pixels() -> Iterator[NDArray[np.uint8]]:
        nonlocal most
        for number in range(20):
            picture = np.full((16, 16, 3), 12 * number, np.uint8)
            alive.append(weakref.ref(picture))
            most = max(most, sum(one() is not None for one in alive))
            yield picture

    assert len(embed(pixels())) == 20
    assert most <= 2


@pytest.mark.usefixtures("one_thread")
def test_what_is_seen_in_files_is_the_same_to_the_bit_when_several_processes_look_at_bunches_of_them() -> None:
    seen = [Seen(f"{seed}", thumbnail=saved(textured(seed, 64, 48), "JPEG")) for seed in range(20)]
    seen[3] = seen[9] = Seen("", "broken")
    whole = list(embedded(iter(seen), 1, True))
    assert [one.sha256 for one in whole] == [one.sha256 for one in seen]
    assert [number for number, one in enumerate(whole) if one.embedding is None] == [3, 9]
    for at_once, mine in ((1, [*range(8), *range(16, 20)]), (6, [*range(8, 16)])):
        part = list(embedded((seen[number] for number in mine), at_once, True))
        for number, one in zip(mine, part, strict=True):
            np.testing.assert_array_equal(one.embedding, whole[number].embedding)
    rows = np.stack([one.embedding for one in whole if one.embedding is not None])
    np.testing.assert_allclose(rows, embed(one.picture for one in seen if one.thumbnail), rtol=2e-3, atol=1e-3)


def test_no_pictures_have_no_embeddings_and_few_have_no_outliers() -> None:
    assert embed([]).shape == (0, 512)
    assert outliers(np.zeros((0, 512), np.float32)) == []
    far = np.concatenate([cloud(0, LEAST - 2), cloud(1, 1, centre=9)])
    assert outliers(far) == []
    assert numbers(outliers(np.concatenate([cloud(2, 1), far]))) == [LEAST - 1]


def test_a_uniform_set_has_no_outliers() -> None:
    for seed in range(5):
        assert outliers(cloud(seed, 300)) == []


def test_the_farthest_comes_first_and_the_order_of_the_pictures_does_not_matter() -> None:
    rows = np.concatenate([cloud(0, 200), cloud(1, 1, centre=7), cloud(2, 1, centre=9), cloud(3, 1, centre=3)])
    found = outliers(rows)
    assert set(numbers(found)) == {200, 201, 202}
    assert found[0][0] == 201
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) > 1
    order = np.random.default_rng(4).permutation(len(rows))
    shuffled = outliers(rows[order])
    assert [int(order[number]) for number in numbers(shuffled)] == numbers(found)
    np.testing.assert_allclose([score for _, score in shuffled], scores, rtol=1e-4)


@pytest.mark.parametrize(("strangers", "found"), [(5, True), (8, True), (12, False), (30, False)])
def test_a_few_strangers_that_are_alike_are_found_and_a_class_is_none(strangers: int, found: bool) -> None:
    rows = np.concatenate([cloud(0, 300), cloud(1, strangers, centre=8)])
    assert set(numbers(outliers(rows))) == (set(range(300, 300 + strangers)) if found else set())


def test_a_loose_class_beside_a_dense_one_is_not_strange_but_a_picture_beside_the_dense_one_is() -> None:
    rows = np.concatenate([cloud(0, 150), cloud(1, 50, centre=9, spread=1.0)])
    assert outliers(rows) == []
    assert numbers(outliers(np.concatenate([rows, cloud(2, 1, centre=2)]))) == [200]


@pytest.mark.parametrize("share", [0.8, 1.2])
def test_the_score_is_one_at_the_limit(share: float) -> None:
    """On a ring of even steps the third neighbour is two steps away; beside it one is an outlier beyond the limit."""
    angle = np.arange(60) * 2 * np.pi / 60
    radius = 60 / (2 * np.pi)
    beside = radius + np.sqrt((2 * FARTHER * share) ** 2 - 1)  # the third neighbour of this one lies a step aside
    roots = 100 + np.concatenate([radius * np.stack([np.cos(angle), np.sin(angle)], 1), [[beside, 0]]])
    found = outliers(np.square(roots).astype(np.float32))
    assert numbers(found) == ([60] if share > 1 else [])
    assert [score for _, score in found] == pytest.approx([share] * len(found), rel=0.05)


def test_copies_do_not_make_others_strange() -> None:
    rows = np.concatenate([np.repeat(cloud(0, 1), 60, 0), cloud(1, 40)])
    assert outliers(rows) == []  # most are copies: nothing can be said
    rows = np.concatenate([np.repeat(cloud(0, 1), 20, 0), cloud(1, 200)])
    assert outliers(rows) == []


def test_large_sets_are_compared_with_some_of_their_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.concatenate([cloud(0, 700), cloud(1, 1, centre=8), cloud(2, 700), cloud(3, 3, centre=2.5)])
    exact = outliers(rows)
    assert set(numbers(exact[:4])) == {700, 1401, 1402, 1403}
    assert len(exact) < 0.005 * len(rows)
    monkeypatch.setattr(module, "EXACT", 1000)
    monkeypatch.setattr(module, "REFERENCES", 300)
    monkeypatch.setattr(module, "_ROWS", 256)
    some = outliers(rows)
    assert set(numbers(some[:4])) == set(numbers(exact[:4]))
    assert len(some) < 0.01 * len(rows)
    assert some == outliers(rows)
    assert some != exact
    classes = np.concatenate([cloud(4, 1200), cloud(5, 200, centre=9, spread=1.0)])
    assert len(outliers(classes)) < 0.01 * len(classes)  # a loose class is none either


def test_a_channel_that_varies_much_does_not_drown_the_others() -> None:
    loud = cloud(1, 201, centre=50, spread=8, width=3)
    quiet = np.concatenate([cloud(0, 200), cloud(2, 1, centre=7)])
    assert numbers(outliers(np.concatenate([loud, quiet], 1)))[:1] == [200]


def test_embeddings_that_are_no_numbers_are_refused() -> None:
    rows = cloud(0, 40)
    rows[3, 3] = np.nan
    with pytest.raises(UsageError):
        outliers(rows)


def test_the_reason_says_how_far() -> None:
    assert reason(1.6) == "unlike the rest (1.60 times as far from others as usual ones are at most)"
