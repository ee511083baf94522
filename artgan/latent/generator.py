"""Trained generators, read from runs, checkpoints or shared files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from artgan.config import Settings, validated
from artgan.engine.checkpoint import GENERATOR, GeneratorFile, load_generator, newest_checkpoint
from artgan.engine.device import Engine
from artgan.engine.storage import find_run
from artgan.errors import CheckpointError, UsageError
from artgan.models import build_generator


@dataclass(frozen=True)
class LoadedGenerator:
    """A trained generator, ready to draw.

    Attributes:
        network: `network(z, c)` maps (N, z_dim) and labels (N,) to (N, C, H, W) in [-1, 1].
        settings: the settings it was trained with.
        classes: class names; empty for an unconditional model.
        nimg: real pictures it was trained on.
        run: name of its run.
        home: the run folder, or the folder of a file that was shared without its run.
        engine: where it computes; float32, so that a seed is the same picture on as many machines as can be.
    """

    network: nn.Module
    settings: Settings
    classes: tuple[str, ...]
    nimg: int
    run: str
    home: Path
    engine: Engine

    def class_index(self, name: str) -> int:
        """The number of a class.

        Raises:
            UsageError: there is no such class, or there are no classes at all.
        """
        if name in self.classes:
            return self.classes.index(name)
        if not self.classes:
            raise UsageError(f"--class {name!r}: this model was trained without classes.", "Leave --class away.")
        raise UsageError(f"There is no class {name!r}.", f"Choose one of: {', '.join(self.classes)}.")


def load(run: str | Path | None = None, *, runs_dir: str | Path = "runs", device: str = "auto") -> LoadedGenerator:
    """Load the averaged generator of a run's newest checkpoint, of a checkpoint folder, or of a .safetensors file.

    Args:
        run: number, name or folder of a run, a checkpoint folder, or a file; None is the latest run.
        runs_dir: the folder that holds the runs.
        device: auto, cpu, cuda, cuda:N or mps.

    Raises:
        CheckpointError: there is none, or it is damaged.
        DeviceError: the device is not there.
    """
    path = _locate(run, Path(runs_dir)).absolute()
    file = load_generator(path)
    settings, shape = _read_header(file, path)
    network = build_generator(settings.model, shape, len(file.classes))
    try:
        network.load_state_dict(file.tensors)
    except RuntimeError as error:
        raise CheckpointError(f"The tensors in {path} do not fit its settings.", "Use another checkpoint.") from error
    engine = Engine.detect(device, "float32")
    home = path.parents[2] if len(path.parents) > 2 and path.parents[1].name == "checkpoints" else path.parent
    return LoadedGenerator(engine.place(network).eval(), settings, file.classes, file.nimg, file.run, home, engine)


def _locate(run: str | Path | None, runs_dir: Path) -> Path:
    if run is not None:
        path = Path(run)
        if path.suffix == ".safetensors":
            return path
        if (path / GENERATOR).is_file():
            return path / GENERATOR
    found = find_run(run, runs_dir)
    newest = newest_checkpoint(found)
    if newest is None:
        raise CheckpointError(f"{found.name} has no checkpoint yet.", f"`artgan resume {found.name}` goes on training.")
    return newest / GENERATOR


def _read_header(file: GeneratorFile, path: Path) -> tuple[Settings, tuple[int, int, int]]:
    values: dict[str, Any] = dict(file.settings)
    shape = values.pop("shape", None)
    if not (isinstance(shape, list) and len(shape) == 3 and all(isinstance(n, int) and 0 < n <= 1024 for n in shape)):
        raise CheckpointError(f"The header of {path} names no picture shape.", "Use another checkpoint.")
    return validated(values, where=str(path)), (shape[0], shape[1], shape[2])
