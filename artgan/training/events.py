"""What training tells whoever listens: frozen records handed to `on_event`, beside those of `artgan.data.cache`.

ScoreProgress tells of the training pictures that are looked at, once, before the first score.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from artgan.metrics.features import ScoreProgress
from artgan.training.health import Alarm


@dataclass(frozen=True)
class RunStarted:
    """The networks stand and the first step comes next.

    Attributes:
        run: the run folder.
        nimg: pictures shown so far; above 0 when a run is continued.
        total_nimg: pictures to show in all.
        why: one sentence per decision about device and number format.
        parameters: parameters of generator and discriminator.
    """

    run: Path
    nimg: int
    total_nimg: int
    why: tuple[str, ...]
    parameters: tuple[int, int]


@dataclass(frozen=True)
class Step:
    """One step is done."""

    nimg: int


@dataclass(frozen=True)
class Stats:
    """Means since the last record: losses, accuracies, logits, penalties; as in `stats.jsonl`."""

    nimg: int
    values: Mapping[str, float]
    images_per_second: float


@dataclass(frozen=True)
class Saved:
    """A file or folder is on disk, whole."""

    kind: Literal["preview", "reals", "checkpoint"]
    path: Path
    nimg: int


@dataclass(frozen=True)
class Notice:
    """Something the user should know, in one or two sentences."""

    text: str


@dataclass(frozen=True)
class Alarmed:
    """Something is wrong with the training; `alarm` says what, since when, by which figures, and what to try."""

    alarm: Alarm


@dataclass(frozen=True)
class Scored:
    """The averaged generator was compared with the training pictures; as in `metrics.jsonl`.

    Attributes:
        nimg: pictures shown so far.
        values: the figures by name, that by which the best checkpoint is chosen first.
        floor: what training pictures reach among themselves, by the same names; none where too few of them are there.
        best: whether no checkpoint that is kept scored as well; this one is being saved then.
    """

    nimg: int
    values: Mapping[str, float]
    floor: Mapping[str, float]
    best: bool


Event = RunStarted | Step | Stats | Saved | Notice | Alarmed | Scored | ScoreProgress
