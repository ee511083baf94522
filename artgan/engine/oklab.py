"""Colours as the eye takes them: OKLab, in which equal distances look about equally large (Ottosson 2020).

L is from 0 (black) to 1 (white), a and b from about -0.3 to 0.3.
"""

import torch

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


def opaque(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures (N, C, H, W) in [-1, 1], C of 1, 3 or 4, as RGB (N, 3, H, W): grey in all channels, alpha over white."""
    if pictures.shape[1] == 4:
        share = (pictures[:, 3:] + 1) / 2
        pictures = pictures[:, :3] * share + (1 - share)
    return pictures.expand(-1, 3, -1, -1)


def to_oklab(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures as `opaque` takes them, in OKLab (N, 3, H, W); differentiable, black included (Ottosson 2020)."""
    v = (opaque(pictures) + 1) / 2
    linear = torch.where(v > 0.04045, ((v.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4, v / 12.92)
    lms = _mixed(linear, _TO_LMS)
    size = lms.abs()
    root = lms.sign() * size.clamp_min(_DARK) ** (1 / 3)
    return _mixed(torch.where(size > _DARK, root, lms * _DARK ** (-2 / 3)), _TO_LAB)


def from_oklab(lab: torch.Tensor) -> torch.Tensor:
    """Pictures (N, 3, H, W) of OKLab colours; what a screen cannot show comes out beyond [-1, 1]."""
    linear = to_linear(lab)
    v = torch.where(linear > 0.0031308, 1.055 * linear.clamp_min(0.0031308) ** (1 / 2.4) - 0.055, linear * 12.92)
    return v * 2 - 1


def to_linear(lab: torch.Tensor) -> torch.Tensor:
    """Linear light (N, 3, H, W) of OKLab colours: red, green and blue in [0, 1] where a screen can show them."""
    root = _mixed(lab, _TO_LAB, back=True)
    lms = torch.where(root.abs() > _DARK ** (1 / 3), root**3, root * _DARK ** (2 / 3))
    return _mixed(lms, _TO_LMS, back=True)


def _mixed(channels: torch.Tensor, rows: tuple[tuple[float, ...], ...], back: bool = False) -> torch.Tensor:
    matrix = torch.tensor(rows, dtype=torch.float64)
    matrix = torch.linalg.inv(matrix) if back else matrix
    return torch.einsum("ij,njhw->nihw", matrix.to(channels.dtype).to(channels.device), channels)
