"""Remedies: in turn while an alarm lasts, at places that the records alone decide, and a function of their file."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

import artgan
from artgan.config import Settings, TrainSettings
from artgan.engine.checkpoint import STATE
from artgan.engine.storage import Run
from artgan.presets import resolve
from artgan.training import health, repairs
from artgan.training.events import Notice, Step
from artgan.training.health import REPAIRED, Alarm, judge
from artgan.training.measures import Reference
from artgan.training.repairs import RELIEF, STRONGER, Plan, next_remedy, plan_at, told_of
from artgan.training.report import Report
from artgan.training.state import TrainState
from tests.browser.planted import plant as plant_run

Record = dict[str, Any]
EVERY = 2000
SHIFTS = resolve(None, {"augment.policy": ["translation"], "train.g_lr": 4e-4, "train.d_lr": 8e-4})


def alarm(kind: str, since: int = 0, until: int | None = None) -> Alarm:
    return Alarm(kind, "Something is wrong.", since, until, "1 %.", "rest")


def course(settings: Settings, alarms: Sequence[Alarm], looks: int = 40) -> list[Record]:
    """All that is tried when these alarms last from the first look on."""
    found: list[Record] = []
    for nimg in range(EVERY, looks * EVERY + 1, EVERY):
        if remedy := next_remedy(alarms, found, nimg, settings):
            assert remedy["nimg"] == remedy["found"] == nimg
            found.append(remedy)
    return found


# --- which, and when


@pytest.mark.parametrize(
    ("kinds", "first"),
    [
        (["collapse"], "slower"),
        (["one-sided"], "slower D"),
        (["collapse", "one-sided"], "slower D"),
        (["alike", "collapse", "vanishing"], "slower"),
    ],
)
def test_remedies_are_tried_in_turn_and_each_is_given_time(kinds: list[str], first: str) -> None:
    found = course(SHIFTS, [alarm(kind) for kind in kinds])
    assert [remedy["repair"] for remedy in found] == [first, "augment", "r1", "none left"]
    assert [remedy["nimg"] for remedy in found] == [EVERY + RELIEF * number for number in range(4)]


@pytest.mark.parametrize(
    "alarms", [[], [alarm("alike"), alarm("overfitting"), alarm("repaired", 0, 0)], [alarm("collapse", 0, 4000)]]
)
def test_other_alarms_and_those_that_are_over_ask_for_nothing(alarms: list[Alarm]) -> None:
    assert course(SHIFTS, alarms) == []


def test_remedies_can_be_switched_off() -> None:
    off = resolve(None, {"train.remedies": False})
    assert course(off, [alarm("collapse")]) == []


def test_an_alarm_that_comes_back_gets_the_next_remedy() -> None:
    (first,) = course(SHIFTS, [alarm("collapse")], looks=1)
    assert next_remedy([alarm("collapse", 0, 5000)], [first], 30_000, SHIFTS) is None
    later = next_remedy([alarm("collapse", 0, 5000), alarm("one-sided", 60_000)], [first], 70_000, SHIFTS)
    assert later is not None
    assert later["repair"] == "augment"


def test_what_a_killed_session_decided_is_not_decided_twice() -> None:
    """The file already has the remedies of a course that is being trained once more, from an older checkpoint."""
    found = course(SHIFTS, [alarm("collapse")], looks=3)
    assert [remedy["repair"] for remedy in found] == ["slower"]
    assert all(next_remedy([alarm("collapse")], found, nimg, SHIFTS) is None for nimg in (EVERY, 2 * EVERY))


def test_augmentation_that_cannot_be_more_is_passed_over() -> None:
    most: dict[str, object] = {"augment.policy": ["cutout", "color", "translation"]}
    tried = [remedy["repair"] for remedy in course(resolve(None, most), [alarm("collapse")])]
    assert tried == ["slower", "r1", "none left"]
    for changes in ({"augment.p": 0.5}, {"augment.adaptive": True}):
        assert "augment" in [r["repair"] for r in course(resolve(None, {**most, **changes}), [alarm("collapse")])]


# --- what they do


def test_what_is_in_force_is_a_function_of_the_file_and_the_position() -> None:
    made = [*course(SHIFTS, [alarm("collapse")]), {"nimg": 9000, "repair": "rate"}, {"nimg": 0, "repair": "slower D"}]
    train = TrainSettings()
    at = {nimg: plan_at(made, nimg, train) for nimg in (0, 1999, 2000, 8999, 9000, 10_000, 18_000, 26_000, 10**9)}
    assert at[0] == at[1999] == Plan(d_rate_scale=0.5)
    assert at[2000] == at[8999] == Plan(rate_scale=0.5, d_rate_scale=0.5)
    assert at[9000] == Plan(rate_scale=0.25, d_rate_scale=0.5)
    assert at[10_000] == Plan(rate_scale=0.25, d_rate_scale=0.5, augmented=True)
    assert at[18_000] == Plan(rate_scale=0.25, d_rate_scale=0.5, augmented=True, r1_scale=STRONGER)
    assert at[26_000] == at[10**9] == at[18_000]
    assert {nimg: plan_at(made[::-1], nimg, train) for nimg in at} == at


def test_more_augmentation_is_all_of_it_as_often_as_may_be() -> None:
    p = torch.tensor(0.3)
    some = resolve(None, {"augment.policy": ["translation"], "augment.p": 0.5}).augment
    assert Plan().augmentation(some, p) == (("translation",), 0.5)
    assert Plan(augmented=True).augmentation(some, p) == (("translation", "color", "cutout"), 1.0)
    adaptive = resolve(None, {"augment.policy": ["color"], "augment.adaptive": True, "augment.p_max": 0.7}).augment
    assert Plan().augmentation(adaptive, p) == (("color",), p)
    assert Plan(augmented=True).augmentation(adaptive, p) == (("color", "translation", "cutout"), 0.7)


@pytest.mark.parametrize(("gamma", "stronger"), [(0.5, 2.0), (10.0, 40.0), (0.0, 1.0), (0.1, 1.0)])
def test_r1_becomes_stronger_also_where_it_was_off(gamma: float, stronger: float) -> None:
    train = TrainSettings(r1_gamma=gamma)
    assert Plan().r1_gamma(train) == gamma
    assert Plan(r1_scale=STRONGER).r1_gamma(train) == stronger


def test_every_remedy_is_told_with_its_figures() -> None:
    told = [told_of(remedy) for remedy in course(SHIFTS, [alarm("one-sided")])]
    for sentence, parts in zip(
        told,
        [
            ("always wins at 2.0 kimg", "g_lr 0.0004, d_lr 0.0004"),
            ("at 10.0 kimg", "translation, color, cutout, p 1"),
            ("at 18.0 kimg", "r1_gamma 4"),
            ("at 26.0 kimg", "nothing that was tried", "By hand: ", "train.g_lr"),
        ],
        strict=True,
    ):
        assert all(part in sentence for part in parts), sentence
    assert "g_lr 0.0002, d_lr 0.0004" in course(SHIFTS, [alarm("collapse")])[0]["told"]


def test_the_report_shows_them(tmp_path: Path) -> None:
    run = plant_run(tmp_path / "run")
    made = course(SHIFTS, [alarm("collapse")])
    text = Report(run).write(judge([], [], made), "training").read_text()
    for remedy in made:
        assert f"At {remedy['nimg'] / 1000:.1f} kimg" in text
        assert remedy["told"] in text
        assert REPAIRED[remedy["repair"]][0] in text


def test_how_often_pictures_are_augmented_is_drawn_where_it_was_written(tmp_path: Path) -> None:
    run = plant_run(tmp_path / "run")
    before = Report(run).write([], "training").read_text()
    run.stats.write_text('{"nimg": 1000, "augment_p": 0.25}\n{"nimg": 2000, "augment_p": 0.5}\n')
    after = Report(run).write([], "training").read_text()
    title = "How often pictures are augmented"
    assert title not in before
    assert f"{title} against kimg. Last values: augmented 50." in after


# --- in training

BATCH, LOOK, TOTAL = 4, 8, 88
TINY: dict[str, object] = {
    "data.resolution": 8,
    "model.base_channels": 4,
    "model.z_dim": 4,
    "train.batch": BATCH,
    "train.total_kimg": TOTAL / 1000,
    "train.penalty_interval": 1,
    "train.r1_gamma": 1.0,
    "augment.policy": ["translation"],
    "snapshot.checkpoint_kimg": 0.02,
    "snapshot.stats_kimg": BATCH / 1000,
    "snapshot.health_kimg": LOOK / 1000,
    "engine.precision": "float32",
    "engine.device": "cpu",
}
PLACES = [24, 40, 56, 72]
"""The alarm is given after GRACE and LASTING, at 24, and each remedy has RELIEF, 16 pictures."""


@pytest.fixture
def collapsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """All pictures look alike, whatever is tried; alarms and remedies come within some tens of pictures."""
    monkeypatch.setattr(health, "GRACE", 16)
    monkeypatch.setattr(health, "LASTING", 8)
    monkeypatch.setattr(repairs, "RELIEF", 16)
    monkeypatch.setattr(Reference, "measure", lambda *_: {"diversity": 0.05})


def train(
    data: Path, runs: Path, changes: Mapping[str, object] | None = None, stop: int = 10**9
) -> tuple[Path, list[str]]:
    """Train until `stop` pictures were shown; the run, and the notices."""
    seen, notices = [0], list[str]()

    def listen(event: object) -> None:
        if isinstance(event, Step):
            seen.append(event.nimg)
        elif isinstance(event, Notice):
            notices.append(event.text)

    result = artgan.train(
        data,
        preset=None,
        overrides={**TINY, **(changes or {})},
        runs_dir=runs,
        on_event=listen,
        should_stop=lambda: seen[-1] >= stop,
    )
    return result.run, notices


def lines(path: Path) -> list[Record]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def outcome(run: Path) -> tuple[bytes, list[Record], list[Record]]:
    newest = max((run / "checkpoints").iterdir())
    stats = [{key: value for key, value in line.items() if key != "time"} for line in lines(run / "stats.jsonl")]
    return (newest / STATE).read_bytes(), stats, lines(run / "repairs.jsonl")


@pytest.mark.usefixtures("collapsed")
def test_a_collapse_is_met_with_one_remedy_after_the_other(paintings: Path, tmp_path: Path) -> None:
    run, notices = train(paintings, tmp_path)
    made = lines(run / "repairs.jsonl")
    assert [(line["nimg"], line["repair"]) for line in made] == list(
        zip(PLACES, ("slower", "augment", "r1", "none left"), strict=True)
    )
    assert notices == [told_of(line) for line in made]
    stats = {line["nimg"]: line for line in lines(run / "stats.jsonl")}
    assert {nimg for nimg, line in stats.items() if line["g_lr"] == line["d_lr"] == 1e-4} == set(
        range(PLACES[0] + BATCH, TOTAL + 1, BATCH)
    ), "from the step after the remedy on"
    assert {nimg for nimg, line in stats.items() if line.get("augment_p") == 1.0} == set(
        range(PLACES[1] + BATCH, TOTAL + 1, BATCH)
    )
    assert "pictures are augmented more" in (run / "report.html").read_text()


@pytest.mark.parametrize(
    "line",
    [
        '{"nimg": 1, "found": 1, "repair": ["r1"], "told": "x"}',
        '{"nimg": 1, "found": 1, "repair": {}, "told": "x"}',
        '{"nimg": 1, "found": 1, "repair": "prayer", "told": "x"}',
        '{"nimg": 1, "found": 1, "repair": "r1"}',
        '{"nimg": 1, "repair": "r1", "told": "x"}',
    ],
)
def test_lines_that_make_no_sense_are_passed_over(line: str, tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.repairs.write_text(line + '\n{"nimg": 1, "found": 2, "repair": "r1", "told": "x"}\n')
    assert repairs.read_repairs(run) == [{"nimg": 1, "found": 2, "repair": "r1", "told": "x"}]


def test_that_augmentation_is_at_its_most_is_said_once(paintings: Path, tmp_path: Path) -> None:
    adaptive: dict[str, object] = {"augment.adaptive": True, "augment.target": -0.9, "augment.ada_kimg": 0.02}
    run, notices = train(paintings, tmp_path, {**adaptive, "augment.p_max": 0.7})
    assert notices == ["The augmentation is at its most, p = 0.7: more pictures or --crops would help."]
    at_most = [line["nimg"] for line in lines(run / "stats.jsonl") if line["augment_p"] == pytest.approx(0.7)]
    assert len(at_most) > 1


@pytest.mark.usefixtures("collapsed")
def test_each_remedy_changes_the_networks_from_its_place_on(paintings: Path, tmp_path: Path) -> None:
    with_them = lines(train(paintings, tmp_path / "on")[0] / "stats.jsonl")
    run, notices = train(paintings, tmp_path / "off", {"train.remedies": False})
    assert notices == []
    assert not (run / "repairs.jsonl").exists()
    without = lines(run / "stats.jsonl")
    same = [a["loss_D"] == b["loss_D"] for a, b in zip(with_them, without, strict=True)]
    # The first step at the new rates still sees the old networks.
    assert same == [line["nimg"] <= PLACES[0] + BATCH for line in without]


@pytest.mark.usefixtures("collapsed")
@pytest.mark.parametrize("stop", [PLACES[0], PLACES[0] + BATCH, PLACES[2] - BATCH])
def test_a_run_with_remedies_that_is_stopped_and_resumed_is_exact(stop: int, paintings: Path, tmp_path: Path) -> None:
    adaptive: dict[str, object] = {"augment.adaptive": True, "augment.ada_kimg": 0.1}
    whole, _ = train(paintings, tmp_path / "whole", adaptive)
    broken, _ = train(paintings, tmp_path / "broken", adaptive, stop)
    again, _ = train(paintings, tmp_path / "broken", adaptive)
    assert again == broken
    assert outcome(whole) == outcome(again)
    assert [line["repair"] for line in outcome(whole)[2]] == ["slower", "augment", "r1", "none left"]


@pytest.mark.usefixtures("collapsed")
def test_remedies_that_a_killed_session_wrote_come_again_at_their_place(paintings: Path, tmp_path: Path) -> None:
    """The session died after the second remedy; its last checkpoint lies before the first."""
    whole, _ = train(paintings, tmp_path / "whole")
    broken, _ = train(paintings, tmp_path / "broken", stop=PLACES[0] - BATCH)
    written = lines(whole / "repairs.jsonl")[:2]
    Run(broken).repairs.write_text("".join(json.dumps(line) + "\n" for line in written))
    again, _ = train(paintings, tmp_path / "broken")
    assert again == broken
    assert outcome(whole) == outcome(again)


@pytest.mark.usefixtures("collapsed")
def test_a_repair_drops_the_remedies_of_the_course_that_is_left(
    paintings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The losses explode at 76; the checkpoint to go back to lies at 60, after the third remedy and before the last."""
    real, broken = TrainState.take_worst, [False]

    def worst(state: TrainState) -> float:
        found = real(state)
        if state.nimg == 76 and not broken[0]:
            broken[0] = True
            return float("nan")
        return found

    monkeypatch.setattr(TrainState, "take_worst", worst)
    run, _ = train(paintings, tmp_path)
    made = [(line["nimg"], line["repair"]) for line in lines(run / "repairs.jsonl")]
    # What was decided on at 72 was dropped, and decided on once more.
    assert made == [(24, "slower"), (40, "augment"), (56, "r1"), (60, "rate"), (72, "none left")]
