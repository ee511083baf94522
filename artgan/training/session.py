"""One stretch of training in a run folder: from its newest checkpoint, with repairs on the way, to an ending."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from artgan.config import Settings, to_toml
from artgan.data.cache import DataEvent
from artgan.data.pictures import Pictures
from artgan.engine import processes
from artgan.engine.checkpoint import load_state, newest_checkpoint, read_newest, set_aside, whole_names, write_latest
from artgan.engine.device import Engine, explaining_memory
from artgan.engine.storage import Run, atomic_write, cut_back, only_one, spelt, sweep
from artgan.errors import ArtganError, CheckpointError, DeviceError, SettingError
from artgan.training.events import Event, Notice, RunStarted
from artgan.training.loop import Ending, train_loop
from artgan.training.repairs import (
    MOST_TRIES,
    REMEDIES,
    Trouble,
    Unwell,
    describe_repair,
    next_repair,
    plan_at,
    read_repairs,
    write_repairs,
)
from artgan.training.report import Report
from artgan.training.scoring import Best, find_best, open_scorer, put_best_right
from artgan.training.source import begun_from
from artgan.training.state import TrainState
from artgan.training.watch import Watch, alarms_of

Listener = Callable[[Event | DataEvent], None]


@dataclass(frozen=True)
class TrainResult:
    """How a training session went.

    Attributes:
        run: the run folder.
        nimg: real pictures shown since the run began.
        ending: `kimg` (all of train.total_kimg), `minutes` (the time budget) or `asked` (should_stop).
        seconds: length of this session.
        checkpoint: the newest checkpoint.
        best: the checkpoint that scored best; None without scores.
    """

    run: Path
    nimg: int
    ending: Ending
    seconds: float
    checkpoint: Path
    best: Best | None = None


def session(
    run: Run,
    settings: Settings,
    engine: Engine,
    pictures: Pictures,
    minutes: float | None,
    on_event: Listener,
    should_stop: Callable[[], bool],
) -> TrainResult:
    """One stretch of training in a run folder, from its newest checkpoint or from nothing.

    Of a team of processes, the lead alone knows the folder; the others have from it what the folder says.
    """
    started = time.monotonic()
    if settings.train.batch < 2 * processes.size():
        raise SettingError(
            f"train.batch {settings.train.batch} leaves less than two pictures for each of {processes.size()} "
            "processes.",
            f"Start at most {settings.train.batch // 2}.",
        )
    with (
        contextlib.ExitStack() as held,
        _last_page(run),
        explaining_memory("Train with a smaller --batch or --resolution."),
    ):
        processes.from_lead(lambda: held.enter_context(only_one(run)))
        # Total length, intervals and device may have changed: the file says what is in force.
        processes.from_lead(lambda: write_config(run, settings))
        state = _begin(run, settings, engine, pictures, on_event)
        counts = tuple(sum(p.numel() for p in network.parameters()) for network in (state.G, state.D))
        total = round(settings.train.total_kimg * 1000)
        scoring = processes.leads() and state.nimg < total
        scorer = open_scorer(settings, pictures, engine, run, on_event, should_stop) if scoring else None
        # Looking at the training pictures takes some seconds, once: that is not training, as decoding them is not.
        deadline = time.monotonic() + minutes * 60 if minutes is not None else None
        on_event(RunStarted(run.folder, state.nimg, total, engine.why, (counts[0], counts[1])))
        if state.nimg and processes.leads():
            _notice_other_machine(run, engine, on_event)
        watch = Watch(settings, pictures, engine, run, on_event, scorer)
        ending: Ending | None = None
        while ending is None:
            repairs = processes.from_lead(lambda: read_repairs(run))
            try:
                ending = train_loop(
                    settings, pictures, engine, state, run, repairs, watch, deadline, on_event, should_stop
                )
            except Unwell as unwell:
                trouble, found = unwell.trouble, unwell.nimg
            if ending is None:
                del state  # before the next one is built: the memory may be what is short
                processes.from_lead(partial(_mend, run, settings, engine, trouble, found, on_event))
                if engine.device.type == "cuda":
                    torch.cuda.empty_cache()
                state = _begin(run, settings, engine, pictures, on_event)
    newest, best = processes.from_lead(partial(_left_behind, run, settings))
    return TrainResult(run.folder, state.nimg, ending, time.monotonic() - started, newest, best)


def _left_behind(run: Run, settings: Settings) -> tuple[Path, Best | None]:
    """The newest and the best checkpoint."""
    newest = newest_checkpoint(run)
    if newest is None:
        raise CheckpointError(f"{run.folder} lost its checkpoints while training.", "Was the folder moved?")
    return newest, find_best(run, settings.score)


@contextlib.contextmanager
def _last_page(run: Run) -> Iterator[None]:
    """When training ends with an error, see to it that the report does not go on saying that it trains."""
    try:
        yield
    except Exception:
        if not processes.leads():
            raise
        with contextlib.suppress(Exception):  # what ended the training may keep the page from being written, too
            Report(run).write(alarms_of(run), "stopped")
        raise


def _begin(run: Run, settings: Settings, engine: Engine, pictures: Pictures, on_event: Listener) -> TrainState:
    """The state of the newest checkpoint that is whole, or of a new run; records after it are cut off.

    Raises:
        CheckpointError: there are checkpoints and none is whole.
    """
    state = TrainState(settings, pictures.shape, pictures.c_dim, engine)
    processes.from_lead(lambda: _take_up(state, run, settings, pictures, on_event))
    if processes.size() > 1:
        state.load(processes.from_lead(lambda: {name: value.cpu() for name, value in state.tensors().items()}))
    return state


def _take_up(state: TrainState, run: Run, settings: Settings, pictures: Pictures, on_event: Listener) -> None:
    """Bring a fresh state to where the run is, and the run's folder to where that is."""

    def read(folder: Path) -> Path:
        state.load(load_state(folder))
        return folder

    begun, refused = read_newest(run, read)
    if refused:
        aside = ", ".join(path.name for path in set_aside(run, newer_than=state.nimg))
        told = " ".join(error.message for error in refused)
        on_event(Notice(f"{told} Going on from {begun}; what cannot be used is kept as {aside}."))
    sweep(run.folder)
    if begun:
        write_latest(run, begun)
    elif origin := begun_from(run.read_info()):
        raise CheckpointError(
            f"{run.name} began from {origin}, and its checkpoints are gone.",
            "Start again with the command that made it, and --new.",
        )
    if state.matching is not None and not state.matching.measured:
        state.matching.measure(pictures, settings.data.mirror, settings.data.balanced)
    for records in (run.stats, run.metrics):
        cut_back(records, state.nimg if begun else -1)
    put_best_right(run, settings.score)


