"""Alarms of healthy runs and of planted failures: the first should have none, each of the others at least one.

    python -m tests.bench.health PICTURES [--crops 20] [--seeds 0,1,2] [--kimg 90] [--planted-kimg 20]
        [--preset painter-64]

PICTURES is a folder (of class folders, to plant shuffled labels). Prints what each run was told, and the range of every
measure after the first 6 kimg: the thresholds of `artgan.training.health` lie between those ranges.
"""

import argparse
import json
import random
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import artgan
from artgan.engine.seeds import parse_seeds
from artgan.engine.storage import Run, read_json_lines
from artgan.training.events import RunStarted, Step
from artgan.training.health import GRACE, Alarm, judge
from artgan.training.repairs import read_repairs

Options = dict[str, Any]


def pictures_in(folder: Path) -> list[Path]:
    """All files below a folder that look like pictures."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})


def one_picture(data: Path, work: Path) -> tuple[Path, Options]:
    """Two hundred copies of one picture."""
    file = pictures_in(data)[0]
    for number in range(200):
        shutil.copy(file, work / f"{number:03d}{file.suffix}")
    return work, {}


def few_pictures(data: Path, work: Path) -> tuple[Path, Options]:
    """Twenty pictures."""
    for number, file in enumerate(random.Random(1).sample(pictures_in(data), 20)):
        shutil.copy(file, work / f"{number:02d}{file.suffix}")
    return work, {"crops": 1}


def shuffled_labels(data: Path, work: Path) -> tuple[Path, Options]:
    """Every picture with the label of another."""
    files = pictures_in(data)
    labels = [file.parent.name for file in files]
    random.Random(1).shuffle(labels)
    table = {file.relative_to(data).as_posix(): label for file, label in zip(files, labels, strict=True)}
    (work / "labels.json").write_text(json.dumps(table))
    return data, {"labels": str(work / "labels.json")}


def strong_discriminator(data: Path, work: Path) -> tuple[Path, Options]:
    """D's learning rate fifteen times that of the presets for 64 px."""
    return data, {"overrides": {"train.d_lr": 15 * 4e-4}}


def wild_rates(data: Path, work: Path) -> tuple[Path, Options]:
    """Both learning rates fifty times those of the presets for 64 px."""
    return data, {"overrides": {"train.d_lr": 50 * 4e-4, "train.g_lr": 50 * 4e-4}}


def frozen_generator(data: Path, work: Path) -> tuple[Path, Options]:
    """A generator whose weights do not move: its learning rate is as good as none."""
    return data, {"overrides": {"train.g_lr": 1e-20}}


PLANTS: Mapping[str, Callable[[Path, Path], tuple[Path, Options]]] = {
    "D's learning rate x15": strong_discriminator,
    "both learning rates x50": wild_rates,
    "G frozen": frozen_generator,
    "one picture repeated": one_picture,
    "twenty pictures": few_pictures,
    "labels shuffled": shuffled_labels,
}


@dataclass(frozen=True)
class Outcome:
    """A run that was trained: pictures shown, how it ended, in words, its records by file, and its alarms."""

    run: Run
    nimg: int
    ending: str
    stats: list[dict[str, Any]]
    metrics: list[dict[str, Any]]
    repairs: list[dict[str, Any]]

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """What the records say."""
        return judge(self.stats, self.metrics, self.repairs)


def train_once(data: Path, runs_dir: Path, options: Options) -> Outcome:
    """Train a new run, to its end or until it gives up."""
    started: list[Path] = []
    nimg = 0

    def listen(event: object) -> None:
        nonlocal nimg
        if isinstance(event, RunStarted):
            started.append(event.run)
        elif isinstance(event, Step):
            nimg = event.nimg

    try:
        artgan.train(
            data,
            runs_dir=runs_dir,
            new=True,
            on_event=listen,
            **options,
        )
        ending = "ended as planned"
    except artgan.ArtganError as error:
        ending = f"stopped: {error.message} {error.hint}"
    run = Run(started[-1])
    return Outcome(run, nimg, ending, read_json_lines(run.stats), read_json_lines(run.metrics), read_repairs(run))


def examine(name: str, data: Path, runs_dir: Path, options: Options) -> None:
    """Train once and print the alarms and the ranges of the measures."""
    outcome = train_once(data, runs_dir, options)
    print(f"{name}, {outcome.run.name}: {outcome.nimg / 1000:.1f} kimg, {outcome.ending}")
    for alarm in outcome.alarms:
        until = "" if alarm.until is None else f" to {alarm.until / 1000:.1f}"
        print(f"    ALARM {alarm.kind}, from {alarm.since / 1000:.1f}{until} kimg: {alarm.title} {alarm.evidence}")
    late = [record for lines in (outcome.stats, outcome.metrics) for record in lines if record["nimg"] > GRACE]
    for key in ("real_acc", "gen_acc", "G_grad", "diversity", "class_share", "nearest", "drift"):
        values = [record[key] for record in late if key in record]
        if values:
            print(f"    {key:12} {min(values):9.3g} to {max(values):9.3g}")
    print(flush=True)


def main() -> None:
    """Train them all, one after another."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--crops", type=int, default=1)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--kimg", type=float, default=90)
    parser.add_argument("--planted-kimg", type=float, default=20)
    parser.add_argument("--preset", default="painter-64")
    args = parser.parse_args()
    shared: Options = {"preset": args.preset, "crops": args.crops}
    with tempfile.TemporaryDirectory() as temporary:
        runs_dir = Path(temporary) / "runs"
        for name, plant in PLANTS.items() if args.planted_kimg else ():
            work = Path(temporary) / plant.__name__
            work.mkdir()
            data, options = plant(args.pictures, work)
            examine(name, data, runs_dir, {**shared, "kimg": args.planted_kimg, **options})
        for seed in parse_seeds(args.seeds) if args.kimg else ():
            examine(f"healthy, seed {seed}", args.pictures, runs_dir, {**shared, "kimg": args.kimg, "seed": seed})


if __name__ == "__main__":
    main()
