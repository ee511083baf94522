"""`artgan.breed`: children of pictures."""

import hashlib
import json
import math
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import artgan
from artgan.engine.device import explaining_memory
from artgan.engine.images import encode_png, to_uint8
from artgan.engine.seeds import Streams
from artgan.engine.storage import atomic_write, refuse_existing, spelt
from artgan.engine.vision import grid
from artgan.errors import UsageError
from artgan.latent.latents import MOST, Latent, draw, latents_in, latents_in_turn, run_of
from artgan.latent.paths import norms, on_shell
from artgan.latent.project import Projecting, finder
from artgan.latent.steering import Sliders, Steering, steer
from artgan.models.trained import LoadedGenerator, load

MOST_CHILDREN = 1000
_COLUMNS = 8


@dataclass(frozen=True)
class BreedResult:
    """The sheet (parents first), the children one by one, the parents' names, and the model.

    `passed_over` as in `SampleResult`.
    """

    sheet: Path
    files: tuple[Path, ...]
    parents: tuple[str, ...]
    run: str
    nimg: int
    passed_over: tuple[str, ...] = ()


def cross(parents: Sequence[Latent], number: int, mutate: float = 0.0, seed: int = 0) -> Latent:
    """One child of latents: each of its numbers is that of one parent.

    How much a child takes after each parent is drawn, then the parent of every number of z on its own. Children of
    unrelated draws of N(0, I) are such draws too, and differ among themselves; those on the arc between two parents
    would stand in one row, as the frames of a walk do. Lengths are shared like the rest. A class cannot be mixed: it is
    that of one parent, drawn by the same shares.

    Args:
        parents: 1 or more latents of one model.
        number: of the child, from 1: with the same parents and seed it is the same child, among however many.
        mutate: 0 to 1, the share that is new: z sqrt(1 - m^2) + m N(0, I), brought back to its length.
        seed: of the draws.
    """
    generator = Streams(seed).generator("breed", number)
    z = torch.from_numpy(np.stack([parent.z for parent in parents]))
    # Dirichlet with parameters 2, from its gamma variables: even shares are likelier than the copy of one parent.
    shares = torch.empty(2, len(parents)).exponential_(generator=generator).sum(0)
    givers = torch.multinomial(shares, z.shape[1] + 1, replacement=True, generator=generator)
    child = z.gather(0, givers[None, :-1]) * math.sqrt(1 - mutate**2)
    child += mutate * torch.randn(child.shape, generator=generator)
    length = (shares / shares.sum()).numpy() @ norms(z.numpy())
    class_name = parents[int(givers[-1])].class_name
    return Latent(on_shell(child.numpy(), np.array([length]))[0], class_name, f"child{number:02d}")


