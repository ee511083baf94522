"""A small run with all that `artgan interpret` looks at: a checkpoint, its pictures, and three previews."""

from pathlib import Path

import artgan

TINY: dict[str, object] = {
    "model.base_channels": 4,
    "model.z_dim": 4,
    "train.batch": 4,
    "train.total_kimg": 0.016,
    "train.g_lr": 0.01,
    "snapshot.preview_kimg": 0.008,
    "engine.precision": "float32",
}


def tiny_run(source: Path, runs_dir: Path, **more: object) -> Path:
    """Train for a moment on a folder; settings of `more` are spelt with __ for a dot."""
    size = {} if "data__shape" in more else {"data.resolution": 8}
    overrides = {**TINY, **size, **{name.replace("__", "."): value for name, value in more.items()}}
    return artgan.train(source, preset="studio64", overrides=overrides, runs_dir=runs_dir).run
