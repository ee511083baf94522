"""The search for the latent of a picture."""

import math
from collections.abc import Callable
from pathlib import Path

import torch

from artgan.data.decoding import training_pictures, why_unreadable
from artgan.engine.images import quiet_decoding
from artgan.engine.seeds import Streams
from artgan.errors import CheckpointError, DatasetError, Interrupted, UsageError
from artgan.latent.latents import Latent, draw
from artgan.latent.likeness import Distance, Likeness
from artgan.models.render import render
from artgan.models.trained import LoadedGenerator

STEPS = 200
MOST_STEPS = 100_000
_CANDIDATES, _RESTARTS, _FINALISTS = 256, 8, 2
_FIRST_ROUND = 1 / 3  # of the steps are made by all restarts, the rest by the finalists
_RATE, _RISE, _FALL = 0.2, 0.05, 0.25
_NOISE, _NOISE_UNTIL = 0.05, 0.75
_AT_ONCE = 16


class Projector:
    """Finds latents of pictures in one model, whose weights are frozen from then on.

    The best of many random latents (and classes) start side by side. Adam moves them, with the rising and falling rate
    and the fading noise of Karras et al. 2020 (StyleGAN2), appendix D; after a third of the steps the best few go on.
    There it is w that moves. Here it is z, whose length is kept within two standard deviations of that of a draw.
    """

    def __init__(self, model: LoadedGenerator, steps: int = STEPS, seed: int = 0) -> None:
        """Draw what searches start from.

        Raises:
            UsageError: steps or seed are out of range.
            CheckpointError: the model paints values that are no numbers.
        """
        if not 1 <= steps <= MOST_STEPS:
            raise UsageError(f"--steps {steps} is not between 1 and {MOST_STEPS:,}.", f"{STEPS} are usual.")
        if not 0 <= seed < 2**63:
            raise UsageError(f"--seed {seed} is not between 0 and 2**63 - 1.", "Leave it away: it is 0 then.")
        self.model, self.steps, self.seed = model, steps, seed
        self._streams = Streams(seed)
        model.network.requires_grad_(False)
        self._z = self._streams.normal("project/search", 0, _CANDIDATES, model.settings.model.z_dim)
        self._names = [model.names[place % len(model.names)] if model.names else None for place in range(_CANDIDATES)]
        self._samples = render(model.network, model.engine, self._z, model.conditions(self._names))
        if not self._samples.isfinite().all():
            raise CheckpointError(f"{model.run} paints values that are no numbers.", "Use another checkpoint.")
        self._likeness = Likeness(model.engine, self._samples[:64])

    def open(self, path: Path, raw: bytes | None = None) -> torch.Tensor:
        """A picture (C, H, W) in [-1, 1] of the model's shape, cut as a training picture is: the largest middle part.

        Args:
            path: the file.
            raw: its bytes, where they are at hand.

        Raises:
            DatasetError: it cannot be read.
        """
        settings = self.model.settings.data.model_copy(update={"crops": 1, "crop": "center"})
        try:
            with quiet_decoding():
                pixels, _ = training_pictures(path.read_bytes() if raw is None else raw, "", settings)
        except (DatasetError, OSError) as error:
            hint = error.hint if isinstance(error, DatasetError) else "Check the path and its permissions."
            raise DatasetError(f"{path}: {why_unreadable(error)}.", hint) from error
        return torch.from_numpy(pixels[0]).permute(2, 0, 1) / 127.5 - 1

    def find(
        self,
        target: torch.Tensor,
        name: str,
        class_name: str | None = None,
        on_step: Callable[[int], None] = lambda step: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> tuple[Latent, float]:
        """The nearest latent of a picture, and how far what it paints is from it (`Projected.distance`).

        Args:
            target: (C, H, W) in [-1, 1], of the model's shape.
            name: what the latent is called.
            class_name: its class; None tries all, or the texts that the model has learnt.
            on_step: called with the number of steps made.
            should_stop: asked before every step.

        Raises:
            UsageError: there is no such class.
            Interrupted: `should_stop` said so.
        """
        distance = self._likeness.to(target)
        z, names = self._begin(distance, class_name)
        z, names = self._descend(distance, z, names, on_step, should_stop)
        found = Latent(z[0].cpu().numpy(), names[0], name)
        with torch.no_grad():
            return found, float(distance(draw(self.model, [found]).to(z.device)))

    def _begin(self, distance: Distance, class_name: str | None) -> tuple[torch.Tensor, list[str | None]]:
        """The latents and names (classes, texts) of the nearest samples."""
        samples, names = self._samples, self._names
        if class_name is not None:
            names = [class_name] * _CANDIDATES
            samples = render(self.model.network, self.model.engine, self._z, self.model.conditions(names))
        device = self.model.engine.device
        with torch.no_grad():
            far = torch.cat([distance(part.to(device)) for part in samples.split(_AT_ONCE)])
        nearest = far.argsort()[:_RESTARTS].cpu()
        return self._z[nearest].to(device), [names[place] for place in nearest.tolist()]

    def _descend(
        self,
        distance: Distance,
        z: torch.Tensor,
        names: list[str | None],
        on_step: Callable[[int], None],
        should_stop: Callable[[], bool],
    ) -> tuple[torch.Tensor, list[str | None]]:
        """The latents and names that came nearest, the best first."""
        noise = self._streams.generator("project/noise")
        half = math.ceil(self.steps * _FIRST_ROUND)
        for steps, kept in ((range(half), _FINALISTS), (range(half, self.steps), 1)):
            c = self.model.conditions(names)
            c = c.to(z.device) if c is not None else None
            z.requires_grad_()
            optimizer = torch.optim.Adam([z])
            for step in steps:
                if should_stop():
                    raise Interrupted("Stopped before the latent was found.", "Give the same command to start again.")
                done = step / self.steps
                optimizer.param_groups[0]["lr"] = _RATE * _ramp(done)
                wide = _NOISE * max(0.0, 1 - done / _NOISE_UNTIL) ** 2
                moved = z + wide * torch.randn(z.shape, generator=noise).to(z.device)
                optimizer.zero_grad()
                distance(self.model.network(moved, c)).sum().backward()
                optimizer.step()
                with torch.no_grad():
                    z.mul_(_typical(z))
                on_step(step + 1)
            z = z.detach()
            with torch.no_grad():
                best = distance(self.model.network(z, c)).argsort()[:kept]
            z, names = z[best], [names[place] for place in best.tolist()]
        return z, names


def _ramp(done: float) -> float:
    """The rate at `done` of 1 of the steps: it rises at once, stays, and falls along a cosine."""
    falling = min(1.0, (1 - done) / _FALL)
    return (0.5 - 0.5 * math.cos(math.pi * falling)) * min(1.0, done / _RISE + 0.1)


def _typical(z: torch.Tensor) -> torch.Tensor:
    """What to multiply latents (N, z_dim) by, (N, 1), so that draws of N(0, I) are as short and as long as they are.

    The length of a draw has the mean sqrt(z_dim - 1/2) and the variance 1/2, nearly, in many dimensions.
    """
    middle, spread = math.sqrt(z.shape[1] - 0.5), 2 * math.sqrt(0.5)
    length = z.norm(dim=1, keepdim=True).clamp_min(1e-12)
    factors: torch.Tensor = length.clamp(max(0.0, middle - spread), middle + spread) / length
    return factors
