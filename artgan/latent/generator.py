"""`artgan.Generator`: a trained model in the hand."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from artgan.engine.seeds import latents
from artgan.errors import UsageError
from artgan.models.render import render
from artgan.models.trained import LoadedGenerator, load


class Generator:
    """A trained generator that draws pictures as tensors (N, C, H, W) in [-1, 1], float32 on the CPU.

        >>> generator = artgan.Generator.load("runs/00007-paintings-studio64")
        >>> pictures = generator.sample([3, 14, 15])

    Attributes:
        model: its network, settings, classes, run and nimg.
    """

    def __init__(self, model: LoadedGenerator) -> None:
        self.model = model

    @classmethod
    def load(cls, run: str | Path | None = None, *, runs_dir: str | Path = "runs", device: str = "auto") -> "Generator":
        """The newest checkpoint of a run, a checkpoint folder or a .safetensors; None is the latest run.

        Raises:
            CheckpointError: there is none, or it is damaged.
            DeviceError: the device is not there.
        """
        return cls(load(run, runs_dir=runs_dir, device=device))

    @property
    def z_dim(self) -> int:
        """Numbers in a latent."""
        return self.model.settings.model.z_dim

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names; empty for a model that draws from texts or is unconditional."""
        return self.model.classes

    def sample(
        self, seeds: Sequence[int], class_name: str | None = None, truncation: float | None = None
    ) -> torch.Tensor:
        """One picture per seed, the same that `artgan.sample` writes.

        Args:
            seeds: whole numbers from 0 up.
            class_name: needed by a model with classes; the text, for one that draws from texts.
            truncation: as in `artgan.sample`.

        Raises:
            UsageError: seeds, class or truncation make no sense.
        """
        if not len(seeds) or min(seeds) < 0 or max(seeds) >= 2**63:
            raise UsageError("Seeds are whole numbers from 0 up, at least one.", "Give some, such as [0, 1, 2].")
        return self.render(latents(tuple(int(seed) for seed in seeds), self.z_dim, truncation), class_name)

    def render(
        self, z: torch.Tensor | NDArray[np.float32], class_name: str | Sequence[str] | None = None
    ) -> torch.Tensor:
        """One picture per latent.

        Args:
            z: (N, z_dim), finite, N of 1 or more.
            class_name: of all, or one for each; needed by a model with classes, or that draws from texts.

        Raises:
            UsageError: z is of another shape or not finite, or a class is unknown or missing.
        """
        rows = torch.as_tensor(z, dtype=torch.float32, device="cpu")
        if rows.dim() != 2 or rows.shape[1] != self.z_dim or not len(rows) or not bool(rows.isfinite().all()):
            raise UsageError(
                f"Latents of the shape {tuple(rows.shape)} are not finite numbers (N, {self.z_dim}).",
                f"{self.model.run} takes {self.z_dim} numbers for each picture.",
            )
        names = [class_name] * len(rows) if isinstance(class_name, str | None) else list(class_name)
        if len(names) != len(rows):
            raise UsageError(f"There are {len(names)} classes for {len(rows)} latents.", "Give one, or one for each.")
        conditions = self.model.conditions(cast(list[str | None], names))
        return render(self.model.network, self.model.engine, rows, conditions)
