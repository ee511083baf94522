"""What of a film is wanted."""

import re
from dataclasses import dataclass

from artgan.errors import UsageError

FASTEST = 240.0
"""Frames per second that are read and written at most."""


@dataclass(frozen=True)
class Cut:
    """What is wanted of a film: from `start` to `end`, in seconds, at `fps`; None is to its end, at its own rate."""

    start: float = 0.0
    end: float | None = None
    fps: float | None = None

    def check(self) -> None:
        """Refuse what no film can give.

        Raises:
            UsageError: the end does not come after the start, or the rate makes no sense.
        """
        if self.fps is not None and not 0.1 <= self.fps <= FASTEST:
            raise UsageError(f"--fps {self.fps:g} is not a frame rate.", "Give frames per second, from 0.1 to 240.")
        if self.end is not None and self.end <= self.start:
            raise UsageError(f"--to {self.end:g} does not come after --from {self.start:g}.", "Give a later --to.")


def parse_time(text: str, flag: str) -> float:
    """Seconds from `2.5`, `00:02` or `1:00:02.5`.

    Raises:
        UsageError: it is none of these; it names `flag`.
    """
    found = re.fullmatch(r"(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d*)?)", text.strip())
    if found is None or (found[2] is not None and float(found[3]) >= 60):
        raise UsageError(f"{flag} {text} is not a time.", "Write seconds, minutes:seconds or 1:00:02.5.")
    return int(found[1] or 0) * 3600 + int(found[2] or 0) * 60 + float(found[3])
