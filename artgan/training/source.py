"""The trained model that a new run begins from: reading it, and what of it the new run's networks can keep."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from artgan.config import Settings
from artgan.data.pictures import Pictures
from artgan.engine.captions import BUCKETS
from artgan.engine.checkpoint import GENERATOR, MANIFEST, STATE, load_state, misfit, read_newest
from artgan.engine.device import Engine, explaining_memory
from artgan.errors import CheckpointError, SettingError
from artgan.models import build_discriminator, build_generator
from artgan.models.packed import read_model
from artgan.models.trained import Undrawn, locate, read_header
from artgan.models.transplant import Form, transplant
from artgan.training.events import Event, Notice
from artgan.training.finetune import levels
from artgan.training.state import TrainState

HINT = "Use another checkpoint."
Tensors = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Source:
    """A trained model to begin from.

    Attributes:
        run: name of its run.
        nimg: real pictures it was trained on.
        path: what names it: the folder of a run or checkpoint, or a file; absolute.
        settings: those it was trained with.
        form: what its networks were built for.
        G: the generator as it was trained; the averaged one where a file holds no other.
        G_ema: the averaged generator.
        D: the discriminator; None when it comes from a file, which holds none.
        passed_over: newer checkpoints of the run that could not be used, each with its reason.
    """

    run: str
    nimg: int
    path: Path
    settings: Settings
    form: Form
    G: nn.Module
    G_ema: nn.Module
    D: nn.Module | None
    passed_over: tuple[str, ...] = ()


def read_source(begin_from: str | Path, runs_dir: Path) -> Source:
    """Read a run's newest whole checkpoint, a checkpoint folder, or a generator file; tensors are mapped, not copied.

    Args:
        begin_from: number, name or folder of a run, a checkpoint folder, a generator.safetensors or a model.artgan.
        runs_dir: the folder that holds the runs.

    Raises:
        CheckpointError: it is not there, damaged, or no model of artgan.
    """
    place = locate(begin_from, runs_dir)
    if isinstance(place, Path):
        named = Path(begin_from).resolve()
        # A folder that somebody made for a shared file holds no state: it is worth as much as the file.
        whole = named.is_dir() and any((named / name).exists() for name in (MANIFEST, STATE))
        return _read(place, named, whole)
    try:
        found, refused = read_newest(place, lambda folder: _read(folder / GENERATOR, place.folder.resolve(), True))
    except CheckpointError as error:
        raise CheckpointError(error.message, "Begin from another run, or from a file.") from error
    if found is None:
        raise CheckpointError(f"{place.name} has no checkpoint to begin from.", f"`artgan resume {place.name}` trains.")
    passed_over = tuple(error.message for error in refused)
    return Source(**{**vars(found), "passed_over": passed_over})


def _read(path: Path, named: Path, whole: bool) -> Source:
    """Read a generator file, and with `whole` the state beside it."""
    file = read_model(path)
    settings, shape = read_header(file, path)
    c_dim = BUCKETS if settings.data.captions else len(file.classes)
    model = settings.model
    G_ema = _mapped(lambda: build_generator(model, shape, c_dim), file.tensors, path)
    G, D = G_ema, None
    if whole:
        state, at = load_state(path.parent), path.parent / STATE
        G = _mapped(lambda: build_generator(model, shape, c_dim), _part(state, "G."), at)
        D = _mapped(lambda: build_discriminator(model, shape, c_dim), _part(state, "D."), at)
    form = Form(shape, file.classes, model.z_dim, model.embed_dim if c_dim else 0)
    return Source(file.run, file.nimg, named, settings, form, G, G_ema, D)


def _part(state: Tensors, prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def _mapped(build: Callable[[], nn.Module], tensors: Tensors, path: Path) -> nn.Module:
    """A network around tensors that lie in a file, once they are known to fit and to be numbers."""
    with torch.device("meta"), Undrawn():
        network = build()
    if problem := misfit(tensors, network.state_dict()):
        raise CheckpointError(f"The tensors in {path} do not fit its settings: {problem}.", HINT)
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise CheckpointError(f"{path} is damaged: {name} holds what is no number.", HINT)
    network.load_state_dict(dict(tensors), assign=True)
    return network


def inherited(source: Source, given: Mapping[str, object]) -> dict[str, object]:
    """The settings a new run takes over from its source: `model`, and the size, channels and mirroring of pictures.

    Args:
        source: the model to begin from.
        given: what the user asks for, by dotted key; a resolution of theirs goes before a shape of the source's.
    """
    old = source.settings
    found: dict[str, object] = {f"model.{name}": value for name, value in old.model.model_dump().items()}
    for name in ("resolution", "shape", "channels", "mirror"):
        if name != "shape" or given.get("data.resolution") is None:
            found[f"data.{name}"] = getattr(old.data, name)
    return found


def begun_from(info: Mapping[str, Any]) -> str | None:
    """What the run of a `run.json` began from: a path, or None when it began from nothing."""
    origin = info.get("from")
    return str(origin.get("path")) if isinstance(origin, dict) else None


def begin(
    source: Source, settings: Settings, engine: Engine, pictures: Pictures, on_event: Callable[[Event], None]
) -> tuple[TrainState, dict[str, Any]]:
    """The first state of a run that begins from `source`, nimg 0, and what `run.json` shall say of it.

    Fresh optimisers; networks as drawn for a new run, with whatever fits of the source's in them.

    Raises:
        SettingError: the networks are of another family, or more levels shall be frozen than were kept.
        DeviceError: the memory is full.
    """
    model = settings.model
    if model.name != source.settings.model.name:
        raise SettingError(
            f"{source.run} is a {source.settings.model.name}, and the new run would be a {model.name}.",
            "Leave --preset away, or add --set model.name=" + source.settings.model.name + ".",
        )
    with explaining_memory("Train with a smaller --resolution or --set model.base_channels."):
        state = TrainState(settings, pictures.shape, pictures.c_dim, engine)
    form = Form(pictures.shape, pictures.classes, model.z_dim, model.embed_dim if pictures.c_dim else 0)
    kept_G = transplant(state.G, source.G, form, source.form)
    transplant(state.G_ema, source.G_ema, form, source.form)
    kept_D = transplant(state.D, source.D, form, source.form) if source.D is not None else {}
    _check_frozen(state.D, kept_D, settings.train.freeze_d, source)
    kept = {"generator": _share(state.G, kept_G), "discriminator": _share(state.D, kept_D)}
    for message in source.passed_over:
        on_event(Notice(message))
    on_event(Notice(_told(source, form, kept)))
    return state, {"run": source.run, "nimg": source.nimg, "path": str(source.path), "kept": kept}


def _check_frozen(D: nn.Module, kept: Mapping[str, float], freeze_d: int, source: Source) -> None:
    """Freezing is for what was learnt: a level that is new in any part of it has to learn."""
    names = {id(parameter): name for name, parameter in D.named_parameters()}
    whole = [all(kept.get(names[id(p)], 0.0) == 1.0 for p in level.parameters()) for level in levels(D)]
    most = whole.index(False) if False in whole else len(whole)
    if freeze_d > most:
        without = " (a generator file has no discriminator)" if source.D is None else ""
        raise SettingError(
            f"train.freeze_d is {freeze_d}, and {most} of the discriminator's levels, from the picture on, are kept "
            f"whole from {source.run}{without}.",
            f"Use --freeze-d {most}." if most else "Leave --freeze-d away.",
        )


def _share(network: nn.Module, kept: Mapping[str, float]) -> float:
    """The share of a network's weights that was kept, 0 to 1."""
    sizes = {name: parameter.numel() for name, parameter in network.named_parameters()}
    return round(sum(kept.get(name, 0.0) * size for name, size in sizes.items()) / sum(sizes.values()), 4)


def _told(source: Source, form: Form, kept: Mapping[str, float]) -> str:
    """What was kept, and what is new, in a sentence."""
    was = source.form
    shares = [f"{math.floor(100 * kept[name])} % of the {name}'s" for name in ("generator", "discriminator")]
    if source.D is None:
        told = f"kept {shares[0]} weights; its file has no discriminator, which starts fresh"
    else:
        told = f"kept {shares[0]} and {shares[1]} weights"
    new = [name for name in form.classes if name not in was.classes]
    if new:
        told += f"; new: {'class' if len(new) == 1 else 'classes'} {', '.join(new)}"
    if form.shape[1:] != was.shape[1:]:
        told += f"; picture {form.shape[2]}x{form.shape[1]} instead of {was.shape[2]}x{was.shape[1]}"
    if form.shape[0] != was.shape[0]:
        told += f"; channels {form.shape[0]} instead of {was.shape[0]}"
    return f"Started from {source.run} ({source.nimg / 1000:.3g} kimg): {told}."
