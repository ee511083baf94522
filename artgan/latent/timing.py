"""Constant perceptual speed: frames that are equally far apart to the eye, not in the latent space.

A generator stands nearly still in some places of its latent space and changes everything within a hand's breadth in
others. So the path is looked at finely, and travelled by the length of what was seen.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from artgan.engine.device import Engine
from artgan.models.encoder import SMALLEST, load_encoder

Floats = NDArray[np.float64]
Latents = NDArray[np.float32]
Eye = Callable[[torch.Tensor], torch.Tensor]

SIDE = 64
"""Pixels of the longer side at which pictures are compared."""
_AT_ONCE = 16
_STILL = 1e-6


def load_eye(engine: Engine) -> Eye:
    """A function from pictures (N, C, H, W) in [-1, 1] to vectors (N, F) whose distances are how different they look.

    It compares the five maps of the embedded encoder of pictures made small (`SIDE`), each pixel's channels brought to
    length 1, all maps and all pixels of a map counting alike: LPIPS (Zhang et al. 2018, equation 1) without learned
    weights, and the root of it. LPIPS itself is a square: of steps half as long the sum would be half as large, so it
    gives a path no length.

    Raises:
        StorageError: the file of the embedded encoder is missing or damaged.
    """
    encoder = load_encoder(engine)

    @torch.no_grad()
    def see(pictures: torch.Tensor) -> torch.Tensor:
        maps = encoder(_small(pictures.to(engine.device, torch.float32)))
        return torch.cat([_alike(found).flatten(1) for found in maps], 1)

    return see


def _small(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures whose longer side is SIDE, and whose shorter side the encoder can read."""
    height, width = pictures.shape[2:]
    sides = [max(SMALLEST, round(side * SIDE / max(height, width))) for side in (height, width)]
    return F.interpolate(pictures, sides, mode="bilinear", antialias=True)


def _alike(found: torch.Tensor) -> torch.Tensor:
    """A map (N, C, H, W) with channels of length 1, so weighed that the square of a distance is an average of pixels.

    Where hardly any channel answers (on average less than a tenth of what is usual), the length stays below 1: there,
    direction is noise.
    """
    length = (found.square().sum(1, keepdim=True) + 0.01 * found.shape[1]).sqrt()
    return found / (length * math.sqrt(found.shape[2] * found.shape[3]))


def probe(render: Callable[[Latents], torch.Tensor], latents: Latents, eye: Eye) -> Floats:
    """How different each picture of a path looks from the one before, (n - 1,).

    Args:
        render: from latents (m, z_dim) to pictures (m, C, H, W) in [-1, 1]; called with a few at a time.
        latents: (n, z_dim), along the path. End a loop with its first latent for the distance that closes it.
        eye: from pictures (m, C, H, W) to vectors (m, F), such as `load_eye` gives.
    """
    distances: list[torch.Tensor] = []
    before: torch.Tensor | None = None
    for start in range(0, len(latents), _AT_ONCE):
        seen = eye(render(latents[start : start + _AT_ONCE]))
        row = seen if before is None else torch.cat([before, seen])
        distances.append((row[1:] - row[:-1]).norm(dim=1).cpu())
        before = seen[-1:]
    return torch.cat(distances).double().numpy() if distances else np.zeros(0)


def evened(at: Floats, fine: Floats, distances: Floats) -> Floats:
    """Positions (n,) at which equal steps of `at` look equally large; order, first and last of `fine` stay in place.

    To refine, look again, at positions that are evened already: they may lie anywhere between the first and the last.

    Args:
        at: positions (n,) from fine[0] to fine[-1], as they would be without.
        fine: positions (m + 1,) that were looked at, rising. A loop of K keyframes ends with K, which is 0 again.
        distances: (m,) from each of them to the next, 0 or above. Where nothing changes, no time is spent; where
            nothing changes anywhere, positions stay as they are.
    """
    largest = distances.max(initial=0)
    if not largest > 0:
        return at.copy()
    # Never quite 0, so that places and lengths stay one to one.
    travelled = np.concatenate([[0.0], np.cumsum(np.maximum(distances / largest, _STILL))])
    share = (at - fine[0]) / (fine[-1] - fine[0])
    return np.asarray(np.interp(share * travelled[-1], travelled, fine), np.float64)


def evenness(distances: Floats) -> float:
    """How uneven a film is: the standard deviation of its distances from frame to frame, as a share of their mean.

    0 is perfectly even, also where there is no distance or nothing moves.
    """
    mean = float(distances.mean()) if len(distances) else 0.0
    return float(distances.std()) / mean if mean > 0 else 0.0
