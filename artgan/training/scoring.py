"""Scores of a run while it trains: how near the averaged generator comes, and which checkpoint comes nearest.

A score is a record of `metrics.jsonl`. What is best follows from these records and the checkpoints that are there.
"""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from artgan.config import ScoreSettings, Settings
from artgan.data.pictures import Pictures
from artgan.engine.checkpoint import best_checkpoint, whole_names, write_best
from artgan.engine.device import Engine
from artgan.engine.seeds import Streams
from artgan.engine.storage import Run, append_json_line, read_json_lines
from artgan.errors import ArtganError, Interrupted
from artgan.metrics.features import Seen, look, view_of
from artgan.metrics.figures import halves, name_of
from artgan.metrics.frechet import Moments, frechet_distance, moments
from artgan.metrics.kernel import kid
from artgan.metrics.networks import open_network
from artgan.metrics.sets import PictureSet, pictures_set, sample_set
from artgan.models.trained import LoadedGenerator
from artgan.training.events import Event, Notice, Scored

SIDE = 64
"""Pictures are looked at at about 64 x 64 pixels, a quarter of the work of `artgan score`, whose figures are others."""
MOST = 4000
"""At most so many training pictures are compared; a larger set is represented by a random choice of it."""


@dataclass(frozen=True)
class Best:
    """The checkpoint of a run that scored best, and its figure."""

    checkpoint: Path
    figure: str
    value: float


def find_best(run: Run, settings: ScoreSettings) -> Best | None:
    """The best of the checkpoints that were scored by `settings.metric` with `settings.num` samples and are there."""
    figure = figure_name(settings.metric, settings.num)
    there = {int(folder.name): folder for folder in whole_names(run)}
    found = [
        (value, record["nimg"])
        for record in read_json_lines(run.metrics)
        if record["nimg"] in there and type(value := record.get(figure)) is float and math.isfinite(value)
    ]
    if not found:
        return None
    value, nimg = min(found)
    return Best(there[nimg], figure, value)


def put_best_right(run: Run, settings: ScoreSettings) -> None:
    """Point `best` where the records say, whatever a killed process left there."""
    if best := find_best(run, settings):
        write_best(run, best.checkpoint)
    elif best_checkpoint(run) is None:  # else it was chosen by another figure, which these settings do not compare with
        run.best.unlink(missing_ok=True)


def figure_name(metric: str, num: int) -> str:
    """kid500_artgan64: the metric, the number of samples, the network and the side that it looked at."""
    return name_of(metric, num, f"artgan{SIDE}")


