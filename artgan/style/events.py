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
        frames: of a film; a picture has one.
    """

    content: Path
    out: Path
    size: tuple[int, int]
    number: int
    total: int
    seconds: dict[Detail, float]
    detail: Detail
    frames: int = 1


@dataclass(frozen=True)
class Painting:
    """How far the picture is: `done` of 1, and how many seconds are left."""

    done: float
    left: float


@dataclass(frozen=True)
class Learning:
    """How far learning a style is.

    Attributes:
        done: share of the time.
        left: seconds.
        style: distance of the last paintings to the style, a share of its spread.
        content: how far their content has moved, a share of its variance.
    """

    done: float
    left: float
    style: float
    content: float


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
StyleTrainEvent = Learning | Note
