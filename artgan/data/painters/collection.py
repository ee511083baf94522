"""A folder of paintings, one subfolder for each school: a data set that needs no download."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

from artgan.data.painters.schools import SCHOOLS, known, paint
from artgan.engine.storage import atomic_write
from artgan.errors import SettingError

SEEDS_APART = 1_000_000


def paint_collection(
    folder: Path,
    count: int,
    size: int | tuple[int, int] = 128,
    seed: int = 0,
    *,
    schools: Sequence[str] | None = None,
    on_picture: Callable[[int, int], None] | None = None,
) -> Path:
    """Paint `count` pictures, evenly over the schools, as `folder/<school>/<school>-0000.png`; returns the folder.

    Picture k of a school is `paint(school, seed * 1_000_000 + k, ...)`: collections of different seeds share none.

    Args:
        folder: Made when missing; files of the same names are written again, others left alone.
        count: Pictures in all.
        size: Pixels: one side of a square, or (width, height).
        seed: Any integer.
        schools: Keys of `SCHOOLS`; all of them when left out.
        on_picture: Called with (done, total) after each picture.

    Raises:
        SettingError: A school is unknown, there is none, or the size cannot be painted.
    """
    names = list(dict.fromkeys(SCHOOLS if schools is None else schools))
    if not names:
        raise SettingError("A collection needs at least one school.", "Name one, such as " + next(iter(SCHOOLS)) + ".")
    for name in names:
        known(name)
    width, height = (size, size) if isinstance(size, int) else size
    folder = Path(folder)
    for done in range(count):
        number, place = divmod(done, len(names))
        school = names[place]
        picture = Image.fromarray(paint(school, seed * SEEDS_APART + number, width, height))
        _save(picture, folder / school / f"{school}-{number:04d}.png")
        if on_picture is not None:
            on_picture(done + 1, count)
    return folder


def _save(picture: Image.Image, path: Path) -> None:
    """Write a PNG whole or not at all."""
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", compress_level=4)
    atomic_write(path, buffer.getvalue(), durable=False)  # what a seed paints can be painted again
