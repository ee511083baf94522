"""Training mends itself: back to the last checkpoint, slower, in float32, or in parts; and it stays exact."""

import json
import math
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import artgan
from artgan.config import Settings, TrainSettings
from artgan.data.pictures import Pictures
from artgan.engine.checkpoint import STATE, load_generator, load_state, save_checkpoint, verify
from artgan.engine.device import Engine
from artgan.engine.storage import Run
from artgan.errors import DeviceError, SettingError
from artgan.models.dcgan import Discriminator
from artgan.training import loop, session, snapshots
from artgan.training.events import Alarmed, Notice, Step
from artgan.training.repairs import EXPLODED, MOST_TRIES, Plan, describe_repair, next_repair, plan_at
from artgan.training.state import TrainState
from artgan.training.step import train_step

BATCH, TOTAL, EVERY = 4, 48, 12  # pictures per step, in all, and between checkpoints
TINY: dict[str, object] = {
    "data.resolution": 8,
    "model.base_channels": 4,
    "model.z_dim": 4,
    "train.loss": "bce",
    "train.batch": BATCH,
    "train.total_kimg": TOTAL / 1000,
    "train.penalty_interval": 3,
    "model.d_dropout": 0.2,
    "snapshot.checkpoint_kimg": EVERY / 1000,
    "snapshot.stats_kimg": 0.008,
    "snapshot.health_kimg": 0.016,
    "engine.precision": "float32",
    "engine.device": "cpu",
}
Fault = Callable[[TrainState, Plan], None]
Break = Callable[[TrainState], None]
Plant = Callable[[Fault], None]
Hold = Callable[[int, Callable[[], Exception]], None]


class Artist:
    """Starts a training, listens, and may ask it to stop."""

    def __init__(self, stop: Callable[["Artist"], bool] = lambda artist: False) -> None:
        self.stop, self.steps, self.notices, self.alarms = stop, [0], list[str](), list[str]()

    def listen(self, event: object) -> None:
        if isinstance(event, Step):
            self.steps.append(event.nimg)
        elif isinstance(event, Notice):
            self.notices.append(event.text)
        elif isinstance(event, Alarmed):
            self.alarms.append(event.alarm.kind)

    def train(self, data: Path, runs: Path, overrides: Mapping[str, object] | None = None) -> artgan.TrainResult:
        return artgan.train(
            data,
            preset=None,
            overrides={**TINY, **(overrides or {})},
            runs_dir=runs,
            on_event=self.listen,
            should_stop=lambda: self.stop(self),
        )


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def repairs_of(run: Path) -> list[dict[str, Any]]:
    return lines(Run(run).repairs)


def outcome(run: Path) -> dict[str, object]:
    """Everything about a run that has to be equal, whatever happened on the way."""
    newest = max(path for path in (run / "checkpoints").iterdir() if path.name.isdecimal())
    records = lines(run / "stats.jsonl") + lines(run / "metrics.jsonl")
    return {
        "state": (newest / STATE).read_bytes(),
        "generator": {name: tensor.numpy().tobytes() for name, tensor in load_generator(newest).tensors.items()},
        "records": [{key: value for key, value in record.items() if key != "time"} for record in records],
        "repairs": repairs_of(run),
        "preview": max(run.glob("fakes*.png")).read_bytes(),
    }


# --- what is in force, and what comes next


@pytest.mark.parametrize(
    ("nimg", "plan"),
    [
        (0, Plan(1.0, 2, False)),
        (99, Plan(1.0, 2, False)),
        (100, Plan(0.5, 2, True)),
        (199, Plan(0.5, 2, True)),
        (200, Plan(0.25, 8, True)),
    ],
)
def test_a_repair_is_in_force_from_its_position_on(nimg: int, plan: Plan) -> None:
    made = ((100, "float32"), (100, "rate"), (200, "rate"), (200, "parts"), (200, "parts"))
    repairs = [{"nimg": at, "repair": repair} for at, repair in made]
    assert plan_at(repairs, nimg, TrainSettings(accumulate=2)) == plan
    assert plan_at(repairs[::-1], nimg, TrainSettings(accumulate=2)) == plan
    assert plan_at([], nimg, TrainSettings(accumulate=2)) == Plan(parts=2)


