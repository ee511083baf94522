"""Checkpoints: safetensors and JSON only, so that opening one can never run code.

checkpoints/000200000/
    generator.safetensors   the averaged generator; its header holds settings, classes and format: the file to share
    state.safetensors       everything needed to go on bit for bit
    manifest.json           format, sizes and SHA-256; written last
"""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from artgan.engine.storage import Run, atomic_folder, atomic_write
from artgan.errors import CheckpointError, StorageError

FORMAT = 1
GENERATOR, STATE, MANIFEST = "generator.safetensors", "state.safetensors", "manifest.json"
Tensors = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class GeneratorFile:
    """What `generator.safetensors` holds: tensors by name, settings as nested values, class names, nimg, run name."""

    tensors: dict[str, torch.Tensor]
    settings: dict[str, Any]
    classes: tuple[str, ...]
    nimg: int
    run: str


def save_checkpoint(run: Run, generator: GeneratorFile, state: Tensors) -> Path:
    """Write one checkpoint whole or not at all, point `latest` at it, and thin out old ones.

    Raises:
        StorageError: the disk is full or the folder cannot be written; older checkpoints are untouched.
    """
    folder = run.checkpoints / f"{generator.nimg:09d}"
    if folder.is_dir():
        return folder
    older = _numbers(run)
    number = 1 + max(older.values(), default=0)
    with atomic_folder(folder) as temporary:
        header = {
            "format": f"artgan-generator/{FORMAT}",
            "settings": json.dumps(generator.settings),
            "classes": json.dumps(generator.classes),
            "nimg": str(generator.nimg),
            "run": generator.run,
        }
        try:
            save_file(_plain(generator.tensors), temporary / GENERATOR, header)
            save_file(_plain(state), temporary / STATE, {"format": f"artgan-state/{FORMAT}"})
        except SafetensorError as error:  # what a full disk is called there, instead of OSError
            raise StorageError(f"{folder} cannot be written: {error}.", "Free some disk space.") from error
        files = {name: _describe(temporary / name) for name in (GENERATOR, STATE)}
        manifest = {"format": FORMAT, "nimg": generator.nimg, "number": number, "files": files}
        atomic_write(temporary / MANIFEST, json.dumps(manifest, indent=2))
    atomic_write(run.folder / "latest", folder.name + "\n")
    _thin_out(run, {**older, folder: number})
    return folder


def _plain(tensors: Tensors) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _describe(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _numbers(run: Run) -> dict[Path, int]:
    """The ordinal of every checkpoint: the first saved in a run is 1."""
    numbers = {}
    for folder in whole_names(run):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            numbers[folder] = int(json.loads((folder / MANIFEST).read_text())["number"])
    return numbers


def _thin_out(run: Run, numbers: Mapping[Path, int]) -> None:
    """Keep the last three and every tenth."""
    for folder, number in sorted(numbers.items())[:-3]:
        if number % 10:
            shutil.rmtree(folder, ignore_errors=True)


def whole_names(run: Run) -> list[Path]:
    """Checkpoint folders, oldest first."""
    if not run.checkpoints.is_dir():
        return []
    return sorted(path for path in run.checkpoints.iterdir() if path.name.isdecimal())


def newest_checkpoint(run: Run) -> Path | None:
    """The newest checkpoint of a run, or None when it has none yet."""
    return next(reversed(whole_names(run)), None)


def verify(folder: Path, names: Sequence[str] = (GENERATOR, STATE)) -> None:
    """Check files of a checkpoint against its manifest.

    Raises:
        CheckpointError: a file is missing, has another size or hash, or the format is from another version.
    """
    hint = f"Remove {folder} to go on from the checkpoint before it."
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        version, files = manifest["format"], dict(manifest["files"])
        if version != FORMAT:
            raise CheckpointError(
                f"{folder} has format {version!r}; this artgan reads {FORMAT}.", "Install the artgan that wrote it."
            )
        for name in names:
            if _describe(folder / name) != files[name]:
                raise CheckpointError(f"{folder / name} is damaged: it does not match its manifest.", hint)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"The checkpoint {folder} is not whole: {error}.", hint) from error


def load_state(folder: Path) -> dict[str, torch.Tensor]:
    """The training state of a checkpoint, after checking it.

    Raises:
        CheckpointError: it is damaged.
    """
    verify(folder)
    return _read(folder / STATE)[0]


def load_generator(path: Path) -> GeneratorFile:
    """Read a `generator.safetensors`, or the one in a checkpoint folder.

    Raises:
        CheckpointError: it is missing, damaged or not an artgan generator.
    """
    path = path / GENERATOR if path.is_dir() else path
    if (path.parent / MANIFEST).is_file():  # a file that was shared comes without
        verify(path.parent, [path.name])
    tensors, header = _read(path)
    hint = "Use the generator.safetensors of a checkpoint."
    if header.get("format") != f"artgan-generator/{FORMAT}":
        raise CheckpointError(f"{path} is not a generator of this artgan.", hint)
    try:
        settings, classes = json.loads(header["settings"]), json.loads(header["classes"])
        if not isinstance(settings, dict) or not isinstance(classes, list):
            raise ValueError("settings or classes have the wrong form")
        return GeneratorFile(tensors, settings, tuple(map(str, classes)), int(header["nimg"]), header["run"])
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"The header of {path} is damaged: {error}.", hint) from error


def _read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}.", "Use another checkpoint of the run.") from error
