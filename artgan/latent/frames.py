"""The frames of a walk: where they lie, and how they are drawn."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from artgan.engine.images import to_uint8
from artgan.engine.video import Frame
from artgan.engine.vision import grid as side_by_side
from artgan.errors import Interrupted
from artgan.latent.keyframes import Cell, blend
from artgan.latent.music import moved
from artgan.latent.paths import Ease, PathKind, along, eased
from artgan.latent.steering import Steering
from artgan.latent.timing import evened, load_eye, probe
from artgan.models.render import AT_ONCE, render
from artgan.models.trained import LoadedGenerator

_PROBES = (24, 96, 960)  # pictures looked at per keyframe to find the even speed; at least, at most
_LOOKS = 2  # the second look finds what the first one's straight lines cut off at corners
Floats = NDArray[np.float64]
Latents = NDArray[np.float32]


@dataclass(frozen=True)
class FrameDrawn:
    """`done` of `total` frames are drawn."""

    done: int
    total: int


@dataclass(frozen=True)
class Way:
    """How all cells travel."""

    path: PathKind
    ease: Ease
    loop: bool
    steering: Steering

    def latents(self, cell: Cell, at: Floats, push: Floats | None = None) -> Latents:
        """Latents, turned by pushes (n, z_dim), and shares of the classes, or texts, of a cell: (n, z_dim + c_dim)."""
        at = eased(self.ease, at + cell.start)
        z = along(self.path, cell.z, at, self.loop, cell.seed)
        return np.hstack([z if push is None else moved(z, push), blend(cell.classes, at, self.loop)])

    def swing(self, frames: int) -> tuple[Floats, Floats]:
        """Of every frame its place on the walk, and how far what moves has come from its start to its end, 0 to 1.

        In a loop that is there and back; else there, slower at both ends.
        """
        turns = np.arange(frames, dtype=np.float64) / (frames if self.loop else max(frames - 1, 1))
        return turns, (1 - np.cos((2 if self.loop else 1) * np.pi * turns)) / 2


def evenly(model: LoadedGenerator, way: Way, cell: Cell, at: Floats) -> Floats:
    """Positions in keyframes at which equal steps look equally large."""
    each, least, most = _PROBES
    count, z_dim = len(cell.z), model.settings.model.z_dim
    end = count if way.loop else count - 1
    steady = fine = np.linspace(0, end, int(np.clip(each * count, least, most)) + 1)
    eye, even_at = load_eye(model.engine), at

    def drawn(rows: Latents) -> torch.Tensor:
        c = torch.from_numpy(rows[:, z_dim:].copy()) if model.c_dim else None
        return render(model.network, model.engine, torch.from_numpy(rows[:, :z_dim].copy()), c)

    for _ in range(_LOOKS):
        distances = probe(drawn, way.latents(cell, fine), eye)
        even_at, fine = evened(at, fine, distances), evened(steady, fine, distances)
    return even_at


def frames_of(
    model: LoadedGenerator,
    way: Way,
    cells: Sequence[Cell],
    at: Floats,
    push: Sequence[Floats | None],
    columns: int,
    size: int | None,
    on_event: Callable[[FrameDrawn], None],
    should_stop: Callable[[], bool],
) -> Iterator[Frame]:
    """The frames (H, W, 3), in order; a few are drawn at a time."""
    few, z_dim = max(1, AT_ONCE // len(cells)), model.settings.model.z_dim
    turns, far = way.swing(len(at))
    shifts = way.steering.offsets(turns, far, z_dim)
    network = way.steering.network(model, [cell.seed for cell in cells])
    for start in range(0, len(at), few):
        if start and should_stop():
            raise Interrupted("Stopped.", "The film has the frames so far.")
        here = slice(start, start + few)
        rows = torch.from_numpy(
            np.stack(
                [
                    way.latents(cell, at[here], None if moves is None else moves[here])
                    for cell, moves in zip(cells, push, strict=True)
                ],
                1,
            )
        )
        count = len(rows)
        z = (rows[:, :, :z_dim] + torch.from_numpy(shifts[here])[:, None]).flatten(0, 1)
        carried = way.steering.carried(
            z, torch.from_numpy(far[here]).repeat_interleave(len(cells)), torch.arange(len(cells)).repeat(count)
        )
        c = rows[:, :, z_dim:].flatten(0, 1) if model.c_dim else None
        pictures = _enlarged(render(network, model.engine, carried, c), size).unflatten(0, (-1, len(cells)))
        for place, together in enumerate(pictures):
            frame = together[0] if len(cells) == 1 else side_by_side(together, columns)
            yield np.ascontiguousarray(to_uint8(_coloured(frame).numpy()).transpose(1, 2, 0))
            on_event(FrameDrawn(start + place + 1, len(at)))


def _enlarged(pictures: torch.Tensor, size: int | None) -> torch.Tensor:
    """Pictures (N, C, H, W) with a longer side of `size` pixels."""
    if size is None:
        return pictures
    height, width = pictures.shape[2:]
    sides = [max(1, round(side * size / max(height, width))) for side in (height, width)]
    return F.interpolate(pictures, sides, mode="bicubic", antialias=True).clamp(-1, 1)


def _coloured(picture: torch.Tensor) -> torch.Tensor:
    """A picture (C, H, W) with 1, 3 or 4 channels as one with 3: grey in all of them, transparent over white."""
    if picture.shape[0] == 4:
        share = (picture[3:] + 1) / 2
        return picture[:3] * share + (1 - share)
    return picture.expand(3, -1, -1)
