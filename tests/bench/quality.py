"""How good presets get in so many minutes on this machine, beside the plain tutorial DCGAN.

    python -m tests.bench.quality DATA --minutes M --presets a,b,c [--seeds 0,1,2] [--crops N] [--resolution R]
        [--no-labels] [--judge judge.py] [--features artgan,random:0] [--out FOLDER] [--no-tutorial] [--markdown]
        [--samples 1000] [--set section.key=value ...]

For every seed the tutorial (`tests.bench.tutorial`) and then each preset is trained for M minutes, one after the other,
with the same resolution, which is that of the first preset if nothing is said. Presets learn the classes of class
folders; the tutorial has none, does not mirror and sees the pictures as the first preset crops them. --set goes to all
presets, of it data.* and engine.* to the tutorial as well. The samples are those that `artgan score` draws, classes in
the shares of the training set:

- pictures in the training set (crops count); images/s (median of the run) and kimg shown in M minutes;
- Frechet distance, KID, coverage and memorisation by `artgan score`, against the training pictures, for each of
  --features;
- judge: what --judge says, a program that artgan has no part in: it is given the folder DATA as it is and a folder
  of samples, and prints a line with `floor X` and `fd Y`;
- of tutorial: that figure by the tutorial's of the same seed; alarms: how many the run raised.

The first row, floor, is what real pictures reach among themselves. OUT (quality-NAME) gets a sheet of samples for each
training, the real pictures as a zip, and `rows.jsonl`: what stands there is not trained again by the same command. A
preset that was edited, other minutes or another network make another row (and write over the sheet); other code does
not: use another OUT then.
"""

import argparse
import hashlib
import io
import json
import re
import statistics
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from artgan.config import Settings, parse_sets
from artgan.data.pictures import Pictures, load_pictures
from artgan.engine.checkpoint import GENERATOR
from artgan.engine.device import Engine
from artgan.engine.images import decode, encode_png
from artgan.engine.seeds import parse_seeds
from artgan.engine.storage import Run, append_json_line, atomic_write, read_json_lines
from artgan.errors import ArtganError
from artgan.metrics.networks import open_network
from artgan.metrics.score import score
from artgan.metrics.sets import PictureSet, pictures_set, sample_set
from artgan.models.trained import load
from artgan.presets import resolve
from artgan.training.train import train
from artgan.training.watch import alarms_of
from tests.bench.quality_table import TUTORIAL, Row, print_table, read_rows
from tests.bench.tutorial import Tutorial, tutorial_settings

COLUMNS, ROWS, GAP = 8, 6, 2
JUDGED = re.compile(r"floor (?P<floor>[\d.]+)\s+fd (?P<fd>[\d.]+)")


@dataclass(frozen=True)
class Trained:
    """A generator's file, pictures shown to it, images per second, and the kinds of alarms."""

    generator: Path
    nimg: int
    speed: float
    alarms: list[str]


