"""The embedded encoder: what is in a picture, at five scales, from a small pretrained network that ships with artgan.

Its weights lie beside this file as `encoder.safetensors`. They were taught by SqueezeNet v1.0 (Iandola et al. 2016;
see `artgan.models.train_encoder` and `origin`), whose fire modules are the student's starting point. What differs is
what makes it smooth, so that pictures can be optimised through it: instead of a strided 7 x 7 convolution a stem at
full resolution, and instead of max pooling the root of the mean square (L2 pooling, as in DISTS, Ding et al. 2020),
which passes a gradient to every pixel.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from torch import nn

from artgan.engine.checkpoint import misfit
from artgan.engine.device import Engine
from artgan.errors import StorageError, UsageError

FILE = Path(__file__).with_name("encoder.safetensors")
FIRES = (
    *((96, 16, 64), (128, 16, 64), (128, 32, 128), (256, 32, 128)),
    *((256, 48, 192), (384, 48, 192), (384, 64, 256), (512, 64, 256)),
)
"""(channels in, squeezed to, expanded to twice) of fire2 to fire9 (Iandola et al. 2016, table 1)."""
STEM = 24
SMALLEST = 16
"""Sides shorter than this, in pixels, have no cell of their own at the last scale."""


class Fire(nn.Module):
    """Squeeze to few channels, expand through 1 x 1 and 3 x 3 side by side (Iandola et al. 2016, figure 1)."""

    def __init__(self, channels: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.one = nn.Conv2d(squeezed, expanded, 1)
        self.three = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, channels, H, W) to (N, 2 * expanded, H, W)."""
        x = F.relu(self.squeeze(x))
        return F.relu(torch.cat([self.one(x), self.three(x)], 1))


class Encoder(nn.Module):
    """Pictures to feature maps at /1, /2, /4, /8 and /16 of their size, and to an embedding.

    But for the first, which the student has to itself, each map is the teacher's divided by its root mean square over
    many pictures, so that all are of about the same size.

    Attributes:
        channels: channels of the five maps.
    """

    channels = (STEM, 96, 256, 512, 512)

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, STEM, 3, padding=1, padding_mode="replicate")
        self.second = nn.Conv2d(STEM, STEM, 3, padding=1, padding_mode="replicate")
        self.third = nn.Conv2d(STEM, FIRES[0][0], 3, padding=1, padding_mode="replicate")
        self.fires = nn.ModuleList(Fire(*sizes) for sizes in FIRES)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Five maps of pictures.

        Args:
            x: pictures (N, C, H, W) in [-1, 1], sides of 16 pixels or more. C is 3, or 1 (grey), or 4 (the last one
                is alpha, -1 transparent to 1 opaque: the picture is laid over white).

        Returns:
            Maps (N, channels[level], ceil(H / 2**level), ceil(W / 2**level)) for level 0 to 4, 0 or above.

        Raises:
            UsageError: x has another shape.
        """
        maps = self.all_maps(x)
        return [maps[number] for number in (0, 1, 4, 8, 9)]

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        """Embeddings (N, 512), the averages of the last maps, of pictures as `forward` takes them."""
        return self.all_maps(x)[-1].mean((2, 3))

    def all_maps(self, x: torch.Tensor, most: int = 10) -> list[torch.Tensor]:
        """The first `most` of ten maps of pictures as `forward` takes them.

        Two of the stem (/1, /2), then those of fire2 to fire4 (/4), fire5 to fire8 (/8) and fire9 (/16).

        Raises:
            UsageError: x has a shape that `forward` does not take.
        """
        x = F.relu(self.second(F.relu(self.first(_colours(x)))))
        maps = [x, F.relu(self.third(F.avg_pool2d(x, 2, ceil_mode=True)))]
        for number, fire in enumerate(self.fires):
            if len(maps) == most:
                break
            x = maps[-1]
            maps.append(fire(_pooled(x, int(number == 3)) if number in (0, 3, 7) else x))
        return maps


def _colours(x: torch.Tensor) -> torch.Tensor:
    """Grey, RGB or RGBA pictures as RGB."""
    if x.dim() != 4 or x.shape[1] not in (1, 3, 4):
        raise UsageError(
            f"The encoder cannot read pictures of the shape {tuple(x.shape)}.", "Give it (N, C, H, W), C of 1, 3 or 4."
        )
    if min(x.shape[2:]) < SMALLEST:
        raise UsageError(
            f"A picture of {x.shape[3]} x {x.shape[2]} pixels is too small for the encoder.",
            f"Both sides need {SMALLEST} pixels at least.",
        )
    if x.shape[1] == 4:
        opacity = (x[:, 3:] + 1) / 2
        return x[:, :3] * opacity + (1 - opacity)
    return x.expand(-1, 3, -1, -1)


def _pooled(x: torch.Tensor, lead: int) -> torch.Tensor:
    """Halve a map (sides rounded up): the root of the mean square of 3 x 3 cells, the first of them at -lead."""
    padded = F.pad(x.float().square(), (lead, 2 - lead, lead, 2 - lead), mode="replicate")
    return (F.avg_pool2d(padded, 3, 2) + 1e-6).sqrt()


def load_encoder(engine: Engine) -> Encoder:
    """The embedded encoder, taught and frozen: float32, in evaluation mode, on the engine's device.

    It takes some 20 ms and draws no random numbers. Every call gives a network of its own.

    Raises:
        StorageError: its file is missing or damaged.
    """
    tensors, _ = _read()
    with torch.device("meta"):  # there nothing is drawn: neither time nor the caller's random numbers are spent
        encoder = Encoder()
    if problem := misfit(tensors, encoder.state_dict()):
        raise _damaged(problem)
    encoder.load_state_dict(tensors, assign=True)
    return engine.place(encoder).eval().requires_grad_(False)


def origin() -> dict[str, str]:
    """Where the encoder's weights come from, in words.

    Returns:
        teacher: what it was taught by. licence: the teacher's, which goes with the weights. recipe: what taught it.
        folders: the pictures. seed, steps, pictures, minutes, hardware: how. explained: JSON, the share of the variance
        of the teacher's maps, and of its embedding, that is explained on pictures never learnt from.

    Raises:
        StorageError: its file is missing or damaged.
    """
    return _read()[1]


def _read() -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """The weights, in float32, and the metadata of the file."""
    try:
        with safe_open(FILE, framework="pt") as file:
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
            return tensors, file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise _damaged(" ".join(str(error).split())[:200]) from error


def _damaged(reason: str) -> StorageError:
    return StorageError(f"artgan's own file {FILE} is damaged: {reason}.", "Install artgan again.")
