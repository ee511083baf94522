"""How much of its teacher the embedded encoder kept, on pictures that it was not taught with.

    python -m tests.bench.encoder --teacher FILE --paintings DIR --labelled DIR [--runs RUN...] [--out DIR]

FILE is `compressed_SqueezeNet.net`, DIRs are the folders of pictures that the encoder was taught with (one in five of
their files was withheld), RUNs are trained on one of them. Prints what `--only` names, or all of it: the variance
explained, how alike teacher and student rank damage by Frechet distance, how well near copies are found, speed, and,
with --out, pictures repainted through both.
"""

import argparse
import itertools
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from artgan.engine.device import Engine
from artgan.engine.images import decode
from artgan.metrics.frechet import frechet_between
from artgan.models import encoder as embedded
from artgan.models.encoder import Encoder, load_encoder
from artgan.models.lessons import held_out
from artgan.models.train_encoder import MEAN, Layers, read_teacher, teacher_maps
from tests.bench import graded
from tests.bench.graded import SIDE, Base, find_files, to_tensor

Maps = Sequence[torch.Tensor]
ALTERNATIVES: Mapping[str, Callable[[Maps], torch.Tensor]] = {
    "mean": lambda maps: maps[-1].mean((2, 3)),
    "mean and deviation": lambda maps: torch.cat([maps[-1].mean((2, 3)), maps[-1].std((2, 3), correction=0)], 1),
    "three means": lambda maps: torch.cat([F.normalize(found.mean((2, 3))) for found in maps[-3:]], 1),
    "peaks of quarters": lambda maps: F.adaptive_max_pool2d(maps[-1], 2).flatten(1),
}
REPAINTED = ((2, 7), (17, 28))
"""Which of the held-out paintings are content and style."""
LARGE = 192


def plain_teacher(layers: Layers, x: torch.Tensor) -> list[torch.Tensor]:
    """The teacher as it was trained, without padding: conv1, fire4, fire8 and fire9 of (N, 3, H, W) in [-1, 1]."""
    x = (x[:, [2, 1, 0]] + 1) * 127.5 - torch.tensor(MEAN).view(1, 3, 1, 1)
    x = F.relu(F.conv2d(x, *layers[0], stride=2))
    maps = [x]
    for number in range(8):
        x = F.max_pool2d(x, 3, 2, ceil_mode=True) if number in (0, 3, 7) else x
        squeeze, one, three = layers[1 + 3 * number : 4 + 3 * number]
        x = F.relu(F.conv2d(x, *squeeze))
        x = F.relu(torch.cat([F.conv2d(x, *one), F.conv2d(x, *three, padding=1)], 1))
        maps += [x] if number in (2, 6, 7) else []
    return maps


# --- the variance explained


@torch.no_grad()
def print_explained(student: Encoder, layers: Layers, bases: Mapping[str, Base]) -> None:
    """Per map and for the embedding: 1 is all; every map of the student's may be multiplied by one number."""
    print("\nVariance of the teacher's maps that the student explains, held-out pictures")
    names = ["conv1", *(f"fire{number}" for number in range(2, 10)), "embedding"]
    print(" " * 14 + "".join(f"{name:>10}" for name in names))
    for title, base in bases.items():
        x = to_tensor(base.real).split(8)
        pairs = [
            *zip(*(zip(student.all_maps(part)[1:], teacher_maps(layers, part), strict=True) for part in x), strict=True)
        ]
        shares = [_explained(*(torch.cat(maps) for maps in zip(*pair, strict=True))) for pair in pairs]
        last = [torch.cat(maps).mean((2, 3)) for maps in zip(*pairs[-1], strict=True)]
        print(f"{title:14}" + "".join(f"{share:10.3f}" for share in [*shares, _explained(*last)]))


