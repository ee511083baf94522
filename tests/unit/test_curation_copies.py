"""Copies are found, told apart from variants and strangers, and the best of them stays."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from artgan.curation import copies
from artgan.curation.alignment import fit
from artgan.curation.copies import Group, Pair, confirm, groups, near_pairs
from artgan.curation.looks import Look, look_at

Change = Callable[[Image.Image], Image.Image]


def work(seed: int, width: int = 200, height: int = 150) -> Image.Image:
    """A picture of its own with detail at every size, as paintings have it: noise of several grains in few colours."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3))
    for cells, strength in ((4, 60), (9, 40), (20, 25), (60, 15)):
        grain = Image.fromarray(rng.integers(0, 255, (cells, cells), dtype=np.uint8))
        tint = rng.uniform(0.4, 1, 3) * rng.choice([-1, 1])
        smooth = np.asarray(grain.resize((width, height), Image.Resampling.BICUBIC), float) / 127.5 - 1
        total += strength * smooth[..., None] * tint
    return Image.fromarray((total + rng.uniform(100, 150, 3)).clip(0, 255).astype(np.uint8))


def saved(picture: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def cropped(left: float, top: float, right: float, bottom: float) -> Change:
    return lambda picture: picture.crop(
        (
            round(picture.width * left),
            round(picture.height * top),
            round(picture.width * right),
            round(picture.height * bottom),
        )
    )


NEAR: dict[str, Change] = {
    "again at a low quality": lambda picture: saved(picture, 20),
    "a third": lambda picture: picture.resize((picture.width // 3, picture.height // 3), Image.Resampling.LANCZOS),
    "cut all round": cropped(0.05, 0.04, 0.95, 0.97),
    "cut on one side": cropped(0.15, 0, 1, 1),
    "darker": lambda picture: ImageEnhance.Brightness(picture).enhance(0.75),
    "flatter": lambda picture: ImageEnhance.Contrast(picture).enhance(0.7),
    "a palette": lambda picture: picture.quantize(128).convert("RGB"),
    "bars": lambda picture: ImageOps.expand(picture, (0, 16), (0, 0, 0)),
    "stretched": lambda picture: picture.resize((picture.width, picture.height * 6 // 5)),
}
VARIANTS: dict[str, Change] = {
    "mirrored": ImageOps.mirror,
    "upside down": ImageOps.flip,
    "turned 180": lambda picture: picture.transpose(Image.Transpose.ROTATE_180),
    "turned 90": lambda picture: picture.transpose(Image.Transpose.ROTATE_270),
    "turned 270": lambda picture: picture.transpose(Image.Transpose.ROTATE_90),
    "turned 90 and mirrored": lambda picture: ImageOps.mirror(picture.transpose(Image.Transpose.ROTATE_270)),
    "grey": lambda picture: picture.convert("L").convert("RGB"),
    "mirrored, grey": lambda picture: ImageOps.mirror(picture.convert("L").convert("RGB")),
}


def find(pictures: list[Image.Image]) -> list[Pair]:
    arrays = [np.asarray(picture) for picture in pictures]
    return confirm(near_pairs([look_at(array) for array in arrays]), arrays.__getitem__)


@pytest.mark.parametrize("name", NEAR)
def test_a_picture_saved_again_is_near(name: str) -> None:
    pictures = [work(seed) for seed in range(4)]
    found = find([*pictures, NEAR[name](pictures[2])])
    assert [(pair.first, pair.second, pair.kind, pair.how) for pair in found] == [(2, 4, "near", "")]


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_is_named_and_is_not_near(name: str) -> None:
    pictures = [work(seed) for seed in range(4)]
    found = find([*pictures, VARIANTS[name](pictures[1])])
    assert [(pair.first, pair.second, pair.kind, pair.how) for pair in found] == [(1, 4, "variant", name)]


def test_how_tells_what_was_done_to_the_first_whichever_that_is() -> None:
    found = find([work(1), work(1).transpose(Image.Transpose.ROTATE_90)])
    assert [pair.how for pair in found] == ["turned 270"]
    found = find([work(1).transpose(Image.Transpose.ROTATE_90), work(1)])
    assert [pair.how for pair in found] == ["turned 90"]


def test_other_colours_are_a_variant_and_a_grey_copy_of_a_grey_picture_is_near() -> None:
    picture = ImageOps.colorize(work(1).convert("L"), "darkred", "yellow")
    other = ImageOps.colorize(work(1).convert("L"), "darkblue", "lime")
    assert [(pair.kind, pair.how) for pair in find([picture, other])] == [("variant", "other colours")]
    grey = picture.convert("L").convert("RGB")
    assert [(pair.kind, pair.how) for pair in find([grey, saved(grey, 50)])] == [("near", "")]


def test_the_window_says_what_was_cut_off() -> None:
    (pair,) = find([work(3), cropped(0.1, 0, 1, 0.9)(work(3))])
    assert pair.window == pytest.approx((-1 / 9, 0, 1, 10 / 9), abs=0.01)
    (pair,) = find([cropped(0.1, 0, 1, 0.9)(work(3)), work(3)])
    assert pair.window == pytest.approx((0.1, 0, 1, 0.9), abs=0.01)


def test_pictures_of_one_layout_are_no_copies() -> None:
    """The same page, the same outline, the same colours; only the brushwork is another."""

    def page(seed: int) -> Image.Image:
        across, down = np.meshgrid(np.linspace(-1, 1, 160), np.linspace(-1, 1, 200))
        fruit = ((across - 0.1) ** 2 + (down + 0.2) ** 2 < 0.3)[..., None]
        light = 40 * (across + down / 2)[..., None]
        grain = Image.fromarray(np.random.default_rng(seed).integers(0, 255, (60, 50), dtype=np.uint8))
        texture = np.asarray(grain.resize((160, 200), Image.Resampling.BICUBIC), float)[..., None] / 4 - 32
        values = np.where(fruit, np.array([200, 60, 50]) + light + texture, np.array([220, 215, 200]) + texture / 2)
        values[20:26, 10:90] = 10
        return Image.fromarray(values.clip(0, 255).astype(np.uint8))

    pictures = [page(seed) for seed in range(5)]
    assert near_pairs([look_at(np.asarray(picture)) for picture in pictures]), (
        "their hashes are near, or this is no test"
    )
    assert find(pictures) == []
    assert [(pair.first, pair.second) for pair in find([*pictures, saved(pictures[3], 40)])] == [(3, 5)]


def test_flat_pictures_match_nothing() -> None:
    noise = np.random.default_rng(0).normal(0, 1, (3, 90, 120, 3))
    pictures = [(99 + part).clip(0, 255).astype(np.uint8) for part in noise]
    assert near_pairs([look_at(picture) for picture in [*pictures, pictures[0]]]) == []
    assert fit(pictures[0], pictures[1]).detail < 0.3


def test_the_encoder_has_the_last_word_on_doubtful_pairs_only() -> None:
    pictures = [np.asarray(work(1)), np.asarray(saved(work(1), 60))]
    candidates = near_pairs([look_at(picture) for picture in pictures])
    asked: list[tuple[int, ...]] = []

    def never(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> bool:
        asked.append((*first.shape, *second.shape))
        return False

    assert len(confirm(candidates, pictures.__getitem__, never)) == 1
    assert asked == []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copies, "DOUBTFUL", 1.1)
        assert confirm(candidates, pictures.__getitem__, never) == []
    assert asked == [(150, 200, 3, 150, 200, 3)]


def test_a_crowd_of_equal_pictures_is_not_compared_each_with_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "CROWD", 3)
    look: Look = look_at(np.asarray(work(1)))
    found = near_pairs([look] * 40)
    assert {(pair.first, pair.second) for pair in found if not pair.how} == {
        (first, second) for first in range(3) for second in range(first + 1, 40)
    }
    assert [(len(group.others), group.kept) for group in groups(40, found, lambda number: -number)] == [(39, 0)]


def pair(first: int, second: int, kind: str = "near") -> Pair:
    return Pair(first, second, "near" if kind == "near" else "variant", "" if kind == "near" else kind, 0.9)


def test_the_best_stays_and_its_own_copies_go() -> None:
    ties = [pair(0, 1), pair(0, 2), pair(1, 2), pair(3, 4), pair(4, 5, "mirrored")]
    assert groups(6, ties, [5, 9, 1, 1, 1, 1].__getitem__) == [
        Group(1, (0, 2), (ties[0], ties[2])),
        Group(3, (4,), (ties[3],)),
    ]


def test_a_chain_does_not_tie_strangers_together() -> None:
    ties = [pair(0, 1), pair(1, 2), pair(2, 3)]
    assert [(group.kept, group.others) for group in groups(4, ties, [9, 1, 1, 2].__getitem__)] == [(0, (1,)), (3, (2,))]
