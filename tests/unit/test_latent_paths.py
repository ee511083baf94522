"""Paths through a latent space: where they pass, how smoothly, and what they do where there is no direction."""

import itertools
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from artgan.engine.seeds import latents
from artgan.latent.paths import PathKind, along, eased, norms, on_shell, positions, z_noise

KINDS: tuple[PathKind, ...] = get_args(PathKind)
THROUGH: tuple[PathKind, ...] = ("spline", "slerp", "linear")


def keyframes(count: int, z_dim: int = 64) -> NDArray[np.float32]:
    return latents(tuple(range(count)), z_dim).numpy()


def angles(z: NDArray[np.float32]) -> NDArray[np.float64]:
    """Radians from each latent to the next."""
    unit = z.astype(np.float64) / norms(z)[:, None]
    return np.asarray(np.arccos(np.clip((unit[1:] * unit[:-1]).sum(1), -1, 1)))


def test_a_loop_has_the_same_step_from_its_last_frame_to_its_first() -> None:
    at = positions(10, 4, loop=True)
    np.testing.assert_allclose(np.diff(np.append(at, 4.0)), 0.4)
    assert at[0] == 0
    assert at[5] == 2  # keyframes that fall on frames do so exactly


def test_an_open_path_begins_and_ends_on_a_keyframe() -> None:
    at = positions(10, 4, loop=False)
    assert (at[0], at[-1], len(at)) == (0, 3, 10)
    np.testing.assert_allclose(np.diff(at), 1 / 3)
    assert positions(1, 4, loop=False).tolist() == [0]


@pytest.mark.parametrize("kind", THROUGH)
@pytest.mark.parametrize("loop", [False, True])
def test_a_path_passes_through_its_keyframes_bit_for_bit(kind: PathKind, loop: bool) -> None:
    keys = keyframes(5)
    np.testing.assert_array_equal(along(kind, keys, np.arange(5.0), loop), keys)


@pytest.mark.parametrize("kind", KINDS)
def test_a_loop_is_closed_bit_for_bit(kind: PathKind) -> None:
    keys, at = keyframes(4), np.array([0.0, 0.5, 3.25])
    np.testing.assert_array_equal(along(kind, keys, at + 4, loop=True), along(kind, keys, at, loop=True))
    before = along(kind, keys, np.array([-1e-20, 3.9999999, 0]), loop=True)
    np.testing.assert_allclose(before, np.broadcast_to(before[2], before.shape), atol=1e-4)


@pytest.mark.parametrize("kind", THROUGH)
def test_an_open_path_stays_at_its_ends(kind: PathKind) -> None:
    keys = keyframes(3)
    np.testing.assert_array_equal(along(kind, keys, np.array([-1.0, 5.0]), loop=False), keys[[0, 2]])


@pytest.mark.parametrize("kind", THROUGH)
@pytest.mark.parametrize("loop", [False, True])
def test_one_keyframe_is_a_standstill(kind: PathKind, loop: bool) -> None:
    keys = keyframes(1)
    np.testing.assert_array_equal(along(kind, keys, np.array([0, 0.3, 0.9]), loop), np.repeat(keys, 3, 0))


def test_slerp_keeps_its_speed_and_its_plane() -> None:
    keys = on_shell(keyframes(2), np.array([8.0, 8.0]))
    z = along("slerp", keys, positions(31, 2, loop=False), loop=False)
    np.testing.assert_allclose(angles(z), angles(keys)[0] / 30, rtol=1e-4)
    assert np.linalg.matrix_rank(z, tol=1e-3) == 2


def test_a_line_hurries_in_the_middle_but_keeps_to_the_shell() -> None:
    keys = on_shell(keyframes(2), np.array([8.0, 8.0]))
    z = along("linear", keys, positions(31, 2, loop=False), loop=False)
    steps = angles(z)
    assert steps[15] > 1.5 * steps[0]
    np.testing.assert_allclose(norms(z), 8, rtol=1e-6)


def second_differences(kind: PathKind, loop: bool) -> tuple[float, float]:
    """The largest jump of the second derivative across keyframe 2, and a usual size of it."""
    step = 1e-2
    at = 2 + step * np.arange(-6.0, 7)
    z = along(kind, keyframes(5), at, loop).astype(np.float64)
    second = np.diff(z, 2, axis=0) / step**2
    return float(norms(second[1:] - second[:-1]).max()), float(norms(second).mean())


@pytest.mark.parametrize("loop", [False, True])
def test_a_spline_bends_evenly_across_its_keyframes_and_slerp_does_not(loop: bool) -> None:
    jump, size = second_differences("spline", loop)
    assert jump < 0.1 * size
    jump, size = second_differences("slerp", loop)
    assert jump > size


def test_a_periodic_spline_is_smooth_across_its_seam() -> None:
    step = 1e-2
    z = along("spline", keyframes(5), step * np.arange(-6.0, 7), loop=True).astype(np.float64)
    second = np.diff(z, 2, axis=0) / step**2
    assert norms(second[1:] - second[:-1]).max() < 0.1 * norms(second).mean()


def test_a_spline_through_evenly_spaced_points_of_a_circle_is_that_circle() -> None:
    turn = 2 * np.pi * np.arange(12) / 12
    keys = np.stack([np.cos(turn), np.sin(turn)], 1)
    at = positions(120, 12, loop=True)
    wanted = np.stack([np.cos(2 * np.pi * at / 12), np.sin(2 * np.pi * at / 12)], 1)
    np.testing.assert_allclose(along("spline", keys, at, loop=True), wanted, atol=1e-3)