@pytest.mark.parametrize(
    ("made", "bf16", "expected"),
    [
        ([], False, ["rate", "rate", "rate", None]),
        ([], True, ["float32", "rate", "rate", None]),
        ([(50, "rate")] * 5, False, ["rate", "rate", "rate", None]),  # from an earlier checkpoint: another matter
        ([(50, "float32")], True, ["rate", "rate", "rate", None]),
        ([(100, "parts")] * 2, True, ["float32", "rate", "rate", None]),
    ],
)
def test_an_explosion_is_met_three_times(made: list[tuple[int, str]], bf16: bool, expected: list[str | None]) -> None:
    repairs: list[dict[str, Any]] = [{"nimg": at, "repair": repair} for at, repair in made]
    found: list[str | None] = []
    while not found or found[-1]:
        found.append(next_repair("explosion", repairs, 100, plan_at(repairs, 100, TrainSettings()), bf16, batch=8))
        repairs.append({"nimg": 100, "repair": found[-1]})
    assert found == expected
    assert len(found) == MOST_TRIES + 1


@pytest.mark.parametrize(("batch", "accumulate", "parts"), [(2, 1, 1), (4, 1, 2), (8, 1, 4), (64, 2, 32), (64, 32, 32)])
def test_a_batch_is_halved_until_two_pictures_are_left(batch: int, accumulate: int, parts: int) -> None:
    repairs: list[dict[str, Any]] = []
    train = TrainSettings(batch=batch, accumulate=accumulate)
    while next_repair("memory", repairs, 0, plan_at(repairs, 0, train), True, batch):
        repairs.append({"nimg": 0, "repair": "parts"})
    assert plan_at(repairs, 0, train) == Plan(parts=parts)


def test_the_sentences_have_the_figures() -> None:
    plan = Plan(rate_scale=0.25, parts=8)
    assert "g_lr 0.0001, d_lr 0.0002" in describe_repair("rate", plan, 100_000, 123_400, (4e-4, 8e-4))
    assert "float32" in describe_repair("float32", plan, 100_000, 123_400, (4e-4, 8e-4))
    assert "8 parts" in describe_repair("parts", plan, 100_000, 123_400, (4e-4, 8e-4))
    for repair in ("rate", "float32", "parts"):
        sentence = describe_repair(repair, plan, 100_000, 123_400, (4e-4, 8e-4))
        assert "123.4 kimg" in sentence
        assert "100.0 kimg" in sentence


# --- explosions


def nan_in_G(state: TrainState) -> None:
    with torch.no_grad():
        next(state.G.parameters()).fill_(math.nan)


def nan_in_D(state: TrainState) -> None:
    with torch.no_grad():
        next(state.D.parameters()).fill_(math.nan)


def huge_logit(state: TrainState) -> None:
    """Every number stays finite, and the loss is far above what a healthy game has."""
    with torch.no_grad():
        [*state.D.parameters()][-1].fill_(100 * EXPLODED)


def spoil_gradient(network: nn.Module, value: float) -> None:
    """The next gradient of a network is no number, its losses are fine: the weights would be lost after this step."""
    parameter = next(network.parameters()).requires_grad_(True)

    def spoil(gradient: torch.Tensor) -> torch.Tensor:
        hook.remove()
        return torch.full_like(gradient, value)

    hook = parameter.register_hook(spoil)


def nan_in_gradient_of_G(state: TrainState) -> None:
    spoil_gradient(state.G, math.nan)


def infinite_gradient_of_D(state: TrainState) -> None:
    spoil_gradient(state.D, math.inf)


BREAKS = [nan_in_G, nan_in_D, huge_logit, nan_in_gradient_of_G, infinite_gradient_of_D]


