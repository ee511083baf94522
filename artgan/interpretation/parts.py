"""The questions that the page answers, one after the other; what one of them found out serves the next."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TypeVar

import torch
from PIL import Image

from artgan.engine.seeds import Streams
from artgan.errors import CheckpointError, DatasetError, UsageError
from artgan.interpretation.attention import Attention, Judged, Look, judged_pairs, logits, look_at, quartiles
from artgan.interpretation.discriminator import read_discriminator
from artgan.interpretation.draws import Should, Tell, draws, paint
from artgan.interpretation.likeness import Likeness, compare
from artgan.interpretation.maps import Atlas, Side, draw_maps
from artgan.interpretation.page import Exhibits
from artgan.interpretation.skills import Skills, find_skills, read_sheets
from artgan.interpretation.subject import Subject, fakes_set, reals_set, see
from artgan.interpretation.units import Layer, dissect, place_of
from artgan.metrics.features import fitted, view_of
from artgan.metrics.networks import embedded_network
from artgan.metrics.sets import PictureSet

T = TypeVar("T")

POOL = 48
"""Pictures that the strongest units are switched off for."""
JUDGED = 300
"""Training pictures that the discriminator judges."""
SHOWN = 6
PREVIEW_SIDE = 64
"""Pixels of a side at which the encoder looks at previews, as the scores of training do."""
_MATTERS = 0.1  # of the distance between the middle real and the middle fake: a smaller effect of covering is not told


class Parts:
    """Looks into a model part by part, and keeps the pictures that show what was found."""

    def __init__(
        self,
        subject: Subject,
        class_name: str | None,
        asked: Sequence[int],
        num: int,
        tell: Tell,
        should_stop: Should,
    ) -> None:
        """Draw the samples: those of the seeds that are asked for come first."""
        self.subject, self.class_name, self.asked = subject, class_name, len(asked)
        self.tell, self.should_stop = tell, should_stop
        others = [seed for seed in range(num + len(asked)) if seed not in {*asked}]
        self.drawn = draws(subject.model, [*asked, *others][:num], class_name)
        self.samples = paint(subject.model, self.drawn, tell, should_stop)
        self.missing: dict[str, str] = {}
        self.exhibits = Exhibits(fakes_set(self.samples, self.drawn))
        self.network = embedded_network(subject.model.engine)

    def attempt(self, name: str, part: Callable[[], T]) -> T | None:
        """What a part found, or None when something that it needs is not there, which `missing` then tells."""
        try:
            return part()
        except (CheckpointError, DatasetError, UsageError) as error:
            self.missing[name] = error.message
            return None

    @cached_property
    def reals(self) -> PictureSet:
        """The training pictures.

        Raises:
            DatasetError: there are none.
        """
        if self.subject.reals is None:
            raise DatasetError(self.subject.reason, "Name the run, and put its pictures back where they were.")
        return reals_set(self.subject)

    @cached_property
    def seen_reals(self) -> torch.Tensor:
        """Features of the training pictures.

        Raises:
            DatasetError: there are none.
        """
        return see(self.reals, self.network, self.tell, self.should_stop)

    @cached_property
    def seen_fakes(self) -> torch.Tensor:
        """Features of the samples."""
        return see(self.exhibits.samples, self.network, self.tell, self.should_stop)

    def units(self) -> tuple[Layer, ...]:
        """What units of early layers do."""
        model = self.subject.model
        pool = draws(model, range(POOL), self.class_name)
        found = dissect(model.network, pool, model.engine.device, tell=self.tell, should_stop=self.should_stop)
        self.exhibits.dissections = found
        return tuple(one.layer for one in found)

    def attention(self) -> Attention:
        """What the discriminator looks at.

        Raises:
            CheckpointError: there is no discriminator.
            DatasetError: there are no training pictures.
        """
        model = self.subject.model
        judge = read_discriminator(model, self.subject.checkpoint)
        reals, real_c, titles = self._judged_reals()
        fakes = model.engine.pictures(self.samples)
        fake_c = _on(self.drawn.c, model.engine.device)
        of_reals, of_fakes = (logits(judge, *side).cpu() for side in ((reals, real_c), (fakes, fake_c)))
        order = of_fakes.argsort(descending=True, stable=True).tolist()
        chosen: list[tuple[str, int]] = [("real", at) for at in range(min(SHOWN, len(reals)))]
        chosen += [("fake", at) for at in range(min(SHOWN, len(fakes)))]
        chosen += [("most", at) for at in order[:SHOWN]] + [("least", at) for at in order[: -SHOWN - 1 : -1]]
        sides = [(reals, real_c) if kind == "real" else (fakes, fake_c) for kind, _ in chosen]
        pictures = torch.stack([side[at] for (side, _), (_, at) in zip(sides, chosen, strict=True)])
        told = [c[at] for (_, c), (_, at) in zip(sides, chosen, strict=True) if c is not None]
        looks = look_at(judge, pictures, torch.stack(told) if told else None, self.tell, self.should_stop)
        self.exhibits.looks = looks
        least = _MATTERS * abs(float(of_reals.median() - of_fakes.median()))

        def judged(kind: str, at: int, look: Look) -> Judged:
            logit = float((of_reals if kind == "real" else of_fakes)[at])
            title = titles[at] if kind == "real" else self.drawn.title(at)
            beats = float((of_reals < logit).float().mean())
            return Judged(title, kind, round(logit, 4), round(beats, 4), *_spots(look.occlusion, least))

        return Attention(
            told_apart=round(judged_pairs(of_reals, of_fakes), 4),
            reals=len(reals),
            fakes=len(fakes),
            real_logit=quartiles(of_reals),
            fake_logit=quartiles(of_fakes),
            judged=tuple(judged(kind, at, look) for (kind, at), look in zip(chosen, looks, strict=True)),
        )

    def _judged_reals(self) -> tuple[torch.Tensor, torch.Tensor | None, list[str]]:
        """Training pictures as the discriminator takes them, what it is told of them, and their titles."""
        titles, model = self.reals, self.subject.model
        assert self.subject.reals is not None
        pictures, places = self.subject.reals
        order = torch.randperm(len(places), generator=Streams(0).generator("judged"))[:JUDGED].tolist()
        rows = [places[at] for at in order]
        c = _on(pictures.conditions(pictures.labels[rows]), model.engine.device)
        return model.engine.pictures(pictures.at(rows)), c, [titles.title(at) for at in order]

    def likeness(self) -> Likeness:
        """Samples beside the training pictures nearest to them.

        Raises:
            DatasetError: there are no training pictures.
            UsageError: they are all the same.
        """
        self.exhibits.reals = self.reals
        fake_titles = [self.drawn.title(at) for at in range(len(self.drawn))]
        real_titles = [self.reals.title(at) for at in range(self.reals.count)]
        return compare(self.seen_fakes, fake_titles, self.seen_reals, real_titles, self.asked)

    def atlas(self) -> Atlas:
        """The map."""
        named = bool(self.subject.model.classes) and self.class_name is None
        names = self.drawn.names if named else ()
        fake = Side(self.exhibits.samples, self.seen_fakes, self.drawn.kinds if named else ())
        real = None
        if self.subject.reals is not None:
            real = Side(self.reals, self.seen_reals, self.reals.labels if named else ())
        figures, self.exhibits.maps = draw_maps(fake, real, names, self.tell, self.should_stop)
        return figures

    def skills(self) -> Skills:
        """What came when in training.

        Raises:
            CheckpointError: there are no previews.
        """
        model = self.subject.model
        if self.subject.run is None:
            raise CheckpointError("A file that was shared alone comes without the previews.", "Name the run.")
        size = model.settings.data.size
        sheets = read_sheets(self.subject.run, size, rows=bool(model.names))
        view = view_of(PREVIEW_SIDE, size)

        def embed(pictures: list[Image.Image]) -> torch.Tensor:
            batch = torch.stack([torch.tensor(fitted(picture, view)) for picture in pictures]).permute(0, 3, 1, 2)
            return self.network(batch)[0]

        self.exhibits.sheets = sheets
        return find_skills(sheets, embed, self.tell, self.should_stop)


def _on(c: torch.Tensor | None, device: torch.device) -> torch.Tensor | None:
    return c.to(device) if c is not None else None


def _spots(occlusion: torch.Tensor, least: float) -> tuple[str, str]:
    """Where covering (H, W) makes a picture less real, and where more; empty where it matters less than `least`."""
    sides = (occlusion.clamp_min(0), (-occlusion).clamp_min(0))
    below, above = (place_of(side) if float(side.max()) > least else "" for side in sides)
    return below, above
