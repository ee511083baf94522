"""`artgan curate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from artgan.cli.options import Json
from artgan.cli.screen import give, give_json, quiet_native_code, say, stop_signals

if TYPE_CHECKING:
    from artgan.curation.report import CurationReport, Progress

_SHOWN = 12
"""Files that are named on the screen; all of them stand in the manifest and the report."""


def curate(
    src: Annotated[Path, typer.Argument(help="Folder or zip of pictures. It is never changed.")],
    dst: Annotated[Path | None, typer.Argument(help="Folder for the set; without it there is only a report.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only report.")] = False,
    page: Annotated[
        Path | None, typer.Option(help="Where the report to look at goes. Default DST/report.html.")
    ] = None,
    copies: Annotated[Literal["drop", "report", "off"], typer.Option(help="Pictures saved more than once.")] = "drop",
    variants: Annotated[
        Literal["drop", "report", "off"], typer.Option(help="Mirrored, turned and grey ones.")
    ] = "report",
    defects: Annotated[
        Literal["drop", "report", "off"], typer.Option(help="Too small, blurred, flat, extreme in shape.")
    ] = "report",
    scans: Annotated[bool, typer.Option("--scans/--no-scans", help="Cut off paper, frames and bars.")] = True,
    least_side: Annotated[int, typer.Option(help="Pixels that the shorter side needs.")] = 64,
    size: Annotated[int | None, typer.Option(help="Bring the shorter side down to so many pixels.")] = None,
    no_labels: Annotated[bool, typer.Option("--no-labels", help="Folders are no classes.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a --page that exists.")] = False,
    processes: Annotated[int | None, typer.Option(min=1, help="How many read at once; default all cores.")] = None,
    as_json: Json = False,
) -> None:
    """Sort out a messy folder, and write what is left as a training set.

    Nothing is moved or deleted, so there is nothing to undo.

    Example: artgan curate ./messy ./paintings
    """
    from tqdm import tqdm

    from artgan.curation.curate import curate as library_curate

    with (
        stop_signals() as should_stop,
        quiet_native_code(),
        tqdm(unit="picture", delay=1, leave=False, disable=None) as bar,
    ):

        def screen(event: "Progress") -> None:
            if event.done < bar.n:
                bar.reset()
            bar.set_description_str(event.step, refresh=False)
            bar.total = event.total
            bar.update(event.done - bar.n)

        report = library_curate(
            src,
            dst,
            dry_run=dry_run,
            page=page,
            copies=copies,
            variants=variants,
            defects=defects,
            scans=scans,
            least_side=least_side,
            size=size,
            labels="none" if no_labels else "auto",
            overwrite=overwrite,
            processes=processes,
            on_event=screen,
            should_stop=should_stop,
        )
    if as_json:
        give_json(_plain(report))
        return
    _tell(report)


def _plain(report: "CurationReport") -> dict[str, object]:
    return {
        "source": report.source,
        "folder": report.folder,
        "page": report.page,
        "settings": report.settings,
        "counts": report.counts,
        "groups": report.groups,
    }


def _tell(report: "CurationReport") -> None:
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
        say("Nothing was written. With a second folder the set is: artgan curate SRC DST")
