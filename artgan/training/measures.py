"""What can be measured of generated pictures without a pretrained network: how varied they are, and how near to copies.

Pictures are compared as descriptors: the picture averaged down to 16 x 16 cells, so that layout, colour and larger
shapes count and brush noise does not. The distance of two pictures is the root of the mean squared difference of their
descriptors, in the units of a tensor picture (black to white is 2).
"""

import statistics
from typing import Any

import torch
import torch.nn.functional as F

from artgan.data.pictures import Pictures
from artgan.engine.seeds import Streams
from artgan.training.health import Facts

CELLS = 16
MOST = 4096
"""At most so many training pictures are compared; a larger set is represented by a random choice of it."""
TWIN = 0.02
"""Pictures nearer than this, one percent of the range from black to white, are the same picture."""
NEIGHBOURS = 5


def describe(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures (N, C, H, W) in [-1, 1] as rows (N, C * 256), scaled to make their distance a root mean."""
    cells = F.adaptive_avg_pool2d(pictures.float(), CELLS).flatten(1)
    return cells.div(cells.shape[1] ** 0.5)


def spread(rows: torch.Tensor, labels: torch.Tensor) -> float:
    """Mean distance of two different pictures of the same class, every class counting the same; 0 without any pair."""
    means = []
    for label in labels.unique():
        members = rows[labels == label]
        if len(members) > 1:
            means.append(torch.cdist(members, members).sum() / (len(members) * (len(members) - 1)))
    return float(torch.stack(means).mean()) if means else 0.0


def class_share(rows: torch.Tensor, labels: torch.Tensor) -> float:
    """Share of the variance that lies between the means of classes, in [0, 1] (eta squared of an analysis of it)."""
    centre = rows.mean(0)
    between = sum(
        float((labels == label).sum() * (rows[labels == label].mean(0) - centre).square().sum())
        for label in labels.unique()
    )
    total = float((rows - centre).square().sum())
    return between / total if total else 0.0


class Reference:
    """The training pictures as descriptors, to compare generated ones with."""

    def __init__(self, pictures: Pictures, crops: int, mirror: bool, seed: int, facts: Facts | None = None) -> None:
        """Describe the pictures.

        Args:
            pictures: the training set.
            crops: crops per file, which lie side by side.
            mirror: whether mirrored pictures are trained on as well.
            seed: seed of the run.
            facts: what they are like, when it is known already: finding out takes a second or two.
        """
        self.mirror = mirror
        chosen = pictures.sample(MOST, Streams(seed).generator("reference"))
        parts = [pictures.at(chosen[start : start + 256]) for start in range(0, len(chosen), 256)]
        # Captions that hardly two pictures share are no kinds of pictures: then any two are compared.
        shared = pictures.labels.bincount()[pictures.labels] > 1
        self._by_kind = bool(pictures.classes) or (bool(pictures.captions) and bool(shared.float().mean() >= 0.5))
        self.rows = torch.cat([describe(part.float() / 127.5 - 1) for part in parts])
        self.flipped = _flip(self.rows, pictures.shape[0]) if mirror else self.rows
        labels = pictures.labels[chosen] if self._by_kind else torch.zeros(len(chosen), dtype=torch.int64)
        self.facts = facts or self._find(pictures, labels, torch.from_numpy(chosen // crops), seed)

    def _find(self, pictures: Pictures, labels: torch.Tensor, files: torch.Tensor, seed: int) -> Facts:
        distances = self._distances(self.rows)
        # Crops of one file are no strangers to one another, where there are others.
        alone = bool((files == files[0]).all())
        distances[torch.eye(len(files), dtype=torch.bool) if alone else files[:, None] == files] = torch.inf
        near = distances.topk(min(NEIGHBOURS, len(files)), largest=False)
        of_classes: dict[str, Any] = {}
        if pictures.classes:
            generator = Streams(seed).generator("shuffled labels")
            shuffled = [labels[torch.randperm(len(labels), generator=generator)] for _ in range(20)]
            shares = [float((some[near.indices] == some[:, None]).float().mean()) for some in [labels, *shuffled]]
            of_classes = {
                "class_share": class_share(self.rows, labels),
                "neighbours": shares[0],
                "chance": (statistics.mean(shares[1:]), statistics.pstdev(shares[1:])),
            }
        return Facts(
            pictures=len(pictures),
            spread=spread(self.rows, labels),
            nearest=float(near.values[:, 0].median()),
            twins=float((near.values[:, 0] < TWIN).float().mean()),
            **of_classes,
        )

    def measure(self, generated: torch.Tensor, c: torch.Tensor | None) -> dict[str, float]:
        """Compare pictures (N, C, H, W) in [-1, 1] of labels (N,), or of none, with the training pictures.

        Returns:
            diversity: mean distance of two generated pictures (of one class or caption) by that of two real ones; 0 is
                one picture again and again (the same ratio as Odena et al. 2017, section 4.2, take with MS-SSIM for a
                distance).
            nearest: median distance to the nearest training picture, by the median distance of a training picture to
                the nearest of another file: copies come near 0, pictures as new as unseen ones near 1 (after Meehan et
                al. 2020, who test the same distances; here a training picture left out stands for an unseen one).
            nearest_ratio: median of the distances to the nearest and to the second nearest training picture, divided;
                a copy is far nearer to one than to all others, a dull average is near to many.
            class_share: share of the variance between classes, by that of the training pictures; only where these
                differ by class at all (2 % of their variance).
        """
        rows = describe(generated)
        labels = c if c is not None and self._by_kind else torch.zeros(len(rows), dtype=torch.int64)
        pairs = self._distances(rows).topk(2, largest=False).values
        found = {
            "diversity": spread(rows, labels) / max(self.facts.spread, 1e-6),
            "nearest": float(pairs[:, 0].median()) / max(self.facts.nearest, 1e-6),
            "nearest_ratio": float((pairs[:, 0] / pairs[:, 1].clamp_min(1e-6)).median()),
        }
        if c is not None and self.facts.class_share and self.facts.class_share > 0.02:
            found["class_share"] = class_share(rows, labels) / self.facts.class_share
        return found

    def _distances(self, rows: torch.Tensor) -> torch.Tensor:
        """Distances (N, M) to the training pictures, or to their mirror images when those are trained on as well."""
        distances = torch.cdist(rows, self.rows)
        return torch.minimum(distances, torch.cdist(rows, self.flipped)) if self.mirror else distances


def _flip(rows: torch.Tensor, channels: int) -> torch.Tensor:
    return rows.view(len(rows), channels, CELLS, CELLS).flip(3).flatten(1)
