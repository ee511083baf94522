"""How even a walk is, how fast, and in how much memory, for a run of one's own.

    python -m tests.bench.walk RUN [--frames 96] [--timed 4000] [--long 12000]

Evenness: the standard deviation of what changes from frame to frame, to the embedded encoder, as a share of the mean;
0 is a constant speed. Speed: a film of frames that are at hand (the encoder alone), the same latents drawn and
forgotten (the generator alone), and the walk itself, which does both at once; medians of three rounds, interleaved.
Memory: the peak of a process of its own for a film of 120 frames and for a long one.
"""

import argparse
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import artgan
from artgan.engine.device import Engine
from artgan.engine.seeds import latents
from artgan.engine.video import write_video
from artgan.latent.paths import PathKind
from artgan.latent.timing import Eye, evenness, load_eye
from artgan.models.render import render

PATHS: tuple[PathKind, ...] = ("spline", "slerp", "linear", "circle", "noise")


def steps(run: Path, folder: Path, eye: Eye, frames: int, path: PathKind, even: bool) -> float:
    """The evenness of a looped film."""
    artgan.walk(folder, run=run, frames=frames, path=path, even=even)
    pictures = [np.asarray(Image.open(file).convert("RGB")) for file in sorted(folder.iterdir())]
    tensors = torch.from_numpy(np.stack([*pictures, pictures[0]])).permute(0, 3, 1, 2) / 127.5 - 1
    seen = torch.cat([eye(part) for part in tensors.split(16)])
    return evenness((seen[1:] - seen[:-1]).norm(dim=1).double().numpy())


def clocked(run: Path, folder: Path, frames: int) -> tuple[float, float, float]:
    """Seconds of the encoder alone, the generator alone, and the walk."""
    model = artgan.load(run)
    c = torch.zeros(frames, dtype=torch.long) if model.classes else None
    z = latents(tuple(range(frames)), model.settings.model.z_dim)
    begun = time.perf_counter()
    artgan.walk(folder / "walk.mp4", run=run, frames=frames, overwrite=True)
    walked = time.perf_counter()
    drawn = render(model.network, model.engine, z, c)
    generated = time.perf_counter()
    pixels = ((drawn.clamp(-1, 1) + 1) * 127.5).byte().permute(0, 2, 3, 1).expand(-1, -1, -1, 3).contiguous().numpy()
    ready = time.perf_counter()
    write_video(folder / "frames.mp4", iter(pixels))
    return time.perf_counter() - ready, generated - walked, walked - begun


def peak(run: Path, frames: int, told: "multiprocessing.connection.Connection") -> None:
    """Walk, and tell the peak memory of this process in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        artgan.walk(Path(folder) / "out.mp4", run=run, frames=frames)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    told.send(used / 2**20 if sys.platform == "darwin" else used / 2**10)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--frames", type=int, default=96)
    parser.add_argument("--timed", type=int, default=4000)
    parser.add_argument("--long", type=int, default=12_000)
    args = parser.parse_args()
    eye = load_eye(Engine.detect("cpu", "float32"))
    print(f"evenness of {args.frames} frames: plain, --even")
    with tempfile.TemporaryDirectory() as place:
        for path in PATHS:
            plain, even = (
                steps(args.run, Path(place) / f"{path}{even}", eye, args.frames, path, even) for even in (False, True)
            )
            print(f"  {path:8} {plain:.3f} {even:.3f}")
        rounds = [clocked(args.run, Path(place), args.timed) for _ in range(3)]
    encoder, generator, walk = (statistics.median(each) for each in zip(*rounds, strict=True))
    print(f"{args.timed} frames: encoder {encoder:.2f} s, generator {generator:.2f} s, walk with loading {walk:.2f} s")
    print(f"  the slower of the two alone is {max(encoder, generator) / walk:.0%} of the walk")
    context = multiprocessing.get_context("spawn")
    for frames in (120, args.long):
        ours, theirs = context.Pipe()
        process = context.Process(target=peak, args=(args.run, frames, theirs))
        process.start()
        print(f"peak memory of {frames} frames: {ours.recv():.0f} MiB")
        process.join()


if __name__ == "__main__":
    main()
