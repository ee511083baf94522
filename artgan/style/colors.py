"""Colours as the eye takes them, colours kept, and colours matched.

Pictures are (1, 3, H, W) in [-1, 1], gamma-coded sRGB. All arithmetic on colours is done in OKLab (Ottosson 2020),
where lightness, chroma and hue are nearly what the eye takes them for: L from 0 (black) to 1 (white), a and b from
about -0.3 to 0.3. Optional weights (1, 1, H, W) >= 0 say how much a pixel counts.
"""

from collections.abc import Callable, Iterator

import torch

from artgan.engine.oklab import from_oklab, to_linear, to_oklab
from artgan.errors import UsageError

__all__ = [
    "FLAT",
    "as_picture",
    "as_rows",
    "from_oklab",
    "into_gamut",
    "least_transport",
    "lightness_matched",
    "matched",
    "mean_and_covariance",
    "to_oklab",
    "with_colors_of",
]

_ROUNDING = 1e-5  # so far outside [0, 1] in linear light, a colour is still inside: 1/15 of an 8-bit step at black
_HALVINGS = 14

_BAND = 1 << 20  # pixels worked on at a time

# A direction in which the style hardly varies holds grain and JPEG noise; stretched without limit it becomes confetti.
_GAIN = 4.0
FLAT = 0.002
"""Standard deviation in OKLab of what rounding to 8 bits leaves."""


def into_gamut(lab: torch.Tensor) -> torch.Tensor:
    """OKLab colours (N, 3, H, W) that a screen can show: same lightness and hue, as much chroma as there is room for.

    Clipping red, green and blue one by one would turn hues and leave speckles where a smooth area crosses the border.
    Lightness outside [0, 1] becomes black or white.
    """
    lightness = lab[:, :1].clamp(0, 1)
    lab = torch.cat([lightness, lab[:, 1:]], 1)
    with torch.no_grad():
        outside = ~_shown(lab)
        some = lab.movedim(1, -1)[outside][None].mT[..., None]  # (1, 3, M, 1)
        low, high = torch.zeros_like(some[:, :1]), torch.ones_like(some[:, :1])
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            inside = _shown(torch.cat([some[:, :1], some[:, 1:] * middle], 1))[:, None]
            low, high = torch.where(inside, middle, low), torch.where(inside, high, middle)
        scale = torch.ones_like(lightness)
        scale[:, 0][outside] = low.flatten()
    return torch.cat([lightness, lab[:, 1:] * scale], 1)


