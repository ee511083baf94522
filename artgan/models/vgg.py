"""VGG-19 (Simonyan & Zisserman 2014, configuration E): its convolutions as a frozen network of features.

With the weights that torchvision publishes, or with random ones, which are a fair judge of pictures that look like
nothing in ImageNet (Naeem et al. 2020, section 4). Maps are named after their layer, `relu1_1` to `relu5_4`.
"""

import math
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import nn

from artgan.engine.seeds import Streams

BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
"""(channels, convolutions) between one halving and the next (table 1)."""
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the colours of ImageNet in [0, 1], by which torchvision normalised them when it trained these weights."""


class VGG(nn.Module):
    """Pictures to the maps of its 16 convolutions, by name, and to an embedding.

    Attributes:
        layers: names of the maps in order, each with its place in `features`. The places, and so the names of the
            tensors, are those of torchvision's file.
    """

    def __init__(self) -> None:
        super().__init__()
        modules: list[nn.Module] = []
        self.layers: dict[str, int] = {}
        channels = 3
        for block, (width, convolutions) in enumerate(BLOCKS, 1):
            for number in range(1, convolutions + 1):
                modules += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                self.layers[f"relu{block}_{number}"] = len(modules) - 1
                channels = width
            modules.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*modules[:-1])

    def forward(self, x: torch.Tensor, names: Iterable[str]) -> dict[str, torch.Tensor]:
        """Pictures (N, 3, H, W) in [-1, 1] to the maps named; block b has sides H / 2^(b-1) and W / 2^(b-1).

        Layers behind the last one named are not computed.
        """
        wanted = {self.layers[name]: name for name in names}
        maps: dict[str, torch.Tensor] = {}
        mean, deviation = (x.new_tensor(values).view(3, 1, 1) for values in (MEAN, DEVIATION))
        x = ((x + 1) / 2 - mean) / deviation
        for place, module in enumerate(list(self.features)[: max(wanted) + 1]):
            x = module(x)
            if place in wanted:
                maps[wanted[place]] = x
        return maps

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        """Pictures (N, 3, H, W) in [-1, 1], sides of 16 or more, to (N, 512): the mean of relu5_4 over all places."""
        last: torch.Tensor = self(x, ["relu5_4"])["relu5_4"]
        return last.mean((2, 3), dtype=torch.float32)


def trained_vgg(weights: Mapping[str, torch.Tensor]) -> VGG:
    """The network with the weights of torchvision's file; its classifier is left out."""
    return _frozen(lambda name, shape: weights[name])


def random_vgg(seed: int) -> VGG:
    """The network with weights from N(0, 2 / fan-in) and biases 0 (He et al. 2015, section 2.2), drawn from `seed`."""
    streams = Streams(seed)

    def draw(name: str, shape: torch.Size) -> torch.Tensor:
        if len(shape) == 1:
            return torch.zeros(shape)
        return streams.normal(f"vgg {name}", 0, *shape) * math.sqrt(2 / math.prod(shape[1:]))

    return _frozen(draw)


def _frozen(weight: Callable[[str, torch.Size], torch.Tensor]) -> VGG:
    with torch.device("meta"):  # there nothing is drawn: neither time nor the caller's random numbers are spent
        network = VGG()
    tensors = {name: weight(name, old.shape) for name, old in network.state_dict().items()}
    network.load_state_dict(tensors, assign=True)
    return network.eval().requires_grad_(False)
