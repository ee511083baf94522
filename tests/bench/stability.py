"""Twenty short runs over folders, seeds, shapes, channels and classes: how often training goes wrong, and says so.

    python -m tests.bench.stability SETS... [--minutes 3] [--runs 20] [--preset painter-64] [--crops 1]

Prints a line for each run: where it came to, its speed, figures that were no number, what was told and tried, and how
varied the pictures of its last preview are by the training pictures (1 is like them, 0 one picture again and again). At
the end: whether any run ended collapsed (below COLLAPSED) without an alarm. No alarm can come before GRACE and LASTING
of `artgan.training.health`; runs that ended earlier are counted apart.
"""

import argparse
import math
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from artgan.config import Settings, validated
from artgan.engine.images import decode
from artgan.engine.storage import Run
from artgan.presets import read_preset
from artgan.training.health import GRACE, LASTING, find_facts
from artgan.training.measures import describe, spread
from tests.bench.health import Options, Outcome, train_once

# As near to 3:2 and 16:9 as a dcgan's grid comes.
SHAPES = ("64x64", "64x96", "96x64", "144x80")
CHANNELS = ("rgb", "rgba", "grey")
COLLAPSED = 0.3
HEADER = (
    f"{'run':>3} {'set':12} {'shape':7} {'ch':5} {'labels':6} {'seed':>4} {'kimg':>6} {'img/s':>6} {'NaN':>4} diversity"
)


def options_of(number: int) -> Options:
    """The options of a run: four shapes and three channels meet in twelve ways, with classes in every other pair."""
    return {
        "shape": SHAPES[number % 4],
        "channels": CHANNELS[number % 3],
        "labels": ("auto", "none")[number // 2 % 2],
        "seed": number,
    }


def pictures_of(sheet: Path, settings: Settings) -> torch.Tensor:
    """The pictures (N, C, H, W) of a preview sheet: eight columns, two white pixels around each."""
    pixels = torch.from_numpy(np.array(decode(sheet)))
    width, height = settings.data.size
    pixels = pixels.view(*pixels.shape[:2], -1).permute(2, 0, 1).float() / 127.5 - 1
    cells = pixels[:, 2:, 2:].unfold(1, height, height + 2).unfold(2, width, width + 2)
    return cells.permute(1, 2, 0, 3, 4).flatten(0, 1)


def diversity(run: Run, metrics: list[dict[str, Any]]) -> float:
    """Mean distance of two pictures of one class in the last preview, by that of two training pictures."""
    facts = find_facts(metrics)
    sheets = run.previews()
    if facts is None or not sheets:
        return math.nan
    pictures = pictures_of(sheets[max(sheets)], validated(read_preset(run.config).values))
    classes = torch.arange(len(pictures)) // 8 if facts.neighbours is not None else torch.zeros(len(pictures))
    return spread(describe(pictures), classes) / max(facts.spread, 1e-6)


def not_numbers(outcome: Outcome) -> int:
    """Figures in the records that are no number."""
    values = [value for line in (*outcome.stats, *outcome.metrics) for value in line.values()]
    return sum(isinstance(value, float) and not math.isfinite(value) for value in values)


def speed(outcome: Outcome) -> float:
    """Pictures a second, the median of the records; 0 without any."""
    return statistics.median([float(line["time"]["images_per_second"]) for line in outcome.stats] or [0.0])


def main() -> None:
    """Train them all, one after another, and judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--preset", default="painter-64")
    parser.add_argument("--crops", type=int, default=1)
    args = parser.parse_args()
    silent, early, troubled, unfinished = list[int](), list[int](), list[int](), list[int]()
    print(HEADER)
    with tempfile.TemporaryDirectory() as temporary:
        for number in range(args.runs):
            data, options = args.sets[(number + number // 4) % len(args.sets)], options_of(number)
            given = {**options, "preset": args.preset, "crops": args.crops, "minutes": args.minutes}
            outcome = train_once(data, Path(temporary), given)
            varied, broken = diversity(outcome.run, outcome.metrics), not_numbers(outcome)
            # Of the pictures themselves (few, repeated, labels) an alarm is given before anything is trained.
            alarms = [alarm for alarm in outcome.alarms if alarm.since or alarm.kind == "repaired"]
            told = ", ".join(f"{alarm.kind} {alarm.since / 1000:.1f}" for alarm in alarms if alarm.kind != "repaired")
            tried = ", ".join(f"{line['repair']} {line['nimg'] / 1000:.1f}" for line in outcome.repairs)
            print(
                f"{number:3} {data.name[:12]:12} {options['shape']:7} {options['channels']:5} {options['labels']:6} "
                f"{options['seed']:4} {outcome.nimg / 1000:6.1f} {speed(outcome):6.1f} {broken:4} {varied:9.2f}"
                f"{'  alarms: ' + told if told else ''}{'  tried: ' + tried if tried else ''}"
                f"{'' if outcome.ending == 'ended as planned' else '  ' + outcome.ending}",
                flush=True,
            )
            if varied < COLLAPSED and not alarms:
                (silent if outcome.nimg >= GRACE + LASTING else early).append(number)
            if alarms or broken:
                troubled.append(number)
            if outcome.ending != "ended as planned":
                unfinished.append(number)
    print(f"with alarms, repairs or figures that are no number: {troubled or 'none'}")
    print(f"given up: {unfinished or 'none'}")
    print(f"collapsed without an alarm: {silent or 'none'}")
    print(f"all alike before {(GRACE + LASTING) / 1000:g} kimg, where no alarm can be given: {early or 'none'}")


if __name__ == "__main__":
    main()
