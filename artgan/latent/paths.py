"""Ways through a latent space: from frames to places between keyframes, and from places to latents.

A generator that takes z itself has only seen what N(0, I) draws, and in many dimensions that is a shell of radius
sqrt(z_dim): the straight line between two draws passes through latents that are 30 % too short, and their pictures are
flat (White 2016, "Sampling generative networks", who proposes slerp). So a path here chooses a direction and a length
apart, and the length stays between those of the keyframes.
"""

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from artgan.engine.seeds import Streams

PathKind = Literal["spline", "slerp", "linear", "circle", "noise"]
Ease = Literal["none", "sine", "smooth"]
Floats = NDArray[np.float64]
Latents = NDArray[np.float32]


def positions(frames: int, keys: int, loop: bool) -> Floats:
    """Where each frame lies, (frames,), counted in keyframes at a steady pace.

    In a loop the frame after the last would be frame 0 at the position `keys`, which is 0 again. An open path begins
    on keyframe 0 and ends on the last, `keys` - 1.
    """
    whole, steps = (keys, frames) if loop else (keys - 1, max(frames - 1, 1))
    return np.arange(frames, dtype=np.float64) * whole / steps


def eased(kind: Ease, at: Floats) -> Floats:
    """Positions (n,) with a slower start and end of every interval between keyframes, which themselves stay in place.

    Args:
        kind: sine is (1 - cos) / 2; smooth is 6t^5 - 15t^4 + 10t^3, which also starts and ends without acceleration
            (Perlin 2002, "Improving noise"); none leaves the positions as they are.
        at: positions in keyframes.
    """
    curves: dict[Ease, Callable[[Floats], Floats]] = {
        "none": lambda t: t,
        "sine": lambda t: (1 - np.cos(np.pi * t)) / 2,
        "smooth": _smooth,
    }
    whole = np.floor(at)
    return np.asarray(whole + curves[kind](at - whole), np.float64)


def along(kind: PathKind, keys: Floats | Latents, at: Floats, loop: bool, seed: int = 0) -> Latents:
    """Latents (n, z_dim) at the positions of a path.

    Args:
        kind: spline, a cubic curve that goes through all keyframes without a bend in its speed: its first and second
            derivatives are continuous. A loop is periodic; the ends of an open one are straight.
            slerp, the great circle from each keyframe to the next, turning there at once.
            linear, the straight line to the next, brought back onto the shell: it hurries in the middle.
            circle, one great circle at constant speed, a round in as many positions as there are keyframes. It starts
            on the first and goes through the second if there are two, or towards a direction drawn from `seed` if
            there is one. More than two do not lie on a circle in general: it passes as near to them as a circle
            through the first can (the sum of squared sines is the least).
            noise, a smooth random round that starts anywhere (`z_noise`): of the keyframes only their number counts.
        keys: keyframes (K, z_dim), K >= 1. One alone is a standstill, but for circle and noise.
        at: positions (n,) in keyframes. A loop counts them modulo K; an open path stays at its ends outside 0 to K - 1,
            but a circle or noise goes on.
        loop: whether the path returns from the last keyframe to the first.
        seed: for circle and noise.
    """
    keys, at = np.asarray(keys, np.float64), np.asarray(at, np.float64)
    if kind == "noise":
        return z_noise(at / len(keys), keys.shape[1], seed, len(keys))
    if kind == "circle":
        return _circle(keys, at / len(keys), seed)
    where = np.mod(at, len(keys)) if loop else np.clip(at, 0, len(keys) - 1)
    first = np.floor(where).astype(np.int64)
    t = (where - first)[:, None]
    first %= len(keys)  # rounding takes -1e-20 modulo 4 to 4.0
    second = (first + 1) % len(keys) if loop else np.minimum(first + 1, len(keys) - 1)
    lengths, units = norms(keys)[:, None], _units(keys)
    # Lengths of a spline are not splined, which would overshoot, but eased: their derivatives are 0 at the keyframes.
    length = _mixed(lengths[first], lengths[second], _smooth(t) if kind == "spline" else t)
    if kind == "slerp":
        directions = _slerp(units[first], units[second], t)
    elif kind == "linear":
        directions = _mixed(keys[first], keys[second], t) + length * _detour(units[first], units[second], t)
    else:
        bends = _bends(units, loop)
        curve = ((1 - t) ** 3 - (1 - t)) * bends[first] + (t**3 - t) * bends[second]
        directions = _mixed(units[first], units[second], t) + curve / 6 + _detour(units[first], units[second], t)
    return on_shell(directions, length[:, 0])


