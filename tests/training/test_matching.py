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
    matching = Matching(pictures.shape, 0, ENGINE)
    matching.measure(pictures, settings.data.mirror, settings.data.balanced)
    return settings, pictures, matching


def everything(pictures: Pictures) -> torch.Tensor:
    return ENGINE.pictures(pictures.at(list(range(len(pictures)))))


@pytest.mark.parametrize("channels", ["rgb", "rgba", "grey"])
def test_the_training_pictures_themselves_are_not_off(channels: str, paintings: Path) -> None:
    _, pictures, matching = measured(paintings, {"data.channels": channels})
    reals = everything(pictures)
    assert float(matching.loss(reals, None)) == pytest.approx(0, abs=1e-4)
    darker = Matching(pictures.shape, 0, ENGINE)
    darker.measure(pictures, False, False)
    assert float(darker.loss(reals * 0.5 - 0.5, None)) > 0.1


@pytest.mark.parametrize("captions", [False, True])
def test_what_is_told_of_a_picture_counts(captions: bool, class_folders: Path) -> None:
    settings = resolve(None, {**SMALL, "data.captions": captions})
    pictures = load_pictures(class_folders, settings.data)
    told = pictures.conditions(pictures.labels)
    assert told is not None

    def off(told: torch.Tensor) -> float:
        matching = Matching(pictures.shape, pictures.c_dim, ENGINE)
        matching.measure(pictures, False, False)
        return float(matching.loss(everything(pictures), told))

    assert off(told) == pytest.approx(0, abs=1e-2)
    assert off(told.roll(1, 0)) > 10 * abs(off(told)) + 0.1


def test_captions_of_few_words_among_many_pictures_are_measured(class_folders: Path) -> None:
    """Most of the 512 numbers of such captions never differ: their covariance has next to no rank."""
    for folder in class_folders.iterdir():
        for path in sorted(folder.iterdir())[:4]:
            for copy in range(100):
                (folder / f"{path.stem}-{copy}.png").write_bytes(path.read_bytes())
    pictures = load_pictures(class_folders, resolve(None, {**SMALL, "data.captions": True}).data)
    matching = Matching(pictures.shape, pictures.c_dim, ENGINE)
    matching.measure(pictures, False, False)
    told = pictures.conditions(pictures.labels)
    assert told is not None
    own = matching.tensors()
    parts = (told - own["told_mean"]) @ own["whiten"]
    rank = len(pictures.captions) - 1
    torch.testing.assert_close(
        parts.T @ parts / len(parts), torch.eye(64) * (torch.arange(64) < rank), atol=1e-3, rtol=0
    )


def test_classes_that_are_shown_equally_often_weigh_the_same(class_folders: Path) -> None:
    for path in sorted((class_folders / "cats").iterdir())[1:]:
        path.unlink()
    settings = resolve(None, {**SMALL, "data.balanced": True})
    pictures = load_pictures(class_folders, settings.data)
    once = torch.tensor(pictures.order(0, 3 * 60))
    matching = Matching(pictures.shape, pictures.c_dim, ENGINE)
    matching.measure(pictures, False, True)
    shown = ENGINE.pictures(pictures.at(once.tolist()))
    assert float(matching.loss(shown, pictures.labels[once])) < 0.05


def test_mirrored_pictures_count_when_they_are_shown(paintings: Path) -> None:
    _, pictures, matching = measured(paintings, {"data.mirror": True})
    reals = everything(pictures)
    assert float(matching.loss(torch.cat([reals, reals.flip(3)]), None)) == pytest.approx(0, abs=1e-4)
    assert not torch.equal(matching.tensors()["target_mean"], measured(paintings)[2].tensors()["target_mean"])


def test_the_gradient_leads_downhill(paintings: Path) -> None:
    _, pictures, matching = measured(paintings)
    start = torch.zeros(4, *pictures.shape, requires_grad=True)
    noise = 0.1 * torch.randn(4, *pictures.shape, generator=torch.Generator().manual_seed(0))
    matching.loss(start + noise, None).backward()
    assert start.grad is not None

    def off(pictures_: torch.Tensor) -> float:
        fresh = Matching(pictures.shape, 0, ENGINE)
        fresh.measure(pictures, False, False)
        return float(fresh.loss(pictures_ + noise, None))

    step = 0.02 * start.grad / start.grad.abs().mean()
    assert off((start - step).detach()) < off(start.detach())


def test_a_batch_moves_the_running_moments_by_its_share(paintings: Path) -> None:
    _, pictures, matching = measured(paintings)
    reals = everything(pictures)
    matching.loss(reals, None)
    first = matching.tensors()["mean"].clone()
    matching.loss(reals.flip(0), None)  # the same pictures: the same moments
    torch.testing.assert_close(matching.tensors()["mean"], first * MEMORY + first, rtol=1e-4, atol=1e-6)
    assert float(matching.tensors()["seen"]) == pytest.approx(1 - MEMORY**2)


def test_large_pictures_are_averaged_down_and_any_shape_is_read() -> None:
    for shape in ((3, 16, 64), (4, 96, 160), (1, 24, 16)):
        matching = Matching(shape, 0, ENGINE)
        assert torch.isfinite(matching.loss(torch.rand(2, *shape) * 2 - 1, None))


def test_a_state_holds_it_and_gives_it_back(paintings: Path) -> None:
    settings, pictures, _ = measured(paintings)
    state, other = (TrainState(settings, pictures.shape, 0, ENGINE) for _ in range(2))
    assert state.matching is not None
    assert other.matching is not None
    state.matching.measure(pictures, False, False)
    state.matching.loss(everything(pictures), None)
    other.load(state.tensors())
    for name, value in state.matching.tensors().items():
        assert torch.equal(value, other.matching.tensors()[name]), name
        assert value.any(), name


def test_pictures_that_the_encoder_cannot_read_are_refused() -> None:
    with pytest.raises(SettingError, match=r"train\.match needs pictures of 16 px"):
        resolve(None, {**SMALL, "data.resolution": 12, "model.name": "mlp"})
