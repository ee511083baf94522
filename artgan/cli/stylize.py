"""`artgan stylize`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from artgan.cli.options import Json
from artgan.cli.screen import clock, give, give_json, quiet_native_code, say, stop_signals, visible

if TYPE_CHECKING:
    from artgan.style.events import StylizeEvent


_MANY_STYLES = 3  # more are rarely meant; a shell that expanded a pattern gives them


def stylize(
    pictures: Annotated[
        list[str],
        typer.Argument(
            metavar="CONTENT STYLE...", help="A picture, film, folder or 'glob'; then styles, STYLE:2 counts twice."
        ),
    ],
    style: Annotated[
        list[str] | None, typer.Option(help="A style; then all words are contents. May be repeated.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="A .png, .tif, .jpg, .mp4, .gif ..., or a folder. Default CONTENT-STYLE.png."),
    ] = None,
    all_pairs: Annotated[
        bool, typer.Option("--all-pairs", help="Each content after each style (or folder of them).")
    ] = False,
    detail: Annotated[
        Literal["instant", "fast", "normal", "fine"] | None,
        typer.Option(help="How much work; instant takes about a second. Default: normal; instant for a .style."),
    ] = None,
    size: Annotated[int | None, typer.Option(help="Longest side in pixels. Default: its own, 1024 at most.")] = None,
    strength: Annotated[float, typer.Option(help="0 leaves the picture as it is, 1 is wholly the style.")] = 1.0,
    brush_size: Annotated[float, typer.Option(help="Size of the strokes, 0.25 to 4.")] = 1.0,
    keep_colors: Annotated[
        Literal["luminance", "match"] | None,
        typer.Option(help="luminance: paint lightness only. match: the style in the content's colours."),
    ] = None,
    palette_only: Annotated[
        bool, typer.Option("--palette-only", help="Take the style's colours and nothing else.")
    ] = False,
    mask: Annotated[
        str | None, typer.Option(metavar="MASK[:STYLE_MASK]", help="What is painted (white), or regions by colour.")
    ] = None,
    init: Annotated[Literal["content", "noise", "style"], typer.Option(help="What it starts from.")] = "content",
    smooth: Annotated[float, typer.Option(help="Against grain; 0 is off.")] = 0.3,
    seed: Annotated[int, typer.Option(help="Seed of the noise.")] = 0,
    encoder: Annotated[
        Literal["artgan", "vgg19"], typer.Option(help="vgg19: `artgan weights get vgg19` first.")
    ] = "artgan",
    weights: Annotated[Path | None, typer.Option(help="File of the weights of vgg19.")] = None,
    preview: Annotated[Path | None, typer.Option(help="A file that shows the picture as it grows.")] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Also content, style and result side by side, as this .png.")
    ] = None,
    start: Annotated[str | None, typer.Option("--from", help="Where in a film to begin, such as 00:02.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="And where to end.")] = None,
    fps: Annotated[float | None, typer.Option(help="Frames per second of a film; default its own.")] = None,
    dpi: Annotated[int | None, typer.Option(help="Pixels on an inch of paper, as the file says.")] = None,
    bits: Annotated[int | None, typer.Option(help="8 or 16 a channel, 16 in .png and .tif. Default: as it is.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    as_json: Json = False,
) -> None:
    """Repaint pictures and films in the manner of others.

    Example: artgan stylize photo.jpg painting.jpg
    """
    from artgan.style.stylize import stylize as library_stylize

    contents, styles = (pictures, style) if style else (pictures[:1], pictures[1:])
    if not style and not all_pairs and len(styles) > _MANY_STYLES:
        say(
            f"All but {contents[0]} are styles, {len(styles)} mixed; to paint many, quote a pattern: 'photos/*.jpg'.",
            "yellow",
        )
    with stop_signals() as should_stop, quiet_native_code(), StylizeScreen() as screen:
        result = library_stylize(
            contents,
            styles,
            out=out,
            all_pairs=all_pairs,
            detail=detail,
            size=size,
            strength=strength,
            brush_size=brush_size,
            keep_colors=keep_colors,
            palette_only=palette_only,
            mask=mask,
            init=init,
            smooth=smooth,
            seed=seed,
            encoder=encoder,
            weights=weights,
            preview=preview,
            sheet=sheet,
            start=start,
            end=end,
            fps=fps,
            dpi=dpi,
            bits=bits,  # type: ignore[arg-type]  # refused by name where it is neither
            overwrite=overwrite,
            device=device,
            on_event=screen,
            should_stop=should_stop,
        )
    if as_json:
        give_json(result)
        return
    for file in result.files:
        give(str(file))


class StylizeScreen:
    """Draws what happens on stderr: a line per picture with its time, and a bar with what is left."""

    def __enter__(self) -> "StylizeScreen":
        from tqdm import tqdm

        self._bar = tqdm(total=100, leave=False, disable=None, bar_format="{desc} {percentage:3.0f}% |{bar}| {postfix}")
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def __call__(self, event: "StylizeEvent") -> None:
        """Show one event."""
        from artgan.style.events import Begun, Note, Painting

        if isinstance(event, Painting):
            self._bar.set_postfix_str(f"{clock(event.left)} left", refresh=False)
            self._bar.update(round(100 * event.done, 1) - self._bar.n)
            return
        self._bar.clear()
        if isinstance(event, Note):
            say(event.text, "yellow")
        elif isinstance(event, Begun):
            place = f"{event.number} of {event.total}: " if event.total > 1 else ""
            width, height = event.size
            frames = f", {event.frames} frames" if event.frames > 1 else ""
            say(f"{place}{event.content} to {event.out}, {width} x {height} px{frames}.")
            if event.seconds:
                others = ", ".join(
                    f"{name} {_about(seconds)}" for name, seconds in event.seconds.items() if name != event.detail
                )
                say(f"{event.detail}: {_about(event.seconds[event.detail])} on this machine ({others}).")
            self._bar.reset(100)
            self._bar.set_description_str(visible(event.content.name)[-40:], refresh=False)
        elif event.state == "failed":
            say(f"Not painted: {event.reason}", "yellow")
        elif event.state == "there":
            say(f"{event.out} is there already{': ' + event.reason if event.reason else ''}.")


def _about(seconds: float) -> str:
    """A time that is an estimate, in words."""
    if seconds < 90:
        return f"about {max(seconds, 1):.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"
