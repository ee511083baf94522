"""Music: sounds made on paper, whose beginnings and tones are known, and what they do to a path."""

import tracemalloc
from dataclasses import fields

import numpy as np
import pytest
from numpy.typing import NDArray

from artgan.latent.music import Features, features, moved, paced, pushes, speeds
from artgan.latent.paths import norms, positions

FPS = 25
RATES = (8000, 11025, 22050, 44100, 48000, 96000)
Sound = NDArray[np.float32]


def values(heard: Features) -> dict[str, NDArray[np.float64]]:
    return {field.name: getattr(heard, field.name) for field in fields(heard) if field.name != "fps"}


def seconds(rate: int, length: float) -> NDArray[np.float64]:
    return np.arange(round(rate * length)) / rate


def tone(hertz: float, rate: int = 44100, length: float = 4) -> Sound:
    """A steady tone that is faded in and out for half a second, so that nothing clicks."""
    t = seconds(rate, length)
    return (0.4 * np.sin(2 * np.pi * hertz * t) * np.clip(2 * t, 0, 1) * np.clip(2 * (length - t), 0, 1)).astype("f4")


def clicks(times: tuple[float, ...], rate: int, length: float = 6) -> Sound:
    sound = np.zeros(round(rate * length), np.float32)
    sound[[round(time * rate) for time in times]] = 0.9
    return sound


def noise(rate: int, length: float, seed: int = 0) -> Sound:
    return np.random.default_rng(seed).normal(size=round(rate * length)).astype("f4") * np.float32(0.3)


def heard(**parts: list[float]) -> Features:
    """Features of as many frames as `parts` have; those not given are 0."""
    count = len(next(iter(parts.values())))
    names = ("onset", "low", "mid", "high", "loudness")
    return Features(FPS, *(np.array(parts.get(name, [0.0] * count)) for name in names))


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("fps", [12, 25, 60])
def test_clicks_are_heard_at_their_frame(rate: int, fps: int) -> None:
    times = (1.013, 2.5, 4.02)
    onset = features(clicks(times, rate), rate, fps, 6 * fps).onset
    frames = np.nonzero(onset > 0.1)[0]
    for time in times:
        near = frames[np.abs(frames - time * fps) <= 1.5]
        assert len(near), time
        assert onset[near].max() > 0.8
    assert all(min(abs(frame - time * fps) for time in times) <= 1.5 for frame in frames)


def test_notes_and_drums_begin_when_they_are_struck() -> None:
    rate, times = 44100, (1.0, 2.0, 3.2)
    t = seconds(rate, 5)
    for hertz, attack, decay in ((440, 0.01, 0.3), (60, 0.005, 0.15)):
        struck = [np.where(t >= s, np.minimum((t - s) / attack, 1) * np.exp(-(t - s) / decay), 0) for s in times]
        sound = (sum(struck) * np.sin(2 * np.pi * hertz * t) * 0.3).astype("f4")
        onset = features(sound, rate, FPS, 5 * FPS).onset
        peaks = np.nonzero(onset > 0.25)[0]
        assert {round(peak / FPS / 0.2) for peak in peaks} == {5, 10, 16}


def test_vibrato_begins_nothing() -> None:
    t = seconds(44100, 6)
    bent = (
        np.sin(2 * np.pi * (880 * t + 8 * np.sin(2 * np.pi * 5 * t))) * np.clip(2 * t, 0, 1) * np.clip(12 - 2 * t, 0, 1)
    )
    onset = features((0.4 * bent).astype("f4"), 44100, FPS, 6 * FPS).onset
    assert onset[FPS : 5 * FPS].max() < 0.1


def test_a_swell_is_heard_over_noise() -> None:
    rate = 44100
    t = seconds(rate, 8)
    swell = 1 + 1.5 * ((t >= 5) & (t < 5.15)) + 1.5 * ((t >= 7) & (t < 7.15))
    onset = features((noise(rate, 8, seed=1) * 0.3 * swell).astype("f4"), rate, FPS, 8 * FPS).onset
    assert set(np.nonzero(onset[5:] > 0.3)[0] + 5) == {5 * FPS, 7 * FPS}


