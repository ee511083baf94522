"""What training does about itself when it cannot go on as it is: each repair is a line of `repairs.jsonl`.

A repair takes effect from a position on (the checkpoint that training went back to), so what is in force is a function
of nimg and of that file, and a run that is stopped and continued stays exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from artgan.config import TrainSettings
from artgan.engine.storage import Run, read_json_lines

Trouble = Literal["explosion", "memory"]
MOST_TRIES = 3
EXPLODED = 1e4
"""A loss above this, or one that is no number, is an explosion: logits of healthy games stay within some tens."""


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
    """How to compute a step: the rates' factor, the number of parts of a batch, and whether bf16 is ruled out."""

    rate_scale: float = 1.0
    parts: int = 1
    float32: bool = False


def read_repairs(run: Run) -> list[dict[str, Any]]:
    """The repairs of a run that make sense, oldest first."""
    return [record for record in read_json_lines(run.repairs) if _makes_sense(record)]


def _makes_sense(record: dict[str, Any]) -> bool:
    repair, found, why = (record.get(key) for key in ("repair", "found", "told"))
    return repair in ("rate", "float32", "parts") and isinstance(found, int) and isinstance(why, str)


def plan_at(repairs: Sequence[dict[str, Any]], nimg: int, train: TrainSettings) -> Plan:
    """What is in force at `nimg`; a part never has less than two pictures."""
    kinds = [repair["repair"] for repair in repairs if repair["nimg"] <= nimg]
    parts = min(train.accumulate * 2 ** kinds.count("parts"), train.batch // 2)
    return Plan(0.5 ** kinds.count("rate"), parts, "float32" in kinds)


def next_repair(
    trouble: Trouble, repairs: Sequence[dict[str, Any]], nimg: int, plan: Plan, bf16: bool, batch: int
) -> str | None:
    """The repair to try after going back to `nimg`, or None when there is nothing left to try.

    Too little memory: compute the batch in twice as many parts, down to two pictures each. An explosion: float32 first
    where bf16 was used, then half the learning rates, three tries from one checkpoint.
    """
    if trouble == "memory":
        return "parts" if plan.parts < batch // 2 else None
    tries = sum(repair["nimg"] == nimg and repair["repair"] != "parts" for repair in repairs)
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
    g_lr, d_lr = (rate * plan.rate_scale for rate in rates)
    return f"The losses exploded {where}, and on with half the learning rates (g_lr {g_lr:.2g}, d_lr {d_lr:.2g})."
