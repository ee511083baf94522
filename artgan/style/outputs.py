"""What is written beside the paintings, and the rule that no file that is read is ever written."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from artgan.engine.artwork import SUFFIXES
from artgan.engine.storage import refuse_existing
from artgan.errors import UsageError
from artgan.style.jobs import Job, kind_of


@dataclass(frozen=True)
class Extras:
    """Files beside the paintings.

    Attributes:
        preview: shows the picture as it grows.
        sheet: content, styles and result side by side; with several pictures, or when it is one already, a folder.
        many: several pictures are painted.
    """

    preview: Path | None
    sheet: Path | None
    many: bool

    def sheet_for(self, job: Job) -> Path | None:
        """Where the sheet of one painting goes."""
        if self.sheet is None or not (self.many or self.sheet.is_dir()):
            return self.sheet
        place = job.place if self.many else Path(job.place.name)
        return self.sheet / place.with_name(f"{place.stem}-sheet.png")

    def checked(self, jobs: Sequence[Job], masks: Iterable[Path], overwrite: bool) -> "Extras":
        """The same, when nothing that is read, nothing that is painted and no other file would be written over.

        Raises:
            UsageError: something would, or a name suits no picture.
        """
        if self.preview is not None and self.preview.suffix.lower() not in SUFFIXES:
            raise UsageError(f"--preview {self.preview} has no name of a picture.", "Give a .png, .tif or .jpg.")
        self._check_sheet()
        sheets = [sheet for job in jobs if (sheet := self.sheet_for(job)) is not None]
        inputs = [path for job in jobs for path in (job.content, *(style.path for style in job.styles))]
        outs = [job.out for job in jobs]
        extras = [("--preview", self.preview)] if self.preview is not None else []
        extras += [("--sheet", sheet) for sheet in sheets]
        _guard([*inputs, *masks], [*outs, *(path for _, path in extras)])
        taken = {_identity(path) for path in outs}
        for flag, path in extras:
            if _identity(path) in taken:
                raise UsageError(f"{flag} {path} is where a painting goes.", "Choose another name for one of them.")
            if path.exists() and kind_of(path) != flag.strip("-"):  # the one of the last time may go
                refuse_existing(path, overwrite)
        if self.preview is not None and _identity(self.preview) in map(_identity, sheets):
            raise UsageError(f"{self.preview} cannot be preview and sheet at once.", "Choose another name for one.")
        return self

    def _check_sheet(self) -> None:
        if self.sheet is None or self.sheet.is_dir():
            return
        if not self.many and self.sheet.suffix.lower() != ".png":
            raise UsageError(f"--sheet {self.sheet} does not end in .png.", "Give a .png, or a folder.")
        if self.many and (self.sheet.exists() or self.sheet.suffix.lower() in SUFFIXES):
            raise UsageError(
                f"--sheet {self.sheet} is one file, and there are several pictures to paint.",
                "Give a folder: --sheet sheets/",
            )


def _guard(inputs: Iterable[Path], outputs: Iterable[Path]) -> None:
    """Refuse to replace an input, whatever the user says.

    Raises:
        UsageError: an output is also an input.
    """
    known = {_identity(path) for path in inputs}
    for path in outputs:
        if _identity(path) in known:
            raise UsageError(f"{path} is one of the pictures to read.", "Choose another name.")


def _identity(path: Path) -> object:
    """What two names of one file have in common, links and the case that some systems do not tell apart included."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return os.path.realpath(path)
    return status.st_dev, status.st_ino