def z_noise(rounds: Floats, z_dim: int, seed: int, speed: float) -> Latents:
    """Latents (n, z_dim) of a smooth closed random path; over seeds, every one of them is a draw from N(0, I).

    Each coordinate is a sum of harmonics of the round with independent normal amplitudes, whose variances fall like a
    bell and sum to 1. The same seed draws the same amplitudes at any speed and for any number of frames.

    Args:
        rounds: places (n,), 1 being the whole round: numbers that differ by whole rounds are the same latent.
        z_dim: numbers in a latent.
        seed: a whole number from 0 up.
        speed: above 0: a round is about as long as a path from keyframe to keyframe through so many.
    """
    # Two draws of N(0, I) are a quarter turn apart, and harmonic h makes h turns.
    spread = speed / 4
    harmonics = np.arange(1, math.ceil(3 * spread) + 2)
    power = np.exp((1 - harmonics**2.0) / (2 * spread**2))
    sizes = np.sqrt(power / power.sum())
    drawn = [Streams(seed).normal("path/noise", int(h), 2, z_dim).numpy() for h in harmonics]
    waves = np.stack(drawn).astype(np.float64) * sizes[:, None, None]
    turns = 2 * np.pi * np.mod(rounds, 1)[:, None] * harmonics
    return np.asarray(np.cos(turns) @ waves[:, 0] + np.sin(turns) @ waves[:, 1], np.float32)


def norms(z: Floats | Latents) -> Floats:
    """Lengths (n,) of latents (n, z_dim)."""
    return np.asarray(np.linalg.norm(np.asarray(z, np.float64), axis=-1))


def on_shell(z: Floats | Latents, lengths: Floats) -> Latents:
    """Latents (n, z_dim) of the directions of `z` and the lengths (n,); zeros have no direction and stay."""
    return np.asarray(_units(np.asarray(z, np.float64)) * lengths[:, None], np.float32)


def _smooth(t: Floats) -> Floats:
    return np.asarray(t**3 * (10 - 15 * t + 6 * t**2))


def _units(z: Floats) -> Floats:
    lengths = norms(z)[..., None]
    return np.asarray(z / np.where(lengths > 0, lengths, 1))


def _mixed(a: Floats, b: Floats, t: Floats) -> Floats:
    return np.asarray((1 - t) * a + t * b)


def _slerp(a: Floats, b: Floats, t: Floats) -> Floats:
    """Directions on the great circle from a to b, (n, z_dim) each: a turned towards what of b is at right angles to it.

    Unlike the usual sin((1 - t) w) / sin w it needs no exception for directions that are alike or opposite.
    """
    dot = (a * b).sum(1, keepdims=True)
    aside = b - dot * a
    size = norms(aside)[:, None]
    aside = np.where(size > 1e-12, aside / np.maximum(size, 1e-12), _across(a))
    angle = np.arctan2(size, dot) * t
    return np.asarray(np.cos(angle) * a + np.sin(angle) * aside)


def _detour(a: Floats, b: Floats, t: Floats) -> Floats:
    """What takes a line from a to its opposite around the origin, where it would have no direction; else 0."""
    dot = (a * b).sum(1, keepdims=True)
    opposite = (dot < 0) & (norms(b - dot * a)[:, None] < 1e-6)
    return np.where(opposite, (4 * t * (1 - t)) ** 3 * _across(a), 0)


def _across(units: Floats) -> Floats:
    """A direction at right angles to each, always the same one (there is none in one dimension: zeros)."""
    axis = np.zeros_like(units)
    np.put_along_axis(axis, np.abs(units).argmin(1)[:, None], 1, 1)
    return _units(axis - (axis * units).sum(1, keepdims=True) * units)


def _bends(y: Floats, loop: bool) -> Floats:
    """Second derivatives (K, z_dim) at the knots of the cubic spline through y, one apart.

    They solve M[k-1] + 4 M[k] + M[k+1] = 6 (y[k-1] - 2 y[k] + y[k+1]) (de Boor 1978, "A practical guide to splines",
    chapter IV). In a loop that is a circular convolution, undone by a Fourier transform. The natural spline (no bend at
    its ends) is the same on the right-hand side continued as an odd function about both ends.
    """
    right = 6 * (np.roll(y, 1, 0) - 2 * y + np.roll(y, -1, 0))
    if not loop:
        right[[0, -1]] = 0
        right = np.concatenate([right, -right[-2:0:-1]])
    count = len(right)
    kernel = 4 + 2 * np.cos(2 * np.pi * np.arange(count // 2 + 1) / count)
    return np.asarray(np.fft.irfft(np.fft.rfft(right, axis=0) / kernel[:, None], count, axis=0)[: len(y)])


def _circle(keys: Floats, rounds: Floats, seed: int) -> Latents:
    """The great circle that `along` describes, of the first keyframe's length."""
    start = _units(keys[:1])
    others = _units(keys[1:])
    others = others - (others @ start.T) * start
    if not (norms(others) > 1e-9).any():
        drawn = Streams(seed).normal("path/circle", 0, 1, keys.shape[1]).numpy().astype(np.float64)
        others = drawn - (drawn @ start.T) * start
    aside = np.linalg.svd(others, full_matrices=False)[2][:1]
    ahead = others @ aside.T
    if (ahead[np.abs(ahead) > 1e-9][:1] < 0).any():  # a singular vector has no sign of its own: turn to the next key
        aside = -aside
    angle = 2 * np.pi * np.mod(rounds, 1)[:, None]
    return on_shell(np.cos(angle) * start + np.sin(angle) * aside, np.full(len(rounds), norms(keys[0])))
