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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from artgan.engine.storage import Run, atomic_folder, atomic_write, naming_the_path, parse_json, read_json, spelt
from artgan.engine.tensors import Tensors, in_order, named_rows, parse_tensors, plain, read_tensors, tensor_bytes
from artgan.errors import CheckpointError, StorageError

FORMAT = 1
GENERATOR, STATE, MANIFEST = "generator.safetensors", "state.safetensors", "manifest.json"
T = TypeVar("T")


@dataclass(frozen=True)
class GeneratorFile:
    """What `generator.safetensors` holds: tensors by name, settings as nested values, class names, nimg, run name.

    Of a model that draws from texts also some that it has learnt, the commonest first. A file that was made to be
    shared may hold the named directions of its model, too.
    """

    tensors: dict[str, torch.Tensor]
    settings: dict[str, Any]
    classes: tuple[str, ...]
    nimg: int
    run: str
    texts: tuple[str, ...] = ()
    directions: Tensors = field(default_factory=dict)


def save_checkpoint(run: Run, generator: GeneratorFile, state: Tensors, best: bool = False) -> Path:
    """Write one checkpoint whole or not at all, point `latest` (and `best`) at it, and thin out old ones.

    Raises:
        StorageError: the disk is full or the folder cannot be written; older checkpoints are untouched.
    """
    folder = run.checkpoints / f"{generator.nimg:09d}"
    with naming_the_path(folder):
        if folder.is_dir():
            return folder
        older = _numbers(run)
    number = 1 + max(older.values(), default=0)
    with atomic_folder(folder) as temporary:
        try:
            save_file(plain(generator.tensors), temporary / GENERATOR, _header_of(generator))
            _sort_header(temporary / GENERATOR)
            save_file(plain(state), temporary / STATE, {"format": f"artgan-state/{FORMAT}"})
        except SafetensorError as error:  # what a full disk is called there, instead of OSError
            raise StorageError(f"{folder} cannot be written: {error}.", "Free some disk space.") from error
        files = {name: _describe(temporary / name) for name in (GENERATOR, STATE)}
        manifest = {"format": FORMAT, "nimg": generator.nimg, "number": number, "files": files}
        atomic_write(temporary / MANIFEST, json.dumps(manifest, indent=2))
    write_latest(run, folder)
    if best:
        write_best(run, folder)
    _thin_out(run, {**older, folder: number})
    return folder


def write_latest(run: Run, folder: Path) -> None:
    """Point `latest` at a checkpoint."""
    atomic_write(run.folder / "latest", folder.name + "\n")


def write_best(run: Run, folder: Path) -> None:
    """Point `best` at a checkpoint, which is kept from then on."""
    atomic_write(run.best, folder.name + "\n")


def best_checkpoint(run: Run) -> Path | None:
    """The checkpoint that `best` names; None when nothing was scored, or it is gone."""
    with contextlib.suppress(OSError):
        if run.best.is_file():
            with run.best.open(encoding="utf-8", errors="replace") as file:
                name = file.read(32).strip()
            if name.isdecimal() and (run.checkpoints / name).is_dir():
                return run.checkpoints / name
    return None


def _header_of(generator: GeneratorFile) -> dict[str, str]:
    return {
        "format": f"artgan-generator/{FORMAT}",
        "settings": json.dumps(generator.settings),
        "classes": json.dumps(generator.classes),
        "nimg": str(generator.nimg),
        "run": generator.run,
        **({"texts": json.dumps(generator.texts)} if generator.texts else {}),
    }


def _sort_header(path: Path) -> None:
    """Put the header's own entries in order: safetensors shuffles them, and the same run shall be the same bytes."""
    with path.open("r+b") as file:
        length = int.from_bytes(file.read(8), "little")
        text = in_order(file.read(length))
        file.seek(8)
        file.write(text)


def generator_bytes(generator: GeneratorFile) -> bytes:
    """The `generator.safetensors` of a generator, which `parse_generator` reads back."""
    tensors, header = dict(generator.tensors), _header_of(generator)
    if generator.directions:
        tensors["directions"] = torch.stack([*generator.directions.values()])
        header["directions"] = json.dumps([*generator.directions])
    return tensor_bytes(tensors, header)


def copied(tensors: Tensors) -> dict[str, torch.Tensor]:
    """Copies on the CPU, laid out plainly, that training cannot change while they are being written."""
    copies = {name: torch.empty(tensor.shape, dtype=tensor.dtype) for name, tensor in tensors.items()}
    for name, tensor in tensors.items():
        copies[name].copy_(tensor.detach())
    return copies


def _describe(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _numbers(run: Run) -> dict[Path, int]:
    """The ordinal of every checkpoint: the first saved in a run is 1."""
    numbers = {}
    for folder in whole_names(run):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, OverflowError):
            numbers[folder] = int(read_json(folder / MANIFEST)["number"])
    return numbers


def _thin_out(run: Run, numbers: Mapping[Path, int]) -> None:
    """Keep the last three, the best, and every tenth."""
    best = best_checkpoint(run)
    for folder, number in sorted(numbers.items())[:-3]:
        if number % 10 and folder != best:
            shutil.rmtree(folder, ignore_errors=True)


def whole_names(run: Run) -> list[Path]:
    """Checkpoint folders, oldest first."""
    if not run.checkpoints.is_dir():
        return []
    return sorted(path for path in run.checkpoints.iterdir() if path.name.isdecimal())


