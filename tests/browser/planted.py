"""A run folder as training leaves it, made in a moment, for the tests of its page."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from artgan.config import to_toml
from artgan.engine.storage import Run
from artgan.presets import resolve
from artgan.training.health import Alarm

CLASSES = {"apple": 8, "cherry": 4, "quince from the garden behind the house": 2}
NOW = Alarm(
    "one-sided",
    "The discriminator always wins, so the generator learns little.",
    2_000,
    None,
    "It is right on 99.1% of the reals.",
    "lower --set train.d_lr=0.0001, or --crops 20",
)
OVER = Alarm("repaired", "Training went back and mended itself.", 1_000, 1_500, "A loss was not a number.", "")


def stats(nimg: int) -> dict[str, Any]:
    """A line of stats.jsonl."""
    return {
        "nimg": nimg,
        "loss_D": 0.5,
        "loss_G": nimg / 1000,
        "real_acc": 0.75,
        "gen_acc": 0.8,
        "real_logit": 1.0,
        "gen_logit": -1.0,
        "real_std": 0.5,
        "gen_std": 0.4,
        "G_grad": 0.02,
        "D_grad": 3.0,
        "r1": 0.1,
        "g_lr": 2e-4,
        "d_lr": 1e-4,
        "time": {"images_per_second": 40.0, "memory_mb": 900, "unix": 1.8e9},
    }


def lines(records: list[dict[str, Any]]) -> str:
    """Records as JSON lines."""
    return "".join(json.dumps(record) + "\n" for record in records)


def sheet(seed: int, rows: int, side: int = 16) -> Image.Image:
    """A plain preview sheet, white between its pictures; every seed has a colour of its own."""
    picture = np.full((rows * (side + 2) + 2, 8 * (side + 2) + 2, 3), 255, np.uint8)
    for row in range(rows):
        for column in range(8):
            top, left = row * (side + 2) + 2, column * (side + 2) + 2
            picture[top : top + side, left : left + side] = np.random.default_rng([seed, row]).integers(0, 256, 3)
    return Image.fromarray(picture)


def plant(folder: Path, previews: int = 5, classes: dict[str, int] | None = None) -> Run:
    """A run of 4 kimg with this many previews."""
    classes = CLASSES if classes is None else classes
    folder.mkdir(parents=True)
    rows = len(classes) or 8
    settings = resolve(None, {"train.total_kimg": 8, "data.resolution": 16})
    (folder / "config.toml").write_text(to_toml(settings, title=folder.name, description="."), encoding="utf-8")
    info = {
        "artgan": "0.1.0",
        "torch": "2.13.0",
        "python": "3.11.7",
        "platform": "Linux",
        "started": "2026-01-01T12:00:00+0000",
        "argv": ["artgan", "train", "my pictures"],
        "engine": {"device": "cpu", "name": "A Processor", "precision": "bf16", "threads": 2, "why": ["because"]},
        "data": {
            "path": "/home/me/my pictures",
            "fingerprint": "f" * 32,
            "pictures": 14,
            "classes": classes,
            "skipped": [["notes.psd", "not a picture"], ["cut.jpg", "broken: truncated"]],
        },
    }
    (folder / "run.json").write_text(json.dumps(info), encoding="utf-8")
    (folder / "stats.jsonl").write_text(lines([stats(nimg) for nimg in range(100, 4001, 100)]))
    metrics = [{"nimg": n, "diversity": 0.5, "nearest": 1.1, "drift": 0.02} for n in range(1000, 4001, 1000)]
    (folder / "metrics.jsonl").write_text(lines([{"nimg": 0, "facts": {"pictures": 14}}, *metrics]))
    sheet(99, rows).save(folder / "reals.png")
    for number in range(previews):
        sheet(number, rows).save(folder / f"fakes{4000 * number // max(1, previews - 1):09d}.png")
    return Run(folder)
