"""Named directions of a latent space, as they lie beside a model: one slider each, one unit of it one vector.

`RUN/directions.safetensors` holds a tensor `directions` (K, z_dim), float32, and in its header under `names` the JSON
list of the K names.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import torch

from artgan.engine.storage import atomic_write, naming_the_path, spelt
from artgan.engine.tensors import named_rows, read_tensors, tensor_bytes

DIRECTIONS = "directions.safetensors"


def read_directions(home: Path) -> dict[str, torch.Tensor]:
    """The directions of the model in a folder by name, each (z_dim,) float32; {} when the folder has none.

    Raises:
        CheckpointError: the file is damaged.
    """
    path = home / DIRECTIONS
    if not path.exists():
        return {}
    tensors, header = read_tensors(path)
    return named_rows(tensors.get("directions"), header.get("names", ""), path)


def write_directions(home: Path, directions: Mapping[str, torch.Tensor]) -> None:
    """Give the model in a folder these directions, each (z_dim,), in place of those it had; {} takes them away.

    Raises:
        StorageError: the folder cannot be written.
    """
    path = home / DIRECTIONS
    if directions:
        names = json.dumps([*map(spelt, directions)], ensure_ascii=False)
        rows = torch.stack([*directions.values()]).float()
        atomic_write(path, tensor_bytes({"directions": rows}, {"names": names}))
        return
    with naming_the_path(path):
        path.unlink(missing_ok=True)
