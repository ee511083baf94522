"""How well pictures are repainted, how fast and in how much memory, beside plain Gatys and another optimiser.

    python -m tests.bench.style SHARED [--size 512] [--contents 5] [--styles 8] [--methods a,b] [--sheets FOLDER]

SHARED holds `data/paintings` and `data/squeezenet` with its reader, `tools/squeezenet.py`. Every content is painted in
every style by every method, each painting in a process of its own; what it comes to is printed at once. The methods:

- instant, fast, normal, fine: `artgan stylize --detail`, all else as it is by default;
- lbfgs: normal, with L-BFGS in place of Adam at the last two sizes, which may look at as many pictures as Adam;
- gatys-artgan:W, gatys-teacher:W: plain Gatys (Gram matrices, Adam, one scale, 300 steps from the content on) with W as
  the content's weight, through the embedded encoder and through its teacher; without :W it is 1;
- gatys-teacher-long:W (and gatys-artgan-long:W): the same for five times as long as normal took for that pair.

The measures (`tests.bench.style_measures`), of the results in 8 bits:

- style: W2^2 of the Gaussians of all nine maps of the teacher, in percent of the style's own spread; no method of ours
  sees the teacher, but for gatys-teacher it is the very network that it paints through;
- patches: sliced Wasserstein distance of 7 x 7 patches in three octaves; colors: the same of OKLab colours, times 100;
- kept: SSIM of the gradient magnitudes of luminance with the content, 1 is all;
- checker, grain, halo, speckle: the finest checkerboard, roughness where the content is flat, roughness of the border
  and lone pixels of another colour, as ratios: 1 is like the style (halo: like the content), more is worse. Their means
  are geometric;
- seconds from pictures in memory to the picture in memory, and the peak memory of the process with Python and torch.

--sheets keeps the paintings and what was measured (`results.jsonl`); the next run with that folder only paints what is
missing, or is named with --again, and so adds methods. It also gets a sheet per content: a row for each style, first
the style itself and then what each method of this run made of it.

Measured on 2 AVX512 cores, 512 px, lower is better but for `kept`. Church after Gogh alone:

    method                    style  patches   kept  seconds
    fast                       7.79    0.037  0.551       22
    normal                     7.26    0.028  0.596       43
    gatys-teacher:1           10.10    0.038  0.585  (machine was busy)
    gatys-teacher:0.1          7.10    0.046  0.478  (machine was busy)
    gatys-teacher-long:1      10.02    0.029  0.586  749 steps

`instant`, means of all 5 x 8 pairs: 32.55, 0.080, 0.642, colors 1.72, in 1.3 s (median, one busy core), 0.6 GiB.

Means over church and terrace after gogh and delaunay: `fast` 7.71, 0.045, 0.502 in 21.6 s (median), `normal` 7.02,
0.035, 0.546 in 41.4 s; 1.3 GiB at most.
"""

import argparse
import multiprocessing
import statistics
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from artgan.engine.images import decode, encode_png
from artgan.engine.storage import append_json_line, atomic_write, parse_json
from tests.bench.gatys import METHODS, Method, Pixels, method_of, paint, teacher
from tests.bench.graded import to_tensor
from tests.bench.style_measures import MEASURES, Gaussian, gaussians, measure

CONTENTS = {
    "church": "arthur-conan-doyle_the-return-of-sherlock-holmes.jpg",  # William Logsdail, St. Martin-in-the-Fields
    "terrace": "john-buchan_huntingtower.jpg",  # James Cassie, On the Terrace, Barra Castle
    "portrait": "niccolo-machiavelli_the-prince_w-k-marriott.jpg",  # Santi di Tito, Niccolò Machiavelli
    "park": "p-g-wodehouse_a-damsel-in-distress.jpg",  # John Constable, Malvern Hall
    "regatta": "erskine-childers_the-riddle-of-the-sands.jpg",  # Claude Monet, Regatta at Sainte-Adresse
}
STYLES = {
    "gogh": "frances-hodgson-burnett_the-secret-garden.jpg",  # Vincent van Gogh, Daubigny's Garden
    "delaunay": "edgar-allan-poe_short-fiction.jpg",  # Robert Delaunay, Saint-Séverin
    "gleizes": "karel-capek_r-u-r_paul-selver_nigel-playfair.jpg",  # Albert Gleizes, La Femme aux Phlox
    "braque": "william-hope-hodgson_the-house-on-the-borderland.jpg",  # Georges Braque, The Castle at Roche-Guyon
    "redon": "charlotte-perkins-gilman_herland.jpg",  # Odilon Redon, Pandora
    "carra": "g-k-chesterton_the-man-who-was-thursday.jpg",  # Carlo Carrà, Funeral of the Anarchist Galli
    "gauguin": "h-g-wells_the-invisible-man.jpg",  # Paul Gauguin, Village in the Snow
    "manet": "jane-austen_northanger-abbey.jpg",  # Édouard Manet, Before the Mirror
}
LONGER, MOST_SECONDS = 5, 45
RATIOS = ("checker", "grain", "halo", "speckle")


