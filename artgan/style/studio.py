"""One picture from file to file: read, painted, and written with everything that it had."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from artgan.engine.artwork import Artwork, encode_artwork
from artgan.engine.cut import Cut
from artgan.engine.device import Engine
from artgan.engine.images import encode_png
from artgan.engine.storage import atomic_write, naming_the_path, refuse_existing, sweep
from artgan.errors import DatasetError, Interrupted, SettingError, UsageError
from artgan.style.controls import Controls
from artgan.style.events import Begun, Note, Painted, Painting, StylizeEvent
from artgan.style.features import Features, open_features
from artgan.style.film import paint_film
from artgan.style.instant import Artist, artist_of, find_ways, paint_at_once
from artgan.style.jobs import Job, require
from artgan.style.outputs import Extras
from artgan.style.pace import Pace, measure_pace
from artgan.style.plan import DETAILS, stages
from artgan.style.recipe import is_same, recipe_of
from artgan.style.repaint import Step, repaint
from artgan.style.room import require_room
from artgan.style.sheet import sheet_of
from artgan.style.table import Table
from artgan.style.taught import SUFFIX, read_taught, shipped_stylist
from artgan.style.tiles import WHOLE

_PREVIEW_SECONDS = 2.0
_FILM_WAY = "Name a film with -o, such as -o film.mp4, to paint all of them."


@dataclass
class Studio:
    """What all pictures of one call share; most of it are the arguments of `artgan.stylize`."""

    controls: Controls
    masks: tuple[Path, Path | None] | None
    weights: Path | None
    cut: Cut
    extras: Extras
    many: bool
    overwrite: bool
    device: str
    on_event: Callable[[StylizeEvent], None]
    should_stop: Callable[[], bool]
    _paces: dict[tuple[int, bool], Pace] = field(default_factory=dict)
    _artists: dict[Path | None, Artist] = field(default_factory=dict)

    @cached_property
    def features(self) -> Features:
        """The network, opened when the first picture needs it."""
        return open_features(self.controls.encoder, Engine.detect(self.device, "float32"), self.weights)

    def pace(self, manners: int, large: bool = False) -> Pace:
        """How fast steps after so many manners are, measured once."""
        if (manners, large) not in self._paces:
            self._paces[manners, large] = measure_pace(self.features, manners, large)
        return self._paces[manners, large]

    def artist(self, job: Job) -> Artist:
        """Who paints in one pass: what a .style has learnt, or the stylist that comes with artgan.

        Raises:
            CheckpointError: the .style is damaged.
        """
        path = next((style.path for style in job.styles if style.path.suffix.lower() == SUFFIX), None)
        if path not in self._artists:
            stylist = read_taught(path).stylist() if path is not None else shipped_stylist()
            self._artists[path] = artist_of(stylist, self.features)
        return self._artists[path]

    def do(self, job: Job, number: int, total: int) -> Painted:
        """Paint one picture, unless it is done; where many are painted, a failure is a result."""
        try:
            return self._do(job, number, total)
        except (DatasetError, SettingError, UsageError) as error:  # of this picture; those of all were refused before
            if not self.many:
                raise
            return Painted(job.content, job.out, "failed", error.message)

    def _do(self, job: Job, number: int, total: int) -> Painted:
        if not job.is_film or not job.content.is_dir():
            require(job.content, "film" if job.is_film else "picture")
        for style in job.styles:
            require(style.path, "style")
        recipe = recipe_of(job, self.controls, self.masks, self.cut if job.is_film else None)
        if (there := self._there(job, recipe)) is not None:
            return there
        if job.is_film:
            return paint_film(self, job, number, total, recipe)
        if not self.controls.palette_only and self.controls.strength and self.controls.detail != "instant":
            require_room(job.content, self.controls.size, self.features.engine.device)
        table = Table(job, self.controls, self.masks)
        self._make_room(job)
        for art, path in (
            (table.art, job.content),
            *((a, s.path) for a, s in zip(table.styles, job.styles, strict=True)),
        ):
            if art.frames > 1:
                way = f" {_FILM_WAY}" if path == job.content else ""
                self.on_event(Note(f"{path} is animated ({art.frames} frames); its first frame is used.{way}"))
        finished = True
        if self.controls.palette_only:
            self._begin(table, job, number, total, None)
            painted = table.palette()
        elif self.controls.strength == 0:
            self._begin(table, job, number, total, None)
            painted = table.content
        elif self.controls.detail == "instant":
            painted = self._paint_at_once(table, job, number, total)
        else:
            painted, finished = self._paint(table, job, number, total)
        self._write(table, job, painted, {**recipe, "finished": finished})
        if not finished:
            raise Interrupted(
                f"Stopped; {job.out} is painted as far as it had come.", "The same command paints it to the end."
            )
        return Painted(job.content, job.out, "painted")

    def _make_room(self, job: Job) -> None:
        """Make the folders now, where a mistake costs nothing, and clear what a killed process left in them."""
        for path in (job.out, self.extras.preview, self.extras.sheet_for(job)):
            if path is not None:
                with naming_the_path(path):
                    path.parent.mkdir(parents=True, exist_ok=True)
                sweep(path.parent)

    def _there(self, job: Job, recipe: dict[str, Any]) -> Painted | None:
        """What to say of a picture that is there; None when it is to be painted."""
        if self.overwrite or not job.out.exists():
            return None
        same, finished = is_same(job.out, recipe)
        if same and not finished:
            return None  # an interrupted one of our own
        if not self.many:
            refuse_existing(job.out, overwrite=False)
        reason = "" if same else "it is another painting, or one with other settings; --overwrite replaces it"
        return Painted(job.content, job.out, "there", reason)

    def _begin(self, table: Table, job: Job, number: int, total: int, pace: Pace | None) -> None:
        width, height = table.size
        seconds = (
            {detail: pace.seconds(stages(table.size, detail), width, height) for detail in DETAILS} if pace else {}
        )
        self.on_event(Begun(job.content, job.out, table.size, number, total, seconds, self.controls.detail))

    def _paint_at_once(self, table: Table, job: Job, number: int, total: int) -> torch.Tensor:
        self._begin(table, job, number, total, None)
        began, drawing, areas, artist = time.monotonic(), table.drawing(), table.areas(), self.artist(job)

        def tell(done: float) -> None:
            if self.should_stop():
                raise Interrupted("Stopped before it was painted.", "Nothing was written.")
            self.on_event(Painting(done, (time.monotonic() - began) * (1 / done - 1)))

        ways = find_ways(drawing, areas, artist, self.controls.brush_size, lambda share: tell(share / 2))
        painted = paint_at_once(
            drawing, areas, ways, artist, strength=self.controls.strength, pause=lambda share: tell((1 + share) / 2)
        )
        return table.finish(painted)

    def _paint(self, table: Table, job: Job, number: int, total: int) -> tuple[torch.Tensor, bool]:
        areas, (width, height) = table.areas(), table.size
        manners = sum(len(area.sources) + (self.controls.strength < 1) for area in areas)
        pace = self.pace(manners, width * height > WHOLE)
        self._begin(table, job, number, total, pace)
        todo = stages(table.size, self.controls.detail)
        works = pace.steps(todo, width, height)
        whole, done, began, shown = sum(works), 0, time.monotonic(), time.monotonic()

        def tell(share: float) -> None:
            # At first what was measured beforehand, more and more what this picture really takes.
            part = min((sum(works[:done]) + share * sum(works[done : done + 1])) / whole, 1.0)
            expected = time.monotonic() - began + whole * (1 - part)
            self.on_event(Painting(part, max(expected * (1 - part), 0.0)))

        def look(step: Step) -> None:
            nonlocal done, shown
            done = step.done
            tell(0.0)
            if self.extras.preview is not None and time.monotonic() - shown > _PREVIEW_SECONDS:
                shown = time.monotonic()
                self.show(self.extras.preview, table, step.picture())

        result = repaint(
            table.drawing(),
            areas,
            self.features,
            todo,
            strength=self.controls.strength,
            brush_size=self.controls.brush_size,
            smooth=self.controls.smooth,
            init=self.controls.init,
            seed=self.controls.seed,
            on_step=look,
            should_stop=self.should_stop,
            on_part=tell,
        )
        if not result.finished and done == 0:
            raise Interrupted("Stopped before the first step.", "Nothing was written.")
        return table.finish(result.picture), result.finished

    def show(self, preview: Path, table: Table, picture: torch.Tensor) -> None:
        """Write the picture as it is now."""
        shown = Artwork(table.finish(picture)[0].numpy(), None, table.art.profile, 8, 1)
        atomic_write(preview, encode_artwork(shown, preview.suffix, {"kind": "preview"}), durable=False)

    def _write(self, table: Table, job: Job, painted: torch.Tensor, recipe: dict[str, Any]) -> None:
        bits, dpi = self.controls.bits or table.art.bits, self.controls.dpi or table.art.dpi
        art = replace(table.art, pixels=painted[0].numpy(), bits=bits, dpi=dpi)
        atomic_write(job.out, encode_artwork(art, job.out.suffix, recipe))
        if self.extras.preview is not None:
            self.show(self.extras.preview, table, painted)
        if (sheet := self.extras.sheet_for(job)) is not None:
            row = [table.art.pixels, *(style.pixels for style in table.styles), art.pixels]
            atomic_write(sheet, encode_png(sheet_of(row), {**recipe, "kind": "sheet"}, table.art.profile))
