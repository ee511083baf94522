"""Moment matching: what the embedded encoder sees in generated pictures shall be spread like what it sees in real ones.

Generative feature matching (Santos et al. 2019, section 3.1) beside the game of the two networks. A discriminator that
starts from nothing needs thousands of pictures before it can say more than "too smooth"; the encoder knows edges, fur
and petals from the first step, and needs no turn of its own: the moments of the real pictures are measured once.

It knows the encoder and pictures; it does not know losses or optimisers.
"""

import torch
import torch.nn.functional as F

from artgan.data.pictures import Pictures
from artgan.engine.device import Engine
from artgan.models.encoder import load_encoder

MOST_PICTURES = 2000
"""Pictures whose moments stand for the set."""
LARGEST = 128
"""Pictures with a longer side than this, in pixels, are averaged down by whole numbers before the encoder sees them."""
MEMORY = 0.95
"""Share of the running moments that a batch leaves in place: what is compared covers about twenty batches."""
GRID = 4
"""Features are also averaged over a grid of at most so many cells a side: what is where."""


class Matching:
    """Target moments, and the running moments of what G paints.

    A feature is one number of one picture: of every channel of the encoder's maps at /2, /4, /8 and /16 the mean and
    the standard deviation over the picture, and the means in the cells of a grid; and of the colours the means and
    standard deviations in the cells of grids. For every feature two moments over the pictures are matched, mean and
    standard deviation.

    Args:
        shape: (C, H, W) of the pictures; sides of 16 pixels or more.
        engine: where to compute.
    """

    def __init__(self, shape: tuple[int, int, int], engine: Engine) -> None:
        self._engine = engine
        encoder = load_encoder(engine)
        # 1.2 times as fast on a CPU, too.
        self._encoder = encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._shrink = -(-max(shape[1:]) // LARGEST)
        with torch.no_grad():
            groups = self._groups(torch.zeros(1, *shape, device=engine.device))
        self._sizes = [group.shape[1] for group in groups]
        zeros = torch.zeros(sum(self._sizes), device=engine.device)
        self.target_mean, self.target_std, self.weight = zeros.clone(), zeros.clone(), zeros.clone()
        self.mean, self.square, self.seen = zeros.clone(), zeros.clone(), torch.zeros((), device=engine.device)

    def tensors(self) -> dict[str, torch.Tensor]:
        """All that changes, by name: targets, weights and running moments."""
        names = ("target_mean", "target_std", "weight", "mean", "square", "seen")
        return {name: getattr(self, name) for name in names}

    @torch.no_grad()
    def measure(self, pictures: Pictures, mirror: bool) -> None:
        """Measure the moments of the real pictures: of all, or of as many as MOST_PICTURES that lie evenly among them.

        Args:
            pictures: the real pictures.
            mirror: whether they are shown flipped, too.
        """
        rows = torch.linspace(0, len(pictures) - 1, min(len(pictures), MOST_PICTURES)).long().unique().tolist()
        found = []
        for start in range(0, len(rows), 32):
            seen = self._engine.pictures(pictures.at(rows[start : start + 32]))
            views = (seen, seen.flip(3)) if mirror else (seen,)
            found += [torch.cat(self._groups(view), 1) for view in views]
        features = torch.cat(found)
        self.target_mean, self.target_std = features.mean(0), features.std(0, correction=0)
        # Every group weighs as much as any other, and within it a feature as much as it differs between pictures.
        spreads = [deviation.square().mean() + 1e-12 for deviation in self.target_std.split(self._sizes)]
        self.weight = torch.cat([
            (1 / (size * spread)).expand(size) for size, spread in zip(self._sizes, spreads, strict=True)
        ])  # fmt: skip

    def loss(self, gen_img: torch.Tensor) -> torch.Tensor:
        """Squared distance of the running moments, this batch included, to the targets; moves the running moments.

        Its gradient is that of a batch whose own moments are as far off as the running ones: Santos et al. 2019,
        section 3.2, follow moving averages for the same reason, that a batch is too small to have a covariance.

        Args:
            gen_img: (N, C, H, W) in [-1, 1].
        """
        features = torch.cat(self._groups(gen_img), 1)
        self.seen = self.seen * MEMORY + (1 - MEMORY)
        mean = self.mean * MEMORY + features.mean(0) * (1 - MEMORY)
        square = self.square * MEMORY + features.square().mean(0) * (1 - MEMORY)
        self.mean, self.square = mean.detach(), square.detach()
        mean, square = mean / self.seen, square / self.seen
        std = (square - mean.square()).clamp_min(1e-6).sqrt()
        off = ((mean - self.target_mean).square() + (std - self.target_std).square()) @ self.weight
        return off * (self.seen / (1 - MEMORY)).detach()

    def _groups(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        """The features (N, F) of pictures (N, C, H, W), in groups of one kind and level."""
        if self._shrink > 1:
            pictures = F.avg_pool2d(pictures, self._shrink, ceil_mode=True)
        groups = [_in_cells(pictures, 2 * GRID), _in_cells(pictures.square(), GRID)]
        groups[1] = (groups[1] - _in_cells(pictures, GRID).square() + 1e-4).sqrt()
        with self._engine.autocast() if self._engine.device.type == "cuda" else torch.autocast("cpu", enabled=False):
            maps = self._encoder(pictures.contiguous(memory_format=torch.channels_last))[1:]
        for found in maps:
            flat = found.float().flatten(2)
            groups.append(torch.cat([flat.mean(2), (flat.var(2, correction=0) + 1e-4).sqrt()], 1))
            if min(found.shape[2:]) >= GRID:
                groups.append(_in_cells(found.float(), GRID if min(found.shape[2:]) >= 2 * GRID else GRID // 2))
        return groups


def _in_cells(maps: torch.Tensor, cells: int) -> torch.Tensor:
    """The means of maps (N, C, H, W) in a grid of cells x cells that are as even as can be, (N, C * cells * cells).

    Adaptive pooling would do, but Apple GPUs have it only for sides that can be divided evenly.
    """
    down, across = (_averaging(side, cells, maps.device) for side in maps.shape[2:])
    return (down @ maps @ across.T).flatten(1)


def _averaging(side: int, cells: int, device: torch.device) -> torch.Tensor:
    """The matrix (cells, side) that averages a side over `cells` stretches."""
    stretch = torch.arange(side, device=device) * cells // side
    chosen = (stretch == torch.arange(cells, device=device)[:, None]).float()
    return chosen / chosen.sum(1, keepdim=True)