def test_a_quiet_passage_has_onsets_of_its_own() -> None:
    rate = 22050
    sound = np.concatenate([clicks((1, 2, 3), rate, 12), clicks((1, 2, 3), rate, 12) * np.float32(0.02)])
    onset = features(sound, rate, FPS, 24 * FPS).onset
    assert onset[13 * FPS - 1 : 13 * FPS + 2].max() > 0.9


@pytest.mark.parametrize("rate", RATES)
def test_a_tone_drives_its_band_alone(rate: int) -> None:
    middle = slice(FPS, 3 * FPS)
    for hertz, name in ((60, "low"), (600, "mid"), (3000, "high")):
        levels = values(features(tone(hertz, rate), rate, FPS, 4 * FPS))
        for band in ("low", "mid", "high"):
            if band == name:
                assert levels[band][middle].min() > 0.9
            else:
                assert levels[band].max() < 0.1, (hertz, band)
        assert levels["loudness"][middle].min() > 0.9
        assert levels["onset"][middle].max() < 0.1


def test_levels_follow_loudness_rise_at_once_and_fall_slowly() -> None:
    rate = 44100
    loud = np.concatenate([noise(rate, 2) * np.float32(0.03), noise(rate, 2), noise(rate, 2) * np.float32(0.03)])
    level = features(loud, rate, FPS, 6 * FPS).loudness
    quiet, high = level[10:40].mean(), level[60:90].mean()
    assert quiet < 0.1
    assert high > 0.9
    assert level[2 * FPS + 2] > 0.8
    falling = level[4 * FPS : 4 * FPS + 25]
    assert 0.2 < falling[6] < 0.6  # a third is left after a quarter of a second
    assert falling[-1] < 0.15


@pytest.mark.parametrize("rate", RATES)
def test_steady_noise_begins_once(rate: int) -> None:
    onset = features(noise(rate, 8), rate, FPS, 8 * FPS).onset
    assert onset[:2].max() > 0.9
    assert onset[3:].max() < 0.1


@pytest.mark.parametrize(
    "sound",
    [np.zeros(0, "f4"), np.zeros(44100, "f4"), np.full(44100, np.nan, "f4"), np.full(44100, 1e-5, "f4")],
    ids=["empty", "silent", "not numbers", "a constant too small to hear"],
)
def test_silence_is_zero_everywhere(sound: Sound) -> None:
    quiet = features(sound, 44100, FPS, 30)
    for name, value in values(quiet).items():
        np.testing.assert_array_equal(value, np.zeros(30), err_msg=name)
    np.testing.assert_array_equal(speeds(quiet, 1), np.ones(30))
    np.testing.assert_array_equal(pushes(quiet, 8, 0, 1), np.zeros((30, 8)))


def test_a_constant_is_not_bass() -> None:
    sound = tone(600) + np.float32(0.5)
    levels = features(sound, 44100, FPS, 4 * FPS)
    assert levels.low[FPS : 3 * FPS].max() < 0.05
    assert levels.mid[FPS : 3 * FPS].min() > 0.9


def test_hostile_samples_stay_finite() -> None:
    sound = noise(22050, 2)
    sound[[5, 500, 20000]] = [np.nan, np.inf, -3e38]
    for value in values(features(sound, 22050, FPS, 50)).values():
        assert np.isfinite(value).all()
        assert value.min() >= 0
        assert value.max() <= 1


@pytest.mark.parametrize("fps", [0.5, 7.3, 24, 29.97, 240])
@pytest.mark.parametrize("length", [0.01, 1.7])
def test_there_is_one_value_a_frame_and_silence_after_the_end(fps: float, length: float) -> None:
    frames = round(4 * fps)
    heard = features(noise(8000, length), 8000, fps, frames)
    for value in values(heard).values():
        assert value.shape == (frames,)
        assert 0 <= value.min() <= value.max() <= 1
    assert heard.loudness[: round(length * fps) + 5].max() > 0.5
    if fps > 1:
        assert heard.loudness[round((length + 1.8) * fps) :].max() < 0.05
        assert heard.onset[round((length + 0.2) * fps) :].max() == 0
    assert features(noise(8000, 1), 8000, fps, 0).onset.shape == (0,)


