"""Sliders: named directions of a model, and what words such as `warmth=2.5,contrast=-1` add to its latents.

One unit of a slider is one vector in z. Names lie in RUN/directions.safetensors; what `artgan explore` found last, and
nobody named yet, goes by its number.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from artgan.engine.storage import read_json, spelt
from artgan.engine.tensors import LONGEST_NAME, MOST_ROWS
from artgan.errors import CheckpointError, UsageError
from artgan.models.directions import read_directions, write_directions
from artgan.models.packed import SUFFIX
from artgan.models.trained import LoadedGenerator, home_of, locate

FOUND = Path("explore") / "found.json"
"""What `artgan explore` found, in a run's folder."""
SWING = 3.0
"""How far a slider without a value goes to both sides in a walk."""
FARTHEST = 100.0
_EXAMPLE = "Write NAME=VALUE, such as warmth=2.5 or warmth=2.5,contrast=-1."
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Range:
    """A value that stays (`start == end`), or one that goes from `start` to `end` along a walk."""

    start: float
    end: float

    @classmethod
    def parse(cls, text: str) -> "Range":
        """From `1.5` or `-2..3`.

        Raises:
            ValueError: it has no such form, or a number is not finite.
        """
        first, dots, last = text.partition("..")
        found = cls(float(first), float(last if dots else first))
        if not np.isfinite([found.start, found.end]).all():
            raise ValueError(f"{text} is not finite")
        return found

    @property
    def moves(self) -> bool:
        """Whether it changes along a walk."""
        return self.start != self.end

    def __str__(self) -> str:
        return f"{self.start:g}..{self.end:g}" if self.moves else f"{self.start:g}"


@dataclass(frozen=True, eq=False)
class Slider:
    """A named direction, (z_dim,) float32, and how far along it pictures are moved.

    `value` is None for a swing to both sides in a walk.
    """

    name: str
    value: Range | None
    vector: Floats

    @property
    def text(self) -> str:
        """As it is written on a command line."""
        return self.name if self.value is None else f"{self.name}={self.value}"


def plain_sliders(sliders: Sequence[Slider]) -> list[dict[str, Any]]:
    """Sliders that stay, as they stand in the recipe of a picture: a name may be given to another direction later."""
    return [
        {"name": one.name, "value": one.value.start, "vector": one.vector.tolist()}
        for one in sliders
        if one.value is not None
    ]


def told_sliders(told: object) -> list[Slider]:
    """Sliders from a recipe.

    Raises:
        KeyError, TypeError, ValueError: the recipe is damaged.
    """
    if not isinstance(told, list) or len(told) > MOST_ROWS:
        raise ValueError("its sliders are no list")
    found = []
    for one in told:
        vector, value = np.array(one["vector"], np.float32), float(one["value"])
        if vector.ndim != 1 or not np.isfinite(vector).all() or not abs(value) <= FARTHEST:
            raise ValueError("its sliders are not finite numbers")
        found.append(Slider(str(one["name"]), Range(value, value), vector))
    return found


def offset(sliders: Sequence[Slider], z_dim: int) -> Floats:
    """What sliders that stay add to a latent, (z_dim,)."""
    total = np.zeros(z_dim, np.float32)
    for one in sliders:
        if one.value is not None:
            total += np.float32(one.value.start) * one.vector
    return total


def parse_sliders(words: Sequence[str] | Mapping[str, float]) -> list[tuple[str, str | None]]:
    """Names and values, as text, of sliders such as `warmth=2.5,contrast=-1`; a name alone has None.

    Raises:
        UsageError: a name is missing or stands twice.
    """
    if isinstance(words, Mapping):
        return [(name, f"{value:g}") for name, value in words.items()]
    found: list[tuple[str, str | None]] = []
    for word in words:
        for part in word.split(","):
            name, equals, value = part.partition("=")
            found.append((name.strip(), value.strip() if equals else None))
    names = [name for name, _ in found]
    for name in names:
        if not name:
            raise UsageError(f"--slider {','.join(map(str, words))[:100]!r} names no slider.", _EXAMPLE)
        if names.count(name) > 1:
            raise UsageError(f"--slider {name} is given twice.", "Give each slider one value.")
    return found


def sliders_of(
    model: LoadedGenerator,
    words: str | Sequence[str] | Mapping[str, float] | Sequence[Slider],
    moving: bool = False,
) -> list[Slider]:
    """The sliders that words name, with their directions.

    Args:
        model: whose directions they are.
        words: as `parse_sliders` takes them, or sliders as a recipe holds them.
        moving: whether values may change along a walk, as `-2..3` does, or a name alone.

    Raises:
        UsageError: a name is not known, a value makes no sense, or a slider is of another model.
        CheckpointError: the file of directions is damaged.
    """
    z_dim, found, texts = model.settings.model.z_dim, list[Slider](), list[str]()
    for word in [words] if isinstance(words, str | Mapping) else words:
        if isinstance(word, Slider):
            found.append(word)
        elif isinstance(word, str):
            texts.append(word)
    asked = parse_sliders(words if isinstance(words, Mapping) else texts)
    known = known_directions(model) if asked else {}
    for name, value in asked:
        if name not in known:
            raise _unknown(name, known, model.run)
        found.append(Slider(name, _value(name, value, moving), known[name]))
    for slider in found:
        if slider.vector.shape != (z_dim,):
            size = slider.vector.size
            raise UsageError(
                f"The slider {slider.name} has {size} numbers; {model.run} takes {z_dim}.", "It is another model's."
            )
    return found


