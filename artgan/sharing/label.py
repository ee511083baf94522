"""What a file says of the model in it: on every kind of export the same, and nothing about whoever made it."""

import json
from collections.abc import Mapping
from typing import Any

import torch

import artgan
from artgan.config import Settings
from artgan.engine.captions import BUCKETS
from artgan.engine.checkpoint import GeneratorFile
from artgan.models.trained import LoadedGenerator

SEEDS = (
    "z of a seed: z_dim standard normal numbers, float32, that PyTorch's CPU generator (a Mersenne Twister) draws: "
    "torch.randn(z_dim, generator=torch.Generator().manual_seed(seed))"
)
TEXTS = (
    f"text: {BUCKETS} numbers that artgan.engine.captions.encode_caption makes of a text: its words, NFKC and case "
    "folded, each once; of a word <w> the features 'word w' with weight 1 and 'part xyz' for each of its n different "
    "groups of three letters of <w> with weight 1/sqrt(n); a feature's BLAKE2b-64 as a big-endian number h adds its "
    f"weight to place (h div 2) mod {BUCKETS}, negative where h is even; the sum is brought to length 1"
)
SLIDERS = "sliders: z + sliders @ directions; 0 is no change, one unit is one direction, -3 to 3 make sense"


def public(settings: Settings) -> dict[str, Any]:
    """Settings without the place of a label table, which may name its owner."""
    values = settings.model_dump(mode="json")
    if values["data"]["labels"] not in ("auto", "none"):
        values["data"]["labels"] = "auto"
    return values


def label_of(model: LoadedGenerator, directions: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """Texts by key, in a set order; lists are JSON."""
    width, height = model.settings.data.size
    told: dict[str, Any] = {
        "artgan": artgan.__version__,
        "run": model.run,
        "nimg": model.nimg,
        "size": [width, height],
        "channels": model.settings.data.channels,
        "z_dim": model.settings.model.z_dim,
        "seeds": SEEDS,
        **({"classes": list(model.classes)} if model.classes else {}),
        **({"texts": list(model.texts), "text": TEXTS} if model.takes_text else {}),
        **({"sliders": list(directions), "slider": SLIDERS} if directions else {}),
        "output": "picture: (N, C, H, W) in [-1, 1]; (picture + 1) * 127.5, rounded, are its bytes",
        "settings": public(model.settings),
    }
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in told.items()}


def generator_file(model: LoadedGenerator, directions: Mapping[str, torch.Tensor]) -> GeneratorFile:
    """The file of a generator to share, with its directions."""
    settings = {**public(model.settings), "shape": [*model.shape]}
    tensors = model.network.state_dict()
    return GeneratorFile(tensors, settings, model.classes, model.nimg, model.run, model.texts, dict(directions))
