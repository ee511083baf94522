"""Constant perceptual speed: pictures whose change is known on paper, and the real eye's sense of more and less."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from artgan.engine.device import Engine
from artgan.latent.paths import along, positions
from artgan.latent.timing import Eye, evened, evenness, load_eye, probe

ENGINE = Engine.detect("cpu", "float32")


@pytest.fixture(scope="module")
def eye() -> Eye:
    return load_eye(ENGINE)


def flat(pictures: torch.Tensor) -> torch.Tensor:
    """An eye that sees plain differences."""
    return pictures.flatten(1)


def cube(latents: NDArray[np.float32]) -> torch.Tensor:
    """Pictures of one pixel, whose brightness is the cube of the latent's only number."""
    return torch.from_numpy(latents.astype(np.float64) ** 3)[:, :, None, None]


def stripes(latents: NDArray[np.float32]) -> torch.Tensor:
    """Pictures (n, 3, 48, 32) of stripes, pushed to the right by the latents' first number."""
    x = torch.arange(32) / 32 - torch.from_numpy(latents[:, :1].copy())
    return torch.sin(12 * x)[:, None, None].expand(-1, 3, 48, -1)


def test_distances_are_those_of_neighbours_across_batches() -> None:
    latents = np.linspace(0, 2, 40, dtype=np.float32)[:, None]
    sizes = []

    def render(part: NDArray[np.float32]) -> torch.Tensor:
        sizes.append(len(part))
        return cube(part)

    np.testing.assert_allclose(probe(render, latents, flat), np.diff(latents[:, 0].astype(np.float64) ** 3), rtol=1e-9)
    assert sizes == [16, 16, 8]  # no picture is drawn twice
    assert probe(cube, latents[:1], flat).shape == (0,)
    assert probe(cube, latents[:0], flat).shape == (0,)


def test_evened_frames_are_equally_far_apart() -> None:
    at, fine = positions(25, 3, loop=False), np.linspace(0, 2, 401)
    plain = probe(cube, at[:, None].astype(np.float32), flat)
    new = evened(at, fine, probe(cube, fine[:, None].astype(np.float32), flat))
    even = probe(cube, new[:, None].astype(np.float32), flat)
    assert evenness(plain) > 0.8
    assert evenness(even) < 0.01
    np.testing.assert_allclose(new, 2 * (at / 2) ** (1 / 3), atol=1e-2)  # where the cube is straight
    assert even.sum() == pytest.approx(plain.sum())  # nothing is left out


def test_a_loop_stays_closed_and_its_seam_is_as_long_as_every_step() -> None:
    keys = np.array([[3.0, 0], [0, 1], [-1, 0], [0, -2]])

    def spot(z: NDArray[np.float32]) -> torch.Tensor:
        return torch.from_numpy(z)[:, :, None, None]

    def seen(at: NDArray[np.float64]) -> NDArray[np.float64]:
        return probe(spot, along("slerp", keys, np.append(at, 4), loop=True), flat)

    at, fine = positions(60, 4, loop=True), positions(600, 4, loop=True)
    new = evened(at, np.append(fine, 4), seen(fine))
    assert new[0] == 0
    assert new[-1] < 4
    assert evenness(seen(at)) > 0.2
    assert evenness(seen(new)) < 0.01


def test_looking_again_evens_what_was_looked_at_coarsely() -> None:
    def seen(at: NDArray[np.float64]) -> NDArray[np.float64]:
        return probe(cube, at[:, None].astype(np.float32), flat)

    at = positions(25, 3, loop=False)
    once = evened(at, at, seen(at))
    twice = evened(at, once, seen(once))
    assert evenness(seen(twice)) < 0.6 * evenness(seen(once)) < 0.3 * evenness(seen(at))


def test_uneven_steps_of_time_stay_uneven() -> None:
    """Easing and music choose the pace; evening only chooses what a step is."""
    at, fine = np.array([0, 0.1, 0.5, 2]), np.linspace(0, 2, 2001)
    new = evened(at, fine, np.diff(fine**3))
    np.testing.assert_allclose(new**3 / 8, at / 2, atol=1e-5)


def test_no_time_is_spent_where_nothing_changes() -> None:
    fine = np.linspace(0, 3, 301)
    distances = np.where(fine[:-1] // 1 == 1, 0.0, 1.0)
    new = evened(positions(31, 4, loop=False), fine, distances)
    assert ((new > 1.001) & (new < 1.999)).sum() <= 1
    assert (new[0], new[-1]) == (0, 3)


def test_a_path_on_which_nothing_changes_stays_as_it_is() -> None:
    at = positions(7, 3, loop=False)
    np.testing.assert_array_equal(evened(at, np.linspace(0, 2, 5), np.zeros(4)), at)


def test_evenness_is_the_coefficient_of_variation() -> None:
    assert evenness(np.array([1.0, 3.0])) == 0.5
    assert evenness(np.array([20.0, 60.0])) == 0.5
    assert evenness(np.full(9, 3.0)) == evenness(np.zeros(9)) == evenness(np.zeros(0)) == 0


def test_the_eye_sees_nothing_in_no_change_and_more_in_more(eye: Eye) -> None:
    shifts = np.array([0, 0, 0.01, 0.03, 0.09], np.float32)[:, None]
    same, *rising = probe(stripes, shifts, eye)
    assert same == 0
    assert 0 < 2 * rising[0] < 2 * rising[1] < rising[2] * 2
    assert rising[1] > 1.5 * rising[0]


def test_the_eye_measures_lengths_and_not_squares_of_them(eye: Eye) -> None:
    """Steps a quarter as long, four times as many: the way is as long. Squares would sum to a quarter."""
    coarse, fine = (probe(stripes, np.linspace(0, 0.04, n, dtype=np.float32)[:, None], eye).sum() for n in (9, 33))
    assert fine == pytest.approx(coarse, rel=0.1)


@pytest.mark.parametrize("shape", [(1, 3, 16, 16), (1, 1, 8, 40), (1, 4, 300, 20), (1, 3, 200, 100)])
def test_the_eye_takes_pictures_of_any_shape(eye: Eye, shape: tuple[int, ...]) -> None:
    seen = eye(torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1)
    assert torch.isfinite(seen).all()
    assert not seen.requires_grad
    assert 1 < seen.square().sum() < 5  # five maps, each of length 1 but where nothing answers


def test_the_real_eye_evens_a_path(eye: Eye, one_thread: None) -> None:
    def hurrying(latents: NDArray[np.float32]) -> torch.Tensor:
        return stripes(latents**3)

    at, fine = np.linspace(0, 0.9, 15), np.linspace(0, 0.9, 61)

    def seen(at: NDArray[np.float64]) -> NDArray[np.float64]:
        return probe(hurrying, at[:, None].astype(np.float32), eye)

    assert evenness(seen(evened(at, fine, seen(fine)))) < 0.5 * evenness(seen(at))


def test_a_damaged_encoder_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from artgan.errors import StorageError

    monkeypatch.setattr("artgan.models.encoder.FILE", tmp_path / "gone.safetensors")
    with pytest.raises(StorageError, match="gone"):
        load_eye(ENGINE)
