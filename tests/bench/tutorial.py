"""The plain loop that every DCGAN tutorial teaches, as a yardstick for speed and quality.

    python -m tests.bench.tutorial FOLDER OUT [--minutes 10] [--crops N] [--samples 1000] [--channels 64]

Trains it on a folder for some minutes and writes samples into OUT. Eager float32, batch 64: a real batch, a fake batch,
and a generator step through a discriminator whose weights collect gradients nobody uses. No averaging, no
augmentation, no penalty: Adam 2e-4 (0.5, 0.999), batch norm in both networks, binary cross-entropy.
"""

import argparse
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from artgan.config import Settings
from artgan.data.pictures import Pictures, load_pictures
from artgan.engine.device import Engine
from artgan.engine.images import encode_png, to_uint8
from artgan.models import build_discriminator, build_generator
from artgan.models.render import render
from artgan.presets import resolve


def tutorial_settings(base_channels: int = 64, crops: int = 1) -> Settings:
    """The tutorial's networks: 64 px, batch norm in both, latents of 100 numbers."""
    networks = {"model.d_norm": "batch", "model.z_dim": 100, "model.base_channels": base_channels}
    return resolve(None, {**networks, "train.loss": "bce", "train.r1_gamma": 0, "train.batch": 64, "data.crops": crops})


class Tutorial:
    """Two networks, two optimisers, and one step."""

    def __init__(self, settings: Settings, pictures: Pictures) -> None:
        self.settings, self.pictures = settings, pictures
        self.G = build_generator(settings.model, pictures.shape, 0)
        self.D = build_discriminator(settings.model, pictures.shape, 0)
        self.opt_G = torch.optim.Adam(self.G.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.opt_D = torch.optim.Adam(self.D.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.nimg = 0

    def step(self) -> None:
        """Show one batch."""
        batch = self.settings.train.batch
        ones, zeros = torch.ones(batch), torch.zeros(batch)
        real = self.pictures.batch(self.nimg, batch)[0].float().div(127.5).sub(1).contiguous()
        self.D.zero_grad()
        loss_real = F.binary_cross_entropy_with_logits(self.D(real), ones)
        loss_real.backward()
        fake = self.G(torch.randn(batch, self.settings.model.z_dim))
        loss_fake = F.binary_cross_entropy_with_logits(self.D(fake.detach()), zeros)
        loss_fake.backward()
        self.opt_D.step()
        self.G.zero_grad()
        loss_G = F.binary_cross_entropy_with_logits(self.D(fake), ones)
        loss_G.backward()
        self.opt_G.step()
        (loss_real + loss_fake).item(), loss_G.item()  # the tutorial prints them
        self.nimg += batch


def main() -> None:
    """Train, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--crops", type=int, default=1)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--channels", type=int, default=64)
    args = parser.parse_args()
    torch.manual_seed(0)
    settings = tutorial_settings(args.channels, args.crops)
    tutorial = Tutorial(settings, load_pictures(args.folder, settings.data))
    started = time.monotonic()
    while time.monotonic() - started < args.minutes * 60:
        tutorial.step()
    print(f"{tutorial.nimg / 1000:.1f} kimg in {args.minutes:g} minutes")
    args.out.mkdir(parents=True, exist_ok=True)
    z = torch.randn(args.samples, settings.model.z_dim)
    for number, picture in enumerate(render(tutorial.G, Engine.detect("cpu", "float32"), z, None)):
        (args.out / f"{number:05d}.png").write_bytes(encode_png(to_uint8(picture.numpy()), {"kind": "tutorial"}))


if __name__ == "__main__":
    main()
