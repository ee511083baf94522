"""The painting itself, small: it comes nearer to the style, keeps what it is told to, and is the same each time."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from artgan.engine.device import Engine
from artgan.errors import SettingError
from artgan.models.vgg import random_vgg
from artgan.style.features import Features, embedded_features, vgg_features
from artgan.style.losses import distance, manner, moments
from artgan.style.plan import Stage
from artgan.style.repaint import INITS, Area, Repainted, Source, Step, repaint, scaled

pytestmark = pytest.mark.usefixtures("one_thread")

STAGES = (Stage(32, 6), Stage(48, 4))


@pytest.fixture(scope="module")
def features() -> Features:
    return embedded_features(Engine.detect("cpu", "float32"))


def noise(seed: int, height: int, width: int) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def waves(seed: int, height: int = 36, width: int = 48) -> torch.Tensor:
    """A smooth picture of a few colours."""
    return scaled(noise(seed, 4, 5), height, width)


def strokes(seed: int, height: int = 40, width: int = 40) -> torch.Tensor:
    """A picture of upright stripes of strong colours."""
    return scaled(noise(seed, 1, 12), height, width)


CONTENT, STYLE, OTHER = waves(0), strokes(1), -strokes(2).flip(2).transpose(2, 3)


def paint(
    features: Features, areas: Sequence[Area] | None = None, stages: Sequence[Stage] = STAGES, **changes: Any
) -> Repainted:
    settings = {
        "strength": 1.0,
        "brush_size": 1.0,
        "smooth": 0.0,
        "init": "content",
        "seed": 0,
        "on_step": lambda step: None,
        "should_stop": lambda: False,
    }
    whole = [Area(None, (Source(STYLE, 1.0),))] if areas is None else areas
    return repaint(CONTENT, whole, features, stages, **{**settings, **changes})


def far(features: Features, picture: torch.Tensor, style: torch.Tensor) -> float:
    """The mean distance of a picture's manners to those of a style."""
    with torch.no_grad():
        seen, wanted = features(picture)[0], [manner(values) for values in features(style)[0]]
        return sum(float(distance(moments(s, w), w)) for s, w in zip(seen, wanted, strict=True)) / len(wanted)


def test_painting_comes_nearer_to_the_style_and_gives_a_picture(features: Features) -> None:
    losses: list[Step] = []
    shown: list[torch.Tensor] = []

    def look(step: Step) -> None:
        losses.append(step)
        shown.append(step.picture())

    found = paint(features, on_step=look)
    assert found.finished
    assert found.picture.shape == CONTENT.shape
    assert found.picture.abs().max() <= 1
    assert [step.done for step in losses] == list(range(1, 11))
    assert [step.longest for step in losses] == [32] * 6 + [48] * 4
    assert losses[5].loss < losses[0].loss
    assert far(features, found.picture, STYLE) < 0.7 * far(features, CONTENT, STYLE)
    assert shown[2].shape == (1, 3, 24, 32)
    assert shown[2].abs().max() <= 1
    assert not torch.equal(shown[2], shown[5])
    assert torch.equal(shown[-1], found.picture)


def test_the_same_seed_is_the_same_picture_to_the_last_bit(features: Features) -> None:
    first, again = (paint(features).picture for _ in range(2))
    assert torch.equal(first, again)
    noisy, same, other = (paint(features, init="noise", seed=seed).picture for seed in (3, 3, 4))
    assert torch.equal(noisy, same)
    assert (noisy - other).abs().mean() > 0.01
    assert torch.equal(paint(features, seed=9).picture, first), "without noise there is nothing to draw"


def test_painting_does_not_use_up_the_random_numbers_of_others(features: Features) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    paint(features, stages=STAGES[:1], init="noise")
    assert torch.equal(torch.get_rng_state(), before)


def test_where_it_starts_from_is_seen(features: Features) -> None:
    pictures = [paint(features, stages=(Stage(48, 1),), init=init).picture for init in INITS]
    for number, one in enumerate(pictures):
        for other in pictures[number + 1 :]:
            assert (one - other).abs().mean() > 0.05
    near = [(picture - CONTENT).abs().mean() for picture in pictures]
    assert near[0] == min(near)


def test_less_strength_moves_less(features: Features) -> None:
    moved = [(paint(features, strength=strength).picture - CONTENT).abs().mean() for strength in (0.05, 0.5, 1.0)]
    assert moved[0] < moved[1] < moved[2]
    assert moved[0] < 0.5 * moved[2]


def test_two_styles_lie_between_each_alone(features: Features) -> None:
    def at(share: float) -> tuple[float, float]:
        sources = (Source(STYLE, share), Source(OTHER, 1 - share))
        areas = [Area(None, tuple(source for source in sources if source.share > 0))]
        picture = paint(features, areas, stages=(Stage(48, 10),)).picture
        return far(features, picture, STYLE), far(features, picture, OTHER)

    first, mixed, second = at(1.0), at(0.5), at(0.0)
    assert first[0] < mixed[0] < second[0]
    assert second[1] < mixed[1] < first[1]