def with_colors_of(painted: torch.Tensor, content: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
    """The lightness of `painted` with the chroma of `content` (Gatys et al. 2016, luminance-only transfer, in OKLab).

    Args:
        painted: (1, 3, H, W).
        content: (1, 3, H, W).
        weights: how much of the content's chroma a pixel takes, (1, 1, H, W); 0 leaves the painted one, 1 and more
            takes it all.
    """

    def change(painted: torch.Tensor, content: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
        ours, theirs = to_oklab(painted), to_oklab(content)
        share = 1.0 if weights is None else weights.clamp(0, 1)
        chroma = ours[:, 1:] + (theirs[:, 1:] - ours[:, 1:]) * share
        return as_picture(torch.cat([ours[:, :1], chroma], 1))

    return _in_bands(change, painted, content, weights)


def matched(
    style: torch.Tensor,
    content: torch.Tensor,
    style_weights: torch.Tensor | None = None,
    content_weights: torch.Tensor | None = None,
    like: torch.Tensor | None = None,
) -> torch.Tensor:
    """The style in the colours of the content: least transport between Gaussians (Pitie & Kokaram 2007).

    Any A with A S A^T = C would give the style the content's mean and covariance (Gatys et al. 2016); this one is
    symmetric and moves colours least. It is taken in OKLab: on paintings that looks almost as in RGB, but what leaves
    the gamut keeps its hue (RGB made Redon's grey sky deep violet with Lorrain's colours), and the bound on the gain
    treats noise of lightness and of chroma as the eye does.

    Args:
        style: (1, 3, h, w) in [-1, 1]; the result has its size.
        content: (1, 3, H, W) in [-1, 1].
        style_weights: how much a pixel of the style counts, (1, 1, h, w); all pixels are moved.
        content_weights: how much a pixel of the content counts, (1, 1, H, W).
        like: a picture that stands for the style, of the size of its weights: what is moved is moved as it would be.

    Raises:
        UsageError: no pixel of a picture counts.
    """
    mean, covariance = _mean_and_covariance_of(style if like is None else like, style_weights)
    goal, target = _mean_and_covariance_of(content, content_weights)
    transport = least_transport(covariance, target)

    def change(style: torch.Tensor) -> torch.Tensor:
        lab = to_oklab(style)
        moved = (as_rows(lab).detach().cpu().double() - mean) @ transport + goal
        return as_picture(moved.to(lab).T.reshape(lab.shape))

    return _in_bands(change, style)


def lightness_matched(style: torch.Tensor, content: torch.Tensor) -> torch.Tensor:
    """The style with the content's mean and standard deviation of lightness (Gatys et al. 2016, eq. 10).

    The chroma stays. A nearly flat style is stretched no more than fourfold; its grain would become the picture.
    """
    (mean, covariance), (goal, target) = (_mean_and_covariance_of(picture, None) for picture in (style, content))
    gain = float((target[0, 0].sqrt() / covariance[0, 0].sqrt().clamp_min(FLAT)).clamp_max(_GAIN))
    middle, aim = float(mean[0]), float(goal[0])

    def change(style: torch.Tensor) -> torch.Tensor:
        ours = to_oklab(style)
        return as_picture(torch.cat([(ours[:, :1] - middle) * gain + aim, ours[:, 1:]], 1))

    return _in_bands(change, style)


def as_picture(lab: torch.Tensor) -> torch.Tensor:
    """A picture in [-1, 1]; the clamp takes only rounding off."""
    return from_oklab(into_gamut(lab)).clamp(-1, 1)


def as_rows(lab: torch.Tensor) -> torch.Tensor:
    """The pixels of (1, 3, H, W) as rows (H W, 3)."""
    return lab[0].flatten(1).T


def mean_and_covariance(colors: torch.Tensor, weights: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean (D,) and covariance (D, D) of colours (N, D), in float64 on the CPU."""
    colors = colors.detach().cpu().double()
    share = torch.ones(len(colors)) if weights is None else weights.detach().cpu().flatten()
    share = share.double() / share.sum(dtype=torch.float64)
    if not share.isfinite().all():
        raise UsageError("No pixel of a picture counts: all of its weights are 0.", "Leave some of it visible.")
    mean = share @ colors
    centred = colors - mean
    return mean, (centred.T * share) @ centred


def _bands(picture: torch.Tensor) -> Iterator[slice]:
    height, width = picture.shape[2:]
    rows = max(1, _BAND // width)
    return (slice(top, top + rows) for top in range(0, height, rows))


def _in_bands(change: Callable[..., torch.Tensor], picture: torch.Tensor, *others: torch.Tensor | None) -> torch.Tensor:
    """What a change of single pixels makes of a picture and what lies beside it, some rows at a time.

    OKLab takes a dozen copies of what is worked on.
    """
    changed = torch.empty_like(picture)
    for rows in _bands(picture):
        changed[:, :, rows] = change(
            picture[:, :, rows], *(other if other is None else other[:, :, rows] for other in others)
        )
    return changed


def _mean_and_covariance_of(picture: torch.Tensor, weights: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean (3,) and covariance (3, 3) of the OKLab colours of a picture (1, 3, H, W), in float64 on the CPU."""
    mass, total, product = (torch.zeros(shape, dtype=torch.float64) for shape in ((), 3, (3, 3)))
    for rows in _bands(picture):
        colors = as_rows(to_oklab(picture[:, :, rows])).detach().cpu().double()
        share = torch.ones(len(colors)) if weights is None else weights[:, :, rows].detach().cpu().flatten()
        mass += share.sum(dtype=torch.float64)
        weighted = colors.T * share
        total += weighted.sum(1)
        product += weighted @ colors
    if not mass > 0:
        raise UsageError("No pixel of a picture counts: all of its weights are 0.", "Leave some of it visible.")
    mean = total / mass
    return mean, product / mass - torch.outer(mean, mean)


def least_transport(source: torch.Tensor, target: torch.Tensor, flat: float = FLAT) -> torch.Tensor:
    """The symmetric T with T S T = C for covariances S and C (Pitie & Kokaram 2007), its gain bounded.

    A deviation below `flat` counts as that.

    Along each principal direction of the source its variance counts as at least a sixteenth of the target's there, so
    that no direction is stretched more than fourfold. (Cutting T's own eigenvalues instead would also cut the turn by
    which a grey picture takes on the tint that the target has at each lightness.)
    """
    values, vectors = torch.linalg.eigh(source)
    along = (vectors * (target @ vectors)).sum(0)
    root = torch.maximum(values, along / _GAIN**2).clamp_min(flat**2).sqrt()
    there, back = vectors * root @ vectors.T, vectors / root @ vectors.T
    inner, turn = torch.linalg.eigh(there @ target @ there)
    transport: torch.Tensor = back @ (turn * inner.clamp_min(0).sqrt() @ turn.T) @ back
    return transport


def _shown(lab: torch.Tensor) -> torch.Tensor:
    """Which OKLab colours lie in [0, 1]^3, (N, H, W)."""
    linear = to_linear(lab)
    return ((linear >= -_ROUNDING) & (linear <= 1 + _ROUNDING)).all(1)
