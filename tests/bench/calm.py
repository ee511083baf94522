"""How calm films of paintings are, beside films whose every frame was painted for itself.

    python -m tests.bench.calm CONTENT STYLE OTHER [--size 160] [--frames 10] [--detail fast] [--keep FOLDER]

Three clips are made of the picture CONTENT: `still`, one frame repeated; `pan`, a window that goes 3 pixels to the
right at each frame; and `disc`, a disc of OTHER that moves over it by 4 pixels to the right and 2 down. Each is painted
as a film (`artgan stylize`), and frame by frame as single pictures with the same settings. What moved is known, so it
is undone exactly, and no measure here asks the optical flow that the films were painted with:

- change: mean difference of each frame and the one before it, moved as the content has moved, where both show the same
  thing, in 1/255; the mean over all frames;
- share: the film's change as a share of that frame by frame;
- style, patches, kept: of the last frame, as `tests.bench.style` measures them, through our own encoder;
- sharp: the last frame's mean difference between neighbours, as a share of that of the same frame painted for itself.

Measured on one CPU core, `--size 96 --frames 5 --detail fast`, Logsdail's St. Martin-in-the-Fields after Van Gogh's
Daubigny's Garden, and a disc of Redon's Pandora:

    clip   way    change  share  style  patches  kept  sharp  seconds
    still  alone    0.00  0.000  31.82   0.0600 0.588  1.000      5.0
    still  film     0.00  0.000  31.82   0.0600 0.588  1.000      3.8
    pan    alone   14.40  1.000  31.94   0.0601 0.567  1.000     18.0
    pan    film     1.42  0.099  32.60   0.0599 0.580  0.994      5.9
    disc   alone   10.69  1.000  31.76   0.0462 0.611  1.000     18.2
    disc   film     2.24  0.210  32.82   0.0452 0.586  0.980      6.0
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import artgan
from artgan.engine.cut import Cut
from artgan.engine.device import Engine
from artgan.engine.feeding import Frame
from artgan.engine.footage import open_footage
from artgan.engine.images import decode, encode_png
from artgan.style.features import embedded_features
from tests.bench.style_measures import content_kept, gaussians, patch_distance, style_distance

PAN, DISC = 3, (2, 4)


@dataclass(frozen=True)
class Clip:
    """Frames (H, W, 3), and for each but the first where its pixels (H, W) lay before, or -1 if they were not seen."""

    frames: Sequence[Frame]
    before: Sequence[NDArray[np.intp]]


def fitted(path: Path, width: int, height: int) -> Frame:
    """A picture that covers this size, cut to it."""
    picture = decode(path)
    factor = max(width / picture.width, height / picture.height)
    picture = picture.resize((max(width, round(picture.width * factor)), max(height, round(picture.height * factor))))
    return np.asarray(picture)[:height, :width]


def still(content: Path, width: int, height: int, count: int) -> Clip:
    frame = fitted(content, width, height)
    return Clip([frame] * count, [np.arange(width * height).reshape(height, width)] * (count - 1))


def pan(content: Path, width: int, height: int, count: int) -> Clip:
    wide = fitted(content, width + PAN * (count - 1), height)
    places = np.arange(width * height).reshape(height, width)
    before = np.full_like(places, -1)
    before[:, :-PAN] = places[:, PAN:]
    frames = [np.ascontiguousarray(wide[:, PAN * number : PAN * number + width]) for number in range(count)]
    return Clip(frames, [before] * (count - 1))


def disc(content: Path, other: Path, width: int, height: int, count: int) -> Clip:
    ground, over = fitted(content, width, height), fitted(other, width, height)
    radius = min(width, height) // 4
    y, x = np.mgrid[:height, :width]
    places = np.arange(width * height).reshape(height, width)

    def inside(number: int) -> NDArray[np.bool_]:
        down, across = radius + DISC[0] * number, radius + DISC[1] * number
        return np.asarray((y - down) ** 2 + (x - across) ** 2 < radius**2, np.bool_)

    frames, before = [], []
    for number in range(count):
        here = inside(number)
        moved = np.roll(over, (DISC[0] * number, DISC[1] * number), (0, 1))
        frames.append(np.where(here[..., None], moved, ground).astype(np.uint8))
        if number:
            covered = np.where(inside(number - 1), -1, places)
            before.append(np.where(here, np.roll(places, DISC, (0, 1)), covered))
    return Clip(frames, before)


def change(frames: Sequence[Frame], before: Sequence[NDArray[np.intp]]) -> float:
    """Mean difference of each frame and the one before it, the known motion undone, in 1/255."""
    found = []
    for old, new, places in zip(frames, frames[1:], before, strict=False):
        seen = places >= 0
        then = old.reshape(-1, 3)[places[seen]]
        found.append(float(np.abs(new[seen].astype(float) - then).mean()))
    return sum(found) / len(found)


def sharpness(frame: Frame) -> float:
    """Mean difference between neighbours, across and down."""
    values = frame.astype(float)
    return float(np.abs(np.diff(values, axis=0)).mean() + np.abs(np.diff(values, axis=1)).mean())


def saved(frames: Sequence[Frame], folder: Path) -> Path:
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames):
        (folder / f"{number:05d}.png").write_bytes(encode_png(frame.transpose(2, 0, 1), {"kind": "clip"}))
    return folder


def as_film(clip: Path, style: Path, out: Path, **words: object) -> tuple[list[Frame], float]:
    """Paint a film without any loss in coding; its frames, and the seconds it took."""
    began = time.monotonic()
    (film,) = artgan.stylize(clip, style, out=out.with_suffix(".apng"), fps=10, **words).files  # type: ignore[arg-type]
    took = time.monotonic() - began
    return [np.array(frame) for frame in open_footage(film, 1 << 14, Cut()).frames()], took


def frame_by_frame(clip: Path, style: Path, out: Path, **words: object) -> tuple[list[Frame], float]:
    """Paint every frame as a single picture, those that are equal once."""
    began, done = time.monotonic(), dict[bytes, Frame]()
    files = sorted(clip.iterdir())
    for file in files:
        if (seen := file.read_bytes()) not in done:
            painted = out / file.name
            artgan.stylize(file, style, out=painted, **words)  # type: ignore[arg-type]
            done[seen] = np.asarray(decode(painted))
    return [done[file.read_bytes()] for file in files], time.monotonic() - began


def to_tensor(frame: Frame) -> torch.Tensor:
    """(H, W, 3) as (1, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(frame.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("content", type=Path)
    parser.add_argument("style", type=Path)
    parser.add_argument("other", type=Path)
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--frames", type=int, default=10)
    parser.add_argument("--detail", default="fast")
    parser.add_argument("--clips", nargs="*", default=["still", "pan", "disc"])
    parser.add_argument("--keep", type=Path, help="A new folder for the clips and paintings.")
    asked = parser.parse_args()
    width, height, count = asked.size, asked.size * 3 // 4, asked.frames
    clips = {
        "still": lambda: still(asked.content, width, height, count),
        "pan": lambda: pan(asked.content, width, height, count),
        "disc": lambda: disc(asked.content, asked.other, width, height, count),
    }
    features = embedded_features(Engine.detect("auto", "float32"))

    def look(x: torch.Tensor) -> list[torch.Tensor]:
        return features(x.to(features.engine.device))[0]

    style = to_tensor(fitted(asked.style, width, height))
    wanted = gaussians(look, style)
    print("clip   way    change  share  style  patches  kept  sharp  seconds")
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.keep or Path(temporary)
        for name in asked.clips:
            clip = clips[name]()
            source = saved(clip.frames, folder / name)
            ways = {
                "alone": frame_by_frame(source, asked.style, folder / f"{name}-alone", detail=asked.detail),
                "film": as_film(source, asked.style, folder / f"{name}-film", detail=asked.detail),
            }
            alone = ways["alone"][0]
            for way, (frames, took) in ways.items():
                moved, last = change(frames, clip.before), to_tensor(frames[-1])
                share = moved / change(alone, clip.before) if change(alone, clip.before) else 0.0
                print(
                    f"{name:6} {way:6} {moved:6.2f} {share:6.3f} {style_distance(gaussians(look, last), wanted):6.2f} "
                    f"{patch_distance(last, style):8.4f} {content_kept(last, to_tensor(clip.frames[-1])):5.3f} "
                    f"{sharpness(frames[-1]) / sharpness(alone[-1]):6.3f} {took:8.1f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
