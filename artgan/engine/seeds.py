"""Named random streams and seed lists.

A stream has no state: every draw is a function of (seed, name, position). So nothing has to be saved to continue a
run, and any number of processes can draw their own slice of the same stream.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from artgan.errors import UsageError


@dataclass(frozen=True)
class Streams:
    """The random streams of one seed; all generators live on the CPU, so a seed means the same on every device."""

    seed: int

    def generator(self, name: str, position: int = 0) -> torch.Generator:
        """A fresh CPU generator for the draw called `name` at `position` (usually nimg)."""
        digest = hashlib.blake2b(f"{self.seed}/{name}/{position}".encode(), digest_size=8).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest) >> 1)

    @contextlib.contextmanager
    def as_global(self, name: str, position: int, device: torch.device) -> Iterator[None]:
        """Make torch's own generators start from this stream, for layers that cannot be handed one; put back after."""
        devices = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(self.generator(name, position).initial_seed())
            yield

    def normal(self, name: str, position: int, *shape: int) -> torch.Tensor:
        """Standard normal numbers on the CPU, float32."""
        return torch.randn(*shape, generator=self.generator(name, position))


def latents(seeds: tuple[int, ...], z_dim: int, truncation: float | None = None) -> torch.Tensor:
    """One latent per seed, (len(seeds), z_dim) on the CPU: the same seed is the same latent, alone or in company.

    Args:
        seeds: whole numbers from 0 up.
        z_dim: numbers in a latent.
        truncation: draw again whatever lies outside +-truncation (Brock et al. 2018, section 3.1); None is off.

    Raises:
        UsageError: truncation is not positive.
    """
    if truncation is not None and not truncation > 0:
        raise UsageError(f"--truncation {truncation} is not above 0.", "Use 0.5 to 1 for safer pictures, 2 for wild.")
    rows = []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        z = torch.randn(z_dim, generator=generator)
        if truncation is not None:
            # Inverse of the normal distribution on a uniform draw: the truncated normal without a rejection loop.
            edge = torch.special.ndtr(torch.tensor(truncation, dtype=torch.float64))
            inside = (1 - edge) + torch.special.ndtr(z.double()) * (2 * edge - 1)
            z = torch.special.ndtri(inside).float()
        rows.append(z)
    return torch.stack(rows)


def parse_seeds(text: str) -> tuple[int, ...]:
    """Read a seed list such as `0,3,5-9`.

    Raises:
        UsageError: it is not such a list, runs backwards, or names more than 100,000 seeds.
    """
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or len(part) > 50:
            raise UsageError(f"--seeds {text!r} is not a list of seeds.", "Write whole numbers: 0,3,5-9.")
        low, high = int(first), int(last or first)
        if high < low or high - low >= 100_000 or high >= 2**63:
            raise UsageError(
                f"--seeds {part!r} is not a range of at most 100,000 seeds.", "Write the smaller first: 5-9."
            )
        seeds.extend(range(low, high + 1))
    if len(seeds) > 100_000:
        raise UsageError(f"--seeds names {len(seeds)} seeds.", "Ask for at most 100,000 at a time.")
    return tuple(seeds)
