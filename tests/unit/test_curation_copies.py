"""Copies are found, told apart from variants and strangers, and the best of them stays."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from artgan.curation import copies
from artgan.curation.alignment import Cells, cells_of, fit, plausible
from artgan.curation.copies import Group, Pair, confirm, groups, near_pairs, reversed_how
from artgan.curation.looks import Look, look_at, without_bars

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
    cells = [cells_of(without_bars(array)) for array in arrays]
    candidates = near_pairs([look_at(array) for array in arrays])
    return confirm(candidates, lambda number: cells[number].grey, cells.__getitem__)


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
    assert fit(cells_of(pictures[0]), cells_of(pictures[1])).detail < 0.3


def test_many_pairs_at_once_are_judged_as_each_alone() -> None:
    picture, kinds = work(1), [*NEAR.values(), ImageOps.mirror]
    changed = [change(picture) for change in kinds] + [work(seed) for seed in range(2, 9)]
    greys = np.stack([cells_of(without_bars(np.asarray(each))).grey for each in changed])
    first = np.broadcast_to(cells_of(np.asarray(picture)).grey, greys.shape)
    together = plausible(first, greys)
    assert together.tolist() == [True] * len(NEAR) + [False] * 8
    assert [bool(plausible(first[:1], grey[None])[0]) for grey in greys] == together.tolist()


def test_only_what_may_be_a_copy_is_looked_at_in_full() -> None:
    pictures = [np.asarray(each) for each in (work(1), saved(work(1), 60), work(2))]
    cells, asked = [cells_of(picture) for picture in pictures], set[int]()

    def whole(number: int) -> Cells:
        asked.add(number)
        return cells[number]

    every = [Pair(0, 1, "near", "", 0.9), Pair(0, 2, "near", "", 0.9), Pair(1, 2, "near", "", 0.9)]
    found = confirm(every, lambda number: cells[number].grey, whole)
    assert [(pair.first, pair.second) for pair in found] == [(0, 1)]
    assert asked == {0, 1}
    assert confirm([], lambda number: cells[number].grey, whole) == []


def test_of_two_forms_of_one_pair_the_better_counts_and_portions_change_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pictures = [np.asarray(each) for each in (work(1), ImageOps.mirror(work(1)), work(1).rotate(180))]
    cells = [cells_of(picture) for picture in pictures]
    every = [
        Pair(one, two, "variant" if how else "near", how, 0.9)
        for one, two in ((0, 1), (0, 2), (1, 2))
        for how in ("", "mirrored", "upside down", "turned 180")
    ]
    found = confirm(every, lambda number: cells[number].grey, cells.__getitem__)
    assert [(pair.first, pair.second, pair.how) for pair in found] == [
        *((0, 1, "mirrored"), (0, 2, "turned 180"), (1, 2, "upside down"))
    ]
    monkeypatch.setattr(copies, "_AT_ONCE", 5)
    assert confirm(every, lambda number: cells[number].grey, cells.__getitem__) == found


def test_of_nearly_symmetric_pictures_the_form_that_fits_best_counts() -> None:
    symmetric = Image.blend(work(1), ImageOps.mirror(work(1)), 0.42)
    cells = [cells_of(np.asarray(each)) for each in (symmetric, saved(symmetric, 70))]
    both = [Pair(0, 1, "variant", "mirrored", 0.9), Pair(0, 1, "near", "", 0.9)]
    for every in (both, both[::-1]):
        (found,) = confirm(every, lambda number: cells[number].grey, cells.__getitem__)
        assert found.kind == "near"
    (mirrored,) = confirm(both[:1], lambda number: cells[number].grey, cells.__getitem__)
    assert 0.63 < mirrored.score < found.score, "both would do, or this is no test"


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


def test_how_seen_from_the_other_picture() -> None:
    assert [
        reversed_how(how) for how in ("turned 90", "turned 270, grey", "mirrored", "turned 90 and mirrored", "grey")
    ] == [*("turned 270", "turned 90, grey", "mirrored", "turned 90 and mirrored", "grey")]
