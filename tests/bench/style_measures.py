"""How near a painting is to its style and to its content, and what is wrong with it: what `tests.bench.style` prints.

Pictures are (1, 3, H, W) in [-1, 1]. Content and result have one size, the style has its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from artgan.engine.oklab import to_oklab

Look = Callable[[torch.Tensor], Sequence[torch.Tensor]]
"""A network that is only looked through: a picture to its feature maps, (1, C, h, w) each."""

SEEDS = (99, 100)
"""Of the patches and directions of the sliced distances; nothing else in artgan draws with them."""
_PATCH, _PATCHES, _DIRECTIONS, _OCTAVES = 7, 20_000, 128, 3
_COLORS = 4096  # places of a sorted row of colours at which two rows are compared
_LUMINANCE = (0.2126, 0.7152, 0.0722)
_FLATTEST, _AROUND = 0.1, 15  # flat areas: a tenth of all places, by the spread of lightness in squares of so many px
_FRAME = 4
_SPECKLE = 0.1
# Added to both sides of a ratio, so that a style without any grain or speckle gives a number: a fortieth of an 8-bit
# step of lightness, and 1 pixel in 1000, which nobody sees.
_LEAST, _FEW = 1e-4, 1e-3


# --- the style


@dataclass(frozen=True)
class Gaussian:
    """Mean (C,) and covariance (C, C) of a map's values, in float64."""

    mean: torch.Tensor
    covariance: torch.Tensor


@torch.no_grad()
def gaussians(look: Look, x: torch.Tensor) -> list[Gaussian]:
    """What a network sees of a picture, map by map, wherever in it."""
    found = []
    for values in look(x):
        rows = values[0].flatten(1).double()
        mean = rows.mean(1)
        rows = rows - mean[:, None]
        found.append(Gaussian(mean, rows @ rows.T / rows.shape[1]))
    return found


def style_distance(ours: Sequence[Gaussian], style: Sequence[Gaussian]) -> float:
    """The squared Wasserstein distance of the Gaussians as a share of the style's spread, mean of all maps, percent."""
    shares = []
    for seen, wanted in zip(ours, style, strict=True):
        values, vectors = torch.linalg.eigh(wanted.covariance)
        root = vectors * values.clamp_min(0).sqrt() @ vectors.T
        shared = torch.linalg.eigvalsh(root @ seen.covariance @ root).clamp_min(0).sqrt().sum()
        spread = wanted.covariance.trace()
        apart = (seen.mean - wanted.mean).square().sum() + seen.covariance.trace() + spread - 2 * shared
        shares.append(float(apart / spread))
    return 100 * sum(shares) / len(shares)


def patch_distance(x: torch.Tensor, style: torch.Tensor) -> float:
    """Sliced Wasserstein distance (order 1) of 7 x 7 patches, mean of three octaves (Karras et al. 2018, section 5).

    Patches are drawn at the same shares of the way through both pictures, so that equal pictures are 0 apart.
    """
    found = []
    for seed in SEEDS:
        generator, pair = torch.Generator().manual_seed(seed), (x, style)
        for _ in range(_OCTAVES):
            places, rows = torch.rand(_PATCHES, generator=generator), []
            directions = F.normalize(torch.randn(3 * _PATCH**2, _DIRECTIONS, generator=generator), dim=0)
            for picture in pair:
                patches = F.unfold(picture, _PATCH)[0].T
                chosen = (places * len(patches)).long().clamp_max(len(patches) - 1)
                rows.append((directions.T @ patches[chosen].T).sort(1).values)
            found.append(float((rows[0] - rows[1]).abs().mean()))
            pair = (F.avg_pool2d(pair[0], 2), F.avg_pool2d(pair[1], 2))
    return sum(found) / len(found)


def color_distance(x: torch.Tensor, style: torch.Tensor) -> float:
    """Sliced Wasserstein distance (order 1) of the colours in OKLab, times 100."""
    directions = F.normalize(torch.randn(32, 3, generator=torch.Generator().manual_seed(SEEDS[0])), dim=1)
    rows = []
    for picture in (x, style):
        seen = (directions @ to_oklab(picture)[0].flatten(1)).sort(1).values
        rows.append(seen[:, torch.linspace(0, seen.shape[1] - 1, _COLORS).round().long()])
    return 100 * float((rows[0] - rows[1]).abs().mean())


# --- the content


def content_kept(x: torch.Tensor, content: torch.Tensor) -> float:
    """SSIM (Wang et al. 2004) of the gradient magnitudes (Sobel) of luminance: 1 is all."""
    a, b = _gradients(x), _gradients(content)
    bell = torch.exp(-(torch.arange(-5.0, 6.0) / 1.5).square() / 2)
    window = (torch.outer(bell, bell) / bell.sum() ** 2)[None, None]

    def mean(values: torch.Tensor) -> torch.Tensor:
        return F.conv2d(values, window)

    middle_a, middle_b, low, lower = mean(a), mean(b), 0.01**2, 0.03**2
    spread_a, spread_b = mean(a * a) - middle_a**2, mean(b * b) - middle_b**2
    both = mean(a * b) - middle_a * middle_b
    alike = (2 * middle_a * middle_b + low) * (2 * both + lower)
    return float((alike / ((middle_a**2 + middle_b**2 + low) * (spread_a + spread_b + lower))).mean())


