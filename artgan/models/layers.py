"""Parts that several networks share."""

import torch
from torch import nn


def embed(embedding: nn.Embedding, c: torch.Tensor) -> torch.Tensor:
    """The vectors of labels (N,), or their sums weighted by c (N, c_dim), in float32 whatever autocast does."""
    if not c.is_floating_point():
        vectors: torch.Tensor = embedding(c)
        return vectors
    with torch.autocast(c.device.type, enabled=False):
        return c @ embedding.weight


class ClassLatent(nn.Module):
    """A learned vector for the class beside the latent: (N, z_dim) and labels (N,) to (N, width).

    In place of labels, shares of the classes (N, c_dim) give the vector in between, and captions (N, c_dim) their own.

    Without classes (c_dim 0) the latent passes as it is.
    """

    def __init__(self, z_dim: int, c_dim: int, embed_dim: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(c_dim, embed_dim) if c_dim else None
        self.width = z_dim + (embed_dim if c_dim else 0)

    def forward(self, z: torch.Tensor, c: torch.Tensor | None) -> torch.Tensor:
        """Latents with the vector of their class."""
        if self.embedding is None or c is None:
            return z
        return torch.cat([z, embed(self.embedding, c)], 1)


class Projection(nn.Module):
    """The class's share of D's logit, <embed(c), features> (Miyato & Koyama 2018, equation 3); 0 without classes."""

    def __init__(self, c_dim: int, features: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(c_dim, features) if c_dim else None

    def forward(self, features: torch.Tensor, c: torch.Tensor | None) -> torch.Tensor:
        """Features (N, F) and labels (N,), or captions (N, c_dim), to a logit per picture, (N,)."""
        if self.embedding is None:
            return features.new_zeros(len(features))
        assert c is not None  # who has classes is told of them
        return (embed(self.embedding, c) * features).sum(1)


def normalise(layer: nn.Module, channels: int, kind: str) -> list[nn.Module]:
    """`layer` followed by (or wrapped in) the normalisation `kind`: batch, spectral or none."""
    if kind == "batch":
        return [layer, nn.BatchNorm2d(channels) if isinstance(layer, nn.Conv2d) else nn.BatchNorm1d(channels)]
    if kind == "spectral":  # Miyato et al. 2018
        return [nn.utils.parametrizations.spectral_norm(layer)]
    return [layer]


def drop(share: float) -> list[nn.Module]:
    """Dropout after a layer of D (Srivastava et al. 2014); nothing when `share` is 0."""
    return [nn.Dropout(share)] if share else []


def initialise(network: nn.Module, kind: str) -> None:
    """Draw weights for a network whose layers are followed by `kind`: batch, spectral or none.

    N(0, 0.02) and batch-norm gains N(1, 0.02) as in Radford et al. 2015, section 4. That fits layers whose output is
    normalised; with none, signals would shrink about tenfold per layer, so weights are drawn after He et al. 2015.
    Draws from the global generator: seed it first.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            if kind == "none":
                nn.init.kaiming_normal_(module.weight, a=0.2)
            else:
                nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, ClassLatent) and module.embedding is not None:
            # Seen on the painters in three short runs: from N(0, 1) the generator drew one picture per class, whatever
            # its latent. With this, and a smaller z_dim, it no longer did; the two were not tried apart.
            nn.init.normal_(module.embedding.weight, 0.0, 0.2)
        elif isinstance(module, Projection) and module.embedding is not None:
            nn.init.normal_(module.embedding.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            nn.init.normal_(module.weight, 1.0, 0.02)
        if (bias := getattr(module, "bias", None)) is not None:
            nn.init.zeros_(bias)


def split(layers: nn.Sequential, kind: type[nn.Module]) -> list[nn.Module]:
    """The levels of a network of plain layers: each from one layer of the kind up to the next."""
    starts = [number for number, layer in enumerate(layers) if isinstance(layer, kind)]
    return [nn.Sequential(*[*layers][a:b]) for a, b in zip(starts, [*starts[1:], len(layers)], strict=True)]