@dataclass(frozen=True)
class Record:
    """What is known of one painting."""

    method: str
    content: str
    style: str
    size: int
    seconds: float
    peak_mib: float
    steps: int
    threads: int
    measures: dict[str, float]

    @property
    def key(self) -> tuple[str, str, str, int]:
        return self.method, self.content, self.style, self.size

    @property
    def pair(self) -> tuple[str, str]:
        return self.content, self.style


class Bench:
    """Paints, measures and keeps what it has."""

    def __init__(self, shared: Path, size: int, folder: Path | None, again: Iterable[str]) -> None:
        self._shared, self._size, self._folder = shared, size, folder
        self._look = teacher(shared)
        self._seen: dict[str, list[Gaussian]] = {}
        self._known = {record.key: record for record in read_records(folder) if record.method not in {*again}}

    def picture(self, file: str) -> Pixels:
        """One of the paintings, its longest side brought to --size."""
        picture = decode(self._shared / "data" / "paintings" / file, at_least=(2 * self._size, 2 * self._size))
        factor = self._size / max(picture.size)
        size = round(picture.width * factor), round(picture.height * factor)
        return np.asarray(picture.resize(size, Image.Resampling.LANCZOS))

    def file(self, method: str, content: str, style: str) -> Path | None:
        """Where a painting is kept."""
        name = f"{self._size}-{content}-{style}-{method.replace(':', '-')}.png"
        return self._folder / name if self._folder is not None else None

    def record(self, method: Method, content: str, style: str) -> Record:
        """What is known of one painting; it is painted if nothing is."""
        key = method.name, content, style, self._size
        file = self.file(*key[:3])
        if key in self._known and (file is None or file.exists()):
            return self._known[key]
        pair = self.picture(CONTENTS[content]), self.picture(STYLES[style])
        seconds = LONGER * self._known["normal", *key[1:]].seconds if method.long else 0.0
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as one:
            done = one.submit(paint, method, *pair, self._shared, seconds).result()
        x, drawing, manner = (to_tensor([Image.fromarray(pixels)]) for pixels in (done.pixels, *pair))
        if style not in self._seen:
            self._seen[style] = gaussians(self._look, manner)
        with torch.no_grad():
            measures = measure(self._look, x, drawing, manner, self._seen[style])
        record = Record(*key, done.seconds, done.peak_mib, done.steps, torch.get_num_threads(), measures)
        self._known[key] = record
        if self._folder is not None and file is not None:
            atomic_write(file, encode_png(done.pixels.transpose(2, 0, 1), {"kind": "bench", "method": method.name}))
            append_json_line(self._folder / "results.jsonl", asdict(record))
        return record

    def save_sheet(self, content: str, styles: Sequence[str], methods: Sequence[Method]) -> None:
        """A row for each style: the style, and what each method made of it."""
        gap, head, side = 8, 24, self._size
        columns = ["style", *(method.name for method in methods)]
        sheet = Image.new("RGB", (len(columns) * (side + gap), head + len(styles) * (side + gap)), "white")
        pen = ImageDraw.Draw(sheet)
        for column, title in enumerate(columns):
            pen.text((column * (side + gap) + 4, 6), title, "black")
            for row, style in enumerate(styles):
                file = self.file(title, content, style)
                assert file is not None
                picture = Image.fromarray(self.picture(STYLES[style])) if column == 0 else decode(file)
                sheet.paste(picture, (column * (side + gap), head + row * (side + gap)))
        assert self._folder is not None
        atomic_write(self._folder / f"{side}-{content}-sheet.png", encode_png(np.asarray(sheet).transpose(2, 0, 1), {}))


def read_records(folder: Path | None) -> list[Record]:
    """What earlier runs found; a line that was cut short, or from before a measure was added, is left out."""
    path = folder / "results.jsonl" if folder is not None else None
    found: list[Record] = []
    for line in path.read_text(encoding="utf-8").splitlines() if path is not None and path.exists() else []:
        try:
            record = Record(**parse_json(line))
        except (ValueError, TypeError):
            continue
        found += [record] if tuple(record.measures) == MEASURES else []
    return found


# --- what is printed


def row_of(title: str, values: dict[str, float], rest: str) -> str:
    """One line of a table."""
    told = [f"{values[name]:8.3f}" if name in ("kept", "patches") else f"{values[name]:8.2f}" for name in MEASURES]
    return f"{title:42}{''.join(told)}  {rest}"


