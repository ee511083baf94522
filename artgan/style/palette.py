"""The colours of another picture, taken over without any network."""

import torch
import torch.nn.functional as F

from artgan.engine.oklab import from_oklab, to_oklab
from artgan.engine.seeds import Streams
from artgan.errors import UsageError
from artgan.style.colors import FLAT, as_picture, as_rows, least_transport, mean_and_covariance

_SAMPLE = 4096  # colours of each picture
_ROUNDS, _STEPS, _TURNS = 3, 12, 4
_SLOPES = 0.4, 2.0  # of lightness: the drawing may not drown, and a sky of few steps may not turn into bands
_CELLS = 33  # per axis of the table of colours
_LOW, _HIGH = (0.0, -0.32, -0.32), (1.0, 0.32, 0.32)  # all of sRGB lies between
_BLUR = 0.07, 0.035, 0.035  # of the transport, in OKLab: lightness steers it less than hue
_FEW = 2.0  # so many colours nearby must agree before the transport counts half
_REACH, _SMALL = 4, 512  # pixels, on a copy whose longer side has at most 512
_NOISE = 0.02, 0.01, 0.01  # of L, a, b: neighbours this alike are moved alike
_BAND = 1 << 20  # pixels worked on at a time


def repainted_palette(
    content: torch.Tensor,
    palette: torch.Tensor,
    strength: float = 1.0,
    weights: torch.Tensor | None = None,
    palette_weights: torch.Tensor | None = None,
    seed: int = 0,
    like: torch.Tensor | None = None,
) -> torch.Tensor:
    """The content's drawing in the colours of another picture, without any network.

    Lightness goes through one rising curve, so shading is never inverted. Chroma is moved by sliced optimal transport
    between samples of both pictures' colours (Rabin et al. 2012; Bonneel et al. 2015), which takes over a palette of
    several hues where mean and covariance would give their mixture. Bare transport tears skies apart and blows up grain
    (Rabin et al. 2011), so it is smoothed twice: as a function of colour, and over the picture, where neighbours of one
    colour get one shift.

    Everything is computed on the CPU, so that a seed means the same on every device.

    Args:
        content: (1, 3, H, W) in [-1, 1].
        palette: (1, 3, h, w) in [-1, 1].
        strength: 0 returns the content, 1 takes the palette's colours over, in between both are blended in OKLab.
        weights: how much a pixel of the content counts, (1, 1, H, W); all pixels are repainted.
        palette_weights: how much a pixel of the palette counts, (1, 1, h, w).
        seed: decides which colours are sampled and along which lines they are sorted.
        like: a picture of the content's size whose colours are sampled in its place: both are recoloured alike.

    Raises:
        UsageError: the strength is not between 0 and 1, or no pixel counts.
    """
    if not 0 <= strength <= 1:
        raise UsageError(f"A strength of {strength} is not between 0 and 1.", "0 keeps the colours, 1 replaces them.")
    if strength == 0:
        return content
    picture, streams = content.detach().cpu().float(), Streams(seed)
    sampled = picture if like is None else like.detach().cpu().float()
    ours = _sample(sampled, weights, streams.generator("content colours"))
    theirs = _sample(palette.detach().cpu().float(), palette_weights, streams.generator("palette colours"))
    curve = _lightness_curve(ours[:, 0], theirs[:, 0])
    table = _chroma_table(ours, theirs, curve, streams.generator("directions"))
    field = _field(picture, table)
    height, width = picture.shape[2:]
    rows = max(1, _BAND // width)
    done = []
    for top in range(0, height, rows):
        lab = to_oklab(picture[:, :, top : top + rows])
        down = (torch.arange(top, top + lab.shape[2]) + 0.5) / height * 2 - 1
        across = (torch.arange(width) + 0.5) / width * 2 - 1
        places = torch.stack(torch.meshgrid(across, down, indexing="xy"), -1)[None]
        local = F.grid_sample(field, places, align_corners=False, padding_mode="border")
        shift = torch.einsum("nijhw,njhw->nihw", local[:, :6].unflatten(1, (2, 3)), lab) + local[:, 6:]
        goal = torch.cat([_curved(curve, lab[:, :1]), lab[:, 1:] + shift], 1)
        # Only the goal is brought into the gamut: beside pure blue a colour a little darker has far less chroma, and
        # the weakest of blends would jump if each were brought into it. Blends of two colours within hardly leave it.
        done.append(from_oklab(torch.lerp(lab, to_oklab(as_picture(goal)), strength)).clamp(-1, 1))
    return torch.cat(done, 2).to(content)


def _sample(picture: torch.Tensor, weights: torch.Tensor | None, generator: torch.Generator) -> torch.Tensor:
    """Colours (_SAMPLE, 3) of pixels drawn evenly over the picture, each as often as it counts."""
    pixels = picture[0].flatten(1)
    share = torch.ones(pixels.shape[1]) if weights is None else weights.detach().cpu().flatten()
    total = share.double().cumsum(0)
    if not total[-1] > 0:
        raise UsageError("No pixel of a picture counts: all of its weights are 0.", "Leave some of it visible.")
    places = (torch.arange(_SAMPLE) + torch.rand(_SAMPLE, generator=generator)).double() * (total[-1] / _SAMPLE)
    chosen = torch.searchsorted(total, places, right=True).clamp_max(len(total) - 1)
    return as_rows(to_oklab(pixels[None, :, chosen, None]))


def _lightness_curve(ours: torch.Tensor, theirs: torch.Tensor) -> torch.Tensor:
    """The new lightness at 129 even steps of the old: the rising map between both histograms, smooth, of bounded slope.

    Where few colours tell what to do it goes over into a straight line.
    """
    steps = torch.linspace(0, 1, 129)
    ours, theirs = ours.sort().values, theirs.sort().values
    gain = (theirs.std() / ours.std().clamp_min(FLAT)).clamp(*_SLOPES)
    middle, goal = ours.mean(), theirs.mean()
    near = torch.exp(-((steps[:, None] - ours) / 0.05).square() / 2)
    missing = near @ (theirs - (ours - middle) * gain - goal) / (near.sum(1) + _FEW)
    slopes = ((steps - middle) * gain + missing).diff().mul(128).clamp(*_SLOPES)
    curve = torch.cat([torch.zeros(1), slopes.cumsum(0) / 128])
    curve = curve + goal - _curved(curve, ours).mean()
    # What would be darker than black or lighter than white is pressed together, to half at most, and then moved.
    low, high = _curved(curve, ours[[0, -1]])
    below = (goal / (goal - low).clamp_min(FLAT)).clamp(0.5, 1)
    above = ((1 - goal) / (high - goal).clamp_min(FLAT)).clamp(0.5, 1)
    curve = goal + (curve - goal) * torch.where(curve < goal, below, above)
    low, high = _curved(curve, ours[[0, -1]])
    curve, low, high = (value / (high - low).clamp_min(1) for value in (curve, low, high))
    shifted: torch.Tensor = curve + (-low).clamp_min(0) - (high - 1).clamp_min(0)
    return shifted


def _curved(curve: torch.Tensor, lightness: torch.Tensor) -> torch.Tensor:
    """The curve's values at lightnesses of any shape, straight between its steps."""
    place = lightness.clamp(0, 1) * (len(curve) - 1)
    left = place.long().clamp_max(len(curve) - 2)
    return torch.lerp(curve[left], curve[left + 1], place - left)


def _chroma_table(
    ours: torch.Tensor, theirs: torch.Tensor, curve: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """How far a and b move for each colour of a grid over OKLab, (1, 2, _CELLS, _CELLS, _CELLS).

    The start is the affine map of least transport, which also serves colours that the sample lacks. Then the rest of
    the way is measured by transport, smoothed by a Gaussian kernel and added, a few times over: a kernel average draws
    everything towards the middle, and each round gives back some of the lost colour.
    """
    axes = [torch.linspace(low, high, _CELLS) for low, high in zip(_LOW, _HIGH, strict=True)]
    cells = torch.cartesian_prod(*axes)[:, 1:].double()
    mean, covariance = mean_and_covariance(ours[:, 1:], None)
    goal, target = mean_and_covariance(theirs[:, 1:], None)
    table = _volume(((cells - mean) @ least_transport(covariance, target) + goal - cells).float())
    at = (_places(ours) * (_CELLS - 1)).round().long() @ torch.tensor([_CELLS**2, _CELLS, 1])
    near = _blurred(_volume(torch.zeros(_CELLS**3, 1).index_add_(0, at, torch.ones(len(ours), 1))))
    lightness = _curved(curve, ours[:, :1])
    for _ in range(_ROUNDS):
        now = torch.cat([lightness, ours[:, 1:] + _looked_up(table, ours)], 1)
        missing = (_transported(now, theirs, generator) - now)[:, 1:]
        sums = _blurred(_volume(torch.zeros(_CELLS**3, 2).index_add_(0, at, missing)))
        table = table + sums / (near + _FEW)
    return table


def _transported(source: torch.Tensor, target: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Points (N, 3) moved until, seen along any line, they lie like the targets (N, 3).

    On a line the best transport is known: the k-th point goes to the k-th target. Each step averages what several
    random sets of axes ask for (Pitie et al. 2007 follow one set at a time, which turns hues more than it must).
    """
    moved, there = source.T.contiguous(), target.T.contiguous()
    for _ in range(_STEPS):
        axes = torch.linalg.qr(torch.randn(_TURNS, 3, 3, generator=generator)).Q.reshape(-1, 3)
        here = axes @ moved
        order = here.argsort(dim=1, stable=True)
        way = torch.empty_like(here).scatter_(1, order, (axes @ there).sort(1).values) - here
        moved = moved + axes.T @ way / _TURNS
    return moved.T


def _places(colors: torch.Tensor) -> torch.Tensor:
    """Where colours (N, 3) lie in the table, each axis from 0 to 1."""
    low, high = torch.tensor(_LOW), torch.tensor(_HIGH)
    return ((colors - low) / (high - low)).clamp(0, 1)


def _volume(cells: torch.Tensor) -> torch.Tensor:
    return cells.T.reshape(1, -1, _CELLS, _CELLS, _CELLS)


def _blurred(volume: torch.Tensor) -> torch.Tensor:
    for axis in range(3):
        sigma = _BLUR[axis] / (_HIGH[axis] - _LOW[axis]) * (_CELLS - 1)
        reach = int(3 * sigma) + 1
        kernel = torch.exp(-(torch.arange(-reach, reach + 1) / sigma).square() / 2)
        shape, padding = [1] * 5, [0] * 3
        shape[axis + 2], padding[axis] = len(kernel), reach
        volume = F.conv3d(volume.movedim(1, 0), kernel.reshape(shape), padding=padding).movedim(0, 1)
    return volume


def _looked_up(table: torch.Tensor, colors: torch.Tensor) -> torch.Tensor:
    """The shifts (N, 2) of colours (N, 3), between the cells by trilinear interpolation."""
    places = (_places(colors) * 2 - 1).flip(1)[None, None, None]
    return F.grid_sample(table, places, align_corners=True)[0, :, 0, 0].T


def _field(picture: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """The shift of chroma as an affine function of the colour around each place, (1, 8, h, w) on a small copy.

    A guided filter (He et al. 2010) whose guide is the picture itself, with coefficients from a small copy
    (He & Sun 2015): edges stay where they are, and noise is no longer stretched with the colours.
    """
    factor = min(1.0, _SMALL / max(picture.shape[2:]))
    size = [max(1, round(side * factor)) for side in picture.shape[2:]]
    lab = to_oklab(F.interpolate(picture, size, mode="area"))
    shift = _looked_up(table, as_rows(lab)).T.reshape(1, 2, *size)
    guide, both = lab, torch.cat([lab, shift], 1)
    products = torch.einsum("nihw,njhw->nijhw", guide, both).flatten(1, 2)
    mean, square = _around(both), _around(products).unflatten(1, (3, 5))
    spread = (square - torch.einsum("nihw,njhw->nijhw", mean[:, :3], mean)).permute(0, 3, 4, 1, 2)
    noise = torch.diag(torch.tensor(_NOISE).square())
    slopes = torch.linalg.solve(spread[..., :3] + noise, spread[..., 3:]).permute(0, 4, 3, 1, 2)  # (1, 2, 3, h, w)
    offset = mean[:, 3:] - torch.einsum("nijhw,njhw->nihw", slopes, mean[:, :3])
    return _around(torch.cat([slopes.flatten(1, 2), offset], 1))


def _around(maps: torch.Tensor) -> torch.Tensor:
    """The mean over a square of 2 _REACH + 1 pixels, as much of it as lies inside."""
    return F.avg_pool2d(maps, 2 * _REACH + 1, 1, _REACH, count_include_pad=False)
