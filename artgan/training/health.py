"""What a run's own records say about its health. Pure: records in, alarms out; the same after a resume as before.

Every rule looks at one record of `stats.jsonl` or `metrics.jsonl` and says whether it is in trouble there; an alarm is
a rule that held without a break for LASTING thousand pictures, after the first GRACE thousand (in which every GAN looks
ill). The thresholds lie between what healthy runs and planted failures showed: `python -m tests.bench.health`.
"""

import contextlib
import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

Record = Mapping[str, Any]
GRACE, LASTING = 10_000, 6_000
"""In pictures shown."""
FEW_PICTURES = 100


@dataclass(frozen=True)
class Alarm:
    """Something is wrong.

    Attributes:
        kind: one word for it.
        title: one sentence on what is wrong.
        since: nimg at which it began.
        until: nimg at which it was over; None while it lasts.
        evidence: one sentence with the figures.
        advice: what to try, settings by name.
    """

    kind: str
    title: str
    since: int
    until: int | None
    evidence: str
    advice: str


@dataclass(frozen=True)
class Facts:
    """What the training pictures are like among themselves; see `artgan.training.measures`.

    Attributes:
        pictures: how many there are, crops counted one by one.
        spread: mean distance of two of them (of the same class).
        nearest: median distance of one to the nearest other file's.
        twins: share of them that have a copy in another file.
        class_share: share of their variance between the classes; None without classes.
        neighbours: share of the five nearest neighbours that are of the same class; None without classes.
        chance: the same for shuffled labels, its mean and standard deviation over twenty shuffles.
    """

    pictures: int
    spread: float
    nearest: float
    twins: float
    class_share: float | None = None
    neighbours: float | None = None
    chance: tuple[float, float] | None = None


_FACTS = TypeAdapter(Facts)


def find_facts(metrics: Sequence[Record]) -> Facts | None:
    """The facts in the first record of `metrics.jsonl`; None when they are not there, or damaged."""
    for record in metrics:
        with contextlib.suppress(ValidationError):
            return _FACTS.validate_python(record.get("facts"))
    return None


@dataclass(frozen=True)
class Rule:
    """A sign of trouble: `wrong(record)` on records that have all `keys`; `evidence` is filled in from the last one."""

    kind: str
    title: str
    keys: tuple[str, ...]
    wrong: Callable[[Record], bool]
    evidence: str
    advice: str


STATS_RULES = (
    Rule(
        "one-sided",
        "The discriminator always wins, so the generator learns little.",
        ("real_acc", "gen_acc", "separation"),
        lambda r: min(r["real_acc"], r["gen_acc"]) > 0.98 or r["separation"] > 5,
        "It is right on {real_acc:.1%} of the reals and {gen_acc:.1%} of the fakes (alive: 60 to 90 %); its logits lie "
        "{separation:.1f} standard deviations apart (alive: 0.3 to 2).",
        "a lower --set train.d_lr, a stronger --set train.r1_gamma, or --set train.label_smoothing=0.1 (loss bce)",
    ),
    Rule(
        "vanishing",
        "The generator gets no gradient any more.",
        ("G_grad", "G_grad_share"),
        lambda r: r["G_grad_share"] < 0.01,
        "Its gradient is {G_grad:.2g} long, {G_grad_share:.2%} of what it was at the beginning.",
        "another --set train.loss (minimax is the one that saturates), or a lower --set train.d_lr",
    ),
)
METRICS_RULES = (
    Rule(
        "collapse",
        "The generator paints nearly the same picture again and again.",
        ("diversity",),
        lambda r: r["diversity"] < 0.3,
        "Two generated pictures differ by {diversity:.0%} of what two training pictures differ by (alive: above 60 %).",
        "a stronger --set train.r1_gamma, a lower --set train.g_lr, or go back to an earlier checkpoint",
    ),
    Rule(
        "alike",
        "The generator takes no notice of the classes.",
        ("class_share",),
        lambda r: r["class_share"] < 0.2,
        "Its classes differ by {class_share:.0%} of what the training pictures' classes differ by.",
        "--balanced when some classes are rare, or --no-labels",
    ),
    Rule(
        "still",
        "The generator does not move.",
        ("drift",),
        lambda r: r["drift"] < 1e-5,
        "Its weights are {drift:.1g} of their length away from their own average.",
        "a higher --set train.g_lr, or a later --set train.cosine_kimg",
    ),
    Rule(
        "overfitting",
        "The generator paints copies of training pictures.",
        ("nearest", "diversity"),
        # Pictures that are all alike lie near the average of everything, and so near to many: that is no copying.
        lambda r: r["nearest"] < 0.8 and r["diversity"] > 0.5,
        "A generated picture is {nearest:.2f} times as far from the nearest training picture as a training picture is "
        "from the nearest other one (new pictures: about 1).",
        'more pictures, --crops 20, or --set augment.policy=["color","translation","cutout"]',
    ),
)
REPAIRED = {
    "rate": (
        "The losses exploded; training went back and slowed down.",
        "lower --set train.g_lr and train.d_lr from the start",
    ),
    "float32": ("The losses exploded; training went back to float32.", "start with --precision float32"),
    "parts": (
        "The memory was full; batches are computed in parts.",
        "start with --set train.accumulate=2, or a smaller --batch",
    ),
    "slower": (
        "A warning did not go away; training slowed down.",
        "lower --set train.g_lr and train.d_lr from the start",
    ),
    "slower D": (
        "A warning did not go away; the discriminator slowed down.",
        "a lower --set train.d_lr from the start",
    ),
    "augment": (
        "A warning did not go away; pictures are augmented more.",
        'start with --set augment.policy=["color","translation","cutout"]',
    ),
    "r1": (
        "A warning did not go away; the penalty of the discriminator became stronger.",
        "start with a stronger --set train.r1_gamma",
    ),
    "none left": (
        "A warning did not go away, and training has nothing left to try.",
        "--new with a tenth of train.g_lr and train.d_lr, with --preset studio64, or with more pictures (--crops 20)",
    ),
}
"""What was done by itself, see `artgan.training.repairs`: a title, and what to do about it next time."""