def test_an_open_spline_is_the_natural_one() -> None:
    a, b, c = keys = on_shell(keyframes(3), np.ones(3)).astype(np.float64)
    bend = 6 * (a - 2 * b + c) / 4  # the second derivative at b; those at a and c are 0
    middles = np.stack([(a + b) / 2 - bend / 16, (b + c) / 2 - bend / 16])
    z = along("spline", keys, np.array([0.5, 1.5]), loop=False)
    np.testing.assert_allclose(z, on_shell(middles, np.ones(2)), atol=1e-6)
    at = np.linspace(0, 1, 9)
    np.testing.assert_allclose(along("spline", keys[:2], at, False), along("linear", keys[:2], at, False), atol=1e-6)


@pytest.mark.parametrize("kind", THROUGH)
@pytest.mark.parametrize("loop", [False, True])
def test_a_path_to_the_opposite_goes_around_the_origin(kind: PathKind, loop: bool) -> None:
    key = keyframes(1)
    keys = np.concatenate([key, -key])
    z = along(kind, keys, positions(101, 2, loop), loop)
    np.testing.assert_allclose(norms(z), norms(key)[0], rtol=1e-6)
    assert angles(z).max() < 0.25
    np.testing.assert_array_equal(z, along(kind, keys, positions(101, 2, loop), loop))


@pytest.mark.parametrize("kind", THROUGH)
def test_a_path_between_equal_keyframes_stands_still(kind: PathKind) -> None:
    key = keyframes(1)
    z = along(kind, np.concatenate([key, key]), np.linspace(0, 2, 9), loop=True)
    np.testing.assert_allclose(z, np.repeat(key, 9, 0), rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_one_dimension_and_latents_of_zeros_give_finite_latents(kind: PathKind) -> None:
    for keys in (np.array([[1.0], [-2.0], [3.0]]), np.zeros((3, 4)), np.array([[0.0, 0], [1, 0], [-1, 0]])):
        assert np.isfinite(along(kind, keys, np.linspace(0, 3, 25), loop=True)).all()


def test_a_circle_starts_on_the_first_keyframe_and_goes_through_the_second() -> None:
    keys = on_shell(keyframes(2), np.array([8.0, 8.0]))
    z = along("circle", keys, np.linspace(0, 2, 2001), loop=True)
    np.testing.assert_array_equal(z[0], keys[0])
    assert norms(z - keys[1]).min() < 0.05
    assert norms(z - keys[1]).argmin() < 1000  # the short way round
    np.testing.assert_allclose(norms(z), 8, rtol=1e-6)
    np.testing.assert_allclose(angles(z), 2 * np.pi / 2000, rtol=0.02)


def test_a_circle_finds_the_circle_that_keyframes_lie_on() -> None:
    axes = np.linalg.qr(keyframes(2).T.astype(np.float64))[0].T
    turn = 2 * np.pi * np.arange(6) / 6
    keys = 5 * (np.cos(turn)[:, None] * axes[0] + np.sin(turn)[:, None] * axes[1])
    np.testing.assert_allclose(along("circle", keys, np.arange(6.0), loop=True), keys, atol=1e-5)


def test_a_circle_through_one_keyframe_is_its_seeds() -> None:
    key, at = keyframes(1), np.linspace(0, 1, 9)
    a, same, b = (along("circle", key, at, loop=True, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, same)
    assert norms(a[4:5] + key)[0] < 1e-4  # half a round is the opposite
    assert norms(a - b).max() > 1
    np.testing.assert_allclose(norms(a), norms(key)[0], rtol=1e-6)


def test_noise_is_standard_normal_at_any_place_and_speed() -> None:
    for rounds, speed in itertools.product((0.0, 0.37), (0.5, 8.0)):
        drawn = np.concatenate([z_noise(np.array([rounds]), 500, seed, speed)[0] for seed in range(200)])
        assert abs(drawn.mean()) < 0.015  # 5 standard errors of 100,000 draws
        assert abs(drawn.var() - 1) < 0.023


def test_noise_travels_about_as_far_as_a_path_through_so_many_keyframes() -> None:
    for speed in (8, 32):
        travelled = angles(z_noise(np.linspace(0, 1, 4001), 512, 3, speed)).sum()
        assert travelled == pytest.approx(speed * np.pi / 2, rel=0.2)


def test_noise_is_its_seeds_for_any_number_of_frames() -> None:
    few, many = (along("noise", keyframes(6), positions(n, 6, loop=True), loop=True, seed=5) for n in (12, 24))
    np.testing.assert_array_equal(few, many[::2])
    assert norms(few - along("noise", keyframes(6), positions(12, 6, loop=True), loop=True, seed=6)).min() > 1


def test_easing_keeps_keyframes_and_slows_down_at_them() -> None:
    at = np.linspace(0, 3, 301)
    np.testing.assert_array_equal(eased("none", at), at)
    for kind in ("sine", "smooth"):
        slow = eased(kind, at)
        assert (np.diff(slow) >= 0).all()
        np.testing.assert_allclose(slow[::100], [0, 1, 2, 3], atol=1e-12)
        np.testing.assert_allclose(slow[50::100], [0.5, 1.5, 2.5])
        assert slow[101] - slow[100] < 0.001 < slow[151] - slow[150]


def test_on_shell_keeps_directions_and_zeros() -> None:
    z = np.array([[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(on_shell(z, np.array([10.0, 10.0])), [[6, 8], [0, 0]])
