"""`artgan.stylize`: repaint pictures in the manner of others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from artgan.engine.cut import Cut, parse_time
from artgan.engine.device import explaining_memory
from artgan.engine.images import quiet_decoding
from artgan.errors import DatasetError, Interrupted, UsageError
from artgan.style.controls import SMOOTH, Bits, Controls, KeepColors
from artgan.style.events import Note, Painted, StylizeEvent
from artgan.style.features import EncoderName
from artgan.style.jobs import Job, parse_style, plan, require
from artgan.style.masks import split_mask
from artgan.style.outputs import Extras
from artgan.style.plan import Detail
from artgan.style.repaint import Init
from artgan.style.studio import Studio
from artgan.style.taught import SUFFIX, usual_detail


@dataclass(frozen=True)
class StylizeResult:
    """All pictures, in order."""

    pictures: tuple[Painted, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that are there now."""
        return tuple(picture.out for picture in self.pictures if picture.state != "failed")


def stylize(
    content: str | Path | Sequence[str | Path],
    style: str | Path | Sequence[str | Path],
    *,
    out: str | Path | None = None,
    all_pairs: bool = False,
    detail: Detail | None = None,
    size: int | None = None,
    strength: float = 1.0,
    brush_size: float = 1.0,
    keep_colors: KeepColors | None = None,
    palette_only: bool = False,
    mask: str | None = None,
    init: Init = "content",
    smooth: float = SMOOTH,
    seed: int = 0,
    encoder: EncoderName = "artgan",
    dpi: int | None = None,
    bits: Bits | None = None,
    weights: str | Path | None = None,
    preview: str | Path | None = None,
    sheet: str | Path | None = None,
    start: str | float | None = None,
    end: str | float | None = None,
    fps: float | None = None,
    overwrite: bool = False,
    device: str = "auto",
    on_event: Callable[[StylizeEvent], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> StylizeResult:
    """Repaint pictures in the manner of others, and films frame after frame.

    Args:
        content: a file, folder or glob, or several. With an `out` that names a film, a folder holds its frames, and
            animated pictures are films; videos always are.
        style: a file, perhaps with a weight ("style.jpg:2"), or several, which are mixed; a picture, or a .style that
            `artgan.style_train` wrote.
        out: a file ending in .png, .tif or .jpg, or a folder; None writes CONTENT-STYLE.png beside each content. For
            films a file ending in .mp4, .mov, .mkv, .gif, .webp or .apng, or a new folder for the frames of one; None
            writes CONTENT-STYLE.mp4.
        all_pairs: one picture for each content and each style; a folder of styles is then allowed.
        detail: instant is one look of a trained network; fast, normal and fine are more and more steps. None is normal,
            and instant with a style that is a .style file.
        size: pixels of the longest side; None is the content's own, 1024 at most.
        strength: 0 leaves the content as it is, 1 is wholly the style.
        brush_size: how large the style's strokes become, 0.25 to 4.
        keep_colors: "luminance" paints with lightness only and keeps the content's colours; "match" brings the style's
            colours to the content's before painting.
        palette_only: take the style's colours over and nothing else.
        mask: "content_mask.png" or "content_mask.png:style_mask.png": what is painted in which style.
        init: what the painting starts from: content, noise or style.
        smooth: 0 to 100, against grain (total variation).
        seed: of the noise.
        encoder: artgan, or vgg19, whose weights must have been fetched.
        dpi: pixels printed on an inch, 1 to 4800, which the file then says; None says what the content's file does.
        bits: 8 or 16 a channel, the latter in .png and .tif only; None is as many as the content has.
        weights: the file of the weights of vgg19, if not where `artgan weights` keeps it.
        preview: a file that shows the picture as it grows.
        sheet: a .png for content, styles and result side by side; with several pictures a folder; not of films.
        start: where in a film to begin: seconds, or a text as "00:02" or "1:00:02.5".
        end: and where to end.
        fps: frames per second of a film; None is its own, and 25 of a folder of frames.
        overwrite: paint what is there already.
        device: auto, cpu, cuda, cuda:N or mps.
        on_event: called with what happens.
        should_stop: asked before every step; True writes the picture as it is and ends.

    Raises:
        UsageError: an argument makes no sense, or a file exists.
        DatasetError: a picture cannot be read.
        WeightsError: the weights of vgg19 are not here.
        StorageError: something cannot be written, as on a full disk; the frames of a film that are done stay.
        Interrupted: it was stopped; the picture is there as far as it had come, and the frames of a film are kept: the
            same call goes on.
    """
    detail = detail or usual_detail([parse_style(str(text))[0] for text in _listed(style)])
    controls = Controls(
        detail, size, strength, brush_size, keep_colors, palette_only, init, smooth, seed, encoder, dpi, bits
    ).checked()
    if weights is not None and encoder != "vgg19":
        raise UsageError(f"--weights {weights} goes with --encoder vgg19.", "Leave --weights away.")
    masks = split_mask(mask) if mask is not None else None
    read_masks = [path for path in masks or () if path is not None]
    for path in read_masks:
        require(path, "mask")
    with quiet_decoding():
        todo = plan(_listed(content), _listed(style), _path(out), all_pairs)
        extras = Extras(_path(preview), _path(sheet), todo.many).checked(todo.jobs, read_masks, overwrite)
    if palette_only and masks is None and len(todo.jobs[0].styles) > 1:
        raise UsageError("--palette-only takes the colours of one picture.", "Give one style, or --all-pairs.")
    _refuse_what_a_file_cannot_hold(controls, todo.jobs)
    _refuse_a_mix_of_networks(controls, todo.jobs)
    cut = Cut(_seconds(start, "--from") or 0.0, _seconds(end, "--to"), None if fps is None else float(fps))
    if cut != Cut() and not any(job.is_film for job in todo.jobs):
        raise UsageError("--from, --to and --fps go with films.", "Leave them away, or give a film.")
    studio = Studio(controls, masks, _path(weights), cut, extras, todo.many, overwrite, device, on_event, should_stop)
    for name, reason in todo.passed_over:
        on_event(Note(f"Passed over {name}: {reason}."))
    pictures = []
    with quiet_decoding(), explaining_memory("Use a smaller --size."):
        for number, job in enumerate(todo.jobs, 1):
            if should_stop():
                raise Interrupted("Stopped.", "The same command goes on with the pictures that are not painted yet.")
            pictures.append(studio.do(job, number, len(todo.jobs)))
            on_event(pictures[-1])
    if pictures and all(picture.state == "failed" for picture in pictures):
        count = f"None of the {len(pictures)} pictures" if len(pictures) > 1 else "The only picture"
        could = "could be painted" if len(pictures) > 1 else "could not be painted"
        raise DatasetError(f"{count} {could}: {pictures[0].reason}", "Give other pictures, or mend these.")
    return StylizeResult(tuple(pictures))


def _refuse_what_a_file_cannot_hold(controls: Controls, jobs: Sequence[Job]) -> None:
    for job in jobs:
        if job.is_film and (controls.dpi or controls.bits):
            raise UsageError("--dpi and --bits go with pictures.", "Leave them away for a film.")
        if controls.bits == 16 and job.out.suffix.lower() in (".jpg", ".jpeg"):
            raise UsageError(f"--bits 16 has no room in {job.out}: a JPEG has 8.", "Write a .png or .tif.")


def _refuse_a_mix_of_networks(controls: Controls, jobs: Sequence[Job]) -> None:
    for job in jobs if controls.detail == "instant" and not controls.palette_only else ():
        own = [style.path for style in job.styles if style.path.suffix.lower() == SUFFIX]
        if own and len(job.styles) > 1:
            raise UsageError(
                f"{own[0]} paints alone with --detail instant.", "Give it as the only style, or take --detail fast."
            )


def _path(given: str | Path | None) -> Path | None:
    return Path(given) if given is not None else None


def _seconds(given: str | float | None, flag: str) -> float | None:
    if given is None:
        return None
    if isinstance(given, str):
        return parse_time(given, flag)
    if not 0 <= given < 1e9:
        raise UsageError(f"{flag} {given} is not a time.", "Give seconds from the film's beginning.")
    return float(given)


def _listed(paths: str | Path | Sequence[str | Path]) -> list[str | Path]:
    return [paths] if isinstance(paths, str | Path) else list(paths)
