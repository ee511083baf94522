"""Colours as the eye takes them, colours kept, and colours matched.

Pictures are (1, 3, H, W) in [-1, 1], gamma-coded sRGB. All arithmetic on colours is done in OKLab (Ottosson 2020),
where lightness, chroma and hue are nearly what the eye takes them for: L from 0 (black) to 1 (white), a and b from
about -0.3 to 0.3. Optional weights (1, 1, H, W) >= 0 say how much a pixel counts.
"""

import torch

from artgan.errors import UsageError

_TO_LMS = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_TO_LAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)
# A cube root is infinitely steep at black. Below this share of white it is replaced by its chord, which keeps gradients
# finite and the way back exact; only colours darker than the first step of 8 bits notice.
_DARK = 1e-5
_ROUNDING = 1e-5  # so far outside [0, 1] in linear light, a colour is still inside: 1/15 of an 8-bit step at black
_HALVINGS = 14

# A direction in which the style hardly varies holds grain and JPEG noise; stretched without limit it becomes confetti.
_GAIN = 4.0
FLAT = 0.002
"""Standard deviation in OKLab of what rounding to 8 bits leaves."""


def to_oklab(x: torch.Tensor) -> torch.Tensor:
    """OKLab (N, 3, H, W) of pictures in [-1, 1]; differentiable, black included (Ottosson 2020)."""
    v = (x + 1) / 2
    linear = torch.where(v > 0.04045, ((v.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4, v / 12.92)
    lms = _mixed(linear, _TO_LMS)
    size = lms.abs()
    root = lms.sign() * size.clamp_min(_DARK) ** (1 / 3)
    return _mixed(torch.where(size > _DARK, root, lms * _DARK ** (-2 / 3)), _TO_LAB)


def from_oklab(lab: torch.Tensor) -> torch.Tensor:
    """Pictures (N, 3, H, W) of OKLab colours; what a screen cannot show comes out beyond [-1, 1], see `into_gamut`."""
    linear = _linear(lab)
    v = torch.where(linear > 0.0031308, 1.055 * linear.clamp_min(0.0031308) ** (1 / 2.4) - 0.055, linear * 12.92)
    return v * 2 - 1


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
    ours, theirs = to_oklab(painted), to_oklab(content)
    share = 1.0 if weights is None else weights.clamp(0, 1)
    chroma = ours[:, 1:] + (theirs[:, 1:] - ours[:, 1:]) * share
    return as_picture(torch.cat([ours[:, :1], chroma], 1))


def matched(
    style: torch.Tensor,
    content: torch.Tensor,
    style_weights: torch.Tensor | None = None,
    content_weights: torch.Tensor | None = None,
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

    Raises:
        UsageError: no pixel of a picture counts.
    """
    lab = to_oklab(style)
    colors, theirs = as_rows(lab), as_rows(to_oklab(content))
    mean, covariance = mean_and_covariance(colors, style_weights)
    goal, target = mean_and_covariance(theirs, content_weights)
    moved = (colors.detach().cpu().double() - mean) @ least_transport(covariance, target) + goal
    return as_picture(moved.to(lab).T.reshape(lab.shape))


def lightness_matched(style: torch.Tensor, content: torch.Tensor) -> torch.Tensor:
    """The style with the content's mean and standard deviation of lightness (Gatys et al. 2016, eq. 10).

    The chroma stays. A nearly flat style is stretched no more than fourfold; its grain would become the picture.
    """
    ours, theirs = to_oklab(style), to_oklab(content)[:, :1]
    lightness = ours[:, :1]
    gain = theirs.std(correction=0) / lightness.std(correction=0).clamp_min(FLAT)
    moved = (lightness - lightness.mean()) * gain.clamp_max(_GAIN) + theirs.mean()
    return as_picture(torch.cat([moved, ours[:, 1:]], 1))


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


def least_transport(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The symmetric T with T S T = C for covariances S and C (Pitie & Kokaram 2007), its gain bounded.

    Along each principal direction of the source its variance counts as at least a sixteenth of the target's there, so
    that no direction is stretched more than fourfold. (Cutting T's own eigenvalues instead would also cut the turn by
    which a grey picture takes on the tint that the target has at each lightness.)
    """
    values, vectors = torch.linalg.eigh(source)
    along = (vectors * (target @ vectors)).sum(0)
    root = torch.maximum(values, along / _GAIN**2).clamp_min(FLAT**2).sqrt()
    there, back = vectors * root @ vectors.T, vectors / root @ vectors.T
    inner, turn = torch.linalg.eigh(there @ target @ there)
    transport: torch.Tensor = back @ (turn * inner.clamp_min(0).sqrt() @ turn.T) @ back
    return transport


def _shown(lab: torch.Tensor) -> torch.Tensor:
    """Which OKLab colours lie in [0, 1]^3, (N, H, W)."""
    linear = _linear(lab)
    return ((linear >= -_ROUNDING) & (linear <= 1 + _ROUNDING)).all(1)


def _linear(lab: torch.Tensor) -> torch.Tensor:
    root = _mixed(lab, _TO_LAB, back=True)
    lms = torch.where(root.abs() > _DARK ** (1 / 3), root**3, root * _DARK ** (2 / 3))
    return _mixed(lms, _TO_LMS, back=True)


def _mixed(channels: torch.Tensor, rows: tuple[tuple[float, ...], ...], back: bool = False) -> torch.Tensor:
    matrix = torch.tensor(rows, dtype=torch.float64)
    matrix = torch.linalg.inv(matrix) if back else matrix
    return torch.einsum("ij,njhw->nihw", matrix.to(channels.dtype).to(channels.device), channels)