def judge(stats: Sequence[Record], metrics: Sequence[Record], repairs: Sequence[Record]) -> tuple[Alarm, ...]:
    """All alarms of a run, those that last first, then by when they began."""
    facts = find_facts(metrics)
    found = [*(_of_pictures(facts) if facts else ()), *_of_repairs(repairs)]
    for rules, records in ((STATS_RULES, _with_ratios(stats)), (METRICS_RULES, _numbers(metrics))):
        for rule in rules:
            found += _of_rule(rule, [record for record in records if all(key in record for key in rule.keys)])
    return tuple(sorted(found, key=lambda alarm: (alarm.until is not None, alarm.since, alarm.kind)))


def _numbers(records: Sequence[Record]) -> list[Record]:
    """Records without whatever is no number of a common size in them: a file may be damaged."""
    return [{k: v for k, v in record.items() if isinstance(v, int | float) and abs(v) < 1e30} for record in records]


def _with_ratios(stats: Sequence[Record]) -> list[Record]:
    """Records of `stats.jsonl` with two figures more.

    separation: how many standard deviations lie between D's logits of reals and of fakes (d' of signal detection).
    G_grad_share: length of G's gradient by its median in the first GRACE pictures.
    """
    needed = {"real_std", "gen_std", "real_logit", "gen_logit", "G_grad"}
    records = [record for record in _numbers(stats) if needed <= set(record)]
    early = statistics.median([r["G_grad"] for r in records if r["nimg"] <= GRACE] or [0.0])
    return [
        {
            **r,
            "separation": abs(r["real_logit"] - r["gen_logit"])
            / max(math.sqrt((r["real_std"] ** 2 + r["gen_std"] ** 2) / 2), 1e-12),
            "G_grad_share": r["G_grad"] / early if early else 1.0,
        }
        for r in records
    ]


def _of_rule(rule: Rule, records: Sequence[Record]) -> Iterator[Alarm]:
    """One alarm for each unbroken stretch of trouble that is long enough."""
    since = last = None
    for record in [*records, None]:
        if record is not None and rule.wrong(record):
            since, last = (record["nimg"] if since is None else since), record
        elif since is not None and last is not None:
            if last["nimg"] - max(since, GRACE) >= LASTING:
                until = None if record is None else record["nimg"]
                yield Alarm(rule.kind, rule.title, since, until, rule.evidence.format(**last), rule.advice)
            since = last = None


def _of_pictures(facts: Facts) -> Iterator[Alarm]:
    """What is wrong with the training pictures themselves, known before the first step."""

    def alarm(kind: str, title: str, evidence: str, advice: str) -> Alarm:
        return Alarm(kind, title, 0, None, evidence, advice)

    if facts.twins > 0.3:
        yield alarm(
            "repeated",
            "Many training pictures are the same picture.",
            f"{facts.twins:.0%} of them have a copy in another file.",
            "removing the copies: the generator can only learn as many pictures as there are",
        )
    if facts.pictures < FEW_PICTURES:
        yield alarm(
            "few",
            "So few training pictures are learnt by heart.",
            f"There are {facts.pictures}; a hundred are a beginning, a thousand are good.",
            "more pictures, or several crops of each: --crops 20",
        )
    if facts.neighbours is not None and facts.chance is not None and facts.pictures >= FEW_PICTURES:
        mean, deviation = facts.chance
        if facts.neighbours < mean + 4 * deviation:
            yield alarm(
                "labels",
                "The labels do not go with the pictures.",
                f"The five pictures most like one are of its class in {facts.neighbours:.1%} of cases; shuffled labels "
                f"give {mean:.1%} +- {deviation:.1%}.",
                "another label table or other folders, or no classes: --no-labels",
            )


def _of_repairs(repairs: Sequence[Record]) -> Iterator[Alarm]:
    for repair in repairs:
        title, advice = REPAIRED[repair["repair"]]
        yield Alarm("repaired", title, repair["nimg"], repair["found"], repair["told"], advice)