def test_each_area_gets_its_own_style_and_the_rest_of_a_style_does_not_matter(features: Features) -> None:
    left = torch.zeros(1, 1, 36, 48)
    left[..., :24] = 1
    grey, red = torch.zeros(1, 3, 40, 40), torch.tensor([0.9, -0.8, -0.8]).reshape(1, 3, 1, 1).expand(1, 3, 40, 40)
    areas = [Area(left, (Source(grey, 1.0),)), Area(1 - left, (Source(red, 1.0),))]
    found = paint(features, areas, stages=(Stage(48, 12),)).picture
    redness = (found[:, 0] - found[:, 1:].mean(1))[0]
    assert redness[:, 30:].mean() > redness[:, :18].mean() + 0.5
    half = torch.cat([grey[..., :20], red[..., :20]], 3)
    seen = torch.zeros(1, 1, 40, 40)
    seen[..., :16] = 1
    only = paint(features, [Area(None, (Source(half, 1.0, seen),))], stages=(Stage(48, 12),)).picture
    plain = paint(features, [Area(None, (Source(grey, 1.0),))], stages=(Stage(48, 12),)).picture
    whole = paint(features, [Area(None, (Source(half, 1.0),))], stages=(Stage(48, 12),)).picture
    reds = [float((picture[:, 0] - picture[:, 1:].mean(1)).mean()) for picture in (only, plain, whole)]
    assert abs(reds[0] - reds[1]) < 0.3 * (reds[2] - reds[1])


def test_places_that_do_not_count_do_not_steer(features: Features) -> None:
    """As with alpha: what is not seen, in content or style, has no say in the manner."""
    seen = torch.zeros(1, 1, 40, 40)
    seen[..., :32] = 1  # whole cells of every map
    spoilt = torch.where(seen > 0, STYLE, torch.ones(()))
    one = paint(features, [Area(None, (Source(spoilt, 1.0, seen),))]).picture
    ignored = paint(features, [Area(None, (Source(spoilt, 1.0),))]).picture
    whole = paint(features).picture
    assert (one - whole).abs().mean() < 0.6 * (ignored - whole).abs().mean()


def test_smoothing_takes_out_grain(features: Features) -> None:
    def grain(smooth: float) -> torch.Tensor:
        picture = paint(features, stages=(Stage(48, 8),), init="noise", smooth=smooth).picture
        return picture.diff(dim=3).square().mean()

    assert grain(20.0) < 0.8 * grain(0.0)


def stopping_after(count: int) -> Callable[[], bool]:
    asked = iter(range(count + 1))
    return lambda: next(asked, count) >= count


@pytest.mark.parametrize("steps", [0, 1, 7])
def test_a_stop_gives_the_picture_as_it_is_at_full_size(features: Features, steps: int) -> None:
    done: list[Step] = []
    found = paint(features, should_stop=stopping_after(steps), on_step=done.append)
    assert not found.finished
    assert len(done) == steps
    assert found.picture.shape == CONTENT.shape
    assert found.picture.isfinite().all()


@pytest.mark.parametrize("size", [(32, 400), (400, 32), (33, 35)])
def test_strips_and_odd_sizes_are_painted(features: Features, size: tuple[int, int]) -> None:
    from artgan.style.plan import stages

    content = waves(5, *size)
    plan = [replace(stage, steps=1) for stage in stages((size[1], size[0]), "fine")]
    style = strokes(6, 32, 200)
    found = repaint(
        content,
        [Area(None, (Source(style, 1.0),))],
        features,
        plan,
        strength=0.9,
        brush_size=0.25,
        smooth=0.0,
        init="style",
        seed=0,
        on_step=lambda step: None,
        should_stop=lambda: False,
    )
    assert found.picture.shape == content.shape


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_with_advice(features: Features, value: float) -> None:
    steps = 0

    def compute(x: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        nonlocal steps
        maps, contents = features(x)
        if x.requires_grad:
            steps += 1
            contents = [values * (value if steps > 2 else 1) for values in contents]
        return maps, contents

    broken = Features("artgan", "broken", features.engine, compute)
    with pytest.raises(SettingError, match=r"ran away: the loss is (nan|inf) after 2 steps") as caught:
        paint(broken, stages=(Stage(32, 6),))
    assert "--" in caught.value.hint


def test_it_paints_through_vgg_too() -> None:
    features = vgg_features(random_vgg(0), Engine.detect("cpu", "float32"), "random VGG-19")
    maps, contents = features(CONTENT)
    assert [values.shape[1] for values in maps] == [64, 128, 256, 512, 512]
    assert [values.shape[1:] for values in contents] == [(512, 4, 6)]
    steps: list[Step] = []
    found = paint(features, stages=(Stage(48, 4),), on_step=steps.append)
    assert steps[-1].loss < steps[0].loss
    assert found.picture.shape == CONTENT.shape
