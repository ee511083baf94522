"""`artgan.style_train`: teach the stylist a style of one's own."""

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from artgan.data.painters import SCHOOLS, paint
from artgan.data.sources import scan
from artgan.engine.artwork import SUFFIXES, Artwork, encode_artwork, open_artwork
from artgan.engine.device import Engine, explaining_memory
from artgan.engine.images import quiet_decoding
from artgan.engine.storage import atomic_write, naming_the_path, sweep
from artgan.errors import CheckpointError, DatasetError, Interrupted, UsageError
from artgan.style.events import Learning, Note, StyleTrainEvent
from artgan.style.features import embedded_features
from artgan.style.instant import Artist, artist_of, find_ways, paint_at_once
from artgan.style.jobs import kind_of, require
from artgan.style.lessons import CROP, SIDE, Lesson, Lessons, pace_at
from artgan.style.recipe import digest
from artgan.style.repaint import Area, Source, scaled, style_at
from artgan.style.taught import SUFFIX, Taught, pictures_of, read_taught, shipped_stylist

_SAVE_SECONDS, _PREVIEW_SECONDS = 30.0, 10.0
_PAINTED = 48  # pictures by artgan's own painters, when no others are given
_MOST_CONTENTS = 400
_TOLD = 50  # lessons whose mean is told in the end


@dataclass(frozen=True)
class StyleTrainResult:
    """A style that was learnt: its file, lessons in all, seconds of learning in all, and how the last ones went."""

    style: Path
    lessons: int
    seconds: float
    style_distance: float
    content_moved: float


