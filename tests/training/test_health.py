"""Alarms: none for a healthy run, one for each lasting trouble, with figures that are there and settings that exist."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.main import get_command

from artgan.cli.main import app
from artgan.config import field_descriptions
from artgan.training.health import (
    FEW_PICTURES,
    GRACE,
    LASTING,
    METRICS_RULES,
    REPAIRED,
    STATS_RULES,
    Alarm,
    judge,
)

EVERY = 1000
Record = dict[str, Any]
HEALTHY: Record = {
    **{"real_acc": 0.75, "gen_acc": 0.7, "real_logit": 0.5, "gen_logit": -0.5, "real_std": 1.0, "gen_std": 1.0},
    **{"loss_D": 0.6, "loss_G": 0.8, "G_grad": 0.3, "D_grad": 0.5},
    **{"diversity": 0.9, "class_share": 1.0, "drift": 0.01, "nearest": 1.0, "nearest_ratio": 0.8},
}
"""What a line of stats.jsonl and one of metrics.jsonl say together; the two have no key in common but nimg."""
TROUBLES: dict[str, list[Record]] = {
    "one-sided": [{"real_acc": 1.0, "gen_acc": 1.0}, {"real_logit": 9.0, "gen_logit": -9.0}],
    "vanishing": [{"G_grad": 1e-6}],
    "collapse": [{"diversity": 0.05}],
    "alike": [{"class_share": 0.01}],
    "still": [{"drift": 1e-9}],
    "overfitting": [{"nearest": 0.1}],
}
EACH = [(kind, trouble) for kind, troubles in TROUBLES.items() for trouble in troubles]
FACTS: Record = {
    **{"pictures": 500, "spread": 0.5, "nearest": 0.3, "twins": 0.0},
    **{"class_share": 0.2, "neighbours": 0.8, "chance": [0.4, 0.02]},
}


def run(trouble: Record, ill: Sequence[bool], first: int = GRACE + EVERY) -> tuple[list[Record], list[Record]]:
    """Lines of stats and of metrics, healthy up to `first` and from there on as `ill` says."""
    healthy = [False] * (first // EVERY - 1)
    lines = [
        {"nimg": EVERY * number, **HEALTHY, **(trouble if sick else {})}
        for number, sick in enumerate([*healthy, *ill], start=1)
    ]
    return lines, lines


def brief(alarms: Sequence[Alarm]) -> list[tuple[str, int, int | None]]:
    return [(alarm.kind, alarm.since, alarm.until) for alarm in alarms]


LONG = LASTING // EVERY + 1  # so many lines in trouble are long enough
FIRST = GRACE + EVERY


def test_every_rule_has_a_trouble_here() -> None:
    assert set(TROUBLES) == {rule.kind for rule in (*STATS_RULES, *METRICS_RULES)}


def test_a_healthy_run_has_no_alarm() -> None:
    assert judge(*run({}, [False] * 100), []) == ()
    assert judge([], [{"nimg": 0, "facts": FACTS}], []) == ()
    assert judge([], [], []) == ()


@pytest.mark.parametrize(("kind", "trouble"), EACH)
def test_trouble_that_lasts_is_told_and_nothing_else_is(kind: str, trouble: Record) -> None:
    assert judge(*run(trouble, [True] * (LONG - 1)), []) == (), "not yet"
    assert brief(judge(*run(trouble, [True] * LONG), [])) == [(kind, FIRST, None)]
    assert brief(judge(*run(trouble, [True] * 5 * LONG), [])) == [(kind, FIRST, None)]


@pytest.mark.parametrize(("kind", "trouble"), EACH)
def test_trouble_that_is_over_says_when(kind: str, trouble: Record) -> None:
    alarms = judge(*run(trouble, [*[True] * LONG, False, False]), [])
    assert brief(alarms) == [(kind, FIRST, FIRST + LONG * EVERY)]


@pytest.mark.parametrize(("kind", "trouble"), EACH)
def test_one_good_line_begins_the_count_anew(kind: str, trouble: Record) -> None:
    assert judge(*run(trouble, ([True] * (LONG - 1) + [False]) * 5), []) == ()
    alarms = judge(*run(trouble, [*[True] * (LONG - 1), False, *[True] * LONG]), [])
    assert brief(alarms) == [(kind, FIRST + LONG * EVERY, None)]


@pytest.mark.parametrize(("kind", "trouble"), [pair for pair in EACH if pair[0] != "vanishing"])
def test_the_first_pictures_do_not_count(kind: str, trouble: Record) -> None:
    early = GRACE // EVERY
    assert judge(*run(trouble, [*[True] * early, False], first=EVERY), []) == ()
    assert judge(*run(trouble, [True] * (early + LONG - 2), first=EVERY), []) == ()
    alarms = judge(*run(trouble, [True] * (early + LONG - 1), first=EVERY), [])
    assert brief(alarms) == [(kind, EVERY, None)], "when it began is told all the same"


def test_a_gradient_is_small_by_what_it_was_at_the_beginning() -> None:
    """A loss that is scaled by a thousand has gradients a thousand times as long, and is as healthy."""
    lines = [{**line, "G_grad": 1e-6} for line in run({}, [False] * 3 * LONG)[0]]
    assert judge(lines, [], []) == ()


@given(ill=st.lists(st.booleans(), max_size=4 * LONG), case=st.sampled_from(EACH))
def test_an_alarm_stays_and_tells_the_same_start(ill: list[bool], case: tuple[str, Record]) -> None:
    """What was told once is never taken back by later records, so that it is told of once."""
    told: set[tuple[str, int]] = set()
    for length in range(len(ill) + 1):
        now = {(alarm.kind, alarm.since) for alarm in judge(*run(case[1], ill[:length]), [])}
        assert told <= now
        told = now


def test_lasting_alarms_come_first_and_then_the_earliest() -> None:
    stats, metrics = run({}, [False] * 6 * LONG)
    for start, trouble in ((0, {"diversity": 0.05}), (2 * LONG, {"drift": 1e-9})):  # both are over
        for line in metrics[start + GRACE // EVERY :][:LONG]:
            line.update(trouble)
    for start, trouble in ((LONG, {"class_share": 0.0}), (3 * LONG, {"real_acc": 1.0, "gen_acc": 1.0})):  # these last
        for line in metrics[start + GRACE // EVERY :]:
            line.update(trouble)
    found = brief(judge(stats, metrics, [{"nimg": 8, "found": 9, "repair": "rate", "told": "Slower."}]))
    assert [kind for kind, *_ in found] == ["alike", "one-sided", "repaired", "collapse", "still"]
    assert [until is None for *_, until in found] == [True, True, False, False, False]


# --- records of older runs, and numbers that are none


RATIOS = {"real_logit", "gen_logit", "real_std", "gen_std", "G_grad"}  # what is worked out from statistics
NEEDED = {rule.kind: {*rule.keys} | RATIOS for rule in STATS_RULES} | {
    rule.kind: {*rule.keys} for rule in METRICS_RULES
}


@pytest.mark.parametrize("missing", list(HEALTHY))
def test_records_without_a_key_are_judged_by_the_others(missing: str) -> None:
    for kind, trouble in EACH:
        lines, _ = run(trouble, [True] * LONG)
        for line in lines:
            del line[missing]
        assert brief(judge(lines, lines, [])) == ([] if missing in NEEDED[kind] else [(kind, FIRST, None)])
    bare = [{"nimg": EVERY * number} for number in range(100)]
    assert judge(bare, bare, []) == ()


def test_lines_without_the_key_are_passed_over() -> None:
    """Metrics are written less often than statistics, and the facts stand among them."""
    _, metrics = run({"diversity": 0.05}, [True] * 2 * LONG)
    for line in metrics[::2]:
        del line["diversity"]
    assert [alarm.kind for alarm in judge([], metrics, [])] == ["collapse"]


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, 0.0, 1e300, 10**400, "many", None, [1], True], ids=lambda v: f"{v!s:.9}"
)
@pytest.mark.parametrize("key", HEALTHY)
def test_no_value_breaks_the_judgement(key: str, value: object) -> None:
    for alarm in judge(*run({key: value}, [True] * LONG), []):
        assert alarm.evidence
    every = [{"nimg": EVERY * number, **dict.fromkeys(HEALTHY, math.nan)} for number in range(1, 100)]
    assert judge(every, every, []) == ()


# --- the pictures themselves


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("few", {"pictures": FEW_PICTURES - 1}),
        ("repeated", {"twins": 0.9}),
        ("labels", {"neighbours": 0.42}),
        ("labels", {"neighbours": 0.1}),
        (None, {"pictures": FEW_PICTURES}),
        (None, {"twins": 0.05}),
        (None, {"neighbours": 0.6}),
        (None, {"class_share": None, "neighbours": None, "chance": None}),
        ("few", {"pictures": 20, "neighbours": 0.4}),  # too few to say that the labels are wrong
    ],
)
def test_facts_of_the_training_pictures(kind: str | None, changes: Record) -> None:
    expected = [] if kind is None else [(kind, 0, None)]
    alarms = judge([], [{"nimg": 0, "facts": {**FACTS, **changes}}], [])
    assert brief(alarms) == expected


def test_repairs_are_told_as_what_is_over() -> None:
    repairs = [
        {"nimg": 1000 * number, "found": 1000 * number + 500, "repair": repair, "told": f"Mended {number}."}
        for number, repair in enumerate(REPAIRED)
    ]
    alarms = judge([], [], repairs)
    assert brief(alarms) == [("repaired", 1000 * number, 1000 * number + 500) for number in range(len(REPAIRED))]
    assert [alarm.evidence for alarm in alarms] == [f"Mended {number}." for number in range(len(REPAIRED))]
    assert len({alarm.title for alarm in alarms}) == len(REPAIRED) > 3


# --- what an alarm says


def every_alarm() -> list[Alarm]:
    found: list[Alarm] = []
    for _, trouble in EACH:
        found += judge(*run(trouble, [True] * LONG), [])
    facts: Mapping[str, Any] = {**FACTS, "twins": 0.9, "neighbours": 0.4}
    found += judge([], [{"nimg": 0, "facts": facts}, {"nimg": 0}], [])
    found += judge([], [{"nimg": 0, "facts": {**FACTS, "pictures": 12}}], [])
    repairs = [{"nimg": 0, "found": 1, "repair": repair, "told": "Mended at 0.1 kimg."} for repair in REPAIRED]
    return [*found, *judge([], [], repairs)]


@pytest.mark.parametrize("alarm", every_alarm(), ids=lambda alarm: alarm.kind)
def test_an_alarm_gives_figures_and_settings_that_exist(alarm: Alarm) -> None:
    assert re.search(r"\d", alarm.evidence)
    for text in (alarm.title, alarm.evidence, alarm.advice):
        assert not {*"{}"} & {*text}
        assert text
    assert alarm.title.endswith(".")
    assert alarm.evidence.endswith(".")
    settings = set(re.findall(r"\b(?:engine|data|model|train|augment|snapshot)\.\w+", alarm.advice))
    assert settings <= set(field_descriptions())
    assert set(re.findall(r"--set (\S+?)(?:=|[ ,]|$)", alarm.advice)) <= settings
    train = get_command(app).commands["train"]  # type: ignore[attr-defined]
    flags = {flag for option in train.params for flag in option.opts}
    assert set(re.findall(r"--[\w-]+", alarm.advice)) <= flags


def test_evidence_is_of_the_last_line_in_trouble() -> None:
    stats, metrics = run({"diversity": 0.05}, [True] * LONG + [False])
    metrics[-2]["diversity"] = 0.11
    (alarm,) = judge(stats, metrics, [])
    assert "11%" in alarm.evidence
    assert "5%" not in alarm.evidence
