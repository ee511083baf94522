"""Batch norm over the batches of all processes of a team: the statistics are those of one process with all of them.

torch.nn.SyncBatchNorm is for GPUs alone, and cannot be differentiated twice, which gradient penalties need.
"""

import torch
from torch import nn

from artgan.engine.sums import summed


class TeamNorm1d(nn.BatchNorm1d):
    """nn.BatchNorm1d, but for the batch that it looks at."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - torch's own name for it
        """(N, C) to (N, C)."""
        return _normalised(self, input) if self.training else super().forward(input)


class TeamNorm2d(nn.BatchNorm2d):
    """nn.BatchNorm2d, but for the batch that it looks at."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - torch's own name for it
        """(N, C, H, W) to (N, C, H, W)."""
        return _normalised(self, input) if self.training else super().forward(input)


def share_norms(network: nn.Module) -> None:
    """Replace the batch norms of a network by those of the team; parameters, buffers and their names stay."""
    kinds: dict[type[nn.Module], type[nn.BatchNorm1d | nn.BatchNorm2d]] = {
        nn.BatchNorm1d: TeamNorm1d,
        nn.BatchNorm2d: TeamNorm2d,
    }
    for module in [*network.modules()]:
        for name, child in module.named_children():
            if type(child) in kinds:
                assert isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d)
                shared = kinds[type(child)](child.num_features, child.eps, child.momentum, child.affine)
                shared.load_state_dict(child.state_dict())
                setattr(module, name, shared)


def _normalised(norm: nn.BatchNorm1d | nn.BatchNorm2d, x: torch.Tensor) -> torch.Tensor:
    """What a batch norm makes of its input while it trains (Ioffe & Szegedy 2015, algorithm 1), in float32.

    The mean is exchanged first and the deviations from it after, so that nothing is lost where the mean is large.
    """
    axes, shape = [0, *range(2, x.dim())], (1, -1, *[1] * (x.dim() - 2))
    with torch.autocast(x.device.type, enabled=False):
        values = x.float()
        sums = summed(torch.cat([values.sum(axes), values.new_tensor([values[:, 0].numel()])]))
        count = sums[-1].detach()
        mean = sums[:-1] / count
        off = values - mean.view(shape)
        variance = summed(off.square().sum(axes)) / count
        normal = off * (variance + norm.eps).rsqrt().view(shape)
        if norm.affine:
            normal = normal * norm.weight.view(shape) + norm.bias.view(shape)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    assert norm.momentum is not None
    with torch.no_grad():
        norm.running_mean.lerp_(mean.detach(), norm.momentum)
        norm.running_var.lerp_(variance.detach() * (count / (count - 1)), norm.momentum)
        norm.num_batches_tracked.add_(1)
    return normal.to(x.dtype)
