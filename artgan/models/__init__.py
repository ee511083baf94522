"""Networks, and nothing about how they are trained."""

from torch import nn

from artgan.config import ModelSettings
from artgan.models import dcgan, mlp, painter

_GENERATORS = {"dcgan": dcgan.Generator, "mlp": mlp.Generator, "painter": painter.Generator}
_DISCRIMINATORS = {"dcgan": dcgan.Discriminator, "mlp": mlp.Discriminator, "painter": dcgan.Discriminator}


def build_generator(settings: ModelSettings, shape: tuple[int, int, int], c_dim: int) -> nn.Module:
    """The generator of the settings: `G(z, c)` maps (N, z_dim) and conditions to (N, *shape) in [-1, 1].

    Conditions are labels (N,), or (N, c_dim): shares of the classes, or vectors of captions.

    Args:
        settings: the section `model`.
        shape: (channels, height, width) of a picture.
        c_dim: number of classes, or numbers in a caption's vector; 0 makes it unconditional.

    Raises:
        SettingError: the network cannot make that shape.
    """
    return _GENERATORS[settings.name](
        shape, settings.z_dim, c_dim, settings.base_channels, settings.max_channels, settings.embed_dim
    )


def build_discriminator(settings: ModelSettings, shape: tuple[int, int, int], c_dim: int) -> nn.Module:
    """The discriminator of the settings: `D(pictures, c)` maps (N, *shape) and conditions to logits (N,).

    Raises:
        SettingError: the network cannot read that shape.
    """
    return _DISCRIMINATORS[settings.name](
        shape, c_dim, settings.base_channels, settings.max_channels, settings.d_norm, settings.d_dropout
    )


__all__ = ["build_discriminator", "build_generator"]