def newest_checkpoint(run: Run) -> Path | None:
    """The newest checkpoint of a run, or None when it has none yet."""
    return next(reversed(whole_names(run)), None)


def read_newest(run: Run, read: Callable[[Path], T]) -> tuple[T | None, tuple[CheckpointError, ...]]:
    """What `read` returns for the newest checkpoint that it can read, and the errors of the newer ones.

    Returns:
        (None, ()) when there is no checkpoint yet.

    Raises:
        CheckpointError: there are some, and none of them is whole.
    """
    refused: list[CheckpointError] = []
    for folder in reversed(whole_names(run)):
        try:
            return read(folder), tuple(refused)
        except CheckpointError as error:
            refused.append(error)
    if refused:
        raise CheckpointError(
            f"None of the {len(refused)} checkpoints of {run.name} can be used. The newest: {refused[0].message}",
            "Start again with `artgan train FOLDER --new`; nothing in the run folder was touched.",
        )
    return None, ()


def set_aside(run: Run, newer_than: int) -> list[Path]:
    """Rename the checkpoints after `newer_than`, so that training can write them again; returns the new names."""
    aside = []
    for folder in whole_names(run):
        if int(folder.name) > newer_than:
            target = folder.with_name(f"{folder.name}.set-aside")
            with naming_the_path(target):
                shutil.rmtree(target, ignore_errors=True)
                folder.rename(target)
            aside.append(target)
    return aside


def verify(folder: Path, names: Sequence[str] = (GENERATOR, STATE)) -> None:
    """Check files of a checkpoint against its manifest.

    Raises:
        CheckpointError: a file is missing, has another size or hash, or the format is from another version.
    """
    hint = "`artgan resume` goes on from the checkpoint before it."
    try:
        manifest = read_json(folder / MANIFEST, most_bytes=1 << 20)
        version, files = int(manifest["format"]), dict(manifest["files"])
        if version != FORMAT:
            raise CheckpointError(
                f"{folder} has format {version}; this artgan reads {FORMAT}.", "Install the artgan that wrote it."
            )
        for name in names:
            if not (folder / name).is_file():
                raise CheckpointError(f"{folder / name} is missing.", hint)
            if _describe(folder / name) != files[name]:
                raise CheckpointError(f"{folder / name} is damaged: it does not match its manifest.", hint)
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise CheckpointError(f"The checkpoint {folder} is not whole: {error}.", hint) from error


def load_state(folder: Path) -> dict[str, torch.Tensor]:
    """The training state of a checkpoint, after checking it.

    Raises:
        CheckpointError: it is damaged.
    """
    verify(folder)
    return read_tensors(folder / STATE)[0]


def load_generator(path: Path) -> GeneratorFile:
    """Read a `generator.safetensors`, or the one in a checkpoint folder.

    Raises:
        CheckpointError: it is missing, damaged or not an artgan generator.
    """
    path = path / GENERATOR if path.is_dir() else path
    if (path.parent / MANIFEST).is_file():  # a file that was shared comes without
        verify(path.parent, [path.name])
    return _generator(*read_tensors(path), path)


def parse_generator(raw: bytes, name: Path) -> GeneratorFile:
    """The generator in the bytes of a `generator.safetensors`, which errors call `name`.

    Raises:
        CheckpointError: it is damaged or not an artgan generator.
    """
    return _generator(*parse_tensors(raw, name), name)


def _generator(tensors: dict[str, torch.Tensor], header: Mapping[str, str], path: Path) -> GeneratorFile:
    hint = "Use the generator.safetensors of a checkpoint."
    if header.get("format") != f"artgan-generator/{FORMAT}":
        raise CheckpointError(f"{path} is not a generator of this artgan.", hint)
    directions: dict[str, torch.Tensor] = {}
    if "directions" in header:
        directions = named_rows(tensors.pop("directions", None), header["directions"], path)
    try:
        settings, classes = parse_json(header["settings"]), parse_json(header["classes"])
        nimg, run, texts = header["nimg"], header["run"], parse_json(header.get("texts", "[]"))
        if not isinstance(settings, dict):
            raise ValueError("its settings have the wrong form")
        if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
            raise ValueError("its classes are not a list of names")
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise ValueError("its texts are not a list of texts")
        if not (nimg.isascii() and nimg.isdecimal() and len(nimg) < 19):
            raise ValueError("its nimg is not a number of pictures")
        if not run or {*run} & {*"/\\\0"}:
            raise ValueError("its run is not a name")
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"The header of {path} is damaged: {error}.", hint) from error
    names, known = tuple(map(spelt, classes)), tuple(map(spelt, texts))
    return GeneratorFile(tensors, settings, names, int(nimg), run, known, directions)


def misfit(found: Tensors, wanted: Tensors) -> str:
    """What keeps `found` from taking the place of `wanted`, in words: a name, shape or number format. Empty if nothing.

    To be asked before loading: PyTorch itself stretches and rounds tensors until they fit.
    """
    for name in wanted:
        if name not in found:
            return f"{name} is missing"
    for name, tensor in found.items():
        if name not in wanted:
            return f"{name[:80]!r} is not known"
        if tensor.shape != wanted[name].shape or tensor.dtype != wanted[name].dtype:
            return f"{name} is {_kind(tensor)} instead of {_kind(wanted[name])}"
    return ""


def _kind(tensor: torch.Tensor) -> str:
    shape = "x".join(map(str, tensor.shape[:8])) or "one number"
    return f"{shape} of {str(tensor.dtype).removeprefix('torch.')}"
