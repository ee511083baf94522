"""`artgan curate`."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from artgan.cli.options import Json
from artgan.cli.screen import follow, give, give_json, quiet_native_code, say, stop_signals
from artgan.errors import UsageError

if TYPE_CHECKING:
    from artgan.curation.report import CurationReport, Progress
    from artgan.curation.textbook import Exported

_SHOWN = 12
"""Files that are named on the screen; all of them stand in the manifest and the report."""
_OF_BOTH, _OF_BOOKS = {"src", "as_json"}, {"textbook", "root", "download"}


Answer = Literal["drop", "report", "off"]


def curate(
    context: typer.Context,
    src: Annotated[Path, typer.Argument(help="Folder or zip of pictures, never changed; with --from the new folder.")],
    dst: Annotated[Path | None, typer.Argument(help="Folder or .zip for the set; without it only a report.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only report.")] = False,
    page: Annotated[
        Path | None, typer.Option(help="Where the report to look at goes. Default DST/report.html.")
    ] = None,
    copies: Annotated[Answer, typer.Option(help="Pictures saved more than once.")] = "drop",
    variants: Annotated[Answer, typer.Option(help="Mirrored, turned, grey ones.")] = "report",
    defects: Annotated[Answer, typer.Option(help="Too small, blurred, flat, extreme in shape.")] = "report",
    outliers: Annotated[Answer, typer.Option(help="Pictures unlike the rest.")] = "report",
    scans: Annotated[bool, typer.Option("--scans/--no-scans", help="Cut off paper, frames and bars.")] = True,
    least_side: Annotated[int, typer.Option(help="Pixels that the shorter side needs.")] = 64,
    size: Annotated[
        str | None, typer.Option(metavar="N or WxH", help="Bring pictures down to 256 px, or to 384x256.")
    ] = None,
    crop: Annotated[
        Literal["keep", "centre", "salient", "pad"],
        typer.Option(help="Keep shapes, or cut (middle; where most is seen), or pad."),
    ] = "keep",
    multi_crop: Annotated[int, typer.Option(help="Cut so many pieces at most from each picture.")] = 1,
    frames: Annotated[int, typer.Option(help="Take so many pictures at most from an animation.")] = 1,
    background: Annotated[str, typer.Option(help="A colour under what is transparent, or keep.")] = "white",
    per_class: Annotated[int | None, typer.Option(help="Keep so many pictures at most of each class.")] = None,
    split: Annotated[str | None, typer.Option(help="Parts: 0.9/0.1 for train/test, 80/10/10.")] = None,
    captions: Annotated[Path | None, typer.Option(help="Table of what pictures show (CSV, JSON).")] = None,
    no_labels: Annotated[bool, typer.Option("--no-labels", help="Folders are no classes.")] = False,
    format_name: Annotated[
        Literal["folder", "zip", "webdataset"] | None,
        typer.Option("--format", help="Default: a zip if DST ends in .zip, else a folder."),
    ] = None,
    textbook: Annotated[
        Literal["mnist", "fashion-mnist", "cifar10", "celeba"] | None,
        typer.Option("--from", help="Write a set of the textbooks as class folders."),
    ] = None,
    root: Annotated[Path | None, typer.Option(help="Folder that holds its files.")] = None,
    download: Annotated[bool, typer.Option("--download", help="Fetch its files if they are missing.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a --page that exists.")] = False,
    processes: Annotated[int | None, typer.Option(min=1, help="How many read at once; default all cores.")] = None,
    as_json: Json = False,
) -> None:
    """Sort out a messy folder, and write what is left as a training set.

    Nothing is moved or deleted, so there is nothing to undo.

    Example: artgan curate ./messy ./paintings
    """
    from artgan.curation.curate import curate as library_curate
    from artgan.curation.settings import parse_size
    from artgan.curation.textbook import export_textbook

    _refuse_misplaced(context, textbook is not None)
    with stop_signals() as should_stop, quiet_native_code(), _bar() as screen:
        if textbook is not None:
            exported = export_textbook(
                textbook, src, root=root, download=download, on_event=screen, should_stop=should_stop
            )
        else:
            report = library_curate(
                src,
                dst,
                dry_run=dry_run,
                page=page,
                copies=copies,
                variants=variants,
                defects=defects,
                outliers=outliers,
                scans=scans,
                least_side=least_side,
                size=parse_size(size) if size is not None else None,
                crop=crop,
                multi_crop=multi_crop,
                frames=frames,
                background=background,
                per_class=per_class,
                split=split,
                captions=captions,
                labels="none" if no_labels else "auto",
                format=format_name,
                overwrite=overwrite,
                processes=processes,
                on_event=screen,
                should_stop=should_stop,
            )
    if textbook is not None:
        _tell_exported(exported, as_json)
    elif as_json:
        give_json(_plain(report))
    else:
        _tell(report, "Leave --dry-run away to write the set." if dry_run else "This writes it: artgan curate SRC DST")


def _refuse_misplaced(context: typer.Context, textbook: bool) -> None:
    """Let no option pass that would do nothing."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = {name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"}
    idle = given - _OF_BOTH - _OF_BOOKS if textbook else given & (_OF_BOOKS - {"textbook"})
    if idle:
        name = min(idle)
        flag = "A second folder" if name == "dst" else f"--{name.replace('_', '-')}"
        if textbook:
            raise UsageError(f"{flag} says nothing with --from.", "Write the set first, and curate it then.")
        raise UsageError(f"{flag} says nothing without --from.", "Add --from mnist, for example.")


@contextlib.contextmanager
def _bar() -> Iterator[Callable[["Progress"], None]]:
    """What draws the progress of every step, one after the other."""
    from tqdm import tqdm

    with tqdm(unit="picture", delay=1, leave=False, disable=None) as bar:

        def screen(event: "Progress") -> None:
            bar.set_description_str(event.step, refresh=False)
            follow(bar, event.done, event.total)

        yield screen


def _tell_exported(exported: "Exported", as_json: bool) -> None:
    if as_json:
        give_json(exported)
        return
    say(f"{exported.pictures:7} pictures in {len(exported.classes) or 'no'} classes")
    give(str(exported.folder))


def _plain(report: "CurationReport") -> dict[str, object]:
    return {
        "source": report.source,
        "folder": report.folder,
        "page": report.page,
        "settings": report.settings,
        "counts": report.counts,
        "groups": report.groups,
    }


def _tell(report: "CurationReport", hint: str) -> None:
    for status in ("failed", "dropped", "reported"):
        items = [item for item in report.items if item.status == status]
        for item in items[:_SHOWN]:
            say(f"{status.capitalize()} {item.file}: {item.reason}", "yellow" if status == "failed" else "")
        if len(items) > _SHOWN:
            say(f"... and {len(items) - _SHOWN} more that are {status}.")
    meanings = {
        "kept": "in the set",
        "reported": "in the set, with something to look at",
        "dropped": "left out",
        "failed": "could not be read",
        "ignored": "were never meant to be pictures",
        "cut": "had paper, frames or bars around them",
    }
    for name, count in report.counts.items():
        say(f"{count:7} {name:<8} {meanings[name]}")
    if report.page is not None:
        say(f"The report to look at: {report.page}")
    if report.folder is not None:
        give(str(report.folder))
    else:
        say(f"Nothing was written. {hint}")
