"""Trained generators, read from runs, checkpoints or shared files."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from artgan.config import Settings, validated
from artgan.engine.checkpoint import GENERATOR, GeneratorFile, load_generator, misfit, read_newest
from artgan.engine.device import Engine, explaining_memory
from artgan.engine.images import MODES
from artgan.engine.storage import Run, find_run
from artgan.errors import CheckpointError, SettingError, UsageError
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
        passed_over: newer checkpoints of the run that could not be used, each with its reason.
    """

    network: nn.Module
    settings: Settings
    classes: tuple[str, ...]
    nimg: int
    run: str
    home: Path
    engine: Engine
    passed_over: tuple[str, ...] = ()

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
    """Load the averaged generator of a run's newest whole checkpoint, of a checkpoint folder, or of a file.

    Args:
        run: number, name or folder of a run, a checkpoint folder, or a file; None is the latest run.
        runs_dir: the folder that holds the runs.
        device: auto, cpu, cuda, cuda:N or mps.

    Raises:
        CheckpointError: there is none, or it is damaged.
        DeviceError: the device is not there.
    """
    place = _locate(run, Path(runs_dir))
    if isinstance(place, Path):
        return _load(place.absolute(), device)
    loaded, refused = read_newest(place, lambda folder: _load((folder / GENERATOR).absolute(), device))
    if loaded is None:
        raise CheckpointError(f"{place.name} has no checkpoint yet.", f"`artgan resume {place.name}` goes on training.")
    return replace(loaded, passed_over=tuple(error.message for error in refused))


def _load(path: Path, device: str) -> LoadedGenerator:
    file = load_generator(path)
    settings, shape = _read_header(file, path)
    with torch.device("meta"), _Undrawn():
        plan = build_generator(settings.model, shape, len(file.classes))
    # Before any memory is spent: a header of a few bytes can ask for a network of many gigabytes.
    if problem := misfit(file.tensors, plan.state_dict()):
        raise CheckpointError(f"The tensors in {path} do not fit its settings: {problem}.", "Use another checkpoint.")
    with explaining_memory("Use a model that fits into it."):
        network = build_generator(settings.model, shape, len(file.classes))
        network.load_state_dict(file.tensors)
    engine = Engine.detect(device, "float32")
    home = path.parents[2] if len(path.parents) > 2 and path.parents[1].name == "checkpoints" else path.parent
    return LoadedGenerator(engine.place(network).eval(), settings, file.classes, file.nimg, file.run, home, engine)


class _Undrawn(TorchFunctionMode):
    """Networks built under it draw no weights, which on the meta device takes seconds the first time, for nothing."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call `func`, unless it draws from the normal distribution."""
        drawing = getattr(func, "__name__", "") in ("normal_", "kaiming_normal_")
        return None if drawing else func(*args, **(kwargs or {}))


def _locate(run: str | Path | None, runs_dir: Path) -> Path | Run:
    if run is not None:
        path = Path(run)
        if path.suffix == ".safetensors":
            return path
        with contextlib.suppress(OSError):  # a name that is too long for a path is the name of no run either
            if (path / GENERATOR).is_file():
                return path / GENERATOR
            if path.is_file():
                raise CheckpointError(
                    f"{path} is not a .safetensors file; artgan opens no other, as some of them can run code.",
                    "Use the generator.safetensors of a checkpoint.",
                )
    return find_run(run, runs_dir)


def _read_header(file: GeneratorFile, path: Path) -> tuple[Settings, tuple[int, int, int]]:
    hint = "Use another checkpoint."
    values: dict[str, Any] = dict(file.settings)
    shape = values.pop("shape", None)
    try:
        settings = validated(values)
    except SettingError as error:
        raise CheckpointError(f"The header of {path} is damaged: {error.message}", hint) from error
    width, height = settings.data.size
    own = (len(MODES[settings.data.channels]), height, width)
    if shape != list(own):
        raise CheckpointError(f"The header of {path} does not name the picture shape of its settings.", hint)
    return settings, own
