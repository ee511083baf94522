"""The plain loop that every DCGAN tutorial teaches, as a yardstick for speed and quality.

    python -m tests.bench.tutorial FOLDER OUT [--minutes 10] [--resolution 64] [--crops N] [--seed 0] [--samples 1000]

Trains it on a folder for some minutes and writes samples into OUT, beside a run folder with the generator. Eager
float32, batch 64: a real batch, a fake batch, and a generator step through a discriminator whose weights collect
gradients nobody uses. No averaging, no augmentation, no penalty, no classes: Adam 2e-4 (0.5, 0.999), batch norm in both
networks, binary cross-entropy. Samples come from the network in evaluation mode, as all of artgan's do.
"""

import argparse
import time
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F

import artgan
from artgan.config import Settings
from artgan.data.pictures import Pictures, load_pictures
from artgan.engine.checkpoint import GENERATOR, GeneratorFile, save_checkpoint
from artgan.engine.device import Engine
from artgan.engine.storage import create_run
from artgan.models import build_discriminator, build_generator
from artgan.presets import resolve


def tutorial_settings(overrides: Mapping[str, object]) -> Settings:
    """The tutorial's networks, loss and batch, 64 px; `overrides` by dotted key, such as {"data.resolution": 128}."""
    networks = {"model.d_norm": "batch", "model.z_dim": 100, "model.base_channels": 64}
    return resolve(None, {**networks, "train.loss": "bce", "train.r1_gamma": 0, "train.batch": 64, **overrides})


class Tutorial:
    """Two networks, two optimisers, and one step."""

    def __init__(self, settings: Settings, pictures: Pictures) -> None:
        torch.manual_seed(settings.train.seed)
        self.settings, self.pictures = settings, pictures
        self.device = Engine.detect(settings.engine.device, "float32").device
        self.G = build_generator(settings.model, pictures.shape, 0).to(self.device)
        self.D = build_discriminator(settings.model, pictures.shape, 0).to(self.device)
        self.opt_G = torch.optim.Adam(self.G.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.opt_D = torch.optim.Adam(self.D.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.nimg = 0

    def step(self) -> None:
        """Show one batch."""
        batch, device = self.settings.train.batch, self.device
        ones, zeros = torch.ones(batch, device=device), torch.zeros(batch, device=device)
        real = self.pictures.batch(self.nimg, batch)[0].to(device).float().div(127.5).sub(1).contiguous()
        self.D.zero_grad()
        loss_real = F.binary_cross_entropy_with_logits(self.D(real), ones)
        loss_real.backward()
        fake = self.G(torch.randn(batch, self.settings.model.z_dim, device=device))
        loss_fake = F.binary_cross_entropy_with_logits(self.D(fake.detach()), zeros)
        loss_fake.backward()
        self.opt_D.step()
        self.G.zero_grad()
        loss_G = F.binary_cross_entropy_with_logits(self.D(fake), ones)
        loss_G.backward()
        self.opt_G.step()
        (loss_real + loss_fake).item(), loss_G.item()  # the tutorial prints them
        self.nimg += batch

    def train(self, minutes: float) -> float:
        """Step until the time is over; returns the seconds it took."""
        started = time.monotonic()
        while time.monotonic() - started < minutes * 60:
            self.step()
        return time.monotonic() - started

    def save(self, runs_dir: Path) -> Path:
        """Write the generator into a new run folder, as a file that artgan draws from and scores; returns the file."""
        run = create_run(runs_dir, "tutorial")
        values = {**self.settings.model_dump(mode="json"), "shape": list(self.pictures.shape)}
        file = GeneratorFile(dict(self.G.state_dict()), values, (), self.nimg, run.name)
        return save_checkpoint(run, file, {}) / GENERATOR


def main() -> None:
    """Train, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--crops", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--channels", type=int, default=64)
    args = parser.parse_args()
    wanted = {"data.resolution": args.resolution, "data.crops": args.crops, "data.labels": "none"}
    settings = tutorial_settings({**wanted, "model.base_channels": args.channels, "train.seed": args.seed})
    tutorial = Tutorial(settings, load_pictures(args.folder, settings.data, args.seed))
    seconds = tutorial.train(args.minutes)
    print(f"{tutorial.nimg / 1000:.1f} kimg in {seconds / 60:.1f} minutes")
    artgan.sample(tutorial.save(args.out), seeds=range(args.samples), out=args.out, overwrite=True)


if __name__ == "__main__":
    main()