def _value(name: str, text: str | None, moving: bool) -> Range | None:
    if text is None and moving:
        return None
    try:
        value = Range.parse(text or "")
    except ValueError as error:
        raise UsageError(f"--slider {name}={(text or '')[:60]}: that is no number.", _EXAMPLE) from error
    if max(abs(value.start), abs(value.end)) > FARTHEST:
        raise UsageError(f"--slider {name}={text}: that is beyond {FARTHEST:g}.", "Up to 3 or so is the useful range.")
    if value.moves and not moving:
        raise UsageError(f"--slider {name}={text}: only a walk moves from one value to another.", _EXAMPLE)
    return value


def _unknown(name: str, known: Mapping[str, Floats], run: str) -> UsageError:
    if not known:
        return UsageError(f"{run} has no slider {name[:80]!r}, nor any other.", "`artgan explore` finds some.")
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    named = [each for each in known if not each.isdecimal()]
    listed = ", ".join(named)[:200] or f"1 to {len(known)}"
    hint = f"Did you mean {near[0]!r}?" if near else f"There are: {listed}; `artgan explore names` lists them."
    return UsageError(f"{run} has no slider {name[:80]!r}.", hint)


def known_directions(model: LoadedGenerator) -> dict[str, Floats]:
    """The directions that sliders can name, (z_dim,) each: what was found last by number, and those with names.

    Raises:
        CheckpointError: a file is damaged, or of a model with other latents.
    """
    z_dim, found = model.settings.model.z_dim, read_found(model.home)
    # A file that lies in one folder with others: what was found there may be of another model.
    ours = found.rows if found.run == model.run and all(row.shape == (z_dim,) for row in found.rows) else ()
    numbered = {str(place): row for place, row in enumerate(ours, 1)}
    return {**numbered, **{name: row.numpy() for name, row in model.directions.items()}}


@dataclass(frozen=True, eq=False)
class FoundFile:
    """Directions (z_dim,) in their order on the page, and the run that they were found in."""

    run: str
    rows: tuple[Floats, ...]


def read_found(home: Path) -> FoundFile:
    """What was found last in a folder; no rows when nobody explored.

    Raises:
        CheckpointError: the file is damaged.
    """
    path = home / FOUND
    if not path.exists():
        return FoundFile("", ())
    try:
        told = read_json(path, 1 << 26)
        rows = tuple(np.array(one["z"], np.float32) for one in told["directions"])
        if any(row.ndim != 1 or not np.isfinite(row).all() for row in rows) or len(rows) > MOST_ROWS:
            raise ValueError("its directions are not finite numbers")
        return FoundFile(str(told["run"]), rows)
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        reason = " ".join(str(error).split())[:120]
        raise CheckpointError(f"{path} is damaged: {reason}.", "`artgan explore` writes it anew.") from error


def name_direction(number: int, name: str, run: str | Path | None = None, *, runs_dir: str | Path = "runs") -> Path:
    """Give a direction that `artgan.explore` found a name, so that it is a slider; a name that exists moves to it.

    Args:
        number: its place on the page, from 1.
        name: letters, digits, spaces, `-` and `_`, not digits alone.
        run: as in `artgan.sample`; None is the latest run.
        runs_dir: the folder that holds the runs.

    Returns:
        The run's folder.

    Raises:
        UsageError: there is no such number, or the name is none.
        CheckpointError: there is no such run, or nothing was found in it.
    """
    spoken = spelt(name.strip())
    if not re.fullmatch(r"[\w-][\w -]*", spoken) or spoken.isdecimal() or len(spoken) > LONGEST_NAME:
        raise UsageError(
            f"{name[:80]!r} is no name for a slider.", "Use letters, digits, spaces and -, such as warmth."
        )
    home = _home(run, Path(runs_dir))
    found = read_found(home).rows
    if not found:
        raise CheckpointError(f"Nothing was found in {home.name} yet.", "`artgan explore` finds directions.")
    if not 1 <= number <= len(found):
        raise UsageError(f"There is no direction {number}.", f"There are 1 to {len(found)}; see {home / FOUND.parent}.")
    named = read_directions(home)
    if spoken not in named and len(named) >= MOST_ROWS:
        raise UsageError(f"{home.name} has {MOST_ROWS} sliders already.", "`artgan explore forget NAME` makes room.")
    write_directions(home, {**named, spoken: torch.from_numpy(found[number - 1])})
    return home


def forget_direction(name: str, run: str | Path | None = None, *, runs_dir: str | Path = "runs") -> Path:
    """Take a slider's name away again; pictures that were made with it can still be made again.

    Raises:
        UsageError: there is no such name.
        CheckpointError: there is no such run.
    """
    home = _home(run, Path(runs_dir))
    named = read_directions(home)
    if name not in named:
        raise _unknown(name, {each: row.numpy() for each, row in named.items()}, home.name)
    write_directions(home, {each: row for each, row in named.items() if each != name})
    return home


def list_directions(run: str | Path | None = None, *, runs_dir: str | Path = "runs") -> dict[str, int | None]:
    """The sliders of a run: each name, and its number among what was found last, or None.

    Raises:
        CheckpointError: there is no such run, or a file is damaged.
    """
    home = _home(run, Path(runs_dir))
    found = read_found(home).rows
    return {
        name: next((place for place, other in enumerate(found, 1) if np.array_equal(row.numpy(), other)), None)
        for name, row in read_directions(home).items()
    }


def _home(run: str | Path | None, runs_dir: Path) -> Path:
    """The folder that a model's directions lie in, as `LoadedGenerator.home`."""
    place = locate(run, runs_dir)
    if not isinstance(place, Path):
        return place.folder
    if place.suffix == SUFFIX:
        raise CheckpointError(
            f"{place} is packed, with the sliders it has.", "Name directions in its run, and pack it again."
        )
    return home_of(place.absolute())