def means(records: Sequence[Record]) -> dict[str, float]:
    """Every measure's mean; of the ratios the geometric one, as half and twice are equally far from 1."""
    columns = {name: [record.measures[name] for record in records] for name in MEASURES}
    return {
        name: statistics.geometric_mean(values) if name in RATIOS else statistics.mean(values)
        for name, values in columns.items()
    }


def print_table(records: Sequence[Record]) -> None:
    """The means of each method."""
    print(f"\n{'means':42}{''.join(f'{name:>8}' for name in MEASURES)}  seconds: median, mean; peak MiB; paintings")
    for name in dict.fromkeys(record.method for record in records):
        own = [record for record in records if record.method == name]
        times = [record.seconds for record in own]
        taken = f"{statistics.median(times):7.1f} {statistics.mean(times):7.1f}"
        print(row_of(name, means(own), f"{taken} {max(record.peak_mib for record in own):7.0f} {len(own):4}"))
    print("", flush=True)


def print_aims(records: Sequence[Record]) -> None:
    """The aims of the issue, each with whether it is reached, as far as the methods that it is about were run."""
    normal = [record.seconds for record in records if record.method == "normal"]
    if normal:
        median = statistics.median(normal)
        print(f"{_yes(median <= MOST_SECONDS)}: normal in at most {MOST_SECONDS} s, median: {median:.1f} s")
    long = dict.fromkeys(r.method for r in records if r.method.startswith("gatys-teacher-long"))
    for better, worse in (*(("normal", name) for name in long), ("fine", "normal")):
        told = compared(records, better, worse)
        if told is not None:
            print(told)


def compared(records: Sequence[Record], better: str, worse: str) -> str | None:
    """Whether one method beats another in style and in content, where both have painted the same pairs."""
    ours, theirs = ({r.pair: r for r in records if r.method == name} for name in (better, worse))
    pairs = [pair for pair in ours if pair in theirs]
    if not pairs:
        return None
    a, b = means([ours[pair] for pair in pairs]), means([theirs[pair] for pair in pairs])
    won = sum(
        ours[pair].measures["style"] < theirs[pair].measures["style"]
        and ours[pair].measures["kept"] > theirs[pair].measures["kept"]
        for pair in pairs
    )
    return (
        f"{_yes(a['style'] < b['style'] and a['kept'] > b['kept'])}: {better} better than {worse} in style "
        f"({a['style']:.2f}, {b['style']:.2f}) and content ({a['kept']:.3f}, {b['kept']:.3f}); "
        f"in both at once for {won} of {len(pairs)} pairs"
    )


def _yes(reached: bool) -> str:
    return "reached" if reached else "NOT reached"


def methods_of(names: str) -> tuple[Method, ...]:
    """The words of --methods, each once; normal comes first where others are given a multiple of its time."""
    found = [method_of(name) for name in dict.fromkeys(names.split(","))]
    if any(method.long for method in found):
        found = [method_of("normal"), *(method for method in found if method.name != "normal")]
    return tuple(found)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shared", type=Path, metavar="SHARED", help="folder of data/paintings and tools/squeezenet.py")
    parser.add_argument("--size", type=int, default=512, help="pixels of the longest side (512)")
    parser.add_argument("--contents", type=int, default=len(CONTENTS), help="only the first so many of 5")
    parser.add_argument("--styles", type=int, default=len(STYLES), help="only the first so many of 8")
    default = ",".join(METHODS)
    parser.add_argument("--methods", type=methods_of, default=default, help=f"comma between them ({default})")
    parser.add_argument("--sheets", type=Path, metavar="FOLDER", help="keep paintings and results; reuse what is there")
    parser.add_argument("--again", type=lambda names: names.split(","), default=[], help="methods not to be reused")
    args = parser.parse_args()
    if args.sheets is not None:
        args.sheets.mkdir(parents=True, exist_ok=True)
    bench = Bench(args.shared, args.size, args.sheets, args.again)
    contents, styles = [*CONTENTS][: args.contents], [*STYLES][: args.styles]
    print(f"{args.size} px, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"{'painting':42}{''.join(f'{name:>8}' for name in MEASURES)}  seconds, peak MiB, steps", flush=True)
    records: list[Record] = []
    try:
        for content in contents:
            for style in styles:
                for method in args.methods:
                    record = bench.record(method, content, style)
                    records.append(record)
                    rest = f"{record.seconds:7.1f} {record.peak_mib:7.0f} {record.steps:6}"
                    print(row_of(f"{content} {style} {method.name}", record.measures, rest), flush=True)
            if args.sheets is not None:
                bench.save_sheet(content, styles, args.methods)
    finally:  # also what was cut off says what it knows
        print_table(records)
        print_aims(records)


if __name__ == "__main__":
    main()
