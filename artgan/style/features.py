"""The networks through which manner and content are seen, by the word given to `--encoder`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from artgan.engine.device import Engine
from artgan.engine.weights import WEIGHTS, find_weights, read_weights
from artgan.errors import UsageError
from artgan.models.encoder import load_encoder
from artgan.models.vgg import VGG, trained_vgg

EncoderName = Literal["artgan", "vgg19"]
_VGG_MANNER = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")  # Gatys et al. 2016, section 2
_VGG_CONTENT = ("relu4_2",)
_ENCODER_MAPS = 10
_ENCODER_CONTENT = (1, 5)  # the stem at half the size for outlines, fire5 at an eighth for things


@dataclass(frozen=True)
class Features:
    """A frozen network: pictures (1, 3, H, W) in [-1, 1] to the maps that manner and that content are read off.

    Attributes:
        name: the word for `--encoder`.
        title: in words.
        engine: where it computes.
    """

    name: str
    title: str
    engine: Engine
    _compute: Callable[[torch.Tensor], tuple[list[torch.Tensor], list[torch.Tensor]]]

    def __call__(self, x: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Maps of the manner, finest first, and maps of the content."""
        return self._compute(x)


def open_features(encoder: EncoderName, engine: Engine, weights: Path | None = None) -> Features:
    """The network meant by `--encoder`: artgan, which is embedded, or vgg19.

    Args:
        encoder: the word.
        engine: where it computes.
        weights: a file of the weights of vgg19; by default they are searched.

    Raises:
        UsageError: there is no such network, or it takes no weights.
        WeightsError: its weights are missing or damaged.
    """
    if encoder == "vgg19":
        network = trained_vgg(read_weights(find_weights("vgg19", weights)))
        return vgg_features(network, engine, f"VGG-19 (weights {WEIGHTS['vgg19'].sha256[:8]})")
    if encoder != "artgan":
        raise UsageError(f"--encoder {encoder!r} names no network.", "Use artgan or vgg19.")
    if weights is not None:
        raise UsageError(f"--weights {weights} goes with --encoder vgg19.", "Leave --weights away.")
    return embedded_features(engine)


def embedded_features(engine: Engine) -> Features:
    """The encoder that ships with artgan, all of its ten maps."""
    network = load_encoder(engine)

    def compute(x: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        maps = network.all_maps(x, _ENCODER_MAPS)
        return maps, [maps[number] for number in _ENCODER_CONTENT]

    return Features("artgan", "artgan's embedded encoder", engine, compute)


def vgg_features(network: VGG, engine: Engine, title: str) -> Features:
    """A VGG-19, seen through the layers of Gatys et al. 2016."""
    placed = engine.place(network)

    def compute(x: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        maps = placed(x, (*_VGG_MANNER, *_VGG_CONTENT))
        return [maps[name] for name in _VGG_MANNER], [maps[name] for name in _VGG_CONTENT]

    return Features("vgg19", title, engine, compute)
