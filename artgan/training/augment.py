"""DiffAugment (Zhao et al. 2020): the same kinds of change to every picture that D sees, real or generated.

Each function takes pictures (N, C, H, W) in [-1, 1] and a CPU generator, is differentiable, and draws per picture.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F

Augmentation = Callable[[torch.Tensor, torch.Generator], torch.Tensor]


def _draw(pictures: torch.Tensor, generator: torch.Generator, low: float, high: float) -> torch.Tensor:
    draws = torch.rand(len(pictures), generator=generator) * (high - low) + low
    return draws.to(pictures.device).view(-1, 1, 1, 1)


def color(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Brightness +-0.5 (of a range of 2), saturation x0 to x2, contrast x0.5 to x1.5; alpha stays as it is."""
    alpha, x = (pictures[:, 3:], pictures[:, :3]) if pictures.shape[1] == 4 else (pictures[:, :0], pictures)
    x = x + _draw(x, generator, -0.5, 0.5)
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * _draw(x, generator, 0, 2)
    mean = x.mean((1, 2, 3), keepdim=True)
    x = mean + (x - mean) * _draw(x, generator, 0.5, 1.5)
    return torch.cat([x, alpha], 1) if alpha.shape[1] else x


def translation(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Shift by up to an eighth of each side; what comes in is mid-grey (0)."""
    count, _, height, width = pictures.shape
    reach_y, reach_x = round(height / 8), round(width / 8)
    shift_y = torch.randint(0, 2 * reach_y + 1, (count, 1), generator=generator)
    shift_x = torch.randint(0, 2 * reach_x + 1, (count, 1), generator=generator)
    padded = F.pad(pictures, (reach_x, reach_x, reach_y, reach_y))
    rows = (shift_y + torch.arange(height)).to(pictures.device)
    columns = (shift_x + torch.arange(width)).to(pictures.device)
    each = torch.arange(count, device=pictures.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[each, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def cutout(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Blank a window of half the height and half the width, centred anywhere; it becomes mid-grey (0)."""
    count, _, height, width = pictures.shape
    middle_y = torch.randint(0, height + 1, (count, 1), generator=generator)
    middle_x = torch.randint(0, width + 1, (count, 1), generator=generator)
    in_rows = (torch.arange(height) + 0.5 - middle_y).abs() < height / 4
    in_columns = (torch.arange(width) + 0.5 - middle_x).abs() < width / 4
    keep = ~(in_rows[:, :, None] & in_columns[:, None, :])
    return pictures * keep[:, None].to(pictures.device, pictures.dtype)


AUGMENTATIONS: dict[str, Augmentation] = {"color": color, "translation": translation, "cutout": cutout}


def augment(pictures: torch.Tensor, policy: Sequence[str], generator: torch.Generator) -> torch.Tensor:
    """Apply the augmentations named in `policy`, in order."""
    for name in policy:
        pictures = AUGMENTATIONS[name](pictures, generator)
    return pictures
