"""A film painted: each frame begins as the one before it, carried along with what moves, and is painted a little on.

After Ruder et al. 2016, with these departures, each of which was measured (`python -m tests.bench.calm`): colours are
moved as the first frame of a scene asks, so that they do not flicker with what comes into view; a frame that equals the
one before is not painted at all; and a frame that begins almost as it should be takes few steps at full size only.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from artgan.engine.codecs import holds_sound
from artgan.engine.feeding import Frame
from artgan.engine.footage import Footage, open_footage
from artgan.engine.images import to_uint8
from artgan.engine.sound import check_sound
from artgan.engine.video import check_video, write_video
from artgan.errors import Interrupted, UsageError
from artgan.style.controls import Controls
from artgan.style.events import Begun, Note, Painted, Painting
from artgan.style.instant import Way, find_ways, paint_at_once
from artgan.style.jobs import Job
from artgan.style.plan import DETAILS, Detail, Stage, stages
from artgan.style.recipe import essence
from artgan.style.reel import Reel
from artgan.style.repaint import Area, Before, colored, repaint
from artgan.style.table import LONGEST, Table
from artgan.style.tiles import WHOLE

if TYPE_CHECKING:
    from artgan.style.flow import Motion
    from artgan.style.studio import Studio

_MOST_STEPS: dict[Detail, int] = {"fast": 12, "normal": 16, "fine": 32}
_FEWER, _LEAST_STEPS = 2 / 3, 6  # than those of a whole painting at its last size
_MUCH = 0.3  # of a frame that is new: then it is painted at all sizes, as the first one


def paint_film(studio: "Studio", job: Job, number: int, total: int, recipe: dict[str, object]) -> Painted:
    """Paint a film, or go on with one.

    Raises:
        UsageError: a control does not go with films, or the content is none.
        DatasetError: it cannot be read.
        StorageError: the disk is full; the frames that are done stay.
        Interrupted: it was stopped; the frames that are done stay.
    """
    _refuse_what_films_lack(studio, job)
    controls = studio.controls
    footage = open_footage(job.content, controls.size or LONGEST, studio.cut, enlarge=controls.size is not None)
    sound = job.content if footage.has_sound and holds_sound(job.out.suffix.lower()) else None
    notes = list(footage.notes)
    if sound is not None:
        try:
            check_sound(sound)
        except UsageError as error:
            notes.append(f"{job.out} has no sound: {error.message}")
            sound = None
    elif footage.has_sound:
        notes.append(f"{job.out} has no place for the sound of {job.content}.")
    check_video(job.out, float(footage.fps))
    table = Table(job, controls, studio.masks, _as_pixels(next(footage.frames())))
    reel = Reel(job.out, essence(recipe))
    reel.begin()
    if reel.done:
        notes.append(f"{reel.done} frames of {job.out} are done already.")
    for note in notes:
        studio.on_event(Note(note))
    reading = _Reading(studio, job, footage, table, reel)
    reading.begin(number, total)
    try:
        reading.paint_all()
    except Interrupted as error:
        said = f"Stopped: {reel.done} of {footage.count} frames of {job.out} are done."
        raise Interrupted(said, "The same command goes on from there.") from error
    if reel.done < 0.9 * footage.count - 2:
        told = f"{job.content} breaks off: {reel.done} of its {footage.count} frames could be read."
        studio.on_event(Note(told))
    fps = float(footage.fps)
    write_video(job.out, reel.frames(), fps=fps, sound=sound, sound_from=studio.cut.start, recipe=recipe)
    reel.clear()
    return Painted(job.content, job.out, "painted")


def _refuse_what_films_lack(studio: "Studio", job: Job) -> None:
    if studio.extras.sheet is not None:
        raise UsageError("--sheet shows pictures side by side, and no films.", "Leave --sheet away.")
    if job.out.suffix.lower() in (".png", ".jpg", ".jpeg", ".tif", ".tiff"):
        hint = "Give a name that ends in .mp4, or a new folder for its frames."
        raise UsageError(f"{job.content} is a film, and -o {job.out} one picture.", hint)


def going_on(size: tuple[int, int], detail: Detail) -> tuple[Stage, ...]:
    """Sizes and steps of a frame of this (width, height) that begins as the one before it."""
    last = stages(size, detail)[-1]
    return (replace(last, steps=max(_LEAST_STEPS, min(_MOST_STEPS[detail], round(last.steps * _FEWER)))),)


@dataclass
class _Scene:
    """What the frames of one scene share: the colours of its first one, and all that follows from them."""

    began: int
    table: Table
    areas: Sequence[Area]
    ways: Sequence[Way]


@dataclass(frozen=True)
class _Carried:
    """What the last frame became, carried to this one, and where painting may at least begin with it, (1, 1, H, W)."""

    before: Before
    guess: torch.Tensor


class _Reading:
    """One way through a film, frame by frame."""

    def __init__(self, studio: "Studio", job: Job, footage: Footage, table: Table, reel: Reel) -> None:
        self._studio, self._job, self._footage, self._reel = studio, job, footage, reel
        self._table = table
        controls: Controls = studio.controls
        self._plain = controls.palette_only or controls.strength == 0
        self._artist = studio.artist(job) if controls.detail == "instant" and not self._plain else None
        self._scene = self._scene_of(0, table)
        manners = sum(len(area.sources) + (controls.strength < 1) for area in self._scene.areas)
        width, height = table.size
        self._pace = None if self._plain or self._artist else studio.pace(manners, width * height > WHOLE)

    def begin(self, number: int, total: int) -> None:
        """Tell what is to be done, and how long that takes."""
        seconds: dict[Detail, float] = {}
        job, size, count, detail = self._job, self._table.size, self._footage.count, self._studio.controls.detail
        first = 1.0
        if self._pace is not None:
            one = {detail: self._pace.seconds(stages(size, detail), *size) for detail in DETAILS}
            other = {detail: self._pace.seconds(going_on(size, detail), *size) for detail in DETAILS}
            seconds = {detail: one[detail] + (count - 1) * other[detail] for detail in DETAILS}
            first = one[detail] / other[detail]
        self._studio.on_event(Begun(job.content, job.out, size, number, total, seconds, detail, count))
        self._clock = _Clock(count, self._reel.done, first, self._studio.on_event)

    def paint_all(self) -> None:
        """Paint what is not done.

        Raises:
            Interrupted: it was stopped.
        """
        from artgan.style.flow import motion_between

        before: Frame | None = None  # the content's last frame, and what it became
        result: Frame | None = None
        going = self._reel.scene(self._reel.done - 1) if self._reel.done else 0
        for number, frame in enumerate(self._footage.frames()):
            if number == going and number != self._scene.began:
                self._begin_scene(number, frame)
            if number < self._reel.done:
                before = frame
                continue
            if self._studio.should_stop():
                raise Interrupted("Stopped.", "")
            if result is None and number:
                result = self._reel.frame(number - 1)
            if before is None or result is None:
                result = self._paint(frame, None)
            elif not np.array_equal(frame, before):
                motion = None if self._plain else motion_between(before, frame)
                carried: _Carried | None = None
                if motion is not None and motion.is_cut:
                    self._begin_scene(number, frame)
                elif motion is not None:
                    carried = self._carried(result, motion)
                result = self._paint(frame, carried)
            before = frame
            self._reel.keep(result, self._scene.began)
            self._clock.frame_done()

    def _carried(self, result: Frame, motion: "Motion") -> "_Carried":
        picture = self._table.bare(torch.from_numpy(_planes(motion.carried(_floats(result)).clip(-1, 1))))
        belief, guess = (torch.from_numpy(weights)[None, None] for weights in (motion.belief, motion.guess))
        return _Carried(Before(picture, belief), guess)

    def _begin_scene(self, number: int, frame: Frame) -> None:
        self._scene = self._scene_of(number, self._table.turned_to(_as_pixels(frame), new_scene=True))

    def _scene_of(self, number: int, table: Table) -> _Scene:
        areas = [] if self._plain else table.areas()
        brush_size = self._studio.controls.brush_size
        ways = [] if self._artist is None else find_ways(table.drawing(), areas, self._artist, brush_size)
        return _Scene(number, table, areas, ways)

    def _pause(self, share: float) -> None:
        """Between the tiles of a frame, of which this share is done."""
        if share == 1:
            return
        if self._studio.should_stop():
            raise Interrupted("Stopped.", "")
        self._clock.step(share)

    def _paint(self, frame: Frame, carried: "_Carried | None") -> Frame:
        """The frame as it becomes, in 8 bits: what the next one starts from is what a film that goes on later has."""
        controls, scene = self._studio.controls, self._scene
        table = scene.table.turned_to(_as_pixels(frame))
        if self._plain:
            return _as_frame(table.palette() if controls.palette_only else table.content)
        size, drawing = table.size, table.drawing()
        if self._artist is not None:
            ground = colored(drawing, scene.areas, 1.0, scene.table.drawing())
            strength = controls.strength
            at_once = paint_at_once(
                drawing, scene.areas, scene.ways, self._artist, strength=strength, ground=ground, pause=self._pause
            )
            return self._finished(table, at_once)
        ground = colored(drawing, scene.areas, controls.strength, scene.table.drawing())
        todo = stages(size, controls.detail)
        if carried is not None:
            ground = torch.lerp(ground, carried.before.picture, carried.guess)
            if carried.guess.mean() > 1 - _MUCH:
                todo = going_on(size, controls.detail)
        steps = sum(stage.steps for stage in todo)
        painted = repaint(
            drawing,
            scene.areas,
            self._studio.features,
            todo,
            strength=controls.strength,
            brush_size=controls.brush_size,
            smooth=controls.smooth,
            init=controls.init,
            seed=controls.seed,
            on_step=lambda step: self._clock.step(step.done / steps),
            should_stop=self._studio.should_stop,
            before=carried.before if carried is not None else None,
            ground=ground,
        )
        if not painted.finished:
            raise Interrupted("Stopped.", "")
        return self._finished(table, painted.picture)

    def _finished(self, table: Table, painted: torch.Tensor) -> Frame:
        if self._studio.extras.preview is not None:
            self._studio.show(self._studio.extras.preview, table, painted)
        return _as_frame(table.finish(painted))


class _Clock:
    """Tells how far a film is, and how long it still takes by what it has taken so far."""

    def __init__(self, count: int, done: int, first: float, on_event: Callable[[Painting], None]) -> None:
        """For so many frames, of which some are done; the first one takes `first` times as long as any other."""
        self._count, self._done, self._first, self._on_event = count, done, first, on_event
        self._begun, self._since = self._work(done), time.monotonic()

    def _work(self, frames: float) -> float:
        """The work of so many frames, where that of a later one is 1."""
        return frames * self._first if frames < 1 else self._first + frames - 1

    def step(self, part: float) -> None:
        """The next frame is done to this part of 1."""
        done, whole = self._work(self._done + part), self._work(self._count)
        took = (time.monotonic() - self._since) / max(done - self._begun, 1e-6)
        self._on_event(Painting(min(done / whole, 1.0), max(took * (whole - done), 0.0)))

    def frame_done(self) -> None:
        """The next frame is done."""
        self.step(1.0)
        self._done += 1


def _floats(frame: Frame) -> NDArray[np.float32]:
    """Values (H, W, 3) from 0 to 255 as -1 to 1."""
    return np.asarray(frame.astype(np.float32) / np.float32(127.5) - np.float32(1), np.float32)


def _planes(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W, 3) as (1, 3, H, W)."""
    return np.ascontiguousarray(values.transpose(2, 0, 1))[None]


def _as_pixels(frame: Frame) -> NDArray[np.float32]:
    """A frame as (3, H, W) in [-1, 1]."""
    return np.ascontiguousarray(_floats(frame).transpose(2, 0, 1))


def _as_frame(picture: torch.Tensor) -> Frame:
    """A picture (1, 3, H, W) in [-1, 1] as a frame."""
    return np.ascontiguousarray(to_uint8(picture[0].numpy()).transpose(1, 2, 0))
