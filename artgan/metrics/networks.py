"""The networks whose features a score compares, by the word given to `--features`."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import torch

from artgan.engine.device import Engine, explaining_memory, precision_name
from artgan.engine.weights import WEIGHTS, find_weights, read_weights
from artgan.errors import UsageError
from artgan.models import encoder, vgg
from artgan.models.inception import FEATURES, Inception

VERSION = 1  # raise it when the same weights give other features
SIDE = 128
"""The embedded encoder learnt from crops of 64 to 160 pixels. VGG takes as long for them as Inception for its 299; for
the 224 that it was trained on it takes three times as long."""
CHOICES = "artgan, inception, vgg19 or random:SEED"
_AT_ONCE = 8  # more do not fit into a CPU's cache: the encoder saw 77 pictures/s on one core in eights, 48 in 32s
_AT_ONCE_GPU = 64

M = TypeVar("M", bound=torch.nn.Module)
Result = tuple[torch.Tensor, torch.Tensor | None]


@dataclass(frozen=True)
class FeatureNetwork:
    """A frozen network that turns pictures into features.

    Attributes:
        name: short, as it stands in the names of figures.
        title: in words.
        key: changes whenever figures may change.
        dim: length of a feature.
        side: pictures are to be brought to about side x side pixels first; None when they come at their own size.
    """

    name: str
    title: str
    key: str
    dim: int
    side: int | None
    _engine: Engine = field(repr=False)
    _compute: Callable[[torch.Tensor], Result] = field(repr=False)

    def __call__(self, batch: torch.Tensor) -> Result:
        """uint8 pictures (N, 3, H, W) on the CPU to features (N, dim) and, from Inception alone, logits (N, 1008).

        Both are float32 on the CPU. A picture's row is the same in any company, up to rounding.

        Raises:
            DeviceError: the memory of the device is full.
        """
        at_once = _AT_ONCE if self._engine.device.type == "cpu" else _AT_ONCE_GPU
        found: list[torch.Tensor] = []
        classified: list[torch.Tensor] = []
        with (
            torch.inference_mode(),
            self._engine.autocast(),
            explaining_memory("Use --device cpu, or smaller pictures."),
        ):
            for part in batch.split(at_once):
                features, logits = self._compute(part)
                found.append(features.float().cpu())
                if logits is not None:
                    classified.append(logits.float().cpu())
        return torch.cat(found), torch.cat(classified) if classified else None


def open_network(features: str, engine: Engine, weights: Path | None = None) -> FeatureNetwork:
    """The network meant by `--features`: artgan, inception, vgg19 or random:SEED.

    Args:
        features: the word.
        engine: where it computes, and in which number format; bf16 changes Inception's features by 0.4 %, FD by 0.1 %.
        weights: a file of the weights of inception or vgg19; by default they are searched.

    Raises:
        UsageError: there is no such network, or it takes no weights.
        WeightsError: its weights are missing or damaged, or torch-fidelity is not installed.
    """
    if features in WEIGHTS:
        tensors = read_weights(find_weights(features, weights))
        return _LOADED[features](tensors, WEIGHTS[features].sha256, engine)
    if weights is not None:
        raise UsageError(
            f"--weights {weights} goes with --features inception or vgg19, not {features}.", "Leave --weights away."
        )
    if features == "artgan":
        return embedded_network(engine)
    if (match := re.fullmatch(r"random:(\d{1,18})", features)) is None:
        raise UsageError(f"--features {features!r} names no network.", f"Use {CHOICES}.")
    return random_network(int(match[1]), engine)


def embedded_network(engine: Engine) -> FeatureNetwork:
    """The encoder that ships with artgan."""
    network = _packed(encoder.load_encoder(engine), engine)
    digest = hashlib.sha256(encoder.FILE.read_bytes()).hexdigest()
    title = f"artgan's embedded encoder (weights {digest[:8]})"
    dim = network.channels[-1]
    return _network("artgan", title, digest, dim, SIDE, engine, lambda x: (network.embed(engine.pictures(x)), None))


def inception_network(weights: Mapping[str, torch.Tensor], digest: str, engine: Engine) -> FeatureNetwork:
    """The Inception of 2015, whose weights have that digest."""
    network = _packed(Inception(weights), engine)
    title = "Inception of 2015 (TensorFlow weights, via torch-fidelity)"
    return _network("inception", title, digest, FEATURES, None, engine, lambda x: network(x.to(engine.device)))


def trained_network(weights: Mapping[str, torch.Tensor], digest: str, engine: Engine) -> FeatureNetwork:
    """VGG-19 as torchvision trained it, whose weights have that digest."""
    network = _packed(vgg.trained_vgg(weights), engine)
    return _vgg_network("vgg19", "VGG-19 (weights of torchvision)", digest, network, engine)


def random_network(seed: int, engine: Engine) -> FeatureNetwork:
    """VGG-19 with random weights."""
    network = _packed(vgg.random_vgg(seed), engine)
    return _vgg_network(f"random{seed}", f"VGG-19 with random weights (seed {seed})", str(seed), network, engine)


def _vgg_network(name: str, title: str, digest: str, network: vgg.VGG, engine: Engine) -> FeatureNetwork:
    return _network(name, title, digest, 512, SIDE, engine, lambda x: (network.embed(engine.pictures(x)), None))


_LOADED = {"inception": inception_network, "vgg19": trained_network}


def _packed(network: M, engine: Engine) -> M:
    """On the device, channels last: in float32 a CPU is then 1.2 (VGG) to 1.6 (Inception) times as fast."""
    network = network.to(engine.device)
    return network if engine.device.type == "mps" else network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _network(
    name: str,
    title: str,
    digest: str,
    dim: int,
    side: int | None,
    engine: Engine,
    compute: Callable[[torch.Tensor], Result],
) -> FeatureNetwork:
    precision = precision_name(engine.dtype)
    if engine.dtype != torch.float32:
        title += f", in {precision}"
    key = " ".join(map(str, (name, VERSION, digest, dim, side, precision, engine.device.type)))
    return FeatureNetwork(name, title, key, dim, side, engine, compute)
