"""The measures of `tests/bench/style.py`: they say nothing where nothing is, and the right thing where something is."""

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from artgan.engine.device import Engine
from artgan.style.features import embedded_features
from artgan.style.plan import Stage
from artgan.style.repaint import Area, Source
from tests.bench import style_measures
from tests.bench.gatys import METHODS, embedded, gatys, least, method_of, with_lbfgs
from tests.bench.style import Record, compared, means, methods_of, read_records
from tests.bench.style_measures import (
    MEASURES,
    checkerboard,
    color_distance,
    content_kept,
    gaussians,
    grain,
    halo,
    measure,
    patch_distance,
    speckles,
    style_distance,
)


@pytest.fixture(autouse=True)
def _few_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style_measures, "_PATCHES", 1000)


def picture(seed: int, height: int = 64, width: int = 80) -> torch.Tensor:
    """Soft shapes in colour under some grain, with a flat lower third."""
    generator = torch.Generator().manual_seed(seed)
    shapes = torch.rand(1, 3, height // 8, width // 8, generator=generator)
    x = F.interpolate(shapes, (height, width), mode="bicubic").clamp(0.1, 0.9)
    x[:, :, 2 * height // 3 :] = 0.5
    return (x + 0.01 * torch.randn(x.shape, generator=generator)) * 2 - 1


def look(x: torch.Tensor) -> list[torch.Tensor]:
    """A network of two maps: neighbours' colours, and those of a coarser picture."""
    return [F.pixel_unshuffle(x, 2), F.avg_pool2d(x, 4)]


def noisy(x: torch.Tensor, spread: float = 0.1) -> torch.Tensor:
    return (x + spread * torch.randn(x.shape, generator=torch.Generator().manual_seed(9))).clamp(-1, 1)


def blurred(x: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(F.pad(x, (2, 2, 2, 2), mode="replicate"), 5, 1)


def test_a_picture_is_like_itself() -> None:
    x = picture(0)
    found = measure(look, x, x, x, gaussians(look, x))
    assert tuple(found) == MEASURES
    expected = {"style": 0, "patches": 0, "colors": 0, "kept": 1, "checker": 1, "grain": 1, "halo": 1, "speckle": 1}
    assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("change", [noisy, blurred, lambda x: x * 0.7, lambda x: picture(1)])
def test_what_is_done_to_a_picture_leads_away_from_it(change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    x = picture(0)
    other = change(x)
    assert style_distance(gaussians(look, other), gaussians(look, x)) > 0.1
    assert patch_distance(other, x) > 0.005
    assert color_distance(other, x) > 0.1
    assert content_kept(other, x) < 0.99


def test_style_and_patches_do_not_ask_where_something_is() -> None:
    x = picture(0)
    mirrored = x.flip(3)
    assert style_distance(gaussians(look, x.roll(16, 3)), gaussians(look, x)) == pytest.approx(0, abs=1e-5)
    assert patch_distance(mirrored, x) < 0.6 * patch_distance(picture(1), x)
    assert color_distance(mirrored, x) == pytest.approx(0, abs=1e-5)
    assert content_kept(mirrored, x) < 0.8


def test_the_distance_is_that_of_gaussians() -> None:
    """|m1 - m2|^2 + (s1 - s2)^2 in each direction where both covariances are diagonal, over the style's variance."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 3, 64, 64, generator=generator)
    other = x * 2 + 1
    mean, deviation = x[0].flatten(1).double().mean(1), x[0].flatten(1).double().std(1, correction=0)
    expected = ((mean + 1).square() + deviation.square()).sum() / deviation.square().sum()
    found = style_distance(gaussians(lambda y: [y], other), gaussians(lambda y: [y], x))
    assert found == pytest.approx(100 * float(expected), rel=1e-9)


def test_each_fault_is_seen_by_its_own_measure() -> None:
    x = picture(0)
    rows, columns = torch.arange(64)[:, None], torch.arange(80)
    assert checkerboard(x + 0.1 * ((rows + columns) % 2 * 2 - 1), x) > 3
    assert checkerboard(blurred(x), x) < 0.5
    assert grain(noisy(x), x, x) > 3
    assert grain(blurred(x), x, x) < 0.5
    framed = x.clone()
    framed[..., :2, :], framed[..., -2:, :] = 1, 1
    assert halo(framed, x) > 1.5
    assert halo(noisy(x, 0.02), x) < 1.5
    spotted = x.clone()
    spotted[:, :, 3::7, 3::7] = torch.tensor([1.0, -1, -1]).view(1, 3, 1, 1)
    assert speckles(spotted, x) > 10
    assert speckles(blurred(x), x) == pytest.approx(1, abs=0.01)


def test_lbfgs_takes_the_place_of_adam_at_the_last_two_sizes() -> None:
    features, steps = embedded_features(Engine.detect("cpu", "float32")), list[int]()
    painted = with_lbfgs(
        picture(0, 32, 40),
        [Area(None, (Source(picture(1, 40, 40), 1.0),))],
        features,
        [Stage(20, 2), Stage(28, 2), Stage(40, 3)],
        strength=1.0,
        brush_size=1.0,
        smooth=0.0,
        init="content",
        seed=0,
        on_step=lambda step: steps.append(step.longest),
        should_stop=lambda: False,
    )
    assert steps == [20, 20]
    assert painted.shape == (1, 3, 32, 40)
    assert painted.abs().max() <= 1


def test_lbfgs_looks_so_often_and_gives_the_best_within_the_range() -> None:
    seen: list[float] = []

    def goal(x: torch.Tensor, aim: float = 0.5) -> tuple[float, torch.Tensor]:
        weights = torch.linspace(0.01, 1, x.shape[3]) / x.numel()
        seen.append(float(((x - aim).square() * weights).sum()))
        return seen[-1], 2 * (x - aim) * weights

    found = least(goal, torch.zeros(1, 3, 8, 8), 12)
    assert len(seen) == 12
    best, first = min(seen), seen[0]
    assert goal(found)[0] == pytest.approx(best, rel=1e-4)
    assert best < 0.01 * first
    assert least(lambda x: goal(x, 2.0), torch.zeros(1, 3, 8, 8), 20).max() == pytest.approx(1)


def test_gatys_comes_nearer_to_the_style() -> None:
    def grams(x: torch.Tensor) -> list[torch.Tensor]:
        return [rows @ rows.T / rows.numel() for rows in (values[0].flatten(1) for values in network(x))]

    def apart(x: torch.Tensor) -> float:
        pairs = zip(grams(x), grams(style), strict=True)
        return sum(float((a - b).square().sum() / b.square().sum()) for a, b in pairs)

    network, content, style = embedded(), picture(0), picture(1)
    painted, steps = gatys(network, content, style, 0.1, steps=12)
    assert apart(painted) < apart(content)
    assert steps == 12
    assert gatys(network, content, style, 0.1, steps=1, seconds=0.2)[1] >= 1


def test_words_of_methods() -> None:
    assert [method.name for method in methods_of("fast,gatys-teacher-long:2")] == [
        "normal",
        "fast",
        "gatys-teacher-long:2",
    ]
    long = method_of("gatys-teacher-long:0.1")
    assert (long.network, long.long, long.weight, long.detail) == ("teacher", True, 0.1, None)
    assert method_of("gatys-artgan").weight == 1
    assert len(methods_of(",".join(METHODS))) == len(METHODS)
    for wrong in ("slow", "gatys", "gatys-vgg:1", "gatys-teacher:x", "gatys-teacher:-1", "gatys-teacher-long-long"):
        with pytest.raises(argparse.ArgumentTypeError, match="is no method"):
            method_of(wrong)


def record(method: str, style: float, kept: float, pair: str = "a") -> Record:
    values = dict.fromkeys(MEASURES, 1.0) | {"style": style, "kept": kept}
    return Record(method, pair, "s", 64, 1.0, 100.0, 1, 1, values)


def test_methods_are_compared_where_both_have_painted() -> None:
    ours = [record("normal", 10, 0.5), record("normal", 90, 0.1, "b")]
    told = compared([*ours, record("gatys", 20, 0.4)], "normal", "gatys")
    assert told is not None
    assert told.startswith("reached: normal better than gatys")
    assert "1 of 1 pairs" in told
    other = compared([*ours, record("gatys", 20, 0.6)], "normal", "gatys")
    assert other is not None
    assert other.startswith("NOT reached")
    assert compared(ours, "fine", "normal") is None


def test_lines_that_were_cut_short_or_know_too_little_are_left_out(tmp_path: Path) -> None:
    whole = asdict(record("normal", 10, 0.5))
    lines = [json.dumps(whole), json.dumps(whole | {"measures": {"style": 1}}), "[]", json.dumps(whole)[:40]]
    (tmp_path / "results.jsonl").write_text("\n".join(lines))
    assert read_records(tmp_path) == [record("normal", 10, 0.5)]
    assert read_records(None) == []


def test_means_of_ratios_are_geometric() -> None:
    a, b = record("normal", 10, 0.5), record("normal", 20, 0.7)
    a.measures["grain"], b.measures["grain"] = 0.5, 2.0
    found = means([a, b])
    assert found["style"] == pytest.approx(15)
    assert found["grain"] == pytest.approx(1)
