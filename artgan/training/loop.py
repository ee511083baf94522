"""The training loop, from top to bottom. It knows run folders and networks; it does not know command lines."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import torch

from artgan.config import Settings
from artgan.data.pictures import Pictures
from artgan.engine import processes
from artgan.engine.background import Background
from artgan.engine.device import Engine, is_out_of_memory, memory_in_use
from artgan.engine.storage import Run, append_json_line
from artgan.training.events import Event, Notice, Saved, Stats, Step
from artgan.training.repairs import EXPLODED, Unwell, next_remedy, plan_at, told_of, write_repairs
from artgan.training.report import State
from artgan.training.snapshots import preview_due, save_state
from artgan.training.state import TrainState
from artgan.training.step import crossed, train_step
from artgan.training.watch import Watch

Ending = Literal["kimg", "minutes", "asked"]
ENDINGS: tuple[Ending | None, ...] = (None, "asked", "minutes", "kimg")
"""From weak to strong: of those that several processes find, the last one holds."""
REPORT_SECONDS = 60


def train_loop(  # noqa: PLR0912, PLR0915 - one loop, read from top to bottom
    settings: Settings,
    pictures: Pictures,
    engine: Engine,
    state: TrainState,
    run: Run,
    repairs: Sequence[dict[str, Any]],
    watch: Watch,
    deadline: float | None,
    on_event: Callable[[Event], None],
    should_stop: Callable[[], bool],
) -> Ending:
    """Train until `train.total_kimg`, until `deadline` (of the monotonic clock), or until `should_stop()`; then save.

    Every random draw is a function of (seed, name, nimg), and so is everything that touches the networks: stopping,
    saving and going on at any step leaves no trace in the result. What is only looked at or written (previews, metrics,
    scores, the report, checkpoints) never changes the networks. Checkpoints and report are written in the background.

    A team of processes takes every step together, and agrees on what ends or breaks it; the lead alone looks, speaks
    and writes, while the others wait for it in the next step.

    Returns:
        What ended it.

    Raises:
        Unwell: a loss exploded, or the memory is full; nothing of it was saved.
        ProcessLost: another process of the team is gone.
    """
    train, snapshot, scorer = settings.train, settings.snapshot, watch.scorer
    total_nimg = round(train.total_kimg * 1000)
    if state.nimg >= total_nimg:
        return "kimg"
    with Background() as background:
        if state.nimg == 0 and processes.leads():
            watch.previewer.save_reals()
            watch.previewer.save(watch.previewer.draw(state.G_ema), 0)
        alarms = watch.begin() if processes.leads() else ()

        saved_at = told_at = time.monotonic()
        reported_at = told_at - REPORT_SECONDS
        told_nimg = state.nimg
        said: set[Saved | Notice] = set()
        ending: Ending | None = None
        status: State
        while ending is None:
            before, plan = state.nimg, plan_at(repairs, state.nimg, train)
            exact = dataclasses.replace(engine, dtype=torch.float32) if plan.float32 else engine
            try:
                train_step(settings, pictures, exact, state, plan)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error) or processes.size() > 1:  # the others are in the middle of the step
                    raise
                raise Unwell("memory", state.nimg) from error
            on_event(Step(state.nimg))

            # --- what is due now
            now = time.monotonic()
            if state.nimg >= total_nimg:
                ending = "kimg"
            elif deadline is not None and now >= deadline:
                ending = "minutes"
            elif should_stop():
                ending = "asked"
            tell = crossed(before, state.nimg, snapshot.stats_kimg * 1000)
            look = crossed(before, state.nimg, snapshot.health_kimg * 1000)
            score = bool(settings.score.every_kimg) and crossed(before, state.nimg, settings.score.every_kimg * 1000)
            late = now - saved_at >= snapshot.checkpoint_minutes * 60
            if not processes.leads():  # whose clock holds
                late, ending = False, None if ending == "minutes" else ending
            found, saving = processes.largest([ENDINGS.index(ending), late])
            ending = ENDINGS[int(found)]
            preview = ending or preview_due(before, state.nimg, snapshot.preview_kimg * 1000)
            save = ending or saving or crossed(before, state.nimg, snapshot.checkpoint_kimg * 1000)

            # --- is it still well? Asking waits for a GPU, so there only before something is written
            if engine.device.type == "cpu" or tell or look or preview or score or save:
                worst = processes.largest([state.take_worst()])[0]
                if not worst < EXPLODED:
                    raise Unwell("explosion", state.nimg)
            if not processes.leads():
                repairs = processes.agreed(repairs) if look else repairs
                continue

            # --- tell, look, save
            if tell:
                speed = (state.nimg - told_nimg) / max(now - told_at, 1e-9)
                means = {**state.take_means(), **state.rates}
                if settings.augment.adaptive or plan.augmented:  # else it stands in the settings
                    means["augment_p"] = float(plan.augmentation(settings.augment, state.p)[1])
                    watch.tell_augmentation(means["augment_p"])
                memory = round(memory_in_use(engine.device) / 2**20)
                times = {"images_per_second": round(speed, 1), "memory_mb": memory, "unix": round(time.time(), 1)}
                append_json_line(run.stats, {"nimg": state.nimg, **means, "time": times})
                on_event(Stats(state.nimg, means, speed))
                told_nimg, told_at = state.nimg, now
            known = alarms
            if preview or look:
                shown = watch.previewer.draw(state.G_ema)
            if preview:
                watch.previewer.save(shown, state.nimg)
            if look:
                alarms = watch.look(shown, state.G, state.G_ema, state.nimg)
                if remedy := next_remedy(alarms, repairs, state.nimg, settings):
                    repairs = [*repairs, remedy]
                    write_repairs(run, repairs)
                    on_event(Notice(told_of(remedy)))
                    alarms = watch.tell()
                repairs = processes.agreed(repairs)
            best = False
            if scorer and score:
                background.wait()  # which checkpoints are there decides what is the best
                best = scorer.score(state.G_ema, state.nimg)
            if save or best:
                save_state(settings, pictures, state, run, background, best)
                saved_at = time.monotonic()
            if preview or alarms != known or (look and now - reported_at >= REPORT_SECONDS):
                status = "training" if ending is None else "finished" if ending == "kimg" else "stopped"
                background.submit(partial(watch.write_page, alarms, status))
                reported_at = now
            if ending:
                background.wait()
            for done in background.finished():
                if isinstance(done, Saved | Notice) and done not in said:
                    said.add(done)
                    on_event(done)
    return ending
