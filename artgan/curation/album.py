"""Small pictures on disk while a curation goes on, so that memory does not grow with their number."""

import contextlib
import tempfile
import threading
import weakref
from dataclasses import dataclass
from typing import IO

from artgan.errors import StorageError


class Album:
    """A file without a name that takes bytes and gives them back; it is gone with the last that refers to it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the album
        weakref.finalize(self, _close, self._file)

    def add(self, data: bytes) -> "Leaf":
        """Put bytes in.

        Raises:
            StorageError: the disk is full.
        """
        try:
            with self._lock:
                start = self._file.seek(0, 2)
                self._file.write(data)
                self._file.flush()
        except OSError as error:
            problem = f"{tempfile.gettempdir()}, where small pictures are kept meanwhile, cannot be written"
            raise StorageError(f"{problem}: {error.strerror}.", "Free some space there, or set TMPDIR.") from error
        return Leaf(self, start, len(data))

    def read(self, start: int, length: int) -> bytes:
        """Bytes that were put in."""
        with self._lock:
            self._file.seek(start)
            return self._file.read(length)


@dataclass(frozen=True, slots=True)
class Leaf:
    """Bytes in an album: `bytes` and `len` do what they do with bytes."""

    album: Album
    start: int
    length: int

    def __bytes__(self) -> bytes:
        return self.album.read(self.start, self.length)

    def __len__(self) -> int:
        return self.length


def _close(file: IO[bytes]) -> None:
    with contextlib.suppress(OSError):  # of a full disk, which was told of: what it has no room for is tried once more
        file.close()
