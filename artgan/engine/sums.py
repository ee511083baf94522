"""Sums of tensors over the processes of a team; in a process that is alone, what was to be summed."""

from collections.abc import Sequence
from typing import Any

import torch

from artgan.engine.processes import noticing_loss, rank, size


def exchange(tensor: torch.Tensor) -> None:
    """Replace a tensor by its sum over all processes; only where there are several."""
    import torch.distributed as dist

    with noticing_loss():
        dist.all_reduce(tensor)


def add_up(tensors: Sequence[torch.Tensor]) -> None:
    """Replace tensors by their sums over all processes; float32 on one device, in one exchange."""
    if size() == 1 or not tensors:
        return
    flat = torch.cat([tensor.detach().flatten() for tensor in tensors])
    exchange(flat)
    with torch.no_grad():
        for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view(tensor.shape))


def put_together(rows: torch.Tensor, total: int) -> torch.Tensor:
    """The rows (total, ...) of all processes, of which this one has every size()th, from that of its rank on."""
    if size() == 1:
        return rows
    whole = rows.new_zeros(total, *rows.shape[1:])
    whole[rank() :: size()] = rows
    add_up([whole])
    return whole


def summed(tensor: torch.Tensor) -> torch.Tensor:
    """The sum over all processes, through which gradients flow back, those of gradients as well.

    What is computed from a sum goes into the losses of all processes, so that its gradient is a sum, too.
    """
    if size() == 1:
        return tensor
    total: torch.Tensor = _Summed.apply(tensor)  # type: ignore[no-untyped-call]
    return total


class _Summed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: torch.Tensor) -> torch.Tensor:
        total = tensor.clone()
        add_up([total])
        return total

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        total: torch.Tensor = _Summed.apply(gradient)  # type: ignore[no-untyped-call]
        return total
