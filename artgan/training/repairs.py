"""What training does about itself when it goes wrong: each repair or remedy is a line of `repairs.jsonl`.

A repair mends what cannot go on: training goes back to a checkpoint, from which the repair is in force. A remedy is
tried when it could go on, but an alarm does not go away: it is in force from where it was decided on, without going
back. Where the last checkpoint lies depends on the clock, and an alarm on the records alone: so the same run gets the
same remedies at the same places, and no picture is lost to a trouble that may pass.

What is in force is a function of nimg and of that file, and a run that is stopped and continued stays exact.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from artgan.config import AugmentSettings, Settings, TrainSettings
from artgan.engine.storage import Run, atomic_write, read_json_lines
from artgan.training.augment import AUGMENTATIONS
from artgan.training.health import REPAIRED, Alarm

Trouble = Literal["explosion", "memory"]
Record = dict[str, Any]
MOST_TRIES = 3
EXPLODED = 1e4
"""A loss above this, or one that is no number, is an explosion: logits of healthy games stay within some tens."""
CURABLE = ("one-sided", "collapse")
"""The alarms that remedies are tried against; where both are raised the first is taken for the cause."""
RELIEF = 8_000
"""Pictures that a remedy is given to work before the next one is tried."""
STRONGER = 4.0
"""What the remedy for R1 multiplies train.r1_gamma by."""
REMEDIES = ("slower", "slower D", "augment", "r1", "none left")


class Unwell(Exception):
    """Training cannot go on from where it is.

    Args:
        trouble: `explosion` (a loss or gradient is no number, or huge) or `memory` (the device's is full).
        nimg: where it was noticed.
    """

    def __init__(self, trouble: Trouble, nimg: int) -> None:
        super().__init__(trouble, nimg)
        self.trouble, self.nimg = trouble, nimg


@dataclass(frozen=True)
class Plan:
    """How to compute a step.

    Attributes:
        rate_scale: factor of both learning rates.
        parts: number of parts that a batch is computed in.
        float32: whether bf16 is ruled out.
        d_rate_scale: a further factor of the discriminator's learning rate.
        augmented: whether every augmentation is applied as often as may be, see `augmentation`.
        r1_scale: factor of train.r1_gamma, see `r1_gamma`.
    """

    rate_scale: float = 1.0
    parts: int = 1
    float32: bool = False
    d_rate_scale: float = 1.0
    augmented: bool = False
    r1_scale: float = 1.0

    def augmentation(self, settings: AugmentSettings, p: torch.Tensor) -> tuple[tuple[str, ...], float | torch.Tensor]:
        """The policy in force, and the probability of each augmentation in it; `p` is the adapted one."""
        if self.augmented:
            missing = [name for name in AUGMENTATIONS if name not in settings.policy]
            return (*settings.policy, *missing), settings.p_max if settings.adaptive else 1.0
        return settings.policy, p if settings.adaptive else settings.p

    def r1_gamma(self, train: TrainSettings) -> float:
        """The strength of R1 in force; where it was off, the remedy is at least the default of 1."""
        return train.r1_gamma if self.r1_scale == 1 else max(1.0, train.r1_gamma * self.r1_scale)


def read_repairs(run: Run) -> list[Record]:
    """The repairs of a run that make sense, oldest first."""
    return [record for record in read_json_lines(run.repairs) if _makes_sense(record)]


def write_repairs(run: Run, repairs: Sequence[Record]) -> None:
    """Write them whole or not at all, unlike the records that are cut back: these decide how training goes on."""
    atomic_write(run.repairs, "".join(json.dumps(line) + "\n" for line in repairs))


def _makes_sense(record: Record) -> bool:
    repair, found, why = (record.get(key) for key in ("repair", "found", "told"))
    return isinstance(repair, str) and repair in REPAIRED and isinstance(found, int) and isinstance(why, str)


def plan_at(repairs: Sequence[Record], nimg: int, train: TrainSettings) -> Plan:
    """What is in force at `nimg`; a part never has less than two pictures."""
    kinds = [repair["repair"] for repair in repairs if repair["nimg"] <= nimg]
    return Plan(
        rate_scale=0.5 ** (kinds.count("rate") + kinds.count("slower")),
        parts=min(train.accumulate * 2 ** kinds.count("parts"), train.batch // 2),
        float32="float32" in kinds,
        d_rate_scale=0.5 ** kinds.count("slower D"),
        augmented="augment" in kinds,
        r1_scale=STRONGER ** kinds.count("r1"),
    )


def next_repair(
    trouble: Trouble, repairs: Sequence[Record], nimg: int, plan: Plan, bf16: bool, batch: int
) -> str | None:
    """The repair to try after going back to `nimg`, or None when there is nothing left to try.

    Too little memory: compute the batch in twice as many parts, down to two pictures each. An explosion: float32 first
    where bf16 was used, then half the learning rates, three tries from one checkpoint.
    """
    if trouble == "memory":
        return "parts" if plan.parts < batch // 2 else None
    tries = sum(repair["nimg"] == nimg and repair["repair"] in ("rate", "float32") for repair in repairs)
    if tries >= MOST_TRIES:
        return None
    return "float32" if bf16 and not plan.float32 else "rate"


def describe_repair(repair: str, plan: Plan, back_to: int, found: int, rates: tuple[float, float]) -> str:
    """One sentence on a repair, for the screen and the report."""
    where = f"at {found / 1000:.1f} kimg; back to {back_to / 1000:.1f} kimg"
    if repair == "parts":
        return f"The memory was full {where}, where a batch is now computed in {plan.parts} parts (same batch, slower)."
    if repair == "float32":
        return f"The losses exploded {where}, and on in float32 instead of bf16."
    return f"The losses exploded {where}, and on with half the learning rates ({_rates(plan, rates)})."


def next_remedy(alarms: Sequence[Alarm], repairs: Sequence[Record], nimg: int, settings: Settings) -> Record | None:
    """The line of `repairs.jsonl` to add at `nimg`, or None when nothing is to be done.

    While an alarm lasts: first half the learning rate of the discriminator (one-sided) or of both networks (collapse),
    then every augmentation, then a stronger R1, each with RELIEF pictures before the next; and at last, once, the word
    that nothing is left. A remedy is never tried twice in a run, none is taken back, and augmentation that cannot be
    more is passed over.
    """
    lasting = [alarm.kind for alarm in alarms if alarm.until is None]
    trouble = next((kind for kind in CURABLE if kind in lasting), None)
    tried = [repair for repair in repairs if repair["repair"] in REMEDIES]
    if not settings.train.remedies or trouble is None or any(nimg < repair["nimg"] + RELIEF for repair in tried):
        return None
    augment = settings.augment
    more = augment.adaptive or augment.p < 1 or {*AUGMENTATIONS} - {*augment.policy}
    slower = "slower D" if trouble == "one-sided" else "slower"
    course = [slower, *(["augment"] if more else []), "r1", "none left"]
    if len(tried) >= len(course):
        return None
    remedy = course[len(tried)]
    record: Record = {"nimg": nimg, "found": nimg, "repair": remedy}
    plan = plan_at([*repairs, record], nimg, settings.train)
    return {**record, "told": _describe_remedy(trouble, remedy, plan, nimg, settings)}


def told_of(repair: Record) -> str:
    """What to say of a line of `repairs.jsonl` when it is written: also what to do by hand, when nothing is left."""
    by_hand = f" By hand: {REPAIRED['none left'][1]}." if repair["repair"] == "none left" else ""
    return str(repair["told"]) + by_hand


def _describe_remedy(trouble: str, remedy: str, plan: Plan, nimg: int, settings: Settings) -> str:
    what = {"one-sided": "The discriminator always wins", "collapse": "The generator paints nearly the same picture"}
    start = f"{what[trouble]} at {nimg / 1000:.1f} kimg; from here on"
    if remedy in ("slower", "slower D"):
        whose = "half the learning rates" if remedy == "slower" else "half the discriminator's learning rate"
        return f"{start} with {whose} ({_rates(plan, (settings.train.g_lr, settings.train.d_lr))})."
    if remedy == "augment":
        policy, p = plan.augmentation(settings.augment, torch.zeros(()))
        return f"{start} with more augmentation ({', '.join(policy)}, p {float(p):g})."
    if remedy == "r1":
        return f"{start} with a stronger penalty (r1_gamma {plan.r1_gamma(settings.train):g})."
    return f"{what[trouble]} at {nimg / 1000:.1f} kimg, and nothing that was tried has helped."


def _rates(plan: Plan, rates: tuple[float, float]) -> str:
    g_lr, d_lr = (rate * plan.rate_scale for rate in rates)
    return f"g_lr {g_lr:.2g}, d_lr {d_lr * plan.d_rate_scale:.2g}"
