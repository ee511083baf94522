"""Moment matching: nothing is off when the moments agree, it leads downhill, and it stays exact over a checkpoint."""

from pathlib import Path

import pytest
import torch

from artgan.config import Settings
from artgan.data.pictures import Pictures, load_pictures
from artgan.engine.device import Engine
from artgan.errors import SettingError
from artgan.presets import resolve
from artgan.training.matching import MEMORY, Matching
from artgan.training.state import TrainState

ENGINE = Engine.detect("cpu", "float32")
SMALL: dict[str, object] = {
    "data.resolution": 16,
    "model.name": "painter",
    "model.base_channels": 4,
    "model.max_channels": 16,
    "model.z_dim": 4,
    "train.match": 1.0,
}


def measured(data: Path, overrides: dict[str, object] | None = None) -> tuple[Settings, Pictures, Matching]:
    settings = resolve(None, {**SMALL, "data.labels": "none", **(overrides or {})})
    pictures = load_pictures(data, settings.data)
    matching = Matching(pictures.shape, ENGINE)
    matching.measure(pictures, settings.data.mirror)
    return settings, pictures, matching


def everything(pictures: Pictures) -> torch.Tensor:
    return ENGINE.pictures(pictures.at(list(range(len(pictures)))))


@pytest.mark.parametrize("channels", ["rgb", "rgba", "grey"])
def test_the_training_pictures_themselves_are_not_off(channels: str, paintings: Path) -> None:
    _, pictures, matching = measured(paintings, {"data.channels": channels})
    reals = everything(pictures)
    assert float(matching.loss(reals)) == pytest.approx(0, abs=1e-4)
    darker = Matching(pictures.shape, ENGINE)
    darker.measure(pictures, False)
    assert float(darker.loss(reals * 0.5 - 0.5)) > 0.1


def test_mirrored_pictures_count_when_they_are_shown(paintings: Path) -> None:
    _, pictures, matching = measured(paintings, {"data.mirror": True})
    reals = everything(pictures)
    assert float(matching.loss(torch.cat([reals, reals.flip(3)]))) == pytest.approx(0, abs=1e-4)
    assert not torch.equal(matching.target_mean, measured(paintings)[2].target_mean)


def test_the_gradient_leads_downhill(paintings: Path) -> None:
    _, pictures, matching = measured(paintings)
    start = torch.zeros(4, *pictures.shape, requires_grad=True)
    before = matching.loss(start + 0.1 * torch.randn(4, *pictures.shape, generator=torch.Generator().manual_seed(0)))
    before.backward()
    assert start.grad is not None

    def off(pictures_: torch.Tensor) -> float:
        fresh = Matching(pictures.shape, ENGINE)
        fresh.measure(pictures, False)
        noise = 0.1 * torch.randn(4, *pictures.shape, generator=torch.Generator().manual_seed(0))
        return float(fresh.loss(pictures_ + noise))

    step = 0.02 * start.grad / start.grad.abs().mean()
    assert off((start - step).detach()) < off(start.detach())


def test_a_batch_moves_the_running_moments_by_its_share(paintings: Path) -> None:
    _, pictures, matching = measured(paintings)
    reals = everything(pictures)
    matching.loss(reals)
    first = matching.mean.clone()
    matching.loss(reals.flip(0))  # the same pictures: the same moments
    torch.testing.assert_close(matching.mean, first * MEMORY + first, rtol=1e-4, atol=1e-6)
    assert float(matching.seen) == pytest.approx(1 - MEMORY**2)


def test_large_pictures_are_averaged_down_and_any_shape_is_read() -> None:
    for shape in ((3, 16, 64), (4, 96, 160), (1, 24, 16)):
        matching = Matching(shape, ENGINE)
        assert torch.isfinite(matching.loss(torch.rand(2, *shape) * 2 - 1))


def test_a_state_holds_it_and_gives_it_back(paintings: Path) -> None:
    settings, pictures, _ = measured(paintings)
    state, other = (TrainState(settings, pictures.shape, 0, ENGINE) for _ in range(2))
    assert state.matching is not None
    assert other.matching is not None
    state.matching.measure(pictures, False)
    state.matching.loss(everything(pictures))
    other.load(state.tensors())
    for name, value in state.matching.tensors().items():
        assert torch.equal(value, other.matching.tensors()[name]), name
        assert value.any(), name


def test_pictures_that_the_encoder_cannot_read_are_refused() -> None:
    with pytest.raises(SettingError, match=r"train\.match needs pictures of 16 px"):
        resolve(None, {**SMALL, "data.resolution": 12, "model.name": "mlp"})
