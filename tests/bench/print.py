"""Large paintings: whether tiles can be seen, and what memory and time a size for print takes.

    python -m tests.bench.print SHARED [--size 4096] [--steps N] [--equal 448] [--out FOLDER]

SHARED holds `data/paintings`. First a painting of --equal pixels (0: none) is made as a whole and once more cut into
tiles of 320 pixels, to be compared. Then one of --size pixels is painted through `artgan.stylize --detail fast`; with
--steps every size gets only so many steps, which needs the same memory and less time.

- difference: of the two in 8 bits, the largest and the mean of all values, unrounded;
- seams: the mean square of the steps across the borders of tiles, beside that of the steps across the next lines of
  the network's grid of 16 pixels, less 1; for the picture in one piece the same borders say how much is chance;
- peak: the largest resident memory of the process, Python, torch and files included;
- stated: the seconds that were said beforehand, and what it took.

Measured with --steps 1 --equal 0, one thread of a busy CPU (artgan.style.room states what is asked of free memory; of
the peak, 0.6 GB are there before it asks):

    pixels        tiles   peak      processor time
    834 x 1024        1   2311 MB    15 s
    1250 x 1536      10   1626 MB    49 s
    1667 x 2048      18   1886 MB    87 s
    3334 x 4096      66   2960 MB   315 s
    3334 x 4096     176   2168 MB   366 s   (tiles of half as many pixels: more of them need no more memory)
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

import torch

from artgan.engine.artwork import open_artwork
from artgan.engine.device import Engine
from artgan.style import tiles
from artgan.style.events import Begun, StylizeEvent
from artgan.style.features import embedded_features
from artgan.style.plan import Stage, stages
from artgan.style.repaint import Area, Source, repaint
from artgan.style.stylize import stylize
from tests.bench.style import CONTENTS, STYLES

CONTENT, STYLE = CONTENTS["church"], STYLES["gogh"]
_SMALL_TILE = 320**2
_NEAR = (-48, -32, -16, 16, 32, 48)  # lines that a border is compared with: those of the network's grid beside it


def peak_mb() -> float:
    """The largest resident memory of this process so far, in millions of bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def seam(picture: torch.Tensor, cuts: list[tiles.Tile]) -> float:
    """How much more a picture (1, 3, H, W) changes across the borders of tiles than beside them, as a share.

    Networks leave a pattern of their own, of 16 pixels, and borders lie on its lines.
    """
    across, down = picture.diff(dim=3).square().mean((0, 1, 2)), picture.diff(dim=2).square().mean((0, 1, 3))
    at, beside = 0.0, 0.0
    for energy, spans in ((across, [tile.columns for tile in cuts]), (down, [tile.rows for tile in cuts])):
        for border in sorted({span.start - 1 for span in spans if span.start}):
            at += float(energy[border])
            lines = [border + far for far in _NEAR if 0 <= border + far < len(energy)]
            beside += float(energy[lines].mean())
    return at / beside - 1


def compare(folder: Path, size: int) -> None:
    """Paint one picture as a whole and in tiles, and print how they differ."""
    content, style = (
        torch.from_numpy(open_artwork(folder / name, size, large=True).pixels)[None] for name in (CONTENT, STYLE)
    )
    height, width = content.shape[2:]
    features = embedded_features(Engine.detect("cpu", "float32"))
    found = []
    for whole in (height * width, 0):
        start = time.process_time()
        with mock.patch.multiple(tiles, WHOLE=whole, TILE=_SMALL_TILE):
            cut = tiles.cut(height, width, tiles.uncut_pixels(height, width))
            done = repaint(
                content,
                [Area(None, (Source(style, 1.0),))],
                features,
                stages((width, height), "fast"),
                strength=1.0,
                brush_size=1.0,
                smooth=0.3,
                init="content",
                seed=0,
                on_step=lambda step: None,
                should_stop=lambda: False,
            )
        found.append(done.picture)
        print(
            f"{width} x {height}: {len(cut)} tiles, {time.process_time() - start:.0f} s of processor time", flush=True
        )
    far = (found[0] - found[1]).abs() * 127.5
    print(f"difference: largest {float(far.max()):.3f}, mean {float(far.mean()):.4f} of 255")
    print(f"seams: {100 * seam(found[1], cut):+.2f} %, of the picture in one piece {100 * seam(found[0], cut):+.2f} %")


def paint(folder: Path, size: int, steps: int | None, out: Path) -> None:
    """Paint for print, and print what it took."""
    said: list[Begun] = []

    def listen(event: StylizeEvent) -> None:
        if isinstance(event, Begun):
            said.append(event)

    def few(sides: tuple[int, int], detail: str) -> tuple[Stage, ...]:
        return tuple(Stage(stage.longest, steps or stage.steps) for stage in stages(sides, "fast"))

    target = out / f"print-{size}{f'-{steps}' if steps else ''}.png"
    start, start_cpu = time.perf_counter(), time.process_time()
    with mock.patch("artgan.style.studio.stages", few):
        stylize(folder / CONTENT, folder / STYLE, out=target, detail="fast", size=size, overwrite=True, on_event=listen)
    took, took_cpu = time.perf_counter() - start, time.process_time() - start_cpu
    width, height = said[0].size
    cut = tiles.cut(height, width, tiles.uncut_pixels(height, width))
    print(f"{width} x {height}: {len(cut)} tiles, peak {peak_mb():.0f} MB, {torch.get_num_threads()} threads")
    print(f"stated {said[0].seconds['fast']:.0f} s, took {took:.0f} s ({took_cpu:.0f} s of processor time)")
    if len(cut) > 1:
        picture = torch.from_numpy(open_artwork(target, large=True).pixels)[None]
        print(f"seams: {100 * seam(picture, cut):+.2f} %", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shared", type=Path, metavar="SHARED", help="folder of data/paintings")
    parser.add_argument("--size", type=int, default=4096, help="pixels of the longest side (4096); 0 paints none")
    parser.add_argument("--steps", type=int, help="steps at each size; all of --detail fast without it")
    parser.add_argument("--equal", type=int, default=448, help="pixels of the pair that is compared (448); 0 for none")
    parser.add_argument("--out", type=Path, help="folder to keep the painting in")
    args = parser.parse_args()
    folder = args.shared / "data" / "paintings"
    if args.size:  # first, as the peak is that of the process
        with tempfile.TemporaryDirectory() as temporary:
            paint(folder, args.size, args.steps, args.out or Path(temporary))
    if args.equal:
        compare(folder, args.equal)


if __name__ == "__main__":
    main()
