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
from artgan.engine.sums import summed
from artgan.models.encoder import load_encoder

MOST_PICTURES = 2000
"""Pictures whose moments stand for the set."""
LARGEST = 128
"""Pictures with a longer side than this, in pixels, are averaged down by whole numbers before the encoder sees them."""
MEMORY = 0.95
"""Share of the running moments that a batch leaves in place: what is compared covers about twenty batches."""
GRID = 4
"""Features are also averaged over a grid of at most so many cells a side: what is where."""
MOST_PARTS = 64
"""Principal components of what is told of a picture, its class or caption, that are matched."""


class Matching:
    """Target moments, and the running moments of what G paints.

    A feature is one number of one picture: of every channel of the encoder's five maps the mean and the standard
    deviation over the picture, and but for the first the means in the cells of a grid; and of the colours the means and
    standard deviations in the cells of grids. For every feature two moments over the pictures are matched, mean and
    standard deviation. Where pictures are told apart, by classes or captions, a third one is: the covariance with what
    is told, of the features that have no place in the picture.

    Args:
        shape: (C, H, W) of the pictures; sides of 16 pixels or more.
        c_dim: number of classes, or numbers in the vector of a caption; 0 without either.
        engine: where to compute.
    """

    def __init__(self, shape: tuple[int, int, int], c_dim: int, engine: Engine) -> None:
        self._engine = engine
        encoder = load_encoder(engine)
        # 1.2 times as fast on a CPU, too.
        self._encoder = encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._shrink = -(-max(shape[1:]) // LARGEST)
        with torch.no_grad():
            overall, placed = self._features(torch.zeros(1, *shape, device=engine.device))
        self._sizes = [group.shape[1] for group in (*overall, *placed)]
        features, everywhere, parts = sum(self._sizes), sum(group.shape[1] for group in overall), min(c_dim, MOST_PARTS)

        def zeros(*size: int) -> torch.Tensor:
            return torch.zeros(size, device=engine.device)

        self._tensors = {
            **{name: zeros(features) for name in ("target_mean", "target_std", "weight", "mean", "square")},
            "seen": zeros(),
        }
        if c_dim:
            self._tensors |= {"told_mean": zeros(c_dim), "whiten": zeros(c_dim, parts)}
            self._tensors |= {name: zeros(everywhere, parts) for name in ("target_cross", "cross")}

    @property
    def measured(self) -> bool:
        """Whether the moments of the real pictures are known."""
        return bool(self._tensors["weight"].any())

    def tensors(self) -> dict[str, torch.Tensor]:
        """All that changes, by name: targets, weights and running moments."""
        return dict(self._tensors)

    def load(self, tensors: dict[str, torch.Tensor]) -> None:
        """Take over what `tensors` returned."""
        self._tensors = {name: tensors[name].clone().to(value.device) for name, value in self._tensors.items()}

    @torch.no_grad()
    def measure(self, pictures: Pictures, mirror: bool, balanced: bool) -> None:
        """Measure the moments of the real pictures: of all, or of as many as MOST_PICTURES that stand for them.

        Args:
            pictures: the real pictures.
            mirror: whether they are shown flipped, too.
            balanced: whether every class is shown equally often.
        """
        rows = torch.from_numpy(pictures.sample(MOST_PICTURES))
        views = []
        for some in rows.split(32):
            seen = self._engine.pictures(pictures.at(some.tolist()))
            shown = (seen, seen.flip(3)) if mirror else (seen,)
            views.append(
                torch.stack([torch.cat([*overall, *placed], 1) for overall, placed in map(self._features, shown)])
            )
        features = torch.cat(views, 1).flatten(0, 1)
        labels = pictures.labels[rows].repeat(2 if mirror else 1)
        counts = labels.bincount()
        shares = (1 / counts[labels] if balanced else torch.ones(len(labels))).to(features.device)[:, None]
        shares = shares / shares.sum()
        mean = (features * shares).sum(0)
        std = ((features - mean).square() * shares).sum(0).sqrt()
        # Every group weighs as much as any other, and within it a feature as much as it differs between pictures.
        spreads = [deviation.square().mean() + 1e-12 for deviation in std.split(self._sizes)]
        weight = [(1 / (size * spread)).expand(size) for size, spread in zip(self._sizes, spreads, strict=True)]
        self._tensors |= {"target_mean": mean, "target_std": std, "weight": torch.cat(weight)}
        told = pictures.conditions(labels)
        if told is not None:
            self._measure_told(features, told.to(features.device), shares)

    def _measure_told(self, features: torch.Tensor, told: torch.Tensor, shares: torch.Tensor) -> None:
        """What is told, in uncorrelated parts of deviation 1, and their covariances with features."""
        own = self._tensors
        c = _vectors(told, len(own["told_mean"]))
        own["told_mean"] = (c * shares).sum(0)
        off = c - own["told_mean"]
        # In float64 on the CPU: Apple GPUs have none, and captions of few words leave most of the space empty.
        spread = (off * shares.sqrt()).double().cpu()
        _, deviations, axes = torch.linalg.svd(spread, full_matrices=False)
        scale = torch.where(deviations > 1e-3 * deviations[0], 1 / deviations.clamp_min(1e-12), 0.0)
        parts = (axes.T * scale)[:, : own["whiten"].shape[1]].float()
        own["whiten"] = torch.zeros_like(own["whiten"])
        own["whiten"][:, : parts.shape[1]] = parts.to(c.device)
        everywhere = len(own["target_cross"])
        apart = (features - own["target_mean"])[:, :everywhere]
        own["target_cross"] = (apart.T @ (off @ own["whiten"] * shares)).contiguous()

    def loss(self, gen_img: torch.Tensor, told: torch.Tensor | None) -> torch.Tensor:
        """Squared distance of the running moments, this batch included, to the targets; moves the running moments.

        Its gradient is that of a batch whose own moments are as far off as the running ones: Santos et al. 2019,
        section 3.2, follow moving averages for the same reason, that a batch is too small to have a covariance.

        The batch is that of all processes; each hands in its own part, and gets the same loss.

        Args:
            gen_img: (N, C, H, W) in [-1, 1].
            told: labels (N,), vectors of captions (N, c_dim), or None.
        """
        own = self._tensors
        overall, placed = self._features(gen_img)
        features = torch.cat([*overall, *placed], 1)
        own["seen"] = own["seen"] * MEMORY + (1 - MEMORY)
        count = summed(features.new_tensor(len(features)))

        def running(name: str, sums: torch.Tensor) -> torch.Tensor:
            moved = own[name] * MEMORY + summed(sums) / count * (1 - MEMORY)
            own[name] = moved.detach()
            return moved / own["seen"]

        mean, square = running("mean", features.sum(0)), running("square", features.square().sum(0))
        std = (square - mean.square()).clamp_min(1e-6).sqrt()
        off = ((mean - own["target_mean"]).square() + (std - own["target_std"]).square()) @ own["weight"]
        if told is not None:
            everywhere = len(own["target_cross"])
            parts = (_vectors(told, len(own["told_mean"])) - own["told_mean"]) @ own["whiten"]
            apart = (features - own["target_mean"])[:, :everywhere]
            cross = running("cross", apart.T @ parts)
            off = off + (cross - own["target_cross"]).square().sum(1) @ own["weight"][:everywhere]
        return off * (own["seen"] / (1 - MEMORY))

    def _features(self, pictures: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """The features (N, F) of pictures (N, C, H, W), by kind and level: those of no place, and the others."""
        if self._shrink > 1:
            pictures = F.avg_pool2d(pictures, self._shrink, ceil_mode=True)
        variance = _in_cells(pictures.square(), GRID) - _in_cells(pictures, GRID).square()
        overall, placed = [], [_in_cells(pictures, 2 * GRID), (variance.clamp_min(0) + 1e-4).sqrt()]
        with self._engine.autocast() if self._engine.device.type == "cuda" else torch.autocast("cpu", enabled=False):
            maps = self._encoder(pictures.contiguous(memory_format=torch.channels_last))
        for level, found in enumerate(maps):
            flat = found.float().flatten(2)
            overall.append(torch.cat([flat.mean(2), (flat.var(2, correction=0) + 1e-4).sqrt()], 1))
            if level and min(found.shape[2:]) >= GRID:
                placed.append(_in_cells(found.float(), GRID if min(found.shape[2:]) >= 2 * GRID else GRID // 2))
        return overall, placed


def _vectors(told: torch.Tensor, c_dim: int) -> torch.Tensor:
    """Labels (N,) as vectors (N, c_dim); vectors of captions as they are."""
    return told if told.is_floating_point() else F.one_hot(told, c_dim).float()


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
