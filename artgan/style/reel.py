"""The frames of a film that are done, kept in a hidden folder beside it until it is whole."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from artgan.engine.feeding import Frame
from artgan.engine.images import decode, encode_png, read_recipe
from artgan.engine.storage import atomic_write, naming_the_path, sweep
from artgan.errors import StorageError, UsageError

_DIGITS = 12


class Reel:
    """A folder `.NAME.<digits>.frames` of PNGs; the digits stand for all that decides how a frame looks.

    So another style or setting begins anew, and what was painted with the first one waits until that is asked for
    again, or the film is written.
    """

    def __init__(self, out: Path, essence: object) -> None:
        """The folder for the film `out`, whose frames follow from `essence`, anything that JSON can say."""
        self._out = out
        # A name of its own length limit: the film's is cut, the digits tell two that begin alike apart.
        text = json.dumps([out.name, essence], sort_keys=True, default=str)
        self.folder = out.with_name(f".{out.name[:100]}.{hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]}.frames")
        self.done = 0
        while self._file(self.done).is_file():
            self.done += 1

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:05d}.png"

    def begin(self) -> None:
        """Make the folder, where a mistake costs nothing yet.

        Raises:
            StorageError: it cannot be made.
        """
        with naming_the_path(self._out):
            self.folder.mkdir(parents=True, exist_ok=True)
            sweep(self.folder)

    def keep(self, frame: Frame, scene: int) -> None:
        """Put down the next frame (H, W, 3), and the number of the frame that its scene began with.

        Raises:
            StorageError: the disk is full; the frames before stay.
        """
        atomic_write(self._file(self.done), encode_png(frame.transpose(2, 0, 1), {"kind": "frame", "scene": scene}))
        self.done += 1

    def frame(self, number: int) -> Frame:
        """A frame that is done.

        Raises:
            StorageError: it is damaged.
        """
        try:
            return np.array(decode(self._file(number)))
        except Exception as error:
            raise self._damaged(number) from error

    def scene(self, number: int) -> int:
        """The number of the frame that the scene of a frame that is done began with.

        Raises:
            StorageError: it is damaged.
        """
        try:
            return int(read_recipe(self._file(number))["scene"])
        except (UsageError, KeyError, TypeError, ValueError) as error:
            raise self._damaged(number) from error

    def frames(self) -> Iterator[Frame]:
        """All that are done."""
        return (self.frame(number) for number in range(self.done))

    def clear(self) -> None:
        """Remove it, and those of other settings for the same film: it is written."""
        for folder in self._out.parent.glob(".*.frames"):
            if folder.name[: -len(".frames") - _DIGITS - 1] == f".{self._out.name[:100]}":
                shutil.rmtree(folder, ignore_errors=True)

    def _damaged(self, number: int) -> StorageError:
        return StorageError(f"{self._file(number)} is damaged.", f"Remove {self.folder}, and paint the film again.")