@dataclass(frozen=True)
class Bench:
    """Trains, measures and keeps what it has; `overrides` are settings of all presets, `plain` of the tutorial."""

    data: Path
    out: Path
    minutes: float
    overrides: dict[str, object]
    plain: dict[str, object]
    features: tuple[str, ...]
    samples: int
    judge: Path | None

    def row(self, preset: str, seed: int) -> Row:
        """What is known of one training; it is done if nothing is."""
        settings = self.settings(preset, seed)
        pictures = load_pictures(self.data, settings.data, seed)
        depends = [settings.model_dump(mode="json"), self.minutes, self.samples, self.features, self.judge is not None]
        text = json.dumps([preset, pictures.key, *depends])
        key = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        if known := next((row for row in read_rows(self.out) if row.key == key), None):
            return known
        with tempfile.TemporaryDirectory(prefix="training-", dir=self.out) as work:
            trained = self.train(settings, pictures, preset, Path(work))
            shares = pictures.labels.bincount(minlength=len(pictures.classes)).div(len(pictures)).tolist()
            drawn = draw(trained.generator, self.samples, shares, Path(work) / "samples")
            sheet = self.out / f"{self.data.resolve().stem}-{Path(preset).stem}-seed{seed}.png"
            atomic_write(sheet, encode_png(sheet_of(drawn), {"kind": "bench", "preset": preset, "nimg": trained.nimg}))
            figures, floors = self.compare(trained.generator, drawn)
        row = Row(key, preset, seed, len(pictures), trained.nimg, trained.speed, figures, floors, trained.alarms)
        append_json_line(self.out / "rows.jsonl", asdict(row))
        return row

    def settings(self, preset: str, seed: int) -> Settings:
        """All settings of one training."""
        if preset == TUTORIAL:
            return tutorial_settings({**self.plain, "train.seed": seed})
        return resolve(preset, {**self.overrides, "train.seed": seed})

    def train(self, settings: Settings, pictures: Pictures, preset: str, runs: Path) -> Trained:
        """Train for so many minutes; reading the pictures does not count."""
        if preset == TUTORIAL:
            tutorial = Tutorial(settings, pictures)
            seconds = tutorial.train(self.minutes)
            return Trained(tutorial.save(runs), tutorial.nimg, tutorial.nimg / seconds, [])
        overrides = {**self.overrides, "train.seed": settings.train.seed}
        result = train(self.data, preset=preset, overrides=overrides, minutes=self.minutes, runs_dir=runs)
        run = Run(result.run)
        speeds = [record["time"]["images_per_second"] for record in read_json_lines(run.stats)]
        speed = statistics.median(speeds) if speeds else result.nimg / result.seconds
        return Trained(result.checkpoint / GENERATOR, result.nimg, speed, [alarm.kind for alarm in alarms_of(run)])

    def compare(self, generator: Path, samples: Path) -> tuple[dict[str, float], dict[str, float]]:
        """The figures by artgan and the judge, and what real pictures reach among themselves."""
        figures: dict[str, float] = {}
        floors: dict[str, float] = {}
        for network in self.features:
            (scored,) = score(generator, real=self.reals(), num=self.samples, features=network).sets
            figures.update({figure.name: figure.value for figure in scored.figures})
            floors.update({figure.name: figure.floor for figure in scored.figures if figure.floor is not None})
        if self.judge is not None:
            figures["judge"], floors["judge"] = ask(self.judge, self.data, samples)
        return figures, floors

    def reals(self) -> Path:
        """The training pictures as a zip, the same for all, with class folders where presets learn classes."""
        labels = self.overrides.get("data.labels", "auto")
        pictures = load_pictures(self.data, tutorial_settings({**self.plain, "data.labels": labels}).data)
        path = self.out / f"reals-{pictures.key}.zip"
        if not path.exists():
            made, real = io.BytesIO(), pictures_set(pictures, "reals")
            with zipfile.ZipFile(made, "w") as archive:
                for place, picture in enumerate(read_all(real)):
                    group = f"{real.classes[real.labels[place]]}/" if real.classes else ""
                    png = io.BytesIO()
                    picture.save(png, "PNG")
                    archive.writestr(f"{group}{place:06d}.png", png.getvalue())
            atomic_write(path, made.getvalue())
        return path


def overrides_of(
    first: str, sets: Mapping[str, object], resolution: int | None
) -> tuple[dict[str, object], dict[str, object]]:
    """Settings of all presets, and those of the tutorial: it sees the pictures as the first preset does, plainly."""
    data = resolve(first, sets, {"data.resolution": resolution}).data
    # More pictures than any time budget shows: it is the minutes that end a training.
    overrides = {"train.total_kimg": 1e6, **sets, "data.resolution": data.resolution}
    seen = {f"data.{name}": value for name, value in data.model_dump().items()}
    seen |= {key: value for key, value in sets.items() if key.startswith("engine.")}
    mirror = data.mirror and "data.mirror" in sets
    return overrides, {**seen, "data.labels": "none", "data.balanced": False, "data.mirror": mirror}


