"""Previews and checkpoints of a run, and when they are due. Nothing here changes the networks."""

from collections.abc import Callable

import torch
from torch import nn

from artgan.config import Settings
from artgan.data.pictures import Pictures
from artgan.engine.background import Background
from artgan.engine.checkpoint import GeneratorFile, copied, save_checkpoint
from artgan.engine.device import Engine
from artgan.engine.images import encode_png, to_uint8
from artgan.engine.seeds import latents
from artgan.engine.storage import Run, atomic_write
from artgan.engine.vision import grid
from artgan.models.render import render
from artgan.training.events import Event, Saved
from artgan.training.state import TrainState
from artgan.training.step import crossed

FIRST_PREVIEW = 500
COLUMNS = 8
TEXTS = 8
"""So many captions, the commonest, are kept with a generator that draws from texts."""


def preview_due(before: int, after: int, longest: float) -> bool:
    """Whether to look now: at 500, 1,000, 2,000, 4,000 ... pictures shown, and later every `longest`."""
    early: float = FIRST_PREVIEW
    while early < longest:
        if before < early <= after:
            return True
        early *= 2
    return crossed(before, after, longest)


class Previewer:
    """Draws the same latents all through a run, so that its previews can be laid on top of one another.

    Conditional models get one row per class (the first eight) with the same latents in every row, and models that draw
    from texts likewise one per caption, the commonest eight.
    """

    def __init__(
        self, settings: Settings, pictures: Pictures, engine: Engine, run: Run, on_event: Callable[[Event], None]
    ) -> None:
        self.engine, self.run, self.on_event, self.pictures = engine, run, on_event, pictures
        rows = 8 if max(pictures.shape[1:]) <= 128 else 4
        first = settings.train.seed % 2**32
        z_dim = settings.model.z_dim
        self.labels: torch.Tensor | None = None
        self.c: torch.Tensor | None = None
        if pictures.c_dim:
            shown = pictures.commonest(rows) if pictures.captions else [*range(len(pictures.classes))][:rows]
            self.texts = [pictures.captions[label] for label in shown] if pictures.captions else []
            rows = len(shown)
            self.seeds = tuple(range(first, first + COLUMNS))
            self.z = latents(self.seeds, z_dim).repeat(rows, 1)
            self.labels = torch.tensor(shown).repeat_interleave(COLUMNS)
            self.c = pictures.conditions(self.labels)
        else:
            self.texts = []
            self.seeds = tuple(range(first, first + COLUMNS * rows))
            self.z = latents(self.seeds, z_dim)
        self.rows = rows

    def draw(self, generator: nn.Module) -> torch.Tensor:
        """The pictures of the fixed latents, (N, C, H, W) in [-1, 1]."""
        return render(generator, self.engine, self.z, self.c)

    def save(self, shown: torch.Tensor, nimg: int) -> None:
        """Write the pictures that `draw` returned as `fakesNNNNNNNNN.png`."""
        sheet = grid(shown, COLUMNS)
        recipe = {"kind": "preview", "run": self.run.name, "nimg": nimg, "seeds": list(self.seeds)}
        recipe |= {"texts": self.texts} if self.texts else {}
        path = self.run.preview(nimg)
        atomic_write(path, encode_png(to_uint8(sheet.numpy()), recipe))
        self.on_event(Saved("preview", path, nimg))

    def save_reals(self) -> None:
        """Write `reals.png`, training pictures in the same layout."""
        rows: list[int] = []
        if self.labels is None:
            rows = self.pictures.order(0, COLUMNS * self.rows).tolist()
        else:
            for label in self.labels[::COLUMNS].tolist():
                members = self.pictures.members(label, COLUMNS).tolist()
                rows += [members[k % len(members)] for k in range(COLUMNS)]
        sheet = grid(self.pictures.at(rows).float() / 127.5 - 1, COLUMNS)
        path = self.run.folder / "reals.png"
        atomic_write(path, encode_png(to_uint8(sheet.numpy()), {"kind": "reals", "run": self.run.name}))
        self.on_event(Saved("reals", path, 0))


def save_state(
    settings: Settings, pictures: Pictures, state: TrainState, run: Run, background: Background, best: bool = False
) -> None:
    """Copy the whole state, and have it written as a checkpoint, perhaps the best, while training goes on."""
    background.wait()  # two copies at once would be too much memory
    generator = GeneratorFile(
        tensors=copied(state.G_ema.state_dict()),
        settings={**settings.model_dump(mode="json"), "shape": list(pictures.shape)},
        classes=pictures.classes,
        nimg=state.nimg,
        run=run.name,
        texts=tuple(pictures.captions[label] for label in pictures.commonest(TEXTS)),
    )
    tensors, nimg = copied(state.tensors()), state.nimg
    background.submit(lambda: Saved("checkpoint", save_checkpoint(run, generator, tensors, best), nimg))