def _mend(
    run: Run, settings: Settings, engine: Engine, trouble: Trouble, found: int, on_event: Callable[[Event], None]
) -> None:
    """Write down what shall be different from the newest checkpoint on.

    Raises:
        SettingError: the losses exploded after every repair.
        DeviceError: the memory does not even hold two pictures at a time.
    """
    newest = newest_checkpoint(run)
    back_to = int(newest.name) if newest else 0
    # Remedies that were decided on after that belong to a course that is left now.
    repairs = [repair for repair in read_repairs(run) if repair["repair"] not in REMEDIES or repair["nimg"] <= back_to]
    plan = plan_at(repairs, back_to, settings.train)
    repair = next_repair(trouble, repairs, back_to, plan, engine.dtype == torch.bfloat16, settings.train.batch)
    if repair is None:
        raise _given_up(run, trouble, found, settings)
    record = {"nimg": back_to, "found": found, "repair": repair}
    plan = plan_at([*repairs, record], back_to, settings.train)
    record["told"] = describe_repair(repair, plan, back_to, found, (settings.train.g_lr, settings.train.d_lr))
    write_repairs(run, [*repairs, record])
    for nimg, preview in run.previews().items():  # of a course that was left; they would show up in films
        if nimg > back_to:
            preview.unlink()
    on_event(Notice(str(record["told"])))


def _given_up(run: Run, trouble: Trouble, found: int, settings: Settings) -> ArtganError:
    if trouble == "memory":
        hint = "Train with a lower --resolution or --set model.base_channels."
        return DeviceError("The memory does not hold two pictures at a time.", hint)
    rates = {"g_lr": settings.train.g_lr, "d_lr": settings.train.d_lr}
    low, high = min(rates.values()), max(rates.values())
    # One rate far above the other is the likely culprit; otherwise both are.
    lower = {name: (low if high > 3 * low else lr / 10) for name, lr in rates.items() if lr > low or high <= 3 * low}
    advice = " ".join(f"--set train.{name}={lr:.2g}" for name, lr in lower.items())
    older, r1_gamma = whole_names(run)[:-1], max(1.0, settings.train.r1_gamma * 4)
    back = f" Or remove {newest_checkpoint(run)}, and resume from the one before it." if older else ""
    return SettingError(
        f"The losses exploded again at {found / 1000:.1f} kimg, after {MOST_TRIES} repairs from the same checkpoint.",
        f"Start with --new and {advice}, or a stronger --set train.r1_gamma={r1_gamma:g}.{back}",
    )


def write_config(run: Run, settings: Settings) -> None:
    """Write `config.toml`, which is in force and works as a preset."""
    atomic_write(run.config, to_toml(settings, title=spelt(run.name), description="The settings of this run."))


def _notice_other_machine(run: Run, engine: Engine, on_event: Listener) -> None:
    """Say so when the result cannot be bit-equal to an uninterrupted run."""
    info, now = run.read_info(), engine.describe()
    then = {"processes": 1, **info.get("engine", {}), "torch": info.get("torch")}
    here = {**now, "torch": torch.__version__}
    changed = [key for key in ("name", "precision", "threads", "processes", "torch") if then.get(key) != here[key]]
    if changed:
        told = ", ".join(f"{key} {then.get(key)} -> {here[key]}" for key in changed)
        on_event(Notice(f"This run began elsewhere ({told}): it goes on, but not bit for bit as it would have there."))
