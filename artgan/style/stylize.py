"""`artgan.stylize`: repaint pictures in the manner of others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from artgan.engine.device import explaining_memory
from artgan.engine.images import quiet_decoding
from artgan.errors import DatasetError, Interrupted, UsageError
from artgan.style.controls import Controls, KeepColors
from artgan.style.events import Note, Painted, StylizeEvent
from artgan.style.features import EncoderName
from artgan.style.jobs import plan, require
from artgan.style.masks import split_mask
from artgan.style.outputs import Extras
from artgan.style.plan import Detail
from artgan.style.repaint import Init
from artgan.style.studio import Studio


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
    detail: Detail = "normal",
    size: int | None = None,
    strength: float = 1.0,
    brush_size: float = 1.0,
    keep_colors: KeepColors | None = None,
    palette_only: bool = False,
    mask: str | None = None,
    init: Init = "content",
    smooth: float = 0.3,
    seed: int = 0,
    encoder: EncoderName = "artgan",
    weights: str | Path | None = None,
    preview: str | Path | None = None,
    sheet: str | Path | None = None,
    overwrite: bool = False,
    device: str = "auto",
    on_event: Callable[[StylizeEvent], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> StylizeResult:
    """Repaint pictures in the manner of others.

    Args:
        content: a file, folder or glob, or several.
        style: a file, perhaps with a weight ("style.jpg:2"), or several, which are mixed.
        out: a file ending in .png, .tif or .jpg, or a folder; None writes CONTENT-STYLE.png beside each content.
        all_pairs: one picture for each content and each style; a folder of styles is then allowed.
        detail: fast, normal or fine: how many steps.
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
        weights: the file of the weights of vgg19, if not where `artgan weights` keeps it.
        preview: a file that shows the picture as it grows.
        sheet: a .png for content, styles and result side by side; with several pictures a folder.
        overwrite: paint what is there already.
        device: auto, cpu, cuda, cuda:N or mps.
        on_event: called with what happens.
        should_stop: asked before every step; True writes the picture as it is and ends.

    Raises:
        UsageError: an argument makes no sense, or a file exists.
        DatasetError: a picture cannot be read.
        WeightsError: the weights of vgg19 are not here.
        Interrupted: it was stopped; the picture is there as far as it had come.
    """
    controls = Controls(
        detail, size, strength, brush_size, keep_colors, palette_only, init, smooth, seed, encoder
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
    studio = Studio(controls, masks, _path(weights), extras, todo.many, overwrite, device, on_event, should_stop)
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


def _path(given: str | Path | None) -> Path | None:
    return Path(given) if given is not None else None


def _listed(paths: str | Path | Sequence[str | Path]) -> list[str | Path]:
    return [paths] if isinstance(paths, str | Path) else list(paths)
