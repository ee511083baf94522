"""Runs whose generator paints varied pictures without ever having been trained: enough to draw, search and breed."""

import json
from pathlib import Path

import torch

from artgan.engine.captions import BUCKETS, encode_captions
from artgan.engine.checkpoint import GeneratorFile, save_checkpoint
from artgan.engine.storage import create_run
from artgan.models import build_generator
from artgan.presets import resolve


def untrained_run(
    runs_dir: Path,
    classes: tuple[str, ...] = (),
    resolution: int = 16,
    channels: str = "rgb",
    z_dim: int = 16,
    name: str = "tiny",
    texts: tuple[str, ...] = (),
) -> Path:
    """A run folder with one checkpoint; weights are drawn, and batch norm knows what they make.

    With `texts` it draws from texts, and knows of these.
    """
    size = {"data.resolution": resolution, "data.channels": channels, "data.captions": bool(texts)}
    settings = resolve(None, {**size, "model.z_dim": z_dim, "model.base_channels": 8})
    shape = ({"rgb": 3, "rgba": 4, "grey": 1}[channels], resolution, resolution)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build_generator(settings.model, shape, BUCKETS if texts else len(classes))
        *_, last = (module for module in network.modules() if isinstance(module, torch.nn.ConvTranspose2d))
        last.weight.data.mul_(10)  # or all pictures are nearly grey
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None  # a plain average
            if isinstance(module, torch.nn.Embedding):
                torch.nn.init.normal_(module.weight)
        c = torch.arange(64) % len(classes) if classes else None
        c = encode_captions([texts[place % len(texts)] for place in range(64)]) if texts else c
        for _ in range(4):
            network(torch.randn(64, z_dim), c)
    run = create_run(runs_dir, name)
    run.info.write_text(json.dumps({"data": {"path": "", "fingerprint": "", "pictures": 0}, "engine": {}}))
    values = {**settings.model_dump(mode="json"), "shape": list(shape)}
    file = GeneratorFile(network.state_dict(), values, classes, 64, run.name, texts)
    save_checkpoint(run, file, {"nothing": torch.zeros(1)})
    return run.folder
