"""Teach the stylist that ships with artgan: `python -m artgan.style.teach_stylist --minutes M --out FILE FOLDER...`.

Every picture in the folders is a content and a style; those of the first folder are drawn three times as often as the
others. First the principal directions of the encoder's maps are found on all of them, then the lessons of
`artgan.style.lessons` are given. --without names files that are kept from it: the contents and styles of
`tests/bench/style.py` were, so that the figures there are of pictures that it never saw.

The shipped file was made from 167 public-domain paintings, 80 watercolours of the US Department of Agriculture and 80
pictures of artgan's own painters; its metadata tells how many lessons there were. Nothing of artgan imports this
module.
"""

import argparse
import functools
import itertools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from artgan.data.sources import scan
from artgan.engine.artwork import open_artwork
from artgan.engine.device import Engine
from artgan.engine.storage import atomic_write
from artgan.engine.tensors import tensor_bytes
from artgan.models.stylist import DIRECTIONS, MAPS, Stylist
from artgan.style.features import Features, embedded_features
from artgan.style.goal import added
from artgan.style.lessons import SIDE, Example, Lessons, pace_at
from artgan.style.losses import Scatter, scatter
from artgan.style.transport import look_of

_LOOKED_AT = 256  # pixels of the sides of the crops on which principal directions are found
_TOLD = 100  # lessons between two lines
_OFTEN = 3


def find_directions(stylist: Stylist, features: Features, pictures: Sequence[torch.Tensor]) -> list[float]:
    """Set the means and principal directions of a stylist by pictures (3, H, W) uint8.

    Returns:
        Of each scale the share of the variance that is kept.
    """

    def look_at(picture: torch.Tensor) -> list[Scatter]:
        crop = picture[None, :, :_LOOKED_AT, :_LOOKED_AT].float() / 127.5 - 1
        with torch.no_grad():
            maps, _ = features(crop.to(features.engine.device))
        return [scatter(maps[number]) for number in MAPS]

    sums = functools.reduce(lambda one, other: list(map(added, one, other)), map(look_at, pictures))
    shares = []
    for level, ((mean, covariance), count) in enumerate(zip(look_of(sums).scales, DIRECTIONS, strict=True)):
        power, vectors = torch.linalg.eigh(covariance)
        power, vectors = power.flip(0).clamp_min(1e-12), vectors.flip(1)
        stylist.get_buffer(f"mean{level}").copy_(mean)
        stylist.get_buffer(f"basis{level}").copy_(vectors[:, :count] / power[:count].sqrt())
        shares.append(float(power[:count].sum() / power.sum()))
    return shares


def read(folders: Sequence[Path], without: Sequence[str]) -> Iterator[list[torch.Tensor]]:
    """The pictures of each folder, (3, H, W) uint8."""
    for folder in folders:
        named = (folder / file.name for file in scan(folder, labels="none").files)
        files = [file for file in named if file.name not in without]
        pixels = (torch.from_numpy(open_artwork(file, SIDE, None, True).pixels) for file in files)
        yield [((each + 1) * 127.5).round().to(torch.uint8) for each in pixels]


def main() -> None:
    """Read, look, teach and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--without", nargs="*", default=[], help="names of files to leave out")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    stylist, features = Stylist(), embedded_features(Engine.detect("auto", "float32"))
    folders = list(read(args.folders, args.without))
    if not any(folders):
        parser.error("there is no picture in these folders")
    print("kept of the variance:", find_directions(stylist, features, list(itertools.chain(*folders))))
    stylist = features.engine.place(stylist)
    often = [*folders[:1] * _OFTEN, *folders[1:]]
    lessons = Lessons(stylist, features, list(itertools.chain(*often)), args.seed)
    known = [[lessons.example([each[None].float() / 127.5 - 1]) for each in folder] for folder in folders]
    examples: list[Example] = list(itertools.chain(*known[:1] * _OFTEN, *known[1:]))
    began, went = time.monotonic(), []
    while (share := (time.monotonic() - began) / (60 * args.minutes)) < 1:
        went.append(lessons.learn(examples, pace_at(share)))
        if lessons.done % _TOLD == 0:
            style, content = (sum(values) / len(went) for values in zip(*went, strict=True))
            print(f"{lessons.done} lessons, {share:.0%}: style {style:.3f}, content {content:.3f}", flush=True)
            went = []
    # Half as exact is enough for what was learnt; faint principal directions are made of large numbers that cancel.
    learnt = {name for name, _ in lessons.averaged.named_parameters()}
    kept = {name: each.half() if name in learnt else each for name, each in lessons.averaged.state_dict().items()}
    atomic_write(args.out, tensor_bytes(kept, {"format": "artgan-stylist/1", "lessons": str(lessons.done)}))


if __name__ == "__main__":
    main()
