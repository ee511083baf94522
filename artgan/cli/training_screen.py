"""The screen of a training run: events become a bar and sentences on stderr."""

import sys
import time
from types import TracebackType

from tqdm import tqdm

from artgan.cli.screen import clock, visible
from artgan.data.cache import DataEvent, DatasetReady, DecodeProgress
from artgan.data.shard_cache import Damaged
from artgan.data.shard_names import shown
from artgan.data.sources import BESIDE
from artgan.metrics.features import ScoreProgress
from artgan.training.events import Alarmed, Event, Notice, RunStarted, Saved, Scored, Stats, Step

_SHOWN_CAPTIONS = 5
_SHOWN_SKIPS = 5
_QUIET_SECONDS = 30


class TrainingScreen:
    """Draws a bar on a terminal, and a line now and then elsewhere (a log file, a pipe)."""

    def __init__(self, minutes: float | None) -> None:
        self.minutes = minutes
        self.live = sys.stderr.isatty()
        self.bar: tqdm[None] | None = None
        self.started = self.spoke = time.monotonic()

    def __enter__(self) -> "TrainingScreen":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar is not None:
            self.bar.close()

    def __call__(self, event: Event | DataEvent) -> None:
        """Draw one event."""
        if isinstance(event, Step):
            self._step(event)
        elif isinstance(event, Stats):
            self._stats(event)
        elif isinstance(event, Scored):
            self._scored(event)
        elif isinstance(event, DecodeProgress):
            self._reading(event, "Reading pictures", "file")
        elif isinstance(event, ScoreProgress):
            self._reading(event, "Looking at pictures, for scores", "picture")
        elif isinstance(event, DatasetReady):
            self._dataset(event)
        elif isinstance(event, Damaged):
            self._damaged(event)
        elif isinstance(event, RunStarted):
            self._start(event)
        elif isinstance(event, Saved):
            if event.kind != "checkpoint":
                self._say(f"{'Training pictures' if event.kind == 'reals' else 'Preview'}: {event.path}")
        elif isinstance(event, Notice):
            self._say(event.text)
        elif isinstance(event, Alarmed):
            self._say(f"Warning: {event.alarm.title} {event.alarm.evidence} Try {event.alarm.advice}.")

    def _say(self, text: str) -> None:
        tqdm.write(visible(text), file=sys.stderr)
        self.spoke = time.monotonic()

    def _close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def _reading(self, event: DecodeProgress | ScoreProgress, doing: str, unit: str) -> None:
        if self.bar is None:
            self.bar = tqdm(total=event.total, desc=doing, unit=unit, disable=not self.live)
        self.bar.update(event.done - self.bar.n)

    def _dataset(self, event: DatasetReady) -> None:
        self._close()
        crops = f" as {event.pictures:,} crops" if event.pictures != event.files else ""
        known = " (already decoded)" if event.from_cache else ""
        self._say(f"{shown(event.source)}: {event.files:,} pictures{crops}{known}.")
        if event.classes:
            told = ", ".join(f"{name} {count}" for name, count in event.classes.items())
            self._say(f"{len(event.classes)} classes: {told}. (--no-labels trains without.)")
        if event.captions:
            self._say(_told(event.captions))
        if event.enlarged:
            some = "is smaller" if event.enlarged == 1 else "are smaller"
            was = "was" if event.enlarged == 1 else "were"
            self._say(f"{event.enlarged:,} of them {some} than the training picture and {was} enlarged.")
        problems = [(name, reason) for name, reason in event.skipped if reason != BESIDE]
        for name, reason in problems[:_SHOWN_SKIPS]:
            self._say(f"Skipped {name}: {reason}")
        if len(problems) > _SHOWN_SKIPS:
            self._say(f"... and {len(problems) - _SHOWN_SKIPS:,} more; run.json names them all.")
        if beside := len(event.skipped) - len(problems):
            files = "1 file beside the pictures was" if beside == 1 else f"{beside:,} files beside the pictures were"
            self._say(f"{files} left alone.")

    def _damaged(self, event: Damaged) -> None:
        name, reason = event.broken[0]
        told = f"{len(event.broken):,} of {event.pictures:,} pictures cannot be read, such as {name}: {reason}"
        self._say(f"{event.shard}: {told}. The nearest readable ones are shown in their place.")

    def _start(self, event: RunStarted) -> None:
        self._close()
        for reason in event.why:
            self._say(f"  {reason}")
        generator, discriminator = event.parameters
        self._say(f"Generator {generator / 1e6:.1f} M parameters, discriminator {discriminator / 1e6:.1f} M.")
        where = f"goes on at {event.nimg / 1000:.1f} kimg" if event.nimg else "starts"
        self._say(f"Run {event.run} {where}. Ctrl-C saves and stops; the same command goes on.")
        self.started = time.monotonic()
        timed = self.minutes is not None
        self.bar = tqdm(
            total=self.minutes * 60 if self.minutes is not None else event.total_nimg / 1000,
            initial=0 if timed else event.nimg / 1000,
            bar_format="{percentage:3.0f}%|{bar:20}| {desc} [{elapsed}<{remaining}]{postfix}",
            desc=f"{event.nimg / 1000:.1f} kimg",
            disable=not self.live,
            dynamic_ncols=True,
        )

    def _step(self, event: Step) -> None:
        if self.bar is None or not self.live:
            return
        seconds = time.monotonic() - self.started
        done = seconds if self.minutes is not None else event.nimg / 1000
        assert self.bar.total is not None
        self.bar.set_description_str(f"{event.nimg / 1000:.1f} kimg", refresh=False)
        self.bar.update(min(done, self.bar.total) - self.bar.n)

    def _stats(self, event: Stats) -> None:
        values = event.values
        told = (
            f"{event.images_per_second:.0f} img/s  loss D {values['loss_D']:.2f} G {values['loss_G']:.2f}"
            f"  D right on reals {values['real_acc']:.0%} fakes {values['gen_acc']:.0%}"
        )
        if self.bar is not None:
            self.bar.set_postfix_str(told, refresh=False)
        if not self.live and time.monotonic() - self.spoke >= _QUIET_SECONDS:
            self._say(f"{event.nimg / 1000:.1f} kimg after {clock(time.monotonic() - self.started)}: {told}")

    def _scored(self, event: Scored) -> None:
        told = [
            f"{name} {value:.3g}" + (f" (floor {event.floor[name]:.3g})" if name in event.floor else "")
            for name, value in event.values.items()
        ]
        self._say(
            f"Score at {event.nimg / 1000:.1f} kimg: {', '.join(told)}{'; the best so far' if event.best else ''}."
        )


def _told(captions: dict[str, int]) -> str:
    """The commonest captions with their counts, in a sentence or two."""
    said = {text: count for text, count in captions.items() if text}
    few = [f"{text[:40]!r} {count:,}" for text, count in [*said.items()][:_SHOWN_CAPTIONS]]
    more = ", ..." if len(said) > len(few) else ""
    without = captions.get("", 0)
    none = f" {without:,} {'picture has' if without == 1 else 'pictures have'} none." if without else ""
    return f"{len(said):,} {'caption' if len(said) == 1 else 'captions'}: {', '.join(few)}{more}.{none}"