def breed(
    parents: Sequence[str | Path | int],
    run: str | Path | None = None,
    *,
    children: int = 16,
    mutate: float = 0.0,
    seed: int = 0,
    class_name: str | None = None,
    truncation: float | None = None,
    sliders: Sliders = (),
    out: str | Path | None = None,
    overwrite: bool = False,
    runs_dir: str | Path = "runs",
    device: str = "auto",
    on_event: Callable[[Projecting], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> BreedResult:
    """Cross pictures in the latent space: children on a sheet below their parents, and one by one.

    Every child says in its recipe who its parents are, and can be a parent again.

    Args:
        parents: seeds, pictures that artgan drew, one's own pictures, or files of latents; see `artgan.latent.latents`.
            One parent alone has children only with `mutate`.
        run: as in `artgan.sample`; None is the run that drew the parents, or the latest.
        children: 1 to 1000.
        mutate: 0 to 1: how much of a child is new, by chance.
        seed: another seed, other children.
        class_name: the class of parents that name none, as seeds and one's own pictures do.
        truncation: of seeds, as in `artgan.sample`.
        sliders: move the children along named directions, as in `artgan.sample`.
        out: the folder to write into; None is one in `children` in the run's folder.
        overwrite: replace files that exist; in the run's own folder they are.
        runs_dir: the folder that holds the runs.
        device: auto, cpu, cuda, cuda:N or mps.
        on_event: called while one's own pictures are projected.
        should_stop: asked meanwhile.

    Raises:
        UsageError: a number, a parent, a class or a slider makes no sense, or a file exists.
        DatasetError: one's own picture cannot be read.
        CheckpointError: there is no model.
        Interrupted: `should_stop` said so.
    """
    if not 1 <= children <= MOST_CHILDREN:
        raise UsageError(f"--children {children} is not between 1 and {MOST_CHILDREN}.", "16 fill two rows.")
    if not 0 <= mutate <= 1:
        raise UsageError(f"--mutate {mutate} is not between 0 and 1.", "0.2 changes a little, 0.6 a lot.")
    if not 0 <= seed < 2**63:
        raise UsageError(f"--seed {seed} is not between 0 and 2**63 - 1.", "Leave it away: it is 0 then.")
    words = [str(word) for word in parents]
    model = load(run if run is not None else run_of(words, Path(runs_dir)), runs_dir=runs_dir, device=device)
    if class_name is not None:
        model.class_index(class_name)
    steering = steer(model, sliders, ())
    with explaining_memory("Ask for fewer children at a time."):
        find = finder(model, class_name, on_event, should_stop)
        classes = [class_name] if class_name else model.names
        found = latents_in_turn(words, model, classes, truncation=truncation, project=find)
        if len(found) + (mutate > 0) < 2:
            raise UsageError("One parent alone has no children.", "Give a second one, or add --mutate 0.3.")
        born = [cross(found, number, mutate, seed) for number in range(1, children + 1)]
        shift = steering.offset(model.settings.model.z_dim)
        born = [Latent(child.z + shift, child.class_name, child.name) for child in born]
        recipe = {
            "kind": "breed",
            "artgan": artgan.__version__,
            "command": _command(words, model, children, mutate, seed, class_name, truncation, steering),
            "run": model.run,
            "nimg": model.nimg,
            "mutate": mutate,
            "seed": seed,
            "parents": [parent.plain() for parent in found],
            **steering.plain(),
            "settings": model.settings.model_dump(mode="json"),
        }
        folder = Path(out) if out is not None else model.home / "children" / _folder_name(model, found, recipe)
        sheet, files = folder / "sheet.png", tuple(folder / f"{child.name}.png" for child in born)
        for file in (sheet, *files):
            refuse_existing(file, overwrite or out is None)
        everyone = draw(model, [*found, *born])
        _write(sheet, everyone, {**recipe, "latents": [latent.plain() for latent in (*found, *born)]})
        for file, child, pixels in zip(files, born, everyone[len(found) :], strict=True):
            _write(file, pixels[None], {**recipe, "latents": [child.plain()]})
    return BreedResult(sheet, files, tuple(p.name for p in found), model.run, model.nimg, model.passed_over)


def redraw(picture: Path, recipe: Mapping[str, Any], checkpoint: Path, out: Path, overwrite: bool, device: str) -> Path:
    """Draw a sheet or a child that `breed` made once more.

    Args:
        picture: the sheet or child.
        recipe: as it stands in it.
        checkpoint: the one it was drawn from.
        out: the file to write.
        overwrite: replace it if it exists.
        device: auto, cpu, cuda, cuda:N or mps.

    Raises:
        UsageError: the recipe is damaged, or `out` exists or is no .png.
        CheckpointError: the checkpoint cannot be used.
    """
    if out.suffix.lower() != ".png":
        raise UsageError(f"{out} does not end in .png.", "Children are written as PNGs.")
    refuse_existing(out, overwrite)
    model = load(checkpoint, device=device)
    chosen, parents = latents_in(recipe, picture, model), recipe.get("parents")
    if not isinstance(parents, list) or not 0 < len(parents) <= MOST:
        raise UsageError(f"The recipe in {picture} is damaged: it names no parents.", "Give a picture of artgan breed.")
    with explaining_memory("Draw on a machine with more memory."):
        _write(out, draw(model, chosen), recipe)
    return out


def _write(path: Path, pictures: torch.Tensor, recipe: Mapping[str, Any]) -> None:
    """Write one child, or a sheet whose first rows are the parents and whose next are the children."""
    if len(pictures) > 1:
        parents = len(recipe["parents"])
        columns = min(_COLUMNS, max(parents, len(pictures) - parents))
        empty = torch.ones(-parents % columns, *pictures.shape[1:])
        picture = grid(torch.cat([pictures[:parents], empty, pictures[parents:]]), columns)
    else:
        picture = pictures[0]
    atomic_write(path, encode_png(to_uint8(picture.numpy()), recipe))


def _folder_name(model: LoadedGenerator, parents: Sequence[Latent], recipe: Mapping[str, Any]) -> str:
    """A name that differs whenever a child or the sheet does."""
    names = re.sub(r"[^\w+-]+", "_", "+".join(Path(parent.name).stem for parent in parents))[:60]
    told = json.dumps([recipe["parents"], recipe["command"]])
    return f"{model.nimg:09d}-{names}-{hashlib.blake2b(told.encode(), digest_size=4).hexdigest()}"


def _command(
    words: Sequence[str],
    model: LoadedGenerator,
    children: int,
    mutate: float,
    seed: int,
    class_name: str | None,
    truncation: float | None,
    steering: Steering,
) -> str:
    """The command that makes these children again."""
    options: list[tuple[str, Any, Any]] = [
        *(("--run", model.run, None), ("--children", children, None), ("--mutate", mutate, 0.0)),
        *(("--seed", seed, 0), ("--class", class_name, None), ("--truncation", truncation, None)),
    ]
    flags = [str(part) for flag, value, usual in options if value != usual for part in (flag, value)]
    return spelt(shlex.join(["artgan", "breed", *words, *flags, *steering.words]))
