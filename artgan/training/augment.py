"""What D sees instead of the bare pictures, real or generated: DiffAugment (Zhao et al. 2020) and instance noise.

Each augmentation takes pictures (N, C, H, W) in [-1, 1] and uniform numbers (N, k), is differentiable, and treats every
picture by its own row: a batch in parts is augmented exactly like the whole.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F

from artgan.config import AugmentSettings
from artgan.engine.seeds import Streams

Augmentation = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def _between(draws: torch.Tensor, low: float, high: float, pictures: torch.Tensor) -> torch.Tensor:
    return (draws * (high - low) + low).to(pictures.device).view(-1, 1, 1, 1)


def _whole(draws: torch.Tensor, count: int) -> torch.Tensor:
    """Uniform draws (N,) as whole numbers 0 to count - 1, (N, 1)."""
    return (draws * count).long().clamp_max(count - 1)[:, None]


def color(pictures: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
    """Brightness +-0.5 (of a range of 2), saturation x0 to x2, contrast x0.5 to x1.5; alpha stays as it is."""
    alpha, x = (pictures[:, 3:], pictures[:, :3]) if pictures.shape[1] == 4 else (pictures[:, :0], pictures)
    x = x + _between(draws[:, 0], -0.5, 0.5, x)
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * _between(draws[:, 1], 0, 2, x)
    mean = x.mean((1, 2, 3), keepdim=True)
    x = mean + (x - mean) * _between(draws[:, 2], 0.5, 1.5, x)
    return torch.cat([x, alpha], 1) if alpha.shape[1] else x


def translation(pictures: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
    """Shift by up to an eighth of each side; what comes in is mid-grey (0)."""
    count, _, height, width = pictures.shape
    reach_y, reach_x = round(height / 8), round(width / 8)
    padded = F.pad(pictures, (reach_x, reach_x, reach_y, reach_y))
    rows = (_whole(draws[:, 0], 2 * reach_y + 1) + torch.arange(height)).to(pictures.device)
    columns = (_whole(draws[:, 1], 2 * reach_x + 1) + torch.arange(width)).to(pictures.device)
    each = torch.arange(count, device=pictures.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[each, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def cutout(pictures: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
    """Blank a window of half the height and half the width, centred anywhere; it becomes mid-grey (0)."""
    _, _, height, width = pictures.shape
    middle_y, middle_x = _whole(draws[:, 0], height + 1), _whole(draws[:, 1], width + 1)
    in_rows = (torch.arange(height) + 0.5 - middle_y).abs() < height / 4
    in_columns = (torch.arange(width) + 0.5 - middle_x).abs() < width / 4
    keep = ~(in_rows[:, :, None] & in_columns[:, None, :])
    return pictures * keep[:, None].to(pictures.device, pictures.dtype)


AUGMENTATIONS: dict[str, tuple[Augmentation, slice, int]] = {
    "color": (color, slice(0, 3), 7),
    "translation": (translation, slice(3, 5), 8),
    "cutout": (cutout, slice(5, 7), 9),
}
"""Each augmentation, its own columns of the draws, and the column that decides whether a picture gets it."""
OWN, COLUMNS = 7, 10


class Draws(NamedTuple):
    """The chance in one view of a batch: uniform numbers (N, 10) and instance noise (N, C, H, W) or None."""

    uniform: torch.Tensor
    noise: torch.Tensor | None

    def part(self, rows: slice) -> "Draws":
        """The draws of some pictures of the batch."""
        return Draws(self.uniform[rows], None if self.noise is None else self.noise[rows])


def draw(streams: Streams, name: str, at: int, size: tuple[int, ...], noise: float) -> Draws:
    """Draw for the view called `name` of a batch of `size` (N, C, H, W), with instance noise of that deviation."""
    generator = streams.generator(name, at)
    how = torch.rand(size[0], OWN, generator=generator)  # a call of its own: the same numbers as before there was a p
    whether = torch.rand(size[0], COLUMNS - OWN, generator=generator)
    uniform = torch.cat([how, whether], 1)
    return Draws(uniform, streams.normal(f"{name} noise", at, *size) * noise if noise else None)


def noise_at(nimg: int, noise: float, noise_kimg: float) -> float:
    """Standard deviation of the instance noise, falling linearly to 0 at `noise_kimg`.

    Sønderby et al. 2017, section 3; Arjovsky & Bottou 2017, section 3: noise on every picture that D sees makes the
    supports of reals and fakes overlap.
    """
    return noise * max(0.0, 1 - nimg / (1000 * noise_kimg))


def augment(pictures: torch.Tensor, policy: Sequence[str], draws: Draws, p: float | torch.Tensor = 1.0) -> torch.Tensor:
    """Apply the augmentations named in `policy`, in order, each to a picture with probability `p`; then the noise.

    As a tensor `p` has no dimension; it may lie on another device than the draws, and is not waited for.
    """
    for name in policy:
        function, columns, whether = AUGMENTATIONS[name]
        changed = function(pictures, draws.uniform[:, columns])
        if isinstance(p, float) and p >= 1:
            pictures = changed
        else:
            chosen = draws.uniform[:, whether].to(pictures.device) < p
            pictures = torch.where(chosen[:, None, None, None], changed, pictures)
    return pictures if draws.noise is None else pictures + draws.noise.to(pictures.device)


def adapted(p: torch.Tensor, real_acc: torch.Tensor, pictures: int, settings: AugmentSettings) -> torch.Tensor:
    """The probability that follows `p` after so many pictures, of which D told `real_acc` from generated ones.

    Karras et al. 2020, section 3.1: r = E[sign D(x)] on reals is a measure of overfitting, and p moves towards r's
    target at a constant speed. `real_acc` is the share of reals that D calls real, so r = 2 real_acc - 1; with losses
    that only compare it is the share of pairs in which D prefers the real picture. Our departure: p has an upper end,
    `augment.p_max`, beyond which augmentations show in what is generated.
    """
    step = torch.sign(2 * real_acc - 1 - settings.target) * (pictures / (1000 * settings.ada_kimg))
    return (p + step).clamp(0.0, settings.p_max)
