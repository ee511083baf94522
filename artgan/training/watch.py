"""Looks at a run while it trains: measures the pictures, judges the records, and says what is new."""

import dataclasses
import functools
from collections.abc import Callable, Sequence

import torch
from torch import nn

from artgan.config import Settings
from artgan.data.pictures import Pictures
from artgan.engine.device import Engine
from artgan.engine.storage import Run, append_json_line, read_json_lines
from artgan.training.events import Alarmed, Event, Notice
from artgan.training.health import Alarm, find_facts, judge
from artgan.training.measures import Reference
from artgan.training.repairs import read_repairs
from artgan.training.report import Report, State
from artgan.training.scoring import Scorer
from artgan.training.snapshots import Previewer


class Watch:
    """The eyes on a run. What they see goes to `metrics.jsonl`; what they conclude is a function of the records."""

    def __init__(
        self,
        settings: Settings,
        pictures: Pictures,
        engine: Engine,
        run: Run,
        on_event: Callable[[Event], None],
        scorer: Scorer | None = None,
    ) -> None:
        self.previewer = Previewer(settings, pictures, engine, run, on_event)
        self.scorer = scorer
        self.run, self.on_event = run, on_event
        self._settings, self._pictures = settings, pictures
        self._report = Report(run)
        self._told: set[tuple[str, int]] = set()
        self._told_of_augmentation = False

    @functools.cached_property
    def reference(self) -> Reference:
        """The training pictures, to compare with; what they are like is read from the records if it stands there."""
        known = find_facts(read_json_lines(self.run.metrics))
        data, seed = self._settings.data, self._settings.train.seed
        return Reference(self._pictures, data.crops, data.mirror, seed, known)

    def begin(self) -> tuple[Alarm, ...]:
        """Write down what the training pictures are like, in the first record, and judge what is there already."""
        if find_facts(read_json_lines(self.run.metrics)) is None:
            append_json_line(self.run.metrics, {"nimg": 0, "facts": dataclasses.asdict(self.reference.facts)})
        return self.tell()

    def look(self, shown: torch.Tensor, G: nn.Module, G_ema: nn.Module, nimg: int) -> tuple[Alarm, ...]:
        """Measure pictures that the previewer has drawn, and tell of alarms that were not told of."""
        found = self.reference.measure(shown, self.previewer.labels)
        if self._settings.train.ema_kimg:
            found["drift"] = distance(G, G_ema)
        append_json_line(self.run.metrics, {"nimg": nimg, **found})
        return self.tell()

    def tell_augmentation(self, p: float) -> None:
        """Tell, once in a session, that adaptive augmentation has come to its upper end."""
        augment = self._settings.augment
        if augment.adaptive and p > augment.p_max - 1e-6 and not self._told_of_augmentation:
            self._told_of_augmentation = True
            told = f"The augmentation is at its most, p = {augment.p_max:g}: more pictures or --crops would help."
            self.on_event(Notice(told))

    def tell(self) -> tuple[Alarm, ...]:
        """Judge the records; every alarm is told of once in a session, while it lasts."""
        alarms = alarms_of(self.run)
        for alarm in alarms:
            if alarm.until is None and (alarm.kind, alarm.since) not in self._told:
                self._told.add((alarm.kind, alarm.since))
                self.on_event(Alarmed(alarm))
        return alarms

    def write_page(self, alarms: Sequence[Alarm], state: State) -> Notice | None:
        """Write `report.html`; a page that cannot be written is told of and never ends a training."""
        try:
            self._report.write(alarms, state)
        except Exception as error:
            return Notice(f"The report could not be written ({type(error).__name__}: {error}); training goes on.")
        return None


def alarms_of(run: Run) -> tuple[Alarm, ...]:
    """What the records of a run say about its health."""
    return judge(read_json_lines(run.stats), read_json_lines(run.metrics), read_repairs(run))


@torch.no_grad()
def distance(G: nn.Module, G_ema: nn.Module) -> float:
    """Length of the difference of all weights of two networks, by the length of the second's."""
    average = [*G_ema.parameters()]
    between = [a - b for a, b in zip(G.parameters(), average, strict=True)]
    return float(torch.nn.utils.get_total_norm(between) / torch.nn.utils.get_total_norm(average))
