"""How long `artgan project` takes, and how near it comes: to a model's own samples, and to real pictures.

    python -m tests.bench.project RUN [--real FOLDER] [--count 10] [--steps 200] [--seed 1000]

Own samples are of classes in turn, and the class is searched for. Distances are in units of how far two samples of the
model are from one another. The cosine of the found latent and the one that was drawn is 1 where it came back itself;
another latent may paint the same picture.
"""

import argparse
import time
from pathlib import Path

import torch

from artgan.data.sources import scan
from artgan.latent.latents import Latent, draw, latents_from
from artgan.latent.projector import STEPS, Projector
from artgan.models.trained import load

WITHIN = 0.1


def timed(projector: Projector, target: torch.Tensor) -> tuple[Latent, float, float]:
    """What was found, its distance, and the seconds it took."""
    begin = time.perf_counter()
    found, distance = projector.find(target, "")
    return found, distance, time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--real", type=Path)
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=1000)
    words = parser.parse_args()
    model = load(words.run)
    begin = time.perf_counter()
    projector = Projector(model, words.steps)
    width, height = model.settings.data.size
    print(f"{model.run}, {width} x {height} px, {model.nimg / 1000:g} kimg, {torch.get_num_threads()} threads")
    print(f"to begin: {time.perf_counter() - begin:.1f} s", flush=True)

    kinds = model.classes or ("",)
    names = [
        f"{kinds[k % len(kinds)]}:{seed}".lstrip(":")
        for k, seed in enumerate(range(words.seed, words.seed + words.count))
    ]
    within = 0
    for own in latents_from(names, model):
        found, distance, seconds = timed(projector, draw(model, [own])[0])
        cosine = torch.cosine_similarity(torch.from_numpy(own.z), torch.from_numpy(found.z), 0)
        within += distance < WITHIN
        told = f"class {found.class_name}, " if model.classes else ""
        print(f"own sample {own.name}: {distance:.3f}, {told}cosine {cosine:.2f}, {seconds:.1f} s", flush=True)
    print(f"own samples that come back to within {WITHIN}: {within} of {words.count}", flush=True)

    if words.real is not None:
        files = scan(words.real, labels="none").files
        distances = []
        for file in files[:: max(1, len(files) // words.count)][: words.count]:
            found, distance, seconds = timed(projector, projector.open(words.real / file.name))
            distances.append(distance)
            print(f"{file.name}: {distance:.3f}, class {found.class_name}, {seconds:.1f} s", flush=True)
        print(f"real pictures: {sum(distances) / len(distances):.3f} on average")


if __name__ == "__main__":
    main()
