"""Files `NAME.style`: a stylist that has learnt a style of one's own, and the pictures that it learnt from."""

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from artgan.engine.artwork import SMALLEST, Artwork, open_artwork
from artgan.engine.checkpoint import misfit
from artgan.engine.images import open_picture
from artgan.engine.storage import atomic_write, parse_json
from artgan.engine.tensors import Tensors, parse_tensors, tensor_bytes
from artgan.errors import CheckpointError, DatasetError, StorageError
from artgan.models.stylist import FILE, Stylist
from artgan.style.plan import Detail
from artgan.style.repaint import scaled

SUFFIX = ".style"
_FORMAT = "artgan-style/1"
_LONGEST = 1024  # pixels of a style that is kept
_LARGEST = 1 << 28  # bytes


@dataclass(frozen=True)
class Taught:
    """What a `.style` holds.

    Attributes:
        tensors: what `Lessons.state` gave.
        picture: the styles side by side, (3, H, W) uint8.
        reach: how many times larger the longest side of that is than that of one of them.
        digests: SHA-256 of the files of the styles.
        seed: of the lessons.
        seconds: that learning has taken.
    """

    tensors: Tensors
    picture: torch.Tensor
    reach: float
    digests: tuple[str, ...]
    seed: int
    seconds: float

    def stylist(self) -> Stylist:
        """The network that paints."""
        return _built(_own(self.tensors))

    def write(self, path: Path) -> None:
        """Write it, whole or not at all."""
        header = {
            "format": _FORMAT,
            "reach": repr(self.reach),
            "digests": json.dumps(self.digests),
            "seed": str(self.seed),
            "seconds": repr(self.seconds),
        }
        atomic_write(path, tensor_bytes({**self.tensors, "picture": self.picture}, header))


def read_taught(path: Path) -> Taught:
    """Read a `.style`.

    Raises:
        CheckpointError: it is missing, damaged, or no such file.
    """
    hint = "Give a file that `artgan style-train` wrote."
    try:
        if path.stat().st_size > _LARGEST:
            raise CheckpointError(f"{path} is too large for a style.", hint)
        # As a whole and not mapped: learning goes on in the file that it was read from.
        tensors, header = parse_tensors(path.read_bytes(), path)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}.", hint) from error
    except CheckpointError as error:
        if error.hint == hint:
            raise
        raise CheckpointError(f"{path} is damaged, or no style of artgan.", hint) from error
    try:
        digests, picture = parse_json(header["digests"]), tensors.pop("picture")
        reach, seed, seconds = float(header["reach"]), int(header["seed"]), float(header["seconds"])
        told = header["format"] == _FORMAT and isinstance(digests, list)
    except (KeyError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path} is not a style that artgan can read.", hint) from error
    shown = picture.dtype == torch.uint8 and picture.dim() == 3 and len(picture) == 3
    if not told or not shown or min(picture.shape[1:]) < SMALLEST or not (1 <= reach < 1e9 and 0 <= seconds < 1e9):
        raise CheckpointError(f"{path} is not a style that artgan can read.", hint)
    if problem := _problem(_own(tensors)):
        raise CheckpointError(f"{path} does not fit this version of artgan: {problem}.", hint)
    return Taught(tensors, picture, reach, tuple(map(str, digests)), seed, seconds)


def _own(tensors: Tensors) -> dict[str, torch.Tensor]:
    """Those of a state of lessons that are the network that paints."""
    prefix = "stylist."
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def shipped_stylist() -> Stylist:
    """The stylist that comes with artgan.

    Raises:
        StorageError: its file is missing or damaged.
    """
    try:
        tensors = {name: value.float() for name, value in parse_tensors(FILE.read_bytes(), FILE)[0].items()}
        problem = _problem(tensors)
    except (CheckpointError, OSError) as error:
        problem = " ".join(str(error).split())[:200].rstrip(".")
    if problem:
        raise StorageError(f"artgan's own file {FILE} is damaged: {problem}.", "Install artgan again.")
    return _built(tensors)


def _problem(tensors: Tensors) -> str:
    """What keeps tensors from being a stylist, in words; empty if nothing."""
    with torch.device("meta"):  # there nothing is drawn: neither time nor the caller's random numbers are spent
        wanted = Stylist().state_dict()
    if problem := misfit(tensors, wanted):
        return problem
    broken = [name for name, value in tensors.items() if not value.isfinite().all()]
    return f"{broken[0]} holds what is no number" if broken else ""


def _built(tensors: Tensors) -> Stylist:
    with torch.device("meta"):
        stylist = Stylist()
    stylist.load_state_dict({name: value.clone() for name, value in tensors.items()}, assign=True)
    return stylist


def pictures_of(styles: Sequence[Path]) -> tuple[torch.Tensor, float]:
    """The pictures of styles side by side, (3, H, W) uint8, and their reach.

    All are as high as the middle one of them: a small one among large ones shall not take their strokes away. What is
    transparent lies over white.

    Raises:
        DatasetError: one of them cannot be read.
    """
    read = [_over_white(open_artwork(path, narrow(path, _LONGEST), None, large=True)) for path in styles]
    height = statistics.median_high(picture.shape[2] for picture in read)
    alike = [scaled(picture, height, max(1, round(picture.shape[3] * height / picture.shape[2]))) for picture in read]
    row = torch.cat(alike, 3)[0]
    one = sum(max(picture.shape[2:]) for picture in alike) / len(alike)
    return ((row + 1) * 127.5).round().clamp(0, 255).to(torch.uint8), max(row.shape[1:]) / one


def _over_white(art: Artwork) -> torch.Tensor:
    """The pixels of a picture, (1, 3, H, W) in [-1, 1]."""
    pixels = torch.from_numpy(art.pixels)[None]
    return pixels if art.alpha is None else 1 + (pixels - 1) * torch.from_numpy(art.alpha)[None]


def narrow(path: Path, longest: int) -> int:
    """The longest side to read a style in: more than is needed where its shorter side would become too short."""
    try:
        with open_picture(path) as opened:
            shape = max(opened.size) / max(min(opened.size), 1)
    except DatasetError:  # said better by what reads it
        return longest
    return max(longest, math.ceil(SMALLEST * shape))


def usual_detail(styles: Sequence[Path]) -> Detail:
    """The `--detail` of a painting that is not told one."""
    return "instant" if styles and all(path.suffix.lower() == SUFFIX for path in styles) else "normal"