def test_only_the_level_of_silence_is_absolute() -> None:
    sound = clicks((0.5, 1.4), 22050, 3) + noise(22050, 3) * np.float32(0.05)
    loud, soft = (values(features(factor * sound, 22050, FPS, 75)) for factor in (np.float32(1), np.float32(0.125)))
    for name, value in loud.items():
        np.testing.assert_allclose(soft[name], value, atol=1e-4, err_msg=name)


def test_ten_minutes_take_little_memory() -> None:
    rate = 16000
    sound = np.tile(noise(rate, 10), 60)
    tracemalloc.start()
    try:
        heard = features(sound, rate, FPS, 600 * FPS)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(heard.onset) == 15000
    assert peak < 120e6  # all windows at once would be 500 MB, and their transforms as much again


def test_the_walk_hurries_where_it_is_loud_and_where_something_begins() -> None:
    calm = [0.0] * 10
    speed = speeds(heard(loudness=[*calm, *[1.0] * 10], onset=[*calm, *calm]), 1)
    np.testing.assert_allclose(speed[10:] / speed[0], 3)
    assert speed.mean() == pytest.approx(1)
    struck = speeds(heard(onset=[0, 0, 1.0, *calm, *calm]), 1)
    assert struck[2] / struck[0] == pytest.approx(5)
    assert (np.diff(struck[2:]) < 0).all()
    np.testing.assert_allclose(speeds(heard(loudness=[0.1, 0.9]), 0), 1)


def test_positions_run_as_fast_as_the_speeds() -> None:
    speed = np.array([1.0, 3.0, 0.5, 1.5])
    np.testing.assert_allclose(np.diff(np.append(paced(speed, 6, loop=True), 6)), speed)
    np.testing.assert_allclose(np.diff(paced(speed, 6, loop=False)), speed[:3] * 5 / 4.5)
    for loop in (False, True):
        np.testing.assert_allclose(paced(np.ones(7), 3, loop), positions(7, 3, loop), atol=1e-12)
    assert paced(np.ones(1), 3, loop=False).tolist() == [0]


def test_a_push_is_a_direction_for_each_thing_heard() -> None:
    z_dim = 256
    kinds = [pushes(heard(**{name: [1.0, 0.0]}), z_dim, 7, 0.5) for name in ("onset", "low", "mid", "high")]
    for number, push in enumerate(kinds):
        assert norms(push)[0] == pytest.approx(0.5 * 16 * (0.3 if number else 0.6), rel=1e-5)
        for other in kinds[:number]:
            assert abs(push[0] @ other[0]) < 0.3 * norms(push)[0] * norms(other)[0]
    np.testing.assert_array_equal(kinds[0], pushes(heard(onset=[1.0, 0.0]), z_dim, 7, 0.5))
    assert np.abs(kinds[0] - pushes(heard(onset=[1.0, 0.0]), z_dim, 8, 0.5)).max() > 0.1


def test_a_pulse_dies_away_in_a_quarter_of_a_second() -> None:
    onset = [0.0, 1.0, 0.2, *[0.0] * 20]
    sizes = norms(pushes(heard(onset=onset), 64, 0, 1))
    assert sizes[0] == 0
    assert sizes.argmax() == 1
    assert (np.diff(sizes[1:]) < 0).all()  # the weaker beginning after it is covered
    np.testing.assert_allclose(np.interp(1 + 0.25 * FPS, np.arange(23), sizes) / sizes[1], 0.1, rtol=0.1)


def test_moved_latents_keep_their_lengths() -> None:
    z = np.random.default_rng(0).normal(size=(5, 32)).astype("f4")
    push = pushes(heard(onset=[0, 1.0, 0, 0, 0.5]), 32, 0, 2)
    new = moved(z, push)
    np.testing.assert_allclose(norms(new), norms(z), rtol=1e-6)
    np.testing.assert_allclose(new[0], z[0], rtol=1e-6)
    assert ((new[1] - z[1]) @ push[1]) > 0
