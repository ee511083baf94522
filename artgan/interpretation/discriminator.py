"""The discriminator of a checkpoint: the half of a GAN that learnt to tell real pictures from generated ones."""

from pathlib import Path

import torch
from torch import nn

from artgan.engine.checkpoint import STATE, load_state, misfit
from artgan.errors import CheckpointError
from artgan.models import build_discriminator
from artgan.models.trained import LoadedGenerator, Undrawn


def read_discriminator(model: LoadedGenerator, checkpoint: Path) -> nn.Module:
    """The discriminator that was trained beside a generator, in evaluation mode, frozen, on the generator's device.

    Args:
        model: the generator.
        checkpoint: the folder it came from.

    Raises:
        CheckpointError: there is none, as with a file that was shared alone, or it is damaged.
    """
    if not (checkpoint / STATE).is_file():
        raise CheckpointError(
            "A generator that comes without its checkpoint has no discriminator.", "Name the run it was trained in."
        )
    tensors = {name[2:]: tensor for name, tensor in load_state(checkpoint).items() if name.startswith("D.")}
    with torch.device("meta"), Undrawn():
        network = build_discriminator(model.settings.model, model.shape, model.c_dim)
    problem = misfit(tensors, network.state_dict())
    if not problem and not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
        problem = "it holds what is no number"
    if problem:
        raise CheckpointError(f"The discriminator in {checkpoint / STATE} is damaged: {problem}.", "Use another one.")
    network.load_state_dict(tensors, assign=True)
    return model.engine.place(network).eval().requires_grad_(False)
