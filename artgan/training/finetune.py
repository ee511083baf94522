"""Which weights of a discriminator learn: all of them, or all but some levels next to the picture (FreezeD)."""

from collections.abc import Sequence

from torch import nn


def thaw(D: nn.Module, freeze_d: int) -> None:
    """Let gradients reach all weights of D but those of its first `freeze_d` levels, counted from the picture on.

    Freeze the Discriminator (Mo et al. 2020): what D knows of edges and colours serves other pictures as well, and few
    pictures would spoil it. Buffers (the estimates of spectral norm) still move.
    """
    D.requires_grad_(True)
    for level in levels(D)[:freeze_d]:
        level.requires_grad_(False)


def trainable(D: nn.Module, freeze_d: int) -> list[nn.Parameter]:
    """The weights of D that learn when `freeze_d` levels are frozen; leaves the gradients of D as `thaw` does."""
    thaw(D, freeze_d)
    return [parameter for parameter in D.parameters() if parameter.requires_grad]


def levels(D: nn.Module) -> Sequence[nn.Module]:
    """The levels of a discriminator of any family, from the picture on."""
    found: Sequence[nn.Module] = D.levels  # type: ignore[assignment]  # what nn.Module has, mypy takes for a module
    return found