def _gradients(x: torch.Tensor) -> torch.Tensor:
    sobel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
    both = F.conv2d(F.pad(_luminance(x), (1, 1, 1, 1), mode="replicate"), torch.stack([sobel, sobel.T])[:, None])
    return both.square().sum(1, keepdim=True).sqrt()


def _luminance(x: torch.Tensor) -> torch.Tensor:
    """From 0 to 1, of the values as they are stored."""
    return ((x + 1) / 2 * torch.tensor(_LUMINANCE).view(1, 3, 1, 1)).sum(1, keepdim=True)


# --- what is wrong


def checkerboard(x: torch.Tensor, style: torch.Tensor) -> float:
    """How strong the finest checkerboard is, against the style: 1 is like it, 2 is twice as strong."""
    return _ratio(_checkers(x), _checkers(style))


def _checkers(x: torch.Tensor) -> float:
    x = (x + 1) / 2
    return float((x[..., :-1, :-1] - x[..., 1:, :-1] - x[..., :-1, 1:] + x[..., 1:, 1:]).abs().mean())


def grain(x: torch.Tensor, content: torch.Tensor, style: torch.Tensor) -> float:
    """How rough the result is where the content is flattest, against the style where that is flattest."""
    ours, theirs = _roughness(x)[_flat(content)], _roughness(style)[_flat(style)]
    return _ratio(float(ours.mean()), float(theirs.mean()))


def halo(x: torch.Tensor, content: torch.Tensor) -> float:
    """How rough the outermost 4 px are against all within, compared with the content: 1 is like it."""
    return _frame(x) / _frame(content)


def _frame(x: torch.Tensor) -> float:
    rough = _roughness(x)
    outside = torch.ones_like(rough, dtype=torch.bool)
    outside[..., _FRAME:-_FRAME, _FRAME:-_FRAME] = False
    return _ratio(float(rough[outside].mean()), float(rough[~outside].mean()))


def speckles(x: torch.Tensor, style: torch.Tensor) -> float:
    """The share of pixels whose chroma is far from all around them, against the style's share."""
    return _ratio(_speckled(x), _speckled(style), _FEW)


def _speckled(x: torch.Tensor) -> float:
    """The share of pixels whose a and b lie over 0.1 from the medians of the 3 x 3 pixels around."""
    chroma = to_oklab(x)[:, 1:]
    around = F.unfold(F.pad(chroma, (1, 1, 1, 1), mode="replicate"), 3)
    middle = around.unflatten(1, (2, 9)).median(2).values.unflatten(2, chroma.shape[2:])
    return float(((chroma - middle).square().sum(1).sqrt() > _SPECKLE).float().mean())


def _roughness(x: torch.Tensor) -> torch.Tensor:
    """How far each pixel's luminance is from what is around it (5 x 5, binomial), (1, 1, H, W)."""
    light, binomial = _luminance(x), torch.tensor([1.0, 4, 6, 4, 1]) / 16
    around = F.conv2d(F.pad(light, (2, 2, 2, 2), mode="replicate"), torch.outer(binomial, binomial)[None, None])
    return (light - around).abs()


def _flat(x: torch.Tensor) -> torch.Tensor:
    """Where a picture is flattest: a mask (1, 1, H, W) of a tenth of its places, or of more that are as flat."""
    light, reach = _luminance(x).double(), _AROUND // 2
    mean, square = (
        F.avg_pool2d(values, _AROUND, 1, reach, count_include_pad=False) for values in (light, light.square())
    )
    spread = (square - mean.square()).clamp_min(0)
    rank = max(1, round(_FLATTEST * spread.numel()))
    return spread <= spread.flatten().kthvalue(rank).values


def _ratio(ours: float, theirs: float, least: float = _LEAST) -> float:
    return (ours + least) / (theirs + least)


# --- all of it

MEASURES = ("style", "patches", "kept", "colors", "checker", "grain", "halo", "speckle")


def measure(
    look: Look, x: torch.Tensor, content: torch.Tensor, style: torch.Tensor, seen: Sequence[Gaussian]
) -> dict[str, float]:
    """All measures of one result by name; `seen` are the style's `gaussians`."""
    values = (
        style_distance(gaussians(look, x), seen),
        patch_distance(x, style),
        content_kept(x, content),
        color_distance(x, style),
        checkerboard(x, style),
        grain(x, content, style),
        halo(x, content),
        speckles(x, style),
    )
    return dict(zip(MEASURES, values, strict=True))