class Scorer:
    """Scores the averaged generator; remembers of the training pictures what every score needs.

    Samples are those of `artgan score`: the seeds from 0 up, classes (or captions) as often as among the training
    pictures, float32.
    Nothing here changes a network or draws from a stream of the training.

    Raises:
        ArtganError: the encoder is damaged or gives no numbers, or the device is full.
        Interrupted: `should_stop` said so.
    """

    def __init__(
        self,
        settings: Settings,
        pictures: Pictures,
        engine: Engine,
        run: Run,
        on_event: Callable[[Event], None],
        should_stop: Callable[[], bool],
    ) -> None:
        self.settings, self.pictures, self.run, self.on_event = settings, pictures, run, on_event
        # In float32 2 cores with AVX512-BF16 look at 607 pictures/s with the channels last, at 340 without; bf16: 710.
        channels_last = engine.device.type != "mps"
        self.engine = dataclasses.replace(engine, dtype=torch.float32, channels_last=channels_last)
        self.network = open_network("artgan", self.engine)
        _, height, width = pictures.shape
        self.view = view_of(SIDE, (width, height))
        some = choose(pictures)
        real = look(some, self.network, self.view, on_event, should_stop)
        self.real, self.real_moments = real.values, moments(real.values)
        self.floor = self._measure_floor(real)
        self._told: set[type[Exception]] = set()

    def score(self, G_ema: nn.Module, nimg: int) -> bool:
        """Add a score to `metrics.jsonl` and tell it; one that fails is told of instead, and never ends a training.

        Returns:
            Whether no checkpoint that is there scored as well.

        Raises:
            StorageError: the record cannot be written.
        """
        chosen = self.settings.score
        try:
            found = self._measure(self.real, self.real_moments, self._look_at(G_ema, nimg))
        except Exception as error:
            if type(error) not in self._told:  # it may happen again and again
                self._told.add(type(error))
                told = f"There is no score at {nimg / 1000:.1f} kimg: {_reason(error)} Training goes on."
                self.on_event(Notice(told))
            return False
        best = find_best(self.run, chosen)
        better = best is None or found[figure_name(chosen.metric, chosen.num)] < best.value
        append_json_line(self.run.metrics, {"nimg": nimg, **found, "floor": self.floor})
        self.on_event(Scored(nimg, found, self.floor, better))
        return better

    def _look_at(self, G_ema: nn.Module, nimg: int) -> torch.Tensor:
        classes, captions, run = self.pictures.classes, self.pictures.captions, self.run
        model = LoadedGenerator(G_ema, self.settings, classes, nimg, run.name, run.folder, self.engine)
        shares = self.pictures.labels.bincount(minlength=len(classes)).double() / len(self.pictures)
        texts = [captions[label] for label in self.pictures.labels.tolist()] if captions else ()
        samples = sample_set(model, self.settings.score.num, shares.tolist() if classes else None, texts)
        return look(samples, self.network, self.view).values

    def _measure(self, real: torch.Tensor, real_moments: Moments, fake: torch.Tensor) -> dict[str, float]:
        """The figures by name, that by which the best checkpoint is chosen first."""
        chosen = self.settings.score
        found = {"kid": kid(real, fake, replicates=2).value, "fd": frechet_distance(real_moments, moments(fake))}
        ordered = sorted(found, key=lambda metric: metric != chosen.metric)
        return {figure_name(metric, chosen.num): found[metric] for metric in ordered}

    def _measure_floor(self, seen: Seen) -> dict[str, float]:
        """What the training pictures reach among themselves, in two disjoint parts."""
        num = self.settings.score.num
        parts = halves(seen, num)
        if parts is None:
            return {}
        floor = self._measure(parts[0].values, moments(parts[0].values), parts[1].values)
        if len(parts[1]) < num:  # this distance grows as pictures get fewer: that floor would be too high
            del floor[figure_name("fd", num)]
        return floor


def open_scorer(
    settings: Settings,
    pictures: Pictures,
    engine: Engine,
    run: Run,
    on_event: Callable[[Event], None],
    should_stop: Callable[[], bool],
) -> Scorer | None:
    """Look at the training pictures if scores are wanted; what stands in the way is told of, and ends no training.

    Raises:
        Interrupted: `should_stop` said so.
    """
    if not settings.score.every_kimg:
        return None
    try:
        return Scorer(settings, pictures, engine, run, on_event, should_stop)
    except Interrupted:
        raise
    except Exception as error:
        on_event(Notice(f"There will be no scores: {_reason(error)} Training goes on."))
        return None


def choose(pictures: Pictures) -> PictureSet:
    """All pictures of a set, or MOST of them drawn once and for all."""
    whole = pictures_set(pictures, "the training pictures")
    chosen = pictures.sample(MOST, Streams(0).generator("scored pictures")).tolist()
    if len(chosen) == whole.count:
        return whole
    return dataclasses.replace(
        whole,
        count=len(chosen),
        read=lambda places: whole.read([chosen[place] for place in places]),
        title=lambda place: whole.title(chosen[place]),
        key=f"{len(chosen)} of {whole.key}",
        labels=tuple(whole.labels[place] for place in chosen) if whole.labels else (),
        texts=tuple(whole.texts[place] for place in chosen) if whole.texts else (),
    )


def _reason(error: Exception) -> str:
    if isinstance(error, ArtganError):
        return error.message
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}."