@pytest.fixture(autouse=True)
def every_checkpoint_is_finite(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at each checkpoint that is written: none may hold what is no number."""

    def save(run: Run, generator: Any, tensors: Any, best: bool) -> Path:
        folder = save_checkpoint(run, generator, tensors, best)
        for name, tensor in [*load_state(folder).items(), *load_generator(folder).tensors.items()]:
            assert tensor.isfinite().all(), f"{folder.name}: {name}"
        return folder

    monkeypatch.setattr(snapshots, "save_checkpoint", save)


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Plant:
    """Have `fault(state, plan)` called before each step: what it does is a function of these two, and so repeats."""

    def planted(fault: Fault) -> None:
        def step(settings: Settings, pictures: Pictures, engine: Engine, state: TrainState, plan: Plan) -> None:
            fault(state, plan)
            train_step(settings, pictures, engine, state, plan)

        monkeypatch.setattr(loop, "train_step", step)

    return planted


def at(nimg: int, spoil: Break, until: float = 0.5) -> Fault:
    """Spoil the state at a position, as long as the rates are above `until` of what they were."""

    def fault(state: TrainState, plan: Plan) -> None:
        if state.nimg == nimg and plan.rate_scale > until:
            spoil(state)

    return fault


@pytest.mark.parametrize("spoil", BREAKS)
def test_an_explosion_goes_back_and_slows_down(spoil: Break, plant: Plant, paintings: Path, tmp_path: Path) -> None:
    plant(at(20, spoil))
    artist = Artist()
    result = artist.train(paintings, tmp_path / "runs")
    assert (result.ending, result.nimg) == ("kimg", TOTAL)
    (repair,) = repairs_of(result.run)
    assert (repair["nimg"], repair["found"], repair["repair"]) == (EVERY, 24, "rate")
    assert artist.notices == [repair["told"]]
    assert artist.steps == [*range(0, 25, BATCH), *range(EVERY + BATCH, TOTAL + 1, BATCH)]
    stats = lines(result.run / "stats.jsonl")
    assert [record["nimg"] for record in stats] == [*range(8, TOTAL + 1, 8)], "no record twice"
    assert [record["g_lr"] for record in stats] == [2e-4] + [1e-4] * 5
    assert all(math.isfinite(value) for record in stats for key, value in record.items() if key != "time")


@pytest.mark.parametrize(
    "stop",
    [
        lambda artist: bool(artist.notices) and artist.steps[-1] == 16,  # between where it went back to, and trouble
        lambda artist: bool(artist.notices) and artist.steps[-1] == 28,
        lambda artist: artist.steps[-1] == 8,  # before anything happened
    ],
)
@pytest.mark.parametrize("spoil", [nan_in_G, huge_logit])
def test_a_mended_run_that_is_stopped_and_resumed_is_exact(
    spoil: Break, stop: Callable[[Artist], bool], plant: Plant, paintings: Path, tmp_path: Path
) -> None:
    plant(at(20, spoil))
    whole = Artist().train(paintings, tmp_path / "whole")
    broken = Artist(stop).train(paintings, tmp_path / "broken")
    assert broken.ending == "asked"
    again = Artist().train(paintings, tmp_path / "broken")
    assert again.run == broken.run
    assert outcome(again.run) == outcome(whole.run)
    assert len(repairs_of(whole.run)) == 1


def test_a_death_just_after_a_repair_was_written_down_leaves_no_trace(
    plant: Plant, paintings: Path, tmp_path: Path
) -> None:
    plant(at(20, nan_in_G, until=0.25))  # two repairs
    whole = Artist().train(paintings, tmp_path / "whole")
    assert [repair["repair"] for repair in repairs_of(whole.run)] == ["rate", "rate"]

    class Death(BaseException):
        pass

    class Dying(Artist):
        def listen(self, event: object) -> None:
            if isinstance(event, Notice):
                raise Death

    for _ in range(2):
        with pytest.raises(Death):
            Dying().train(paintings, tmp_path / "broken")
    again = Artist().train(paintings, tmp_path / "broken")
    assert outcome(again.run) == outcome(whole.run)


def test_float32_is_tried_first_where_bf16_was(plant: Plant, paintings: Path, tmp_path: Path) -> None:
    def fault(state: TrainState, plan: Plan) -> None:
        if state.nimg == 20 and not plan.float32:
            nan_in_G(state)

    plant(fault)
    bf16: dict[str, object] = {"engine.precision": "bf16"}
    artist = Artist()
    result = artist.train(paintings, tmp_path / "runs", bf16)
    (repair,) = repairs_of(result.run)
    assert repair["repair"] == "float32"
    assert "float32 instead of bf16" in artist.notices[0]
    stats = lines(result.run / "stats.jsonl")
    assert {record["g_lr"] for record in stats} == {2e-4}
    broken = Artist(lambda artist: artist.steps[-1] == 28).train(paintings, tmp_path / "broken", bf16)
    assert broken.ending == "asked"
    again = Artist().train(paintings, tmp_path / "broken", bf16)
    assert outcome(again.run) == outcome(result.run)


def test_before_the_first_checkpoint_training_starts_from_nothing_at_half_the_rates(
    plant: Plant, paintings: Path, tmp_path: Path
) -> None:
    slow: dict[str, object] = {"train.g_lr": 1e-4, "train.d_lr": 1e-4}
    slow_run = Artist().train(paintings, tmp_path / "slow", slow)
    plant(at(4, nan_in_D))
    artist = Artist()
    result = artist.train(paintings, tmp_path / "runs")
    (repair,) = repairs_of(result.run)
    assert (repair["nimg"], repair["found"]) == (0, 8)
    assert artist.steps == [*range(0, 9, BATCH), *range(BATCH, TOTAL + 1, BATCH)]
    ours, theirs = outcome(result.run), outcome(slow_run.run)
    assert ours["state"] == theirs["state"]
    assert ours["records"] == theirs["records"]


def test_an_alarm_is_told_once_though_training_begins_twice(plant: Plant, paintings: Path, tmp_path: Path) -> None:
    plant(at(20, nan_in_G))
    artist = Artist()
    artist.train(paintings, tmp_path / "runs")
    assert artist.alarms == ["few"]


def test_what_no_repair_mends_is_told_and_every_time_again(plant: Plant, paintings: Path, tmp_path: Path) -> None:
    plant(at(20, nan_in_G, until=0))
    artist = Artist()
    with pytest.raises(SettingError, match=f"after {MOST_TRIES} repairs") as first:
        artist.train(paintings, tmp_path / "runs")
    assert first.value.exit_code == 4
    for setting in ("train.g_lr", "train.d_lr", "train.r1_gamma", "--new"):
        assert setting in first.value.hint
    assert len(artist.notices) == MOST_TRIES
    (run,) = (tmp_path / "runs").iterdir()
    (checkpoint,) = (run / "checkpoints").iterdir()
    assert checkpoint.name == f"{EVERY:09d}"
    verify(checkpoint)
    before = repairs_of(run)
    assert [repair["nimg"] for repair in before] == [EVERY] * MOST_TRIES

    def resume() -> None:
        artgan.resume(run)

    def same_command() -> None:
        Artist().train(paintings, tmp_path / "runs")

    for again in (resume, same_command):
        with pytest.raises(SettingError) as repeated:
            again()
        assert repeated.value.message == first.value.message
        assert repairs_of(run) == before
        assert [*(run / "checkpoints").iterdir()] == [checkpoint]


def full_memory(state: TrainState, plan: Plan) -> None:
    if state.nimg == 20 and plan.parts == 1:
        raise MemoryError


@pytest.mark.parametrize("fault", [at(20, nan_in_G), full_memory])
def test_the_state_that_broke_is_let_go_before_the_next_is_built(
    fault: Fault, plant: Plant, paintings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[weakref.ref[TrainState]] = []

    def build(*given: Any) -> TrainState:
        assert all(state() is None for state in made), "memory may be what is short"
        state = TrainState(*given)
        made.append(weakref.ref(state))
        return state

    monkeypatch.setattr(session, "TrainState", build)
    plant(fault)
    assert Artist().train(paintings, tmp_path).ending == "kimg"
    assert len(made) == 2


# --- memory

CPU_FULL = "[enforce fail at alloc_cpu.cpp:118] . DefaultCPUAllocator: can't allocate memory: you tried to"
FULL: dict[str, Callable[[], Exception]] = {
    "gpu": lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    "python": MemoryError,
    "cpu": lambda: RuntimeError(CPU_FULL),
}


@pytest.fixture
def hold_at_most(monkeypatch: pytest.MonkeyPatch) -> Hold:
    """Make the discriminator fail on more pictures than that."""
    forward = Discriminator.forward

    def hold(most: int, error: Callable[[], Exception]) -> None:
        def limited(D: Discriminator, pictures: torch.Tensor, c: torch.Tensor | None = None) -> torch.Tensor:
            if len(pictures) > most:
                raise error()
            return forward(D, pictures, c)

        monkeypatch.setattr(Discriminator, "forward", limited)

    return hold


EIGHT: dict[str, object] = {"train.batch": 8}


@pytest.mark.parametrize("kind", FULL)
def test_a_batch_that_does_not_fit_is_computed_in_parts(
    kind: str, hold_at_most: Hold, paintings: Path, tmp_path: Path
) -> None:
    in_parts = Artist().train(paintings, tmp_path / "parts", {**EIGHT, "train.accumulate": 4})
    hold_at_most(2, FULL[kind])
    artist = Artist()
    result = artist.train(paintings, tmp_path / "runs", EIGHT)
    assert (result.ending, result.nimg) == ("kimg", TOTAL)
    assert artist.steps == [*range(0, TOTAL + 1, 8)], "a step shows as many pictures as before"
    assert [repair["repair"] for repair in repairs_of(result.run)] == ["parts", "parts"]
    assert ["in 2 parts" in artist.notices[0], "in 4 parts" in artist.notices[1]] == [True, True]
    # As if it had been asked for from the start.
    ours, theirs = outcome(result.run), outcome(in_parts.run)
    assert ours["state"] == theirs["state"]
    assert ours["records"] == theirs["records"]
    longer = artgan.resume(result.run, kimg=(TOTAL + 16) / 1000)
    assert longer.nimg == TOTAL + 16
    assert len(repairs_of(result.run)) == 2, "it is still in force"


def test_memory_that_gets_short_on_the_way(hold_at_most: Hold, paintings: Path, tmp_path: Path) -> None:
    def later(artist: Artist) -> bool:
        if artist.steps[-1] == 32:
            hold_at_most(4, MemoryError)
        return False

    artist = Artist(later)
    result = artist.train(paintings, tmp_path, EIGHT)
    (repair,) = repairs_of(result.run)
    assert (repair["nimg"], repair["found"], repair["repair"]) == (24, 32, "parts")
    assert artist.steps == [*range(0, 33, 8), *range(32, TOTAL + 1, 8)]
    assert result.ending == "kimg"


def test_a_batch_of_an_odd_number_is_halved_down_to_two(hold_at_most: Hold, paintings: Path, tmp_path: Path) -> None:
    hold_at_most(2, MemoryError)
    result = Artist().train(paintings, tmp_path, {"train.batch": 6, "model.name": "dcgan"})
    assert result.ending == "kimg"


def test_memory_for_less_than_two_pictures_is_told(hold_at_most: Hold, paintings: Path, tmp_path: Path) -> None:
    hold_at_most(1, MemoryError)
    artist = Artist()
    with pytest.raises(DeviceError, match="two pictures") as refusal:
        artist.train(paintings, tmp_path / "runs", EIGHT)
    assert refusal.value.exit_code == 6
    assert "--resolution" in refusal.value.hint
    assert len(artist.notices) == 2


def test_other_errors_are_not_mended(paintings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(loop, "train_step", fail)
    with pytest.raises(RuntimeError, match="shapes"):
        Artist().train(paintings, tmp_path / "runs")
    (run,) = (tmp_path / "runs").iterdir()
    assert not Run(run).repairs.exists()
