"""What a generator is asked to draw, always the same for the same seeds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from artgan.engine.images import to_uint8
from artgan.engine.seeds import latents
from artgan.errors import Interrupted
from artgan.models.render import AT_ONCE, render
from artgan.models.trained import LoadedGenerator

MOST_KINDS = 64
"""Of a model with more classes, the samples show the first so many."""


@dataclass(frozen=True)
class Working:
    """`done` of `total` steps of the part called `part` are done."""

    part: str
    done: int
    total: int


Tell = Callable[[Working], None]
Should = Callable[[], bool]


@dataclass(frozen=True)
class Draws:
    """Latents with what the generator is told beside them.

    Attributes:
        z: (N, z_dim).
        c: what the network is told, as `LoadedGenerator.conditions` makes it; None for neither class nor text.
        names: the classes or texts that are drawn; empty without.
        kinds: for each latent its place in `names`; empty without.
        seeds: for each latent its seed.
    """

    z: torch.Tensor
    c: torch.Tensor | None
    names: tuple[str, ...]
    kinds: tuple[int, ...]
    seeds: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.z)

    def title(self, place: int) -> str:
        """What to call one of them."""
        return f"seed {self.seeds[place]}" + (f", {self.names[self.kinds[place]]}" if self.kinds else "")

    def at(self, places: Sequence[int]) -> "Draws":
        """Some of them."""
        rows = torch.tensor([*places], dtype=torch.int64)
        kinds = tuple(self.kinds[place] for place in places) if self.kinds else ()
        c = self.c[rows] if self.c is not None else None
        return Draws(self.z[rows], c, self.names, kinds, tuple(self.seeds[place] for place in places))


def draws(model: LoadedGenerator, seeds: Sequence[int], class_name: str | None = None) -> Draws:
    """One latent per seed; classes, or the texts that the model knows of, take turns unless one class is asked for.

    Raises:
        UsageError: there is no such class, or the model has none.
    """
    z = latents(tuple(seeds), model.settings.model.z_dim)
    if class_name is not None:
        model.class_index(class_name)
    names = (class_name,) if class_name is not None else model.names[:MOST_KINDS]
    if not names and model.takes_text:
        names = ("",)
    kinds = tuple(place % len(names) for place in range(len(z))) if names else ()
    told: list[str | None] = [names[kind] for kind in kinds] if kinds else [None] * len(z)
    return Draws(z, model.conditions(told), tuple(names), kinds, tuple(seeds))


def paint(
    model: LoadedGenerator, drawn: Draws, tell: Tell = lambda event: None, should_stop: Should = lambda: False
) -> torch.Tensor:
    """The pictures of the draws, uint8 (N, C, H, W) on the CPU.

    Raises:
        Interrupted: `should_stop` said so.
    """
    found = []
    for start in range(0, len(drawn), AT_ONCE):
        stop_if(should_stop)
        some = drawn.at(range(start, min(start + AT_ONCE, len(drawn))))
        pictures = render(model.network, model.engine, some.z, some.c)
        found.append(torch.from_numpy(to_uint8(pictures.numpy())))
        tell(Working("Drawing samples", start + len(some), len(drawn)))
    return torch.cat(found)


def stop_if(should_stop: Should) -> None:
    """Stop between two steps.

    Raises:
        Interrupted: `should_stop` said so.
    """
    if should_stop():
        raise Interrupted("Stopped while looking into the model; nothing was written.", "Give the same command again.")
