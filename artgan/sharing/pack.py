"""`artgan.pack`: a model in one file to publish."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import artgan
from artgan.config import to_toml, validated
from artgan.engine.checkpoint import GENERATOR, generator_bytes
from artgan.engine.images import encode_png, to_uint8
from artgan.engine.seeds import latents
from artgan.engine.storage import atomic_write, refuse_existing
from artgan.engine.vision import grid
from artgan.errors import UsageError
from artgan.models.packed import CARD, CONFIG, MOST_BYTES, SAMPLES, SUFFIX, pack_bytes
from artgan.models.render import render
from artgan.models.trained import LoadedGenerator, load
from artgan.sharing.card import Words, read_record, write_card
from artgan.sharing.label import generator_file, public

_SHOWN = 16
"""Pictures of a model without classes; of one with classes, _SEEDS of each of so many."""
_SEEDS = 6


@dataclass(frozen=True)
class PackResult:
    """A model that was packed.

    Attributes:
        file: the file.
        run: name of the run.
        nimg: real pictures that its model was trained on.
        title: what it is called.
        licence: of the model; None is not stated.
        sliders: names of its directions.
        missing: what its card does not state, as options of the command line.
        size: of the file, bytes.
        passed_over: newer checkpoints of the run that could not be used, each with its reason.
    """

    file: Path
    run: str
    nimg: int
    title: str
    licence: str | None
    sliders: tuple[str, ...]
    missing: tuple[str, ...]
    size: int
    passed_over: tuple[str, ...] = ()


def pack(
    run: str | Path | None = None,
    out: str | Path | None = None,
    *,
    title: str | None = None,
    description: str | None = None,
    licence: str | None = None,
    data: str | None = None,
    data_licence: str | None = None,
    use: str | None = None,
    overwrite: bool = False,
    runs_dir: str | Path = "runs",
) -> PackResult:
    """Make one file of a model to publish: generator, settings, samples and a card; no path of this machine is in it.

    Args:
        run: number, name or folder of a run, a checkpoint folder, or a generator.safetensors; None is the latest run.
        out: the file, ending in .artgan; None is the run's name in the working folder.
        title: what to call the model; None is the run's name.
        description: what it draws.
        licence: of the model and its pictures.
        data: what the training pictures are and where they come from.
        data_licence: of the training pictures.
        use: what the model is for.
        overwrite: replace a file that exists.
        runs_dir: the folder that holds the runs.

    Raises:
        UsageError: the file exists or has another ending, a text is very long, or `run` is a pack already.
        CheckpointError: there is no model, or it is damaged.
        StorageError: the file cannot be written.
    """
    words = Words(title, description, licence, data, data_licence, use).checked()
    if run is not None and Path(run).suffix == SUFFIX:
        raise UsageError(f"{run} is packed already.", "Pack the run that it was made from.")
    target = Path(out) if out is not None else None
    if target is not None:
        _check(target, overwrite)
    model = load(run, runs_dir=runs_dir, device="cpu")
    target = target or Path(model.run + SUFFIX)
    _check(target, overwrite)
    directions, record = model.directions, read_record(model)
    generator = generator_bytes(generator_file(model, directions))
    if len(generator) > MOST_BYTES:
        raise UsageError(f"{model.run} is larger than {MOST_BYTES >> 30} GiB.", "Share its generator.safetensors.")
    heading = {"title": words.title or model.run, "description": words.description or "The settings of a packed model."}
    raw = pack_bytes({
        GENERATOR: generator,
        CONFIG: to_toml(validated(public(model.settings)), **heading).encode(),
        SAMPLES: _samples(model),
        CARD: write_card(model, tuple(directions), words, record, _plain(target.name)).encode(),
    })  # fmt: skip
    atomic_write(target, raw)
    missing = tuple("--" + name.replace("_", "-") for name, text in vars(words).items() if text is None)
    return PackResult(
        file=target,
        run=model.run,
        nimg=model.nimg,
        title=heading["title"],
        licence=words.licence,
        sliders=tuple(directions),
        missing=missing,
        size=len(raw),
        passed_over=model.passed_over,
    )


def _check(target: Path, overwrite: bool) -> None:
    if target.suffix != SUFFIX:
        raise UsageError(f"--out {str(target)[:200]} does not end in {SUFFIX}.", f"Call it {target.stem[:80]}{SUFFIX}.")
    refuse_existing(target, overwrite)


def _plain(name: str) -> str:
    """The name of a file as it can stand in a command."""
    return name if re.fullmatch(r"[\w.-]+", name) else f"model{SUFFIX}"


def _samples(model: LoadedGenerator) -> bytes:
    """A sheet of the first seeds: of each class (or text) a row, the first _SHOWN of them."""
    names = model.names[:_SHOWN]
    if model.takes_text and not names:
        names = ("picture",)
    seeds = tuple(range(_SEEDS if names else _SHOWN))
    z = latents(seeds, model.settings.model.z_dim).repeat(max(1, len(names)), 1)
    conditions = model.conditions([name for name in names for _ in seeds] or [None] * len(seeds))
    pictures = render(model.network, model.engine, z, conditions)
    sheet = grid(pictures, _SEEDS if names else 4)
    return encode_png(to_uint8(sheet.numpy()), _recipe(model, names, seeds))


def _recipe(model: LoadedGenerator, names: tuple[str, ...], seeds: tuple[int, ...]) -> Mapping[str, Any]:
    """As that of `artgan sample`, so that the pictures on the sheet can be walked and bred from."""
    return {
        "kind": "sample",
        "artgan": artgan.__version__,
        "run": model.run,
        "nimg": model.nimg,
        "truncation": None,
        "classes": list(names) if model.classes else [],
        **({"texts": list(names)} if model.takes_text else {}),
        "seeds": list(seeds),
        "settings": public(model.settings),
    }
