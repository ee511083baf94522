"""Sets that take a while to write: the marker of one that is begun, and the question whether to stop."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from artgan.curation.report import Progress
from artgan.engine.processes import whereabouts
from artgan.engine.storage import atomic_write, read_json, sweep
from artgan.errors import Interrupted, StorageError, UsageError

Result = TypeVar("Result")
MANIFEST, PAGE, BEGUN = "manifest.jsonl", "report.html", ".curation.json"
"""A set's own files: one line per file of the source; the report to look at; the marker until both are there."""
_HINT = "Choose a folder that is new or empty."


def refuse_unfit(folder: Path) -> None:
    """Let nothing be written where a set is finished, or something lies that no set was begun with.

    Raises:
        UsageError: there is.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is not a folder.", _HINT)
    if (folder / MANIFEST).exists() and not (folder / BEGUN).exists():
        raise UsageError(f"{folder} holds a finished set.", _HINT)
    if _is_filled(folder):
        _begun_with(folder)


def begin(folder: Path, what: Mapping[str, Any]) -> None:
    """Make the folder of a set, or go on with one that was begun alike.

    Args:
        folder: that does not exist, is empty, or holds what an interrupted run left.
        what: all that decides what is written, as plain values.

    Raises:
        UsageError: something else is there.
        StorageError: it cannot be made.
    """
    refuse_unfit(folder)
    begun = json.dumps(what)
    if not _is_filled(folder):
        atomic_write(folder / BEGUN, begun)
        return
    if _begun_with(folder) != json.loads(begun):
        raise UsageError(f"{folder} was begun with other settings or pictures.", _HINT)
    for begun_folder in [folder, *folder.rglob("*/")]:
        sweep(begun_folder)


def finish(folder: Path, manifest: Iterable[str]) -> None:
    """Write the manifest of a set whose pictures are all there, and take the marker away.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    atomic_write(folder / MANIFEST, manifest)
    (folder / BEGUN).unlink(missing_ok=True)


def in_sight(results: Iterator[Result], at_once: int, folder: Path) -> Iterator[Result]:
    """Results of writing into the folder of a set that was begun, once it is certain that this process sees it.

    Raises:
        StorageError: it would write somewhere else, on the disk of its own machine.
    """
    if not (folder / BEGUN).exists():
        raise StorageError(
            f"The set in {folder} cannot be seen by {whereabouts()}.",
            "Write it to a folder that all machines share, by a path that is the same on all of them.",
        )
    yield from results


def watched(
    on_event: Callable[[Progress], None], should_stop: Callable[[], bool], step: str, done: int, total: int
) -> None:
    """Tell how far a step is, and end the work if that is asked for.

    Raises:
        Interrupted: it is.
    """
    on_event(Progress(step, done, total))
    if should_stop():
        raise Interrupted(f"Stopped: {step.lower()}, {done} of {total}.", "The same command goes on from here.")


def _is_filled(folder: Path) -> bool:
    return folder.exists() and any(folder.iterdir())


def _begun_with(folder: Path) -> Any:
    try:
        return read_json(folder / BEGUN)
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder} is not empty.", _HINT) from error
