"""`artgan.sample`: pictures from seeds."""

import hashlib
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import artgan
from artgan.data.captions import clean_caption
from artgan.engine.device import explaining_memory
from artgan.engine.images import encode_png, to_uint8
from artgan.engine.seeds import latents, parse_seeds
from artgan.engine.storage import atomic_write, refuse_existing
from artgan.engine.vision import grid
from artgan.errors import UsageError
from artgan.latent.steering import Sliders, Steering, steer
from artgan.models.render import render
from artgan.models.trained import LoadedGenerator, load

MOST_ON_A_SHEET = 4096
_BUNCH = 64
_LONGEST = 60


@dataclass(frozen=True)
class Drawn:
    """`done` of `total` pictures are drawn."""

    done: int
    total: int


@dataclass(frozen=True)
class SampleResult:
    """The files that were written, the seeds in them, the run and position they come from, and what was passed over.

    `passed_over` names newer checkpoints of the run that could not be used, each with its reason.
    """

    files: tuple[Path, ...]
    seeds: tuple[int, ...]
    run: str
    nimg: int
    passed_over: tuple[str, ...] = ()


def _plain(name: str) -> str:
    """A class name, or a text, as part of a file name; a long one is cut, and told apart by its digest."""
    plain = re.sub(r"[^\w-]+", "_", name)
    if len(plain) <= _LONGEST:
        return plain
    return f"{plain[:_LONGEST]}-{hashlib.blake2b(name.encode(), digest_size=4).hexdigest()}"


@dataclass(frozen=True)
class _Wanted:
    """One picture: its seed, its class or text, and the number of that; a text of the user's own has none."""

    seed: int
    number: int | None
    name: str | None

    @property
    def file_name(self) -> str:
        # The number keeps apart classes whose names look alike once spelt for a file system ("C+" and "C#").
        number = f"{self.number:02d}-" if self.name and self.number is not None else ""
        return f"{number}{_plain(self.name)}-seed{self.seed:05d}.png" if self.name else f"seed{self.seed:05d}.png"


def sample(
    run: str | Path | None = None,
    *,
    seeds: str | Sequence[int] = "0-15",
    class_name: str | None = None,
    text: str | None = None,
    truncation: float | None = None,
    sliders: Sliders = (),
    bends: Sequence[str] = (),
    out: str | Path | None = None,
    columns: int | None = None,
    overwrite: bool = False,
    runs_dir: str | Path = "runs",
    device: str = "auto",
    on_event: Callable[[Drawn], None] = lambda event: None,
) -> SampleResult:
    """Draw pictures from seeds: the same seed is the same picture, alone or among others.

    Args:
        run: number, name or folder of a run, a checkpoint folder, or a generator.safetensors; None is the latest run.
        seeds: a list such as "0,3,5-9", or numbers.
        class_name: the class to draw; None draws every class of a conditional model, on a sheet one row each.
        text: what to draw, for a model that was trained with captions; None draws a few that it has learnt likewise.
        truncation: draw latents again outside +-truncation: below 1 is safer and less varied; None is off.
        sliders: move along named directions, as "warmth=2.5,contrast=-1" or {"warmth": 2.5}; see `artgan.explore`.
        bends: what is done to layers, such as ["16:scale=1.4", "8:ablate=3,17"]; see `artgan.latent.bending`.
        out: a name ending in .png for one sheet (one picture, from one seed), or a folder for single pictures. None
            writes a sheet into `samples` in the run's folder.
        columns: pictures per row of a sheet; by default up to 8, or all seeds of a class.
        overwrite: replace files that exist.
        runs_dir: the folder that holds the runs.
        device: auto, cpu, cuda, cuda:N or mps.
        on_event: called as pictures are finished.

    Raises:
        UsageError: seeds, class, text, truncation, a slider or a bend make no sense, or a file exists.
        CheckpointError: there is no model to draw from.
    """
    numbers = parse_seeds(seeds) if isinstance(seeds, str) else tuple(int(seed) for seed in seeds)
    if not numbers or min(numbers) < 0 or max(numbers) >= 2**63:
        raise UsageError("Seeds are whole numbers from 0 up, at least one.", "Give some, such as 0-15.")
    model = load(run, runs_dir=runs_dir, device=device)
    names = _names(model, class_name, text)
    wanted = [_Wanted(seed, number, name) for number, name in names for seed in numbers]
    steering = steer(model, sliders, bends)
    recipe: dict[str, Any] = {
        "kind": "sample",
        "artgan": artgan.__version__,
        "run": model.run,
        "nimg": model.nimg,
        "truncation": truncation,
        "classes": list(model.classes),
        **({"texts": [name for _, name in names]} if model.takes_text else {}),
        **steering.plain(),
        "settings": model.settings.model_dump(mode="json"),
    }
    sheet_columns = columns or (len(numbers) if len(names) > 1 else min(8, len(numbers)))
    with explaining_memory("Ask for fewer seeds at a time."):
        drawn = _draw(model, wanted, truncation, steering, on_event)
        if out is not None and Path(out).suffix.lower() != ".png":
            files = _write_singles(drawn, wanted, Path(out), overwrite, recipe)
        else:
            path = (
                Path(out)
                if out is not None
                else model.home / "samples" / _sheet_name(model, wanted, truncation, steering)
            )
            files = [_write_sheet(drawn, wanted, path, sheet_columns, overwrite or out is None, recipe)]
    return SampleResult(tuple(files), numbers, model.run, model.nimg, model.passed_over)