def style_train(
    style: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    minutes: float = 10.0,
    contents: str | Path | None = None,
    seed: int = 0,
    preview: str | Path | None = None,
    overwrite: bool = False,
    device: str = "auto",
    on_event: Callable[[StyleTrainEvent], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> StyleTrainResult:
    """Teach a network one's own style, so that `artgan.stylize(content, "my.style")` paints in it in one pass.

    It begins from the stylist that ships with artgan. What it learnt is saved every half minute; the same call goes on.

    Args:
        style: a picture, or several that are one style together.
        out: the file to write, ending in .style.
        minutes: of learning in all, those of earlier calls included.
        contents: a folder of pictures such as will be repainted; None is pictures by artgan's own painters and the
            styles themselves.
        seed: of all draws.
        preview: a .png, .tif or .jpg that shows one of the contents repainted, again and again.
        overwrite: begin anew, whatever `out` holds.
        device: auto, cpu, cuda, cuda:N or mps.
        on_event: called with what happens.
        should_stop: asked before every lesson; True saves and ends.

    Returns:
        The file, and how it went. A call gives one lesson at least.

    Raises:
        UsageError: an argument makes no sense, or `out` is another style or has had its minutes.
        DatasetError: a picture cannot be read.
        CheckpointError: `out` is damaged.
        SettingError: the loss is no number any more; what was saved before stays.
        StorageError: something cannot be written, as on a full disk; what was saved before stays.
        Interrupted: it was stopped; what was learnt is saved.
    """
    styles = [Path(path) for path in ([style] if isinstance(style, str | Path) else style)]
    target, shown = Path(out), None if preview is None else Path(preview)
    _check(styles, target, shown, minutes, seed)
    with quiet_decoding(), explaining_memory("Close other programs."):
        digests = tuple(digest(path) for path in styles)
        begun = _begun(target, digests, seed, minutes, overwrite)
        picture, reach = (begun.picture, begun.reach) if begun is not None else pictures_of(styles)
        source = Source(picture[None].float() / 127.5 - 1, 1.0, reach=reach)
        features = embedded_features(Engine.detect(device, "float32"))
        material = _contents(None if contents is None else Path(contents), source, on_event)
        stylist = (begun.stylist() if begun is not None else shipped_stylist()).to(features.engine.device)
        lessons = Lessons(stylist, features, material, seed)
        if begun is not None:
            lessons.restore(begun.tensors, target)
        taught = Taught({}, picture, reach, digests, seed, begun.seconds if begun is not None else 0.0)
        for path in (target, shown):
            if path is not None:
                with naming_the_path(path):
                    path.parent.mkdir(parents=True, exist_ok=True)
                sweep(path.parent, path.name)

        def show() -> None:
            if shown is not None:
                _show(shown, material[0], source, artist_of(lessons.averaged, features))

        course = _Course(taught, target, minutes * 60, lessons, show, on_event, should_stop)
        return course.run(source)


def _show(preview: Path, content: torch.Tensor, source: Source, artist: Artist) -> None:
    """Write a content (3, H, W) uint8 as it is painted now."""
    drawing, areas = content[None].float() / 127.5 - 1, [Area(None, (source,))]
    painted = paint_at_once(drawing, areas, find_ways(drawing, areas, artist, 1.0), artist, strength=1.0)
    art = Artwork(painted[0].numpy(), None, None, 8, 1)
    atomic_write(preview, encode_artwork(art, preview.suffix, {"kind": "preview"}), durable=False)


@dataclass
class _Course:
    """The lessons of one call, saved as they go."""

    taught: Taught
    target: Path
    seconds: float
    lessons: Lessons
    show: Callable[[], None]
    on_event: Callable[[StyleTrainEvent], None]
    should_stop: Callable[[], bool]

    def run(self, source: Source) -> StyleTrainResult:
        """Learn until the time is over."""
        example = self.lessons.example([style_at(source, SIDE)])
        began, spent = time.monotonic() - self.taught.seconds, self.taught.seconds
        saved = shown = time.monotonic()
        went: deque[Lesson] = deque(maxlen=_TOLD)
        while not went or spent < self.seconds:
            if self.should_stop():
                self._save(spent)
                raise Interrupted(f"Stopped; {self.target} has what was learnt.", "The same command goes on.")
            went.append(self.lessons.learn([example], pace_at(spent / self.seconds)))
            spent = time.monotonic() - began
            left = max(self.seconds - spent, 0.0)
            self.on_event(Learning(1 - left / self.seconds, left, went[-1].style, went[-1].content))
            if time.monotonic() - saved > _SAVE_SECONDS:
                self._save(spent)
                saved = time.monotonic()
            if time.monotonic() - shown > _PREVIEW_SECONDS:
                self.show()
                shown = time.monotonic()
        self._save(spent)
        self.show()
        style, content = (sum(values) / len(went) for values in zip(*went, strict=True))
        return StyleTrainResult(self.target, self.lessons.done, spent, style, content)

    def _save(self, spent: float) -> None:
        replace(self.taught, tensors=self.lessons.state(), seconds=spent).write(self.target)


def _check(styles: list[Path], target: Path, preview: Path | None, minutes: float, seed: int) -> None:
    if not styles:
        raise UsageError("There is no style to learn.", "Give one: artgan style-train painting.jpg -o my.style")
    for path in styles:
        require(path, "style")
    if target.suffix.lower() != SUFFIX or target.is_dir():
        raise UsageError(f"-o {target} is no name for a style.", f"Give a name such as my{SUFFIX}.")
    if not 0 < minutes <= 10_000:
        raise UsageError(f"--minutes {minutes:g} is not a time to learn in.", "Give minutes, such as 10.")
    if not 0 <= seed < 2**63:
        raise UsageError(f"--seed {seed} is not a seed.", "Give a whole number from 0 up.")
    if preview is not None and preview.suffix.lower() not in SUFFIXES:
        raise UsageError(f"--preview {preview} has no name of a picture.", "Give a .png, .tif or .jpg.")
    if preview is not None and preview.exists() and kind_of(preview) != "preview":
        raise UsageError(f"--preview {preview} exists, and is no preview.", "Choose another name.")


def _begun(target: Path, digests: tuple[str, ...], seed: int, minutes: float, overwrite: bool) -> Taught | None:
    """What was learnt of these styles before, to go on with."""
    if not target.exists() or overwrite:
        return None
    another = "Give another -o, or --overwrite."
    try:
        begun = read_taught(target)
    except CheckpointError as error:
        raise CheckpointError(error.message, another) from error
    if (begun.digests, begun.seed) != (digests, seed):
        raise UsageError(f"{target} was learnt from other pictures, or with another --seed.", another)
    if begun.seconds >= minutes * 60:
        spent = begun.seconds / 60
        raise UsageError(f"{target} has learnt for {spent:.1f} minutes.", "Give more --minutes to go on.")
    return begun


def _contents(folder: Path | None, source: Source, on_event: Callable[[StyleTrainEvent], None]) -> list[torch.Tensor]:
    """Pictures (3, H, W) uint8 to learn on."""
    if folder is None:
        schools = sorted(SCHOOLS)
        painted = [
            torch.from_numpy(paint(schools[number % len(schools)], number, SIDE, SIDE)).permute(2, 0, 1)
            for number in range(_PAINTED)
        ]
        return [*painted, _material(style_at(source, SIDE))]
    found = []
    if not folder.is_dir():
        raise DatasetError(f"There is no folder {folder}.", "Give --contents a folder of pictures.")
    files = [folder / file.name for file in scan(folder, labels="none").files]
    for path in files[:: max(1, math.ceil(len(files) / _MOST_CONTENTS))]:
        try:
            found.append(_material(torch.from_numpy(open_artwork(path, SIDE, None, large=True).pixels)[None]))
        except DatasetError as error:
            on_event(Note(f"Passed over: {error.message}"))
    if not found:
        raise DatasetError(f"There is no picture in {folder}.", "Give --contents a folder of pictures.")
    return found


def _material(picture: torch.Tensor) -> torch.Tensor:
    """A picture (1, 3, h, w) in [-1, 1] as (3, H, W) uint8, enlarged where a crop would not fit in."""
    factor = max(1.0, CROP / min(picture.shape[2:]))
    large = scaled(picture, *(max(CROP, round(side * factor)) for side in picture.shape[2:]))
    return ((large[0] + 1) * 127.5).round().to(torch.uint8)
