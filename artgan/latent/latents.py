"""Latents under their names: from seeds, from pictures that artgan made, and from files; and back into files.

A word of a command names one latent or several: `7`, `0,3-5`, `pear:7` (a class, or any text for a model that draws
from texts, and its seeds), `sheet.png` (every picture on it), `sheet.png#3` (the third, row by row from the left),
`mine.npz`, `mine.json`, or one's own picture.
"""

import contextlib
import io
import itertools
import json
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from artgan.engine.images import quiet_decoding, read_recipe
from artgan.engine.seeds import latents, parse_seeds
from artgan.engine.storage import atomic_write, find_run, read_json
from artgan.errors import UsageError
from artgan.latent.sliders import offset, told_sliders
from artgan.models.render import render
from artgan.models.trained import LoadedGenerator

Floats = NDArray[np.float32]

MOST = 4096
"""Latents that one file or picture may hold."""
_MOST_BYTES = 1 << 28
_SEEDS = re.compile(r"(?:(?P<name>.+):)?\s*(?:seeds?\s*)?(?P<seeds>\d[\d,\s-]*)", flags=re.DOTALL)
_FILES = (".npz", ".json")
_FARTHEST = 1000.0  # from 0; a draw never comes near it, and pictures stay finite
_ANOTHER = "Give a picture that artgan wrote, or a file that `artgan project` or `save_latents` wrote."
_KINDS = "Give seeds such as 3 or 0,5-9, a picture, or latents in a .npz or .json file."


@dataclass(frozen=True, eq=False)
class Latent:
    """One place in the latent space of a model.

    Attributes:
        z: (z_dim,) float32, finite.
        class_name: its class, or the text it is drawn for; None for a model without.
        name: what it was called by, such as `7` or `child03.png`.
    """

    z: Floats
    class_name: str | None
    name: str

    def plain(self) -> dict[str, Any]:
        """As it stands in the recipe of a picture; the numbers come back exactly."""
        return {"name": self.name, "class": self.class_name, "z": self.z.tolist()}


def draw(model: LoadedGenerator, chosen: Sequence[Latent]) -> torch.Tensor:
    """Pictures (N, C, H, W) in [-1, 1], on the CPU, of latents of the model; each is the same in any company."""
    z = torch.from_numpy(np.stack([latent.z for latent in chosen]))
    return render(model.network, model.engine, z, model.conditions([latent.class_name for latent in chosen]))


def latents_from(
    words: Sequence[str | Path],
    model: LoadedGenerator,
    *,
    class_name: str | None = None,
    truncation: float | None = None,
    project: Callable[[Path], Latent] | None = None,
) -> list[Latent]:
    """The latents that words of a command name, in their order.

    Args:
        words: as described above; a word of digits is a seed, also where a file of that name lies.
        model: whose latents they are.
        class_name: the class, or the text, of those that name none.
        truncation: of plain seeds, as in `artgan.sample`.
        project: finds the latent of one's own picture; without it, those are refused.

    Raises:
        UsageError: a word is neither, there is no such place on a sheet, a class is unknown or missing, or a file is
            damaged, holds latents of another model or other numbers than latents.
    """
    found: list[Latent] = []
    if class_name is not None:
        model.conditions([class_name])
    for word in itertools.chain.from_iterable(map(_several, words)):
        match = _SEEDS.fullmatch(str(word))
        if match:
            found += seeded(parse_seeds(match["seeds"]), match["name"] or class_name, truncation, model)
            continue
        path, places = _split(word)
        recipe = _recipe(path)
        if _is_file(path) and recipe is None and path.suffix.lower() not in _FILES:
            if project is None:
                raise UsageError(f"{path} does not say how it was made.", "`artgan project` finds its latent.")
            found.append(project(path))
            continue
        held = read_latents(path, model, class_name) if recipe is None else latents_in(recipe, path, model, class_name)
        found += held if places is None else _picked(held, path, places)
    return found


def latents_in_turn(
    words: Sequence[str | Path],
    model: LoadedGenerator,
    classes: Sequence[str],
    *,
    truncation: float | None = None,
    project: Callable[[Path], Latent] | None = None,
) -> list[Latent]:
    """As `latents_from`; words that name no class (or text) are of `classes` in turn.

    Raises:
        UsageError: as there.
    """
    found: list[Latent] = []
    for word in words:
        kind = classes[len(found) % len(classes)] if classes else None
        found += latents_from([word], model, class_name=kind, truncation=truncation, project=project)
    return found


