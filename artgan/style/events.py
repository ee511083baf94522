"""What happens while pictures are painted, as frozen records."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from artgan.style.plan import Detail


@dataclass(frozen=True)
class Begun:
    """A picture is begun.

    Attributes:
        content: the file.
        out: where it will be.
        size: (width, height) of what is painted.
        number: of all pictures, from 1.
        total: pictures to paint, those that are done already included.
        seconds: how long each `detail` would take here, as measured just now; empty when it takes no time.
        detail: the one chosen.
    """

    content: Path
    out: Path
    size: tuple[int, int]
    number: int
    total: int
    seconds: dict[Detail, float]
    detail: Detail


@dataclass(frozen=True)
class Painting:
    """How far the picture is: `done` of 1, and how many seconds are left."""

    done: float
    left: float


@dataclass(frozen=True)
class Note:
    """Something worth telling."""

    text: str


@dataclass(frozen=True)
class Painted:
    """What became of one picture: painted, there (it was done before), or failed, with the reason."""

    content: Path
    out: Path
    state: Literal["painted", "there", "failed"]
    reason: str = ""


StylizeEvent = Begun | Painting | Note | Painted