def _names(model: LoadedGenerator, class_name: str | None, text: str | None) -> list[tuple[int | None, str | None]]:
    """The classes or texts to draw, with their numbers.

    Raises:
        UsageError: the model knows no such class, or takes no class or no text.
    """
    if class_name is not None:
        if text is not None:
            raise UsageError("--class and --text both say what to draw.", "Give one of them.")
        return [(model.class_index(class_name), class_name)]
    if text is not None and not model.takes_text:
        instead = f"Choose one of its classes: {', '.join(model.classes)[:200]}." if model.classes else "Leave it away."
        raise UsageError("--text: this model was not trained with captions.", instead)
    if text is not None:
        return [(None, clean_caption(text))]
    return [*enumerate(model.names)] or [(None, None)]


def _draw(
    model: LoadedGenerator,
    wanted: list[_Wanted],
    truncation: float | None,
    steering: Steering,
    on_event: Callable[[Drawn], None],
) -> Iterator[torch.Tensor]:
    z_dim = model.settings.model.z_dim
    shift = torch.from_numpy(steering.offset(z_dim))
    for start in range(0, len(wanted), _BUNCH):
        part = wanted[start : start + _BUNCH]
        seeds = tuple(picture.seed for picture in part)
        z = latents(seeds, z_dim, truncation) + shift
        c = model.conditions([picture.name for picture in part])
        carried = steering.carried(z, torch.zeros(len(z)), torch.arange(len(z)))
        yield from render(steering.network(model, seeds), model.engine, carried, c)
        on_event(Drawn(start + len(part), len(wanted)))


def _write_singles(
    drawn: Iterator[torch.Tensor], wanted: list[_Wanted], folder: Path, overwrite: bool, recipe: dict[str, Any]
) -> list[Path]:
    files = [folder / picture.file_name for picture in wanted]
    for file in files:
        refuse_existing(file, overwrite)
    for picture, file, pixels in zip(wanted, files, drawn, strict=True):
        own = {**recipe, "seeds": [picture.seed], **_told(recipe, [picture])}
        atomic_write(file, encode_png(to_uint8(pixels.numpy()), own))
    return files


def _write_sheet(
    drawn: Iterator[torch.Tensor],
    wanted: list[_Wanted],
    path: Path,
    columns: int,
    overwrite: bool,
    recipe: dict[str, Any],
) -> Path:
    if len(wanted) > MOST_ON_A_SHEET:
        raise UsageError(f"{len(wanted)} pictures are too many for one sheet.", "Write single pictures with -o FOLDER.")
    refuse_existing(path, overwrite)
    pictures = torch.stack(list(drawn))
    sheet = pictures[0] if len(pictures) == 1 else grid(pictures, columns)
    seeds = list(dict.fromkeys(picture.seed for picture in wanted))
    own = {**recipe, "seeds": seeds, "columns": columns, **_told(recipe, wanted)}
    atomic_write(path, encode_png(to_uint8(sheet.numpy()), own))
    return path


def _told(recipe: dict[str, Any], wanted: list[_Wanted]) -> dict[str, Any]:
    """The class, or the text, that all pictures share, and the command that draws them again."""
    takes_text = "texts" in recipe
    names = {picture.name for picture in wanted}
    name = names.pop() if len(names) == 1 else None
    words = ["artgan", "sample", recipe["run"], "--seeds", _seed_list(wanted)]
    if name is not None:
        words += ["--text" if takes_text else "--class", name]
    if recipe["truncation"] is not None:
        words += ["--truncation", f"{recipe['truncation']:g}"]
    for slider in recipe.get("sliders", ()):
        words += ["--slider", f"{slider['name']}={slider['value']:g}"]
    for bend in recipe.get("bends", ()):
        words += ["--bend", bend]
    said = {"class": None, "text": name} if takes_text else {"class": name}
    return {**said, "command": shlex.join(words)}


def _seed_list(wanted: list[_Wanted]) -> str:
    """Seeds as they are written on a command line: `0-15`, `3`, `1,5,9`."""
    seeds = list(dict.fromkeys(picture.seed for picture in wanted))
    if len(seeds) > 2 and seeds == list(range(seeds[0], seeds[0] + len(seeds))):
        return f"{seeds[0]}-{seeds[-1]}"
    return ",".join(map(str, seeds))


def _sheet_name(model: LoadedGenerator, wanted: list[_Wanted], truncation: float | None, steering: Steering) -> str:
    """A name that differs whenever the picture does, short of very long seed lists."""
    names = {picture.name for picture in wanted}
    parts = [f"{model.nimg:09d}", f"seeds{_seed_list(wanted)[:80]}"]
    parts += [_plain(name) for name in names if name and len(names) == 1]
    parts += [f"truncation{truncation:g}"] if truncation is not None else []
    parts += [_plain("-".join(steering.words[1::2]))] if steering.words else []
    return "-".join(parts) + ".png"
