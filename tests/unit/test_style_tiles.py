"""Large pictures in tiles: what is cut adds up, a network sees in a tile what it sees in the whole, and so paints."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from artgan.engine.device import Engine
from artgan.models.vgg import random_vgg
from artgan.style import tiles
from artgan.style.features import Features, embedded_features, vgg_features
from artgan.style.goal import Aim, Goal, StoppedError, manners_in, scatters_in, weights_at
from artgan.style.losses import Manner
from artgan.style.plan import Stage
from artgan.style.repaint import Area, Before, Repainted, Source, Step, repaint, scaled
from artgan.style.tiles import CELL, HALO, Sight, cut
from tests.bench.graded import to_tensor
from tests.conftest import painted

pytestmark = pytest.mark.usefixtures("one_thread")

ENGINE = Engine.detect("cpu", "float32")
# Odd sides, cut across, down and both ways, into tiles that end within the picture on both sides, or on one.
CUTS = (
    ("artgan", (331, 99), 256 * 224, 4),
    ("vgg19", (33, 303), 33 * 272, 3),
    ("vgg19", (331, 35), 256 * 208, 2),
)


def picture(seed: int, height: int, width: int, grain: int = 24) -> torch.Tensor:
    small = torch.rand(1, 3, grain, grain, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return scaled(small, height, width)


def photo(seed: int, height: int, width: int) -> torch.Tensor:
    return to_tensor([painted(seed, width, height)])


@pytest.fixture(scope="module")
def networks() -> dict[str, Features]:
    return {"artgan": embedded_features(ENGINE), "vgg19": vgg_features(random_vgg(0), ENGINE, "random VGG-19")}


@pytest.fixture(scope="module")
def manners(networks: dict[str, Features]) -> dict[str, list[tuple[Manner, ...]]]:
    """Two for each network."""
    found = {}
    for name, features in networks.items():
        sight, looks = Sight.of(features, 48, 64, tiles.WHOLE), [picture(seed, 48, 64, 40) for seed in (4, 5)]
        found[name] = [manners_in(look, sight, [weights_at(None, sight)], lambda share: None)[0] for look in looks]
    return found


@pytest.fixture
def tiled(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Cut all that is larger than so many pixels, however small."""

    def limit(pixels: int) -> None:
        monkeypatch.setattr(tiles, "WHOLE", 0)
        monkeypatch.setattr(tiles, "TILE", pixels)

    return limit


@settings(deadline=None)
@given(height=st.integers(32, 3000), width=st.integers(32, 30000))
def test_tiles_cover_a_picture_once_and_see_around_them(height: int, width: int) -> None:
    cuts = cut(height, width, tiles.TILE)
    assert len(cuts) == 1 or height * width > tiles.TILE
    rows, columns = sorted({tile.rows.start for tile in cuts}), sorted({tile.columns.start for tile in cuts})
    assert [(tile.rows.start, tile.columns.start) for tile in cuts] == list(itertools.product(rows, columns))
    for tile in cuts:
        assert (tile.rows.last - tile.rows.first) * (tile.columns.last - tile.columns.first) <= tiles.TILE
        for span, starts, length in ((tile.rows, rows, height), (tile.columns, columns, width)):
            assert span.start % CELL == span.first % CELL == 0
            assert span.stop == next((start for start in starts if start > span.start), length)
            assert span.first == max(0, span.start - HALO)
            assert span.last == min(length, span.stop + HALO) or span.stop == length == span.last


def test_a_small_picture_is_not_cut_and_a_strip_only_across() -> None:
    assert len(cut(1024, 1024, tiles.uncut_pixels(1024, 1024))) == 1
    assert tiles.uncut_pixels(4096, 4096) == tiles.TILE
    strip = cut(400, 30000, tiles.TILE)
    assert len(strip) > 10
    assert {tile.rows.stop - tile.rows.start for tile in strip} == {400}
    seen, tiled = tiles.seen_pixels(400, 30000, tiles.TILE)
    assert tiled
    assert 400 * 30000 < seen < 1.3 * 400 * 30000


