"""Whatever the keyframes: paths hit them, close, keep to the shell, and look the same from both ends."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from artgan.latent.music import Features, paced, speeds
from artgan.latent.paths import Ease, PathKind, along, eased, norms, positions
from artgan.latent.timing import evened

through: st.SearchStrategy[PathKind] = st.sampled_from(["spline", "slerp", "linear"])
kinds: st.SearchStrategy[PathKind] = st.sampled_from(["spline", "slerp", "linear", "circle", "noise"])


@st.composite
def keyframes(draw: st.DrawFn, least: int = 1) -> NDArray[np.float32]:
    """Keyframes of few small whole numbers, so that equal, opposite and zero ones are common, or normal ones."""
    shape = draw(st.integers(least, 7)), draw(st.integers(2, 12))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    if draw(st.booleans()):
        return rng.normal(size=shape).astype(np.float32)
    return rng.integers(-1, 2, shape).astype(np.float32)


places = st.lists(st.floats(-20, 20), min_size=1, max_size=20).map(np.array)


@settings(max_examples=150, deadline=None)
@given(keys=keyframes(), kind=through, loop=st.booleans(), at=places)
def test_paths_hit_their_keyframes_and_keep_between_their_lengths(
    keys: NDArray[np.float32], kind: PathKind, loop: bool, at: NDArray[np.float64]
) -> None:
    np.testing.assert_array_equal(along(kind, keys, np.arange(float(len(keys))), loop), keys)
    z = along(kind, keys, at, loop)
    assert z.dtype == np.float32
    assert np.isfinite(z).all()
    assert norms(z).max() <= norms(keys).max() * (1 + 1e-6)
    if norms(keys).min() > 0:
        assert norms(z).min() >= norms(keys).min() * (1 - 1e-6)


@settings(max_examples=100, deadline=None)
@given(keys=keyframes(), kind=kinds, at=places, rounds=st.integers(-3, 3))
def test_loops_come_back(keys: NDArray[np.float32], kind: PathKind, at: NDArray[np.float64], rounds: int) -> None:
    z = along(kind, keys, at, loop=True, seed=1)
    again = along(kind, keys, at + rounds * len(keys), loop=True, seed=1)
    np.testing.assert_allclose(again, z, atol=1e-4)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(2, 7), kind=through, loop=st.booleans(), at=places)
def test_backwards_is_the_same_path(seed: int, count: int, kind: PathKind, loop: bool, at: NDArray[np.float64]) -> None:
    keys = np.random.default_rng(seed).normal(size=(count, 8))
    np.testing.assert_allclose(
        along(kind, keys[::-1], len(keys) - 1 - at, loop), along(kind, keys, at, loop), atol=1e-3
    )


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(2, 7), kind=through, factor=st.floats(0.01, 100), at=places)
def test_latents_twice_as_long_are_a_path_twice_as_large(
    seed: int, count: int, kind: PathKind, factor: float, at: NDArray[np.float64]
) -> None:
    keys = np.random.default_rng(seed).normal(size=(count, 8))
    np.testing.assert_allclose(
        along(kind, factor * keys, at, loop=True) / factor, along(kind, keys, at, loop=True), atol=1e-4
    )


@settings(max_examples=100, deadline=None)
@given(
    frames=st.integers(1, 400), keys=st.integers(1, 60), loop=st.booleans(), kind=st.sampled_from(["sine", "smooth"])
)
def test_positions_rise_and_easing_keeps_them_in_their_interval(frames: int, keys: int, loop: bool, kind: Ease) -> None:
    at = positions(frames, keys, loop)
    assert at[0] == 0
    assert (np.diff(at) >= 0).all()
    assert at[-1] < keys if loop else at[-1] <= keys - 1
    slow = eased(kind, at)
    assert (np.diff(slow) >= -1e-12).all()
    assert (np.abs(slow - np.floor(at) - 0.5) <= 0.5 + 1e-12).all()


@settings(max_examples=100, deadline=None)
@given(
    distances=st.lists(st.one_of(st.just(0.0), st.floats(0, 1e6)), min_size=1, max_size=50),
    frames=st.integers(2, 50),
    keys=st.integers(2, 9),
)
def test_evened_positions_keep_their_order_and_their_ends(distances: list[float], frames: int, keys: int) -> None:
    at = positions(frames, keys, loop=False)
    new = evened(at, np.linspace(0, keys - 1, len(distances) + 1), np.array(distances))
    assert (new[0], new[-1]) == (0, keys - 1)
    assert (np.diff(new) >= 0).all()


@settings(max_examples=60, deadline=None)
@given(
    loud=st.lists(st.floats(0, 1), min_size=2, max_size=60),
    amount=st.floats(0, 5),
    keys=st.integers(2, 9),
    loop=st.booleans(),
)
def test_music_changes_the_pace_and_not_the_way(loud: list[float], amount: float, keys: int, loop: bool) -> None:
    level, none = np.array(loud), np.zeros(len(loud))
    speed = speeds(Features(25, level[::-1].copy(), none, none, none, level), amount)
    assert abs(speed.mean() - 1) < 1e-9
    assert speed.min() > 0
    at, plain = paced(speed, keys, loop), positions(len(loud), keys, loop)
    assert (np.diff(at) > 0).all()
    assert at[0] == 0
    if loop:
        assert at[-1] < keys
    else:
        assert at[-1] == plain[-1]
    if amount == 0:
        np.testing.assert_allclose(at, plain, atol=1e-9)