def _several(word: str | Path) -> list[str | Path]:
    """The words of a list of seeds of several classes, as in `pear:3,apple:4`; else the word alone."""
    parts = re.split(r",\s*(?=[^,:]+:\s*\d)", str(word))
    return [*parts] if len(parts) > 1 and all(map(_SEEDS.fullmatch, parts)) and not _is_file(Path(word)) else [word]


def run_of(words: Sequence[str | Path], runs_dir: Path) -> Path | None:
    """The folder of the run that made the first picture among words that says so; None when none does.

    Raises:
        CheckpointError: that run is gone.
    """
    for word in words:
        if not _SEEDS.fullmatch(str(word)):
            path, _ = _split(word)
            recipe = _recipe(path)
            if recipe is not None:
                # A picture lies in its run, unless it was moved; then the run is looked for by its name.
                name = str(recipe.get("run"))
                inside = next((folder for folder in path.absolute().parents if folder.name == name), None)
                return find_run(inside or name, runs_dir).folder
    return None


def read_latents(path: Path, model: LoadedGenerator, class_name: str | None = None) -> list[Latent]:
    """Latents that `save_latents` wrote, or written by hand: JSON `{"z": [[...], ...], "class": "pear"}`.

    Args:
        path: a .npz with the arrays z (N, z_dim) and perhaps c (N names) and run, or a .json with the like, whose
            `class` may be one name, a list of N, or absent.
        model: whose latents they are.
        class_name: the class of those that name none.

    Raises:
        UsageError: it is missing or damaged, or its latents are not the model's.
    """
    if not _is_file(path):
        raise UsageError(f"{str(path)[:200]!r} is neither a seed nor a file.", _KINDS)
    try:
        z, names, run = _from_json(path) if path.suffix.lower() == ".json" else _from_npz(path)
        rows = list(zip(z, names, strict=True))
    except (
        *(OSError, ValueError, KeyError, TypeError, EOFError, SyntaxError, RuntimeError, NotImplementedError),
        *(MemoryError, OverflowError, zipfile.BadZipFile, zlib.error),
    ) as error:  # what numpy and zipfile meet hostile bytes with
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise UsageError(f"{path} holds no latents: {reason}.", _KINDS) from error
    return _checked(rows, path, run, model, class_name)


def latents_in(
    recipe: Mapping[str, Any], path: Path, model: LoadedGenerator, class_name: str | None = None
) -> list[Latent]:
    """The latents of a picture that artgan drew: they stand in its recipe, or its seeds do, one row a class.

    Raises:
        UsageError: the recipe is damaged, or its latents are not the model's.
    """
    rows: list[tuple[Any, Any]]
    try:
        if "latents" in recipe:
            rows = [(row["z"], row["class"]) for row in recipe["latents"]]
        else:
            seeds = tuple(int(seed) for seed in recipe["seeds"])
            truncation = None if recipe.get("truncation") is None else float(recipe["truncation"])
            kind, kinds = ("text", "texts") if model.takes_text else ("class", "classes")
            one, every = recipe.get(kind), recipe.get(kinds, model.names)
            names = [one] if one is not None else [*every] or [None]
            if not seeds or min(seeds) < 0 or max(seeds) >= 2**63 or len(seeds) * len(names) > MOST:
                raise ValueError("its seeds are out of range")
            z_dim = model.settings.model.z_dim
            z = latents(seeds, z_dim, truncation).numpy() + offset(told_sliders(recipe.get("sliders", [])), z_dim)
            rows = [(row, name) for name in names for row in z]
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise _damaged(path, error) from error
    return _checked(rows, path, recipe.get("run"), model, class_name)


def save_latents(path: Path, chosen: Sequence[Latent], run: str) -> None:
    """Write latents to a .npz or .json that `read_latents` reads; never half a file.

    Raises:
        StorageError: it cannot be written.
    """
    z, names = np.stack([latent.z for latent in chosen]), [latent.class_name for latent in chosen]
    if path.suffix.lower() == ".json":
        atomic_write(path, json.dumps({"run": run, "class": names, "z": z.tolist()}, ensure_ascii=False) + "\n")
        return
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, z=z, c=np.array([name or "" for name in names]), run=np.array(run))
    atomic_write(path, buffer.getvalue())