@pytest.mark.parametrize("name", ["artgan", "vgg19"])
def test_what_lies_beyond_the_halo_is_not_seen(networks: dict[str, Features], name: str) -> None:
    column = picture(1, 20 * CELL, CELL).requires_grad_()
    start, stop = 9 * CELL, 10 * CELL
    reached = []
    for values in itertools.chain(*networks[name](column)):
        cell = 20 * CELL // values.shape[2]
        (gradient,) = torch.autograd.grad(values[:, :, start // cell : stop // cell].sum(), column, retain_graph=True)
        rows = gradient.abs().sum((0, 1, 3)).nonzero().flatten()
        reached.append(max(start - int(rows[0]), int(rows[-1]) - stop + 1))
    assert HALO - CELL < max(reached) <= HALO, "a halo too small is wrong, and one too large is slow"


@pytest.mark.parametrize(("name", "size", "limit", "count"), CUTS)
def test_maps_of_tiles_are_those_of_the_whole(
    networks: dict[str, Features],
    tiled: Callable[[int], None],
    name: str,
    size: tuple[int, int],
    limit: int,
    count: int,
) -> None:
    tiled(limit)
    features, whole = networks[name], picture(2, *size)
    sight, uncut = Sight.of(features, *size, 0), Sight.of(features, *size, 10**9)
    assert (len(sight.tiles), len(uncut.tiles)) == (count, 1)
    with torch.no_grad():
        maps = [*itertools.chain(*features(whole))]
        seen = [torch.full_like(values, torch.nan) for values in maps]
        for tile in sight.tiles:
            for all_of_it, part in zip(seen, itertools.chain(*sight.see(tile.cut(whole), tile)), strict=True):
                tile.part(all_of_it).copy_(part)
    for found, expected in zip(seen, maps, strict=True):
        torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)
    left = picture(5, *size)[:, :1].clamp(0, 1)
    sums = [
        scatters_in(whole, each, [weights_at(None, each), weights_at(left, each)], lambda share: None)
        for each in (sight, uncut)
    ]
    flat = [list(itertools.chain(*itertools.chain(*each))) for each in sums]
    for found, expected in zip(*flat, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5 * float(expected.abs().max()), rtol=0)


def goal_of(
    features: Features,
    manners: list[tuple[Manner, ...]],
    size: tuple[int, int],
    whole: int,
    pause: Callable[[float], None] = lambda share: None,
) -> Goal:
    """Two areas that both want two manners, smoothness and a last frame."""
    left, sight = picture(5, *size)[:, :1].clamp(0, 1), Sight.of(features, *size, whole)
    aims = [
        Aim(weights_at(where, sight), share, ((0.7, first), (0.3, second)))
        for where, share, (first, second) in ((left, 0.4, manners), (1 - left, 0.6, manners[::-1]))
    ]
    return Goal(sight, picture(3, *size), aims, 0.3, (picture(6, *size), left), pause)


@pytest.mark.parametrize(("name", "size", "limit", "count"), CUTS[:2])
def test_the_loss_and_its_gradient_are_those_of_the_whole(
    networks: dict[str, Features],
    manners: dict[str, list[tuple[Manner, ...]]],
    tiled: Callable[[int], None],
    name: str,
    size: tuple[int, int],
    limit: int,
    count: int,
) -> None:
    tiled(limit)
    x, told, alone = picture(7, *size, 60), list[float](), list[float]()
    value, gradient = goal_of(networks[name], manners[name], size, 10**9, alone.append)(x)
    goal = goal_of(networks[name], manners[name], size, 0, told.append)
    assert told == [number / count for number in range(1, count)]
    told.clear()
    loss, parts = goal(x)
    assert loss == pytest.approx(value, rel=1e-5)
    assert (parts - gradient).abs().mean() < 3e-5 * gradient.abs().mean()
    # Where a cell of a map is just about to come to life, rounding decides whether it does.
    assert (parts - gradient).abs().max() < 1e-2 * gradient.abs().mean()
    assert told == sorted(told)
    assert len(told) == 2 * count - 1
    assert 0 < told[0] < 1 / 3 <= told[-1] < 1
    assert not alone, "nobody is asked where there are no parts"


def test_the_gradient_is_that_of_the_loss(
    networks: dict[str, Features], manners: dict[str, list[tuple[Manner, ...]]]
) -> None:
    goal, x = goal_of(networks["artgan"], manners["artgan"], (48, 64), 10**9), picture(7, 48, 64, 30)
    _, gradient = goal(x)
    way = gradient / gradient.norm()
    ahead, behind = (goal(x + sign * 0.05 * way)[0] for sign in (1, -1))
    assert (ahead - behind) / 0.1 == pytest.approx(float(gradient.norm()), rel=0.03)


def test_a_stop_while_the_content_is_looked_at_is_heard(
    networks: dict[str, Features], manners: dict[str, list[tuple[Manner, ...]]], tiled: Callable[[int], None]
) -> None:
    tiled(41 * 272)
    asked: list[float] = []

    def pause(share: float) -> None:
        asked.append(share)
        if len(asked) == 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        goal_of(networks["artgan"], manners["artgan"], (41, 523), tiles.TILE, pause)
    assert len(asked) == 2


def paint(features: Features, content: torch.Tensor, stages: list[Stage], **changes: Any) -> Repainted:
    """All but a strip at the left, after one style."""
    inside = torch.ones(1, 1, *content.shape[2:])
    inside[..., :7] = 0
    arguments: dict[str, Any] = {
        "strength": 1.0,
        "brush_size": 1.0,
        "smooth": 0.3,
        "init": "content",
        "seed": 0,
        "on_step": lambda step: None,
        "should_stop": lambda: False,
    }
    areas = [Area(inside, (Source(photo(9, 64, 211), 1.0),))]
    return repaint(content, areas, features, stages, **{**arguments, **changes})


def test_a_painting_in_tiles_is_the_one_in_one_piece(
    networks: dict[str, Features], tiled: Callable[[int], None]
) -> None:
    content, todo = photo(8, 41, 303), [Stage(303, 2)]
    whole = paint(networks["artgan"], content, todo).picture
    tiled(41 * 272)
    assert len(cut(41, 303, tiles.uncut_pixels(41, 303))) == 3
    found = paint(networks["artgan"], content, todo).picture
    assert (whole - content).abs().mean() > 0.05
    far = (found - whole).abs() * 127.5
    assert far.mean() < 0.1
    # Where a cell of a map is just about to come to life, rounding decides whether it does, and Adam makes much of it.
    assert (far > 2).float().mean() < 1e-3


def test_a_stop_within_a_step_leaves_the_picture_of_the_step_before(
    networks: dict[str, Features], tiled: Callable[[int], None]
) -> None:
    tiled(33 * 272)
    shown: list[torch.Tensor] = []
    parts: list[float] = []

    def look(step: Step) -> None:
        shown.append(step.picture())
        parts.clear()

    found = paint(
        networks["artgan"],
        photo(8, 33, 303),
        [Stage(220, 2), Stage(303, 2)],
        on_step=look,
        on_part=parts.append,
        should_stop=lambda: len(shown) == 3 and len(parts) == 3,
    )
    assert not found.finished
    assert len(shown) == 3, "two of the small size, and one of the large"
    assert torch.equal(found.picture, shown[-1])


def test_a_frame_keeps_to_the_last_one_where_it_is_believed(networks: dict[str, Features]) -> None:
    size = (48, 64)
    believed = torch.zeros(1, 1, *size)
    believed[..., :32] = 1
    before = Before(picture(10, *size), believed)
    found, free = (
        paint(networks["artgan"], picture(8, *size), [Stage(64, 3)], before=each).picture
        for each in (before, replace(before, weights=0 * believed))
    )
    far = (found - before.picture).abs().mean((0, 1, 2))
    assert far[:28].mean() < 0.3 * far[36:].mean()
    assert far[:28].mean() < 0.3 * (free - before.picture).abs().mean()