def read_all(pictures: PictureSet) -> Iterator[Image.Image]:
    """All pictures of a set, which are made here and can all be read."""
    for start in range(0, pictures.count, 64):
        for picture in pictures.read(range(start, min(start + 64, pictures.count))):
            assert isinstance(picture, Image.Image), picture
            yield picture


def draw(generator: Path, count: int, shares: list[float], folder: Path) -> Path:
    """Samples as PNGs in a folder, the ones that `artgan score` looks at; `shares` are those of the classes."""
    folder.mkdir()
    model = load(generator)
    for seed, picture in enumerate(read_all(sample_set(model, count, shares if model.classes else None))):
        picture.save(folder / f"{seed:06d}.png")
    return folder


def sheet_of(samples: Path) -> NDArray[np.uint8]:
    """The first samples side by side, (3, H, W)."""
    pictures = [decode(file) for file in sorted(samples.iterdir())[: COLUMNS * ROWS]]
    width, height = (side + GAP for side in pictures[0].size)
    sheet = Image.new("RGB", (COLUMNS * width + GAP, ROWS * height + GAP), "white")
    for place, picture in enumerate(pictures):
        sheet.paste(picture, (GAP + place % COLUMNS * width, GAP + place // COLUMNS * height))
    return np.asarray(sheet).transpose(2, 0, 1)


def ask(judge: Path, real: Path, samples: Path) -> tuple[float, float]:
    """The judge's figure and its floor."""
    command = [sys.executable, str(judge), str(real), str(samples)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = JUDGED.search(said)
    assert found is not None, said
    return float(found["fd"]), float(found["floor"])


def main(argv: list[str] | None = None) -> None:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of pictures, perhaps in class folders")
    parser.add_argument("--minutes", type=float, required=True, help="for each training")
    parser.add_argument("--presets", required=True, type=lambda names: names.split(","), help="comma between them")
    parser.add_argument("--seeds", type=parse_seeds, default=(0,), help="such as 0-2 (0)")
    parser.add_argument("--resolution", type=int, help="of all, pixels (that of the first preset)")
    parser.add_argument("--crops", type=int, help="per picture")
    parser.add_argument("--no-labels", action="store_true", help="presets do not learn classes")
    parser.add_argument("--judge", type=Path, help="program that compares two folders")
    parser.add_argument("--features", default="artgan", help="networks for artgan score, comma between them (artgan)")
    parser.add_argument("--samples", type=int, default=1000, help="drawn from each generator (1000)")
    parser.add_argument("--out", type=Path, help="folder for rows and sheets (quality-NAME)")
    parser.add_argument("--no-tutorial", action="store_true")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="K=V", help="settings of all presets")
    args = parser.parse_args(argv)
    if args.judge is not None and not args.judge.is_file():
        parser.error(f"there is no {args.judge}")
    out = args.out or Path(f"quality-{args.data.resolve().stem}")
    out.mkdir(parents=True, exist_ok=True)
    given = {"data.crops": args.crops, "data.labels": "none" if args.no_labels else None}
    sets = {**parse_sets(args.set), **{key: value for key, value in given.items() if value is not None}}
    overrides, plain = overrides_of(args.presets[0], sets, args.resolution)
    features = tuple(args.features.split(","))
    for network in features:
        open_network(network, Engine.detect("cpu"))  # a mistyped name is refused before hours of training, not after
    bench = Bench(args.data, out, args.minutes, overrides, plain, features, args.samples, args.judge)
    rows: list[Row] = []
    try:
        for seed in args.seeds:
            for preset in [*([] if args.no_tutorial else [TUTORIAL]), *args.presets]:
                try:
                    rows.append(bench.row(preset, seed))
                    print(f"{preset}, seed {seed}: {rows[-1].nimg / 1000:.1f} kimg", flush=True)
                except ArtganError as error:
                    print(f"{preset}, seed {seed}: {error.message} {error.hint}", flush=True)
    finally:  # also what was cut off says what it knows
        if rows:
            print_table(rows, args.markdown)


if __name__ == "__main__":
    main()