def _explained(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    dims = [dim for dim in range(ours.dim()) if dim != 1]
    factor = (ours * theirs).sum() / ours.square().sum()
    return 1 - float((factor * ours - theirs).square().mean() / theirs.var(dims, correction=0).mean())


# --- Frechet distances


@torch.no_grad()
def describe(student: Encoder, layers: Layers, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Embeddings of pictures by the teacher, at two sizes, and by the student, in several ways."""
    rows: dict[str, list[torch.Tensor]] = {}
    for part in x.split(8):
        maps = student(part)
        found = {"teacher": plain_teacher(layers, part)[-1].mean((2, 3))}
        large = F.interpolate(part, (LARGE, LARGE), mode="bicubic", antialias=True).clamp(-1, 1)
        found[f"teacher, {LARGE} px"] = plain_teacher(layers, large)[-1].mean((2, 3))
        found |= {name: alternative(maps) for name, alternative in ALTERNATIVES.items()}
        for name, values in found.items():
            rows.setdefault(name, []).append(values)
    return {name: torch.cat(parts).double() for name, parts in rows.items()}


def print_ranks(student: Encoder, layers: Layers, bases: Mapping[str, Base], runs: Sequence[Path]) -> None:
    """A table of Frechet distances, and how alike they rank the sets."""
    columns = ["teacher", f"teacher, {LARGE} px", *ALTERNATIVES]
    table: dict[str, list[list[float]]] = {title: [] for title in bases}
    print(f"\nFrechet distances to held-out pictures at {SIDE} px, each in percent of the variance of these")
    print(" " * 46 + "".join(f"{name:>20}" for name in columns))
    titles = [*bases]
    for title, base in bases.items():
        real = describe(student, layers, to_tensor(base.real))
        strange = bases[titles[1 - titles.index(title)]]
        samples = [graded.sampled_sets(run) for run in runs if title in (run / "run.json").read_text()]
        for name, pictures in itertools.chain(graded.damaged_sets(base, strange), *samples):
            other = describe(student, layers, pictures)
            row = [100 * frechet_between(real[c], other[c]) / float(real[c].var(0).sum()) for c in columns]
            table[title].append(row)
            print(f"{title:13}{name:33}" + "".join(f"{value:20.2f}" for value in row), flush=True)
    print("\nSpearman's rank correlation with the teacher's distances (at both sizes)")
    every = [row for rows in table.values() for row in rows]
    for title, rows in {**table, "all of them": every}.items():
        values = torch.tensor(rows).T
        for number, reference in enumerate(columns[:2]):
            told = "".join(
                f"{name} {spearman(values[number], column):.3f}   "
                for name, column in zip(columns, values, strict=True)
                if name != reference
            )
            print(f"{title} ({len(rows)} pairs) with {reference}: {told}")


def spearman(x: torch.Tensor, y: torch.Tensor) -> float:
    """The correlation of the ranks of two rows of numbers, of which no two are equal."""
    ranks = torch.stack([x.argsort().argsort(), y.argsort().argsort()]).double()
    return float(torch.corrcoef(ranks)[0, 1])


# --- near copies


@torch.no_grad()
def print_retrieval(student: Encoder, folders: Sequence[Path]) -> None:
    """The share of damaged copies of held-out pictures whose nearest picture, by cosine, is their own."""
    files = [file for folder in folders for file in find_files(folder)]
    pictures, rng = [decode(file) for file in files], random.Random(0)
    asked = [number for number, file in enumerate(files) if held_out(file.name)]
    keys = embed_wholes(student, [*pictures])
    print(f"\nNear copies of {len(asked)} held-out pictures found among {len(files)}: share of first hits")
    print(
        " " * 32 + "".join(f"{kind:>11}" for kind in [*graded.COPIES, "all", *(folder.name[:10] for folder in folders)])
    )
    hits: dict[tuple[str, bool], list[torch.Tensor]] = {}
    own = torch.tensor(asked)
    for change in graded.COPIES.values():
        queries = embed_wholes(student, [change(pictures[number], rng) for number in asked])
        for name, values in queries.items():
            for centred in (False, True):
                middle = keys[name].mean(0) if centred else 0
                likeness = F.normalize(values - middle) @ F.normalize(keys[name] - middle).T
                hits.setdefault((name, centred), []).append(likeness.argmax(1) == own)
    of_folder = [torch.tensor([folder in files[number].parents for number in asked]) for folder in folders]
    for (name, centred), found in hits.items():
        table = torch.stack(found).float()
        shares = [
            *table.mean(1).tolist(),
            float(table.mean()),
            *(float(table[:, chosen].mean()) for chosen in of_folder),
        ]
        print(f"{name + (', centred' if centred else ''):32}" + "".join(f"{share:11.3f}" for share in shares))


def embed_wholes(student: Encoder, pictures: Sequence[Image.Image]) -> dict[str, torch.Tensor]:
    """Every embedding of whole pictures, brought to squares."""
    small = to_tensor(
        [picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0) for picture in pictures]
    )
    maps = [student(part)[-3:] for part in small.split(8)]
    return {name: torch.cat([alternative(part) for part in maps]) for name, alternative in ALTERNATIVES.items()}


# --- speed


def vgg19() -> nn.Module:
    """The body of VGG-19 up to relu5_1 (Simonyan & Zisserman 2015), with weights drawn by chance."""
    layers: list[nn.Module] = []
    before = 3
    for channels in (64, 64, 0, 128, 128, 0, *[256] * 4, 0, *[512] * 4, 0, 512):
        layers += [nn.Conv2d(before, channels, 3, padding=1), nn.ReLU()] if channels else [nn.MaxPool2d(2)]
        before = channels or before
    return nn.Sequential(*layers).requires_grad_(False)


def print_speed(layers: Layers, rounds: int) -> None:
    """Medians of alternating rounds at 256 px, and how long the file takes to load."""
    vgg = vgg19()
    print(f"\nSpeed at 256 px, {torch.get_num_threads()} threads, ms (medians of {rounds} alternating rounds)")
    precisions: tuple[Literal["float32", "bf16"], ...] = ("float32", "bf16")
    for precision in precisions:
        engine = Engine.detect("cpu", precision)
        student, body = load_encoder(engine), engine.place(vgg)
        networks: dict[str, Callable[[torch.Tensor], Maps]] = {
            "student": student,
            "teacher": lambda x: plain_teacher(layers, x),
            "VGG-19": lambda x: [body(x)],  # noqa: B023
        }
        for count in (1, 8):
            x = engine.pictures(torch.randint(0, 256, (count, 3, 256, 256), dtype=torch.uint8))
            for backward in (False, True):
                times: dict[str, list[float]] = {name: [] for name in networks}
                for _ in range(rounds + 1):  # the first one warms up
                    for name, network in networks.items():
                        times[name].append(_timed(engine, network, x, backward))
                medians = {name: statistics.median(found[1:]) for name, found in times.items()}
                what = f"{precision}, {count} picture{'s' * (count > 1)}, forward{' and back' * backward}"
                told = "".join(f"{name} {value:8.1f}   " for name, value in medians.items())
                ratios = [medians["student"] / medians[name] for name in ("teacher", "VGG-19")]
                print(f"{what:40}{told}student / teacher {ratios[0]:.2f}, student / VGG-19 {ratios[1]:.3f}", flush=True)
    engine, loads = Engine.detect("cpu", "float32"), []
    for _ in range(5):
        started = time.perf_counter()
        load_encoder(engine)
        loads.append(1000 * (time.perf_counter() - started))
    print(f"loading the file: {statistics.median(loads):.1f} ms (median of 5, the first {loads[0]:.1f})")


def _timed(engine: Engine, network: Callable[[torch.Tensor], Maps], x: torch.Tensor, backward: bool) -> float:
    x = x.detach().requires_grad_(backward)
    started = time.perf_counter()
    with engine.autocast(), torch.set_grad_enabled(backward):
        maps = network(x)
    if backward:
        torch.stack([found.float().square().mean() for found in maps]).sum().backward()
    return 1000 * (time.perf_counter() - started)


# --- repainting


def repaint(
    look: Callable[[torch.Tensor], Maps], content: torch.Tensor, style: torch.Tensor, steps: int, weight: float
) -> torch.Tensor:
    """Optimise a picture, from the content on, towards the style's Gram matrices (Gatys et al. 2016, section 2).

    Every level's distance is divided by what it is at the start, and the content's, at /8, by the map's own variance:
    so networks whose maps are of any size are treated alike.
    """

    def grams(maps: Maps) -> list[torch.Tensor]:
        return [found[0].flatten(1) @ found[0].flatten(1).T / found[0, 0].numel() for found in maps]

    with torch.no_grad():
        start, wanted = look(content), grams(look(style))
        far = [(a - b).square().sum() for a, b in zip(grams(start), wanted, strict=True)]
    x = content.clone().requires_grad_()
    optimizer = torch.optim.Adam([x], lr=0.03)
    for _ in range(steps):
        maps = look(x)
        styles = [(a - b).square().sum() / c for a, b, c in zip(grams(maps), wanted, far, strict=True)]
        kept = (maps[-2] - start[-2]).square().mean() / start[-2].var()
        loss = torch.stack(styles).mean() + weight * kept
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            x.clamp_(-1, 1)
    return x.detach()


def save_repaintings(student: Encoder, layers: Layers, folder: Path, out: Path, steps: int, weight: float) -> None:
    """Content, style, the teacher's repainting and the student's, side by side."""
    files = [file for file in find_files(folder) if held_out(file.name)]
    out.mkdir(parents=True, exist_ok=True)
    for pair in REPAINTED:
        pictures = []
        for number in pair:
            picture = decode(files[number % len(files)])
            picture.thumbnail((288, 288), Image.Resampling.LANCZOS)
            pictures.append(to_tensor([picture]))
        looks: tuple[tuple[str, Callable[[torch.Tensor], Maps]], ...]
        looks = (("teacher", lambda x: plain_teacher(layers, x)), ("student", student))
        for name, look in looks:
            started = time.perf_counter()
            pictures.append(repaint(look, pictures[0], pictures[1], steps, weight))
            print(f"repainted {pair} through the {name} in {time.perf_counter() - started:.0f} s", flush=True)
        sheet = Image.new("RGB", (sum(x.shape[3] + 8 for x in pictures), max(x.shape[2] for x in pictures)), "white")
        left = 0
        for x in pictures:
            sheet.paste(graded.to_picture(x[0]), (left, 0))
            left += x.shape[3] + 8
        sheet.save(out / f"repainted-{pair[0]}-{pair[1]}.png")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--paintings", type=Path, required=True)
    parser.add_argument("--labelled", type=Path, required=True)
    parser.add_argument("--runs", type=Path, nargs="*", default=[])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--encoder", type=Path, help="another file than the one that ships")
    parts = ("explained", "ranks", "retrieval", "speed", "repaint")
    parser.add_argument("--only", nargs="*", choices=parts, default=parts)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--weight", type=float, default=0.1, help="of the content, in repainting")
    args = parser.parse_args()
    embedded.FILE = args.encoder or embedded.FILE
    layers, student = read_teacher(args.teacher), load_encoder(Engine.detect("cpu", "float32"))
    student = student.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    print(f"taught for {embedded.origin()['steps']} steps")
    if {"explained", "ranks"} & {*args.only}:
        bases = {
            args.labelled.name: graded.read_base(args.labelled, by_class=True, least=0.85),
            args.paintings.name: graded.read_base(args.paintings, by_class=False, least=0.5),
        }
    if "explained" in args.only:
        print_explained(student, layers, bases)
    if "ranks" in args.only:
        print_ranks(student, layers, bases, args.runs)
    if "retrieval" in args.only:
        print_retrieval(student, [args.paintings, args.labelled])
    if "speed" in args.only:
        print_speed(layers, args.rounds)
    if "repaint" in args.only and args.out:
        save_repaintings(student, layers, args.paintings, args.out, args.steps, args.weight)


if __name__ == "__main__":
    main()
