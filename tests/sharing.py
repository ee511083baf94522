"""Runs of every kind of generator that can leave: weights are drawn, pictures are varied, and nothing was trained."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from artgan.engine.captions import BUCKETS, encode_captions
from artgan.engine.checkpoint import GeneratorFile, save_checkpoint
from artgan.engine.storage import create_run
from artgan.models import build_generator
from artgan.models.directions import write_directions
from artgan.presets import resolve

SECRET = "/home/jane-doe/private/paintings"
"""Where the pictures of every such run lay: nobody shall read it in a file that is shared."""
CASES: dict[str, dict[str, Any]] = {
    "dcgan": {"name": "dcgan", "z_dim": 20},
    "dcgan, classes, alpha": {"name": "dcgan", "classes": ("pear", "</script><b>", "fig"), "channels": "rgba"},
    "dcgan, texts, wide": {"name": "dcgan", "texts": ("red apple", "green pear"), "size": (24, 12), "channels": "grey"},
    "painter": {"name": "painter", "z_dim": 16, "sliders": ("warm", "round")},
    "painter, classes, tall": {"name": "painter", "classes": ("pear", "apple"), "size": (16, 32), "sliders": ("warm",)},
    "painter, texts, grey": {"name": "painter", "texts": ("red apple", "green pear"), "channels": "grey"},
    "mlp": {"name": "mlp", "z_dim": 5, "size": (10, 9)},
    "mlp, classes, sliders": {"name": "mlp", "classes": ("pear", "apple"), "channels": "grey", "sliders": ("round",)},
}


def shareable(
    runs_dir: Path,
    name: str = "painter",
    classes: tuple[str, ...] = (),
    texts: tuple[str, ...] = (),
    size: tuple[int, int] = (16, 16),
    channels: str = "rgb",
    z_dim: int = 8,
    sliders: tuple[str, ...] = (),
    scores: Mapping[str, float] | None = None,
    base_channels: int = 6,
) -> Path:
    """The folder of a run with one checkpoint, and named directions if `sliders` are named."""
    width, height = size
    chosen = {"data.resolution": max(size), "data.shape": f"{width}x{height}", "data.channels": channels}
    chosen |= {"data.captions": bool(texts), "data.labels": "auto" if texts else f"{SECRET}/labels.csv"}
    model = {"model.name": name, "model.z_dim": z_dim, "model.base_channels": base_channels, "model.embed_dim": 7}
    settings = resolve(None, {**chosen, **model})
    shape = ({"rgb": 3, "rgba": 4, "grey": 1}[channels], height, width)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build_generator(settings.model, shape, BUCKETS if texts else len(classes))
        c = torch.arange(64) % len(classes) if classes else None
        c = encode_captions([texts[place % len(texts)] for place in range(64)]) if texts else c
        _vary(network, torch.randn(64, z_dim), c)
        rows = {slider: torch.randn(z_dim) for slider in sliders}
    run = create_run(runs_dir, "shared")
    counts = {kind: 3 + place for place, kind in enumerate(classes)}
    data = {"path": SECRET, "fingerprint": "f1a9e2", "pictures": 123, "classes": counts, "skipped": [f"{SECRET}/a.jpg"]}
    run.info.write_text(json.dumps({"data": data, "engine": {}, "argv": ["train", SECRET]}))
    if scores:
        run.metrics.write_text(json.dumps({"nimg": 64, **scores, "floor": dict.fromkeys(scores, 0.0)}) + "\n")
    values = {**settings.model_dump(mode="json"), "shape": list(shape)}
    file = GeneratorFile(network.state_dict(), values, classes, 64, run.name, texts)
    save_checkpoint(run, file, {"nothing": torch.zeros(1)})
    write_directions(run.folder, rows)
    return run.folder


@torch.no_grad()
def _vary(network: nn.Module, z: torch.Tensor, c: torch.Tensor | None) -> None:
    """Weights by which every part of a network counts, statistics of batch norm that fit, and pictures of contrast."""
    for name, parameter in network.named_parameters():
        scale = 0.5 if "embedding" in name else parameter[0].numel() ** -0.5 if parameter.dim() > 1 else 0.2
        parameter.add_(torch.randn_like(parameter) * scale)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            module.momentum = None  # a plain average
    for _ in range(3):
        network(z, c)
    network.eval()
    logits: torch.Tensor = torch.atanh(network(z, c).clamp(-0.9999, 0.9999))
    parts = [part for name in ("first_picture", "last", "grain") if (part := getattr(network, name, None)) is not None]
    parts += [level.picture for level in getattr(network, "doublings", [])]
    for part in parts or [getattr(network, "layers")[-2]]:  # noqa: B009 - a network of plain layers
        for parameter in part.parameters():
            parameter.mul_(0.8 / logits.std())