def seeded(
    seeds: tuple[int, ...], class_name: str | None, truncation: float | None, model: LoadedGenerator
) -> list[Latent]:
    """The latents of seeds, of one class or for one text.

    Raises:
        UsageError: the class is unknown or missing, or truncation makes no sense.
    """
    model.conditions([class_name])
    prefix = f"{class_name}:" if class_name else ""
    rows = latents(seeds, model.settings.model.z_dim, truncation).numpy()
    return [Latent(z, class_name, f"{prefix}{seed}") for z, seed in zip(rows, seeds, strict=True)]


def _checked(
    rows: Iterable[tuple[Any, Any]], path: Path, run: object, model: LoadedGenerator, class_name: str | None
) -> list[Latent]:
    """Latents that a file claims to hold, once they are sure to be the model's own."""
    if run and run != model.run:
        raise UsageError(
            f"{path} was made by {str(run)[:100]}, not by {model.run}: its latents mean nothing there.",
            "Choose that run with --run, or give seeds.",
        )
    z_dim, kept, pairs = model.settings.model.z_dim, [], list(rows)
    if not 0 < len(pairs) <= MOST:
        raise UsageError(f"{path} holds {len(pairs)} latents.", f"1 to {MOST} can be read.")
    for number, (numbers, name) in enumerate(pairs):
        try:
            z = np.array(numbers, np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise _damaged(path, error) from error
        if z.shape != (z_dim,):
            raise UsageError(
                f"{path} holds latents of the shape {z.shape}; {model.run} takes {z_dim} numbers.", _ANOTHER
            )
        if not np.abs(z).max() < _FARTHEST or not isinstance(name, str | None):
            raise UsageError(f"{path} holds values that no latent has.", _ANOTHER)
        class_of = class_name if name is None else name
        model.conditions([class_of])
        kept.append(
            Latent(z.astype(np.float32), class_of, path.name if len(pairs) == 1 else f"{path.name}#{number + 1}")
        )
    return kept


def _from_npz(path: Path) -> tuple[Any, Sequence[str | None], str]:
    with zipfile.ZipFile(path) as archive:  # before any memory is spent: a small file can claim endless numbers
        if sum(entry.file_size for entry in archive.infolist()) > _MOST_BYTES:
            raise ValueError("it is too large")
    with path.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
        z = arrays["z"].astype(np.float64, casting="same_kind")
        names = [str(name) or None for name in arrays["c"]] if "c" in arrays else [None] * len(z)
        return z, names, str(arrays["run"]) if "run" in arrays else ""


def _from_json(path: Path) -> tuple[Any, Sequence[str], str]:
    told = dict(read_json(path, _MOST_BYTES))
    z, names = told["z"], told.get("class")
    if isinstance(names, str | None):
        names = [names or None] * len(z)
    return z, names, str(told.get("run", ""))


def _picked(held: list[Latent], path: Path, places: str) -> list[Latent]:
    """The latents in the places `3`, `2,5-7` of a sheet, counted from 1."""
    with contextlib.suppress(UsageError):
        numbers = parse_seeds(places)
        if min(numbers) > 0 and max(numbers) <= len(held):
            return [held[number - 1] for number in numbers]
    raise UsageError(
        f"{path}#{places[:40]} is no place on a sheet of {len(held)}.", f"The last one is {path.name}#{len(held)}."
    )


def _split(word: str | Path) -> tuple[Path, str | None]:
    """A file, and the places behind its #; a file whose own name has one is found if it exists."""
    path, mark, places = str(word).rpartition("#")
    if not mark or _is_file(Path(word)):
        return Path(word), None
    return Path(path), places


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long
        return False


def _recipe(path: Path) -> dict[str, Any] | None:
    """How artgan drew a picture from latents; None when it did not."""
    if _is_file(path) and path.suffix.lower() not in _FILES:
        with contextlib.suppress(UsageError), quiet_decoding():
            recipe = read_recipe(path)
            if "latents" in recipe or recipe.get("kind") in ("sample", "preview"):
                return recipe
    return None


def _damaged(path: Path, error: Exception) -> UsageError:
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:120]
    return UsageError(f"The latents in {path} are damaged: {reason}.", _ANOTHER)
