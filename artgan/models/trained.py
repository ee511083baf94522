"""Trained generators, read from runs, checkpoints or shared files."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from artgan.config import Settings, validated
from artgan.engine.captions import BUCKETS, encode_captions
from artgan.engine.checkpoint import GENERATOR, GeneratorFile, misfit, read_newest
from artgan.engine.device import Engine, explaining_memory
from artgan.engine.images import MODES
from artgan.engine.storage import Run, find_run
from artgan.errors import CheckpointError, SettingError, UsageError
from artgan.models import build_generator
from artgan.models.directions import read_directions
from artgan.models.packed import SUFFIX, read_model


@dataclass(frozen=True)
class LoadedGenerator:
    """A trained generator, ready to draw.

    Attributes:
        network: `network(z, c)` maps (N, z_dim) and `conditions` to (N, C, H, W) in [-1, 1].
        settings: the settings it was trained with.
        classes: class names; empty for a model that draws from texts or is unconditional.
        nimg: real pictures it was trained on.
        run: name of its run.
        home: the run folder, or the folder of a file that was shared without its run.
        engine: where it computes; float32, so that a seed is the same picture on as many machines as can be.
        passed_over: newer checkpoints of the run that could not be used, each with its reason.
        texts: of a model that draws from texts, a few that it has learnt, the commonest first.
        packed: named directions that its own file holds; None when they are to be looked for in `home`.
    """

    network: nn.Module
    settings: Settings
    classes: tuple[str, ...]
    nimg: int
    run: str
    home: Path
    engine: Engine
    passed_over: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    packed: Mapping[str, torch.Tensor] | None = None

    @property
    def directions(self) -> Mapping[str, torch.Tensor]:
        """Named directions of its latent space, each (z_dim,), read when they are asked for.

        Raises:
            CheckpointError: the file that holds them is damaged, or they are of another model.
        """
        found = read_directions(self.home) if self.packed is None else self.packed
        z_dim = self.settings.model.z_dim
        for name, row in found.items():
            if len(row) != z_dim:
                raise CheckpointError(
                    f"The direction {name!r} in {self.home} has {len(row)} numbers; {self.run} takes {z_dim}.",
                    "It belongs to another model: remove that file.",
                )
        return found

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of its pictures."""
        return picture_shape(self.settings)

    @property
    def takes_text(self) -> bool:
        """Whether it draws from texts."""
        return self.settings.data.captions

    @property
    def c_dim(self) -> int:
        """Numbers in a row of `conditions` as vectors: of classes or of a text; 0 when it takes neither."""
        return BUCKETS if self.takes_text else len(self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """What it is asked to draw when nobody says: all of its classes, or a few texts that it has learnt."""
        return self.texts if self.takes_text else self.classes

    def conditions(self, names: Sequence[str | None]) -> torch.Tensor | None:
        """What `network` is told: labels (N,) of classes, vectors (N, c_dim) of texts, or None for neither.

        Raises:
            UsageError: a class is unknown, or a class or text is missing.
        """
        if self.takes_text:
            given = [name for name in names if name is not None]
            if len(given) < len(names):
                known = self.texts[0] if self.texts else "red apple"
                hint = f'Say what to draw, such as "{known}:7" for seed 7; `artgan sample` takes --text.'
                raise UsageError(f"{self.run} draws from texts, and none is given.", hint)
            return encode_captions(given)
        for name in names:
            if name is not None:
                self.class_index(name)
            elif self.classes:
                choice = ", ".join(self.classes)[:200]
                raise UsageError(
                    f"{self.run} was trained with classes, and none is named.",
                    f"Add --class, or write {self.classes[0]}:7 for seed 7; there are: {choice}.",
                )
        return torch.tensor([self.classes.index(name) for name in names if name]) if self.classes else None

    def class_index(self, name: str) -> int:
        """The number of a class.

        Raises:
            UsageError: there is no such class, or there are no classes at all.
        """
        if name in self.classes:
            return self.classes.index(name)
        if self.takes_text:
            hint = f'Write "{name[:80]}:7" for seed 7; `artgan sample` takes --text.'
            raise UsageError(f"--class {name!r}: this model has no classes, it draws from texts.", hint)
        if not self.classes:
            raise UsageError(f"--class {name!r}: this model was trained without classes.", "Leave --class away.")
        raise UsageError(f"There is no class {name!r}.", f"Choose one of: {', '.join(self.classes)}.")


def load(run: str | Path | None = None, *, runs_dir: str | Path = "runs", device: str = "auto") -> LoadedGenerator:
    """Load the averaged generator of a run's newest whole checkpoint, of a checkpoint folder, or of a file.

    Args:
        run: number, name or folder of a run, a checkpoint folder, a generator.safetensors, or a model.artgan; None is
            the latest run.
        runs_dir: the folder that holds the runs.
        device: auto, cpu, cuda, cuda:N or mps.

    Raises:
        CheckpointError: there is none, or it is damaged.
        DeviceError: the device is not there.
    """
    place = locate(run, Path(runs_dir))
    if isinstance(place, Path):
        return _load(place.absolute(), device)
    loaded, refused = read_newest(place, lambda folder: _load((folder / GENERATOR).absolute(), device))
    if loaded is None:
        raise CheckpointError(f"{place.name} has no checkpoint yet.", f"`artgan resume {place.name}` goes on training.")
    return replace(loaded, passed_over=tuple(error.message for error in refused))


def _load(path: Path, device: str) -> LoadedGenerator:
    file = read_model(path)
    settings, shape = read_header(file, path)
    c_dim = BUCKETS if settings.data.captions else len(file.classes)
    with torch.device("meta"), Undrawn():
        plan = build_generator(settings.model, shape, c_dim)
    # Before any memory is spent: a header of a few bytes can ask for a network of many gigabytes.
    if problem := misfit(file.tensors, plan.state_dict()):
        raise CheckpointError(f"The tensors in {path} do not fit its settings: {problem}.", "Use another checkpoint.")
    with explaining_memory("Use a model that fits into it."):
        network = build_generator(settings.model, shape, c_dim)
        network.load_state_dict(file.tensors)
    engine = Engine.detect(device, "float32")
    network = engine.place(network).eval()
    packed = file.directions if file.directions or path.suffix == SUFFIX else None
    model = LoadedGenerator(network, settings, file.classes, file.nimg, file.run, home_of(path), engine)
    return replace(model, texts=file.texts, packed=packed)


class Undrawn(TorchFunctionMode):
    """Networks built under it draw no weights, which on the meta device takes seconds the first time, for nothing."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call `func`, unless it draws from the normal distribution."""
        given = kwargs or {}
        if getattr(func, "__name__", "") in ("normal_", "kaiming_normal_"):
            return args[0] if args else given["tensor"]
        return func(*args, **given)


def locate(run: str | Path | None, runs_dir: Path) -> Path | Run:
    """The run meant, or the generator file: the one given, or that of the checkpoint folder given.

    Raises:
        CheckpointError: there is no such run, or it is a file of another kind.
    """
    if run is not None:
        path = Path(run)
        if path.suffix in (".safetensors", SUFFIX):
            return path
        with contextlib.suppress(OSError):  # a name that is too long for a path is the name of no run either
            if (path / GENERATOR).is_file():
                return path / GENERATOR
            if path.is_file():
                raise CheckpointError(
                    f"{path} is not a .safetensors file or {SUFFIX} pack; artgan opens no other, as some can run code.",
                    "Use the generator.safetensors of a checkpoint, or what `artgan pack` wrote.",
                )
    return find_run(run, runs_dir)


def picture_shape(settings: Settings) -> tuple[int, int, int]:
    """(channels, height, width) of the pictures that a model of these settings draws."""
    width, height = settings.data.size
    return len(MODES[settings.data.channels]), height, width


def home_of(path: Path) -> Path:
    """The run folder that a generator's file lies in, or the folder of one that was shared without its run."""
    parents = path.parents
    return parents[2] if len(parents) > 2 and parents[1].name == "checkpoints" else parents[0]


def read_header(file: GeneratorFile, path: Path) -> tuple[Settings, tuple[int, int, int]]:
    """The settings that a generator was trained with, and the shape of its pictures, (channels, height, width).

    Raises:
        CheckpointError: they are damaged or do not go together.
    """
    hint = "Use another checkpoint."
    values: dict[str, Any] = dict(file.settings)
    shape = values.pop("shape", None)
    try:
        settings = validated(values)
    except SettingError as error:
        raise CheckpointError(f"The header of {path} is damaged: {error.message}", hint) from error
    own = picture_shape(settings)
    if shape != list(own):
        raise CheckpointError(f"The header of {path} does not name the picture shape of its settings.", hint)
    if settings.data.captions and file.classes:
        raise CheckpointError(f"The header of {path} names classes of a model that draws from texts.", hint)
    return settings, own
