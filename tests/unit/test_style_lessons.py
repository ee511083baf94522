"""Lessons of a stylist: the same draws every time, gone on with to the last bit, and something is learnt."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from artgan.errors import CheckpointError, SettingError
from artgan.models.stylist import MAPS
from artgan.style import lessons as teaching
from artgan.style.lessons import Example, Lesson, Lessons, pace_at
from artgan.style.losses import manner, scatter
from artgan.style.taught import shipped_stylist
from artgan.style.transport import look_of
from tests.teaching import drawn, features, quicken_lessons

pytestmark = pytest.mark.usefixtures("one_thread")
FILE = Path("my.style")


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    quicken_lessons(monkeypatch)


def begin(seed: int = 0, side: int = 56) -> Lessons:
    pictures = [((drawn(number, side, side)[0] + 1) * 127.5).round().to(torch.uint8) for number in (10, 11)]
    return Lessons(shipped_stylist(), features(), pictures, seed)


def teach(lessons: Lessons, count: int, styles: Sequence[Example] = ()) -> list[Lesson]:
    styles = styles or [lessons.example([drawn(number)]) for number in (1, 2)]
    return [lessons.learn(styles) for _ in range(count)]


def alike(one: Lessons, other: Lessons) -> bool:
    a, b = one.state(), other.state()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_the_seed_decides_what_is_learnt() -> None:
    one, same, other = begin(), begin(), begin(seed=1)
    for lessons in (one, same, other):
        teach(lessons, 2)
    assert alike(one, same)
    assert not alike(one, other)
    assert one.done == 2


@pytest.mark.parametrize("before", [0, 2])
def test_what_was_broken_off_goes_on_to_the_last_bit(before: int) -> None:
    whole, first, second = begin(), begin(), begin()
    styles = [whole.example([drawn(number)]) for number in (1, 2)]
    teach(whole, 4, styles)
    teach(first, before, styles)
    state = first.state()
    teach(first, 1, styles)  # which the state must not notice
    second.restore(state, FILE)
    assert second.done == before
    teach(second, 4 - before, styles)
    assert alike(whole, second)


def test_a_style_is_learnt() -> None:
    lessons = begin()
    style = [lessons.example([drawn(5)])]
    went = teach(lessons, 16, style)
    assert sum(lesson.style for lesson in went[-4:]) < 0.95 * sum(lesson.style for lesson in went[:4])
    before, after = shipped_stylist().state_dict(), lessons.averaged.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {name for name, _ in lessons.averaged.named_parameters()}, "directions stay, all else is learnt"


def test_an_example_is_what_the_whole_picture_shows_however_it_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    lessons, x = begin(), drawn(1, 400, 48)
    monkeypatch.setattr(teaching, "TILE", 1)
    monkeypatch.setattr("artgan.style.tiles.TILE", 1)
    example = lessons.example([x])
    maps, _ = features()(x)
    look = look_of([scatter(values) for values in shipped_stylist().seen(maps)])
    assert len(example.look.scales) == len(MAPS)
    for found, wanted in zip(example.look.scales, look.scales, strict=True):
        for a, b in zip(found, wanted, strict=True):
            torch.testing.assert_close(a, b, atol=1e-3, rtol=1e-3)
    for ours, theirs in zip(example.manners, map(manner, maps), strict=True):
        torch.testing.assert_close(ours.mean, theirs.mean, atol=1e-4, rtol=1e-4)
        assert ours.spread == pytest.approx(theirs.spread, rel=1e-4)


def test_several_pictures_are_one_style_and_count_by_their_pixels() -> None:
    lessons = begin()
    one, other = drawn(1, 64, 64), drawn(2, 32, 64)
    (a, b, both), twice = (lessons.example(each) for each in ([one], [other], [one, other])), lessons.example([one] * 2)
    for first, second, mixed in zip(a.manners, b.manners, both.manners, strict=True):
        torch.testing.assert_close(mixed.mean, (2 * first.mean + second.mean) / 3, atol=1e-4, rtol=1e-4)
    for first, second in zip(a.manners, twice.manners, strict=True):
        assert first.spread == pytest.approx(second.spread)
    assert both.picture.shape[3] == a.picture.shape[3] + b.picture.shape[3]


@pytest.mark.parametrize("fault", ["missing", "unknown", "shape", "kind", "nan", "count"])
def test_what_does_not_fit_is_refused_and_nothing_is_changed(fault: str) -> None:
    lessons, state = begin(), begin().state()
    untouched = begin()
    name = "now.strokes.bias"
    if fault == "missing":
        del state["adam.strokes.bias.exp_avg"]
    elif fault == "unknown":
        state["more"] = torch.zeros(1)
    elif fault == "count":
        state["done"] = torch.tensor(-20)
    else:
        wrong = {"shape": torch.zeros(4), "kind": torch.zeros(3).half(), "nan": torch.full((3,), torch.nan)}
        state[name] = wrong[fault]
    with pytest.raises(CheckpointError, match=r"^my\.style cannot be gone on with: [^.].*[^.]\.$") as caught:
        lessons.restore(state, FILE)
    assert "--overwrite" in caught.value.hint
    assert alike(lessons, untouched)


def test_a_loss_that_is_no_number_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    lessons, untouched = begin(), begin()
    monkeypatch.setattr(teaching, "CONTENT_WEIGHT", float("nan"))
    with pytest.raises(SettingError, match="ran away: the loss is nan after 0 lessons"):
        teach(lessons, 1)
    assert alike(lessons, untouched)


@pytest.mark.parametrize("side", [20, 32, 90])
def test_crops_are_of_one_size_from_pictures_of_any(side: int) -> None:
    lessons = begin(side=side)
    for seed in range(6):
        crops = lessons._crops(torch.Generator().manual_seed(seed))
        assert [tuple(crop.shape) for crop in crops] == [(1, 3, 32, 32)] * 2
        assert max(float(crop.abs().max()) for crop in crops) <= 1


def test_steps_become_smaller_towards_the_end() -> None:
    assert [pace_at(share) for share in (0.0, 0.5, 0.8)] == pytest.approx([1, 1, 1])
    assert pace_at(0.9) == pytest.approx(0.5)
    assert pace_at(1.0) == pace_at(7.0) == 0.02
