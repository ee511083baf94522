"""Music that moves a path: what is heard at each frame, and what it does to the latents.

Two things move. The walk hurries along its path where the music is loud or something begins (`speeds`, `paced`), and
latents leave the path and come back (`pushes`, `moved`): at each beginning in one fixed direction, for a quarter of a
second, and with the energy of low, middle and high tones in three others.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from artgan.engine.seeds import Streams
from artgan.latent.paths import norms, on_shell

Floats = NDArray[np.float64]
Latents = NDArray[np.float32]
Samples = NDArray[np.float32]

LOW, MID, HIGH = (20.0, 150.0), (150.0, 2000.0), (2000.0, 8000.0)
"""Hz, from and to: kick drum and bass; voices and most instruments; cymbals and breath."""
_ALL = (20.0, 16000.0)
_WINDOW = 2048 / 44100  # seconds
_BLOCK = 128  # windows transformed at a time, 2 MB: what a processor keeps at hand
_STEPS = 100  # a second, at least: a film of 25 frames would miss what begins between them

_SILENCE = 1e-9  # mean square, -90 dB; what is left of silence by rounding to 16 bits has -101
_DEPTH = 60.0  # decibels below the loudest that count as heard
_CONTRAST = 24.0  # decibels that the range of a band spans at least: a steady tone is loud, not half loud
_QUIETEST = -30.0  # decibels below which a band is never called loud: what a window leaks from others is there
_ATTACK, _RELEASE = 0.02, 0.25  # seconds

# Of the flux, an average over bands of log(1 + 1000 magnitude). Measured: white noise flickers by 0.06, once in two
# minutes by 0.34; a note of one pitch begins with 0.6 to 1, a bass drum with 1.2, a snare with 3.7.
_COMPRESSION = 1000.0
_USUAL = 3.0  # medians that are no beginning
_FAINT = 0.15  # and this
_FULL = 0.3  # what is above both counts as a whole beginning from here on

_PULSE = 0.25  # seconds until a tenth is left


@dataclass(frozen=True)
class Features:
    """What is heard at each frame, (frames,) each, in [0, 1].

    Attributes:
        fps: frames per second.
        onset: how strongly something begins at this frame; 1 is the strongest beginning within three seconds.
        low: energy of 20 to 150 Hz in decibels, from the band's quiet passages to its loud ones; it rises at once and
            falls to a third within a quarter of a second.
        mid: the same of 150 to 2000 Hz.
        high: the same of 2000 to 8000 Hz.
        loudness: the same of 20 Hz to 16 kHz.
    """

    fps: float
    onset: Floats
    low: Floats
    mid: Floats
    high: Floats
    loudness: Floats


def features(samples: Samples, rate: int, fps: float, frames: int) -> Features:
    """Listen to a sound; frame i hears it i / fps seconds after the start, and silence once it has ended.

    Args:
        samples: mono (N,), usually in [-1, 1]: beyond +-100 they are cut, what is not finite counts as 0. Only silence
            has an absolute level, all else is relative to the loudest moment.
        rate: samples per second, from 1000 up.
        fps: frames per second.
        frames: how many frames to describe.
    """
    per_frame = int(np.ceil(_STEPS / fps))
    edges, size = _edges(rate)
    blocks = list(_powers(samples, rate, fps, frames, per_frame))
    power = np.concatenate([np.zeros((0, len(edges) - 1), np.float32), *blocks])
    loudest = float(power.sum(1).max(initial=0))
    if loudest <= _SILENCE:
        return Features(fps, *np.zeros((5, frames)))
    power /= loudest
    onset = _onsets(_flux(power, fps * per_frame), fps * per_frame).reshape(frames, per_frame).max(1)
    by_frame = power.reshape(frames, per_frame, -1).mean(1)
    levels = [_level(_band(by_frame, edges, rate / size, *band)) for band in (LOW, MID, HIGH, _ALL)]
    return Features(fps, onset, *_smoothed(np.stack(levels, 1), fps).T)


def speeds(heard: Features, amount: float) -> Floats:
    """How fast to travel at each frame, (frames,), above 0 and 1 on average.

    Before it is brought to that average, silence goes at 1, the loudest passage at 1 + 2 `amount`, and a beginning adds
    4 `amount` for a quarter of a second.
    """
    raw = 1 + amount * (2 * heard.loudness + 4 * _pulse(heard))
    return np.asarray(raw / raw.mean())


def paced(speed: Floats, keys: int, loop: bool) -> Floats:
    """Positions (frames,) in keyframes at these speeds; the ends are those of `artgan.latent.paths.positions`."""
    travelled = np.concatenate([[0.0], np.cumsum(speed)])
    whole, end = (keys, len(speed)) if loop else (keys - 1, max(len(speed) - 1, 1))
    return np.asarray(travelled[:-1] / travelled[end] * whole)


def pushes(heard: Features, z_dim: int, seed: int, amount: float) -> Floats:
    """What the music adds to each latent, (frames, z_dim), for `moved`.

    A beginning pushes by 0.6 `amount` sqrt(z_dim), which dies away in a quarter of a second; low, middle and high tones
    by up to 0.3 `amount` sqrt(z_dim) each. The four directions are drawn from `seed`. Silence pushes nowhere.
    """
    parts = {"onset": 0.6 * _pulse(heard), "low": 0.3 * heard.low, "mid": 0.3 * heard.mid, "high": 0.3 * heard.high}
    drawn = np.stack([Streams(seed).normal(f"music/{name}", 0, z_dim).numpy() for name in parts])
    directions = on_shell(drawn, np.full(len(parts), amount * np.sqrt(z_dim)))
    return np.asarray(np.stack(list(parts.values()), 1) @ directions)


def closed(push: Floats, fps: float, loop: bool) -> Floats:
    """Pushes (frames, z_dim) that come back within the last half second to where they began, if it is a loop."""
    count = min(len(push), max(1, round(fps / 2)))
    share = (np.arange(1, count + 1) / (count + 1))[:, None] if loop else np.zeros((count, 1))
    share = share * share * (3 - 2 * share)
    return np.concatenate([push[: len(push) - count], push[len(push) - count :] * (1 - share) + push[:1] * share])


def moved(z: Latents, push: Floats) -> Latents:
    """Latents (n, z_dim) turned by pushes (n, z_dim); their lengths stay."""
    return on_shell(z + push, norms(z))


def _edges(rate: int) -> tuple[NDArray[np.int64], int]:
    """Bins where bands of a sixth of an octave begin, and the last ends (lower ones are a bin wide); the window's size.

    LOW, MID and HIGH are made of whole bands.
    """
    size = 2 ** round(np.log2(rate * _WINDOW))
    hertz = np.concatenate([np.geomspace(*_ALL, 59), LOW, MID, HIGH])
    bins = np.ceil(np.minimum(hertz, rate / 2) * size / rate).astype(np.int64)
    return np.unique(np.maximum(bins, 1)), size


def _powers(samples: Samples, rate: int, fps: float, frames: int, per_frame: int) -> Iterator[NDArray[np.float32]]:
    """Mean squares in the bands of `_edges`, (steps, bands), block by block; `per_frame` steps surround a frame."""
    edges, size = _edges(rate)
    taper = np.blackman(size + 1)[:-1]  # Hann's lets a bass of 60 Hz into the middle band at -47 dB, this at -62
    scale = 2 / (size * (taper**2).sum())
    first = -(per_frame // 2)
    last = first + frames * per_frame
    for start in range(first, last, _BLOCK):
        steps = np.arange(start, min(start + _BLOCK, last))
        begins = np.round(steps * rate / (fps * per_frame)).astype(np.int64) - size // 2
        piece = _cut(samples, begins[0], begins[-1] + size)
        windows = sliding_window_view(piece, size)[begins - begins[0]]
        windows = (windows - windows @ taper[:, None] / taper.sum()) * taper  # a constant is no bass
        power = np.abs(np.fft.rfft(windows)[:, : edges[-1]]) ** 2 * scale
        yield np.add.reduceat(power, edges[:-1], axis=1).astype(np.float32)


def _cut(samples: Samples, start: int, end: int) -> Floats:
    """Samples from start to end, zeros where there are none."""
    piece = np.zeros(end - start)
    inside = samples[max(start, 0) : max(end, 0)]
    piece[max(-start, 0) :][: len(inside)] = np.clip(np.nan_to_num(inside, nan=0, posinf=0, neginf=0), -100, 100)
    return piece


def _flux(power: NDArray[np.float32], rate: float) -> Floats:
    """By how much bands grow from half a window before, (steps,), on average over bands.

    Spectral flux of compressed magnitudes (Bello et al. 2005, "A tutorial on onset detection", section III-A; Dixon
    2006, "Onset detection revisited", section 2.1), against the loudest of three neighbouring bands, so that noise and
    vibrato count for little (Boeck & Widmer 2013, "Maximum filter vibrato suppression for onset detection"). Half a
    window apart, a sudden beginning is strongest in its middle: measured within 10 ms for clicks, drums and notes.
    """
    now = np.log1p(_COMPRESSION * np.sqrt(power))
    wide = np.pad(now, ((0, 0), (1, 1)), mode="edge")
    most = np.maximum(np.maximum(wide[:, :-2], wide[:, 2:]), now)
    lag = max(1, round(_WINDOW / 2 * rate))
    before = np.concatenate([np.zeros_like(most[:lag]), most])[: len(now)]
    return np.asarray(np.maximum(now - before, 0).mean(1, dtype=np.float64))


def _onsets(flux: Floats, rate: float) -> Floats:
    """Flux well above the median of a second around, as a share of the strongest within three seconds, (steps,).

    The adaptive threshold of Bello et al. 2005, section IV-B, but to measure strengths, not to choose peaks.
    """
    reach, every = round(rate / 2), max(1, round(rate / 10))
    medians = np.median(_around(flux, reach)[::every], axis=1)
    usual = np.interp(np.arange(len(flux)), np.arange(0, len(flux), every), medians)
    above = np.maximum(flux - _USUAL * usual - _FAINT, 0)
    return np.asarray(above / np.maximum(_around(above, round(3 * rate)).max(1), _FULL))


def _around(x: Floats, reach: int) -> Floats:
    """Each value with those up to `reach` before and after it, zeros beyond the ends: a view (n, 2 reach + 1)."""
    return sliding_window_view(np.pad(x, reach), 2 * reach + 1)


def _band(power: NDArray[np.float32], edges: NDArray[np.int64], width: float, low: float, high: float) -> Floats:
    """Power (n,) from low to high Hz, of bands that begin at bins `edges`, `width` Hz each."""
    inside = (edges[:-1] * width >= low) & (edges[:-1] * width < high)
    return np.asarray(power[:, inside].sum(1, dtype=np.float64))


def _level(power: Floats) -> Floats:
    """Power relative to the loudest moment of the sound, as 0 (quiet for this band) to 1 (loud), (n,)."""
    decibels = 10 * np.log10(np.maximum(power, 10 ** (-_DEPTH / 10)))
    heard = decibels[decibels > -_DEPTH]
    if not len(heard):
        return np.zeros_like(power)
    quiet, loud = np.percentile(heard, [10, 95])
    loud = max(loud, _QUIETEST)
    quiet = max(min(quiet, loud - _CONTRAST), -_DEPTH)
    return np.asarray(np.clip((decibels - quiet) / (loud - quiet), 0, 1))


def _smoothed(levels: Floats, fps: float) -> Floats:
    """Levels (frames, k) that rise and fall exponentially, within _ATTACK and _RELEASE seconds to a third."""
    rise, fall = (1 - np.exp(-1 / (seconds * fps)) for seconds in (_ATTACK, _RELEASE))
    state, rows = np.zeros(levels.shape[1]), []
    for level in levels:
        state = state + np.where(level > state, rise, fall) * (level - state)
        rows.append(state)
    return np.stack(rows)


def _pulse(heard: Features) -> Floats:
    """Onsets that die away, (frames,): a weaker one does not cut short a stronger one before it."""
    kept, state, values = 0.1 ** (1 / (_PULSE * heard.fps)), 0.0, []
    for onset in heard.onset:
        state = max(float(onset), state * kept)
        values.append(state)
    return np.array(values)
