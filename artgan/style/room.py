"""Whether there is memory for a large painting, said before it is begun."""

from pathlib import Path

import psutil
import torch

from artgan.engine.images import open_picture
from artgan.errors import DatasetError, DeviceError
from artgan.style.tiles import CELL, TILE, WHOLE

# Bytes, measured by `python -m tests.bench.print`, with something to spare.
_FIXED = 300 * 10**6
_SEEN = 2400  # a pixel that is looked at at once: the maps of the embedded encoder, there and back
_KEPT = 12 * 10  # a pixel: content, style, painting, gradient, Adam's two, average, and three in passing
_KEPT_ON_GPU = 12 * 6


def require_room(content: Path, size: int | None, device: torch.device) -> None:
    """Raise an error when a painting whose longest side is `size` does not fit into the memory that is free.

    Raises:
        DeviceError: it does not; the hint says which size would.
    """
    if size is None:
        return
    try:
        with open_picture(content) as opened:
            shape = min(opened.size) / max(opened.size)
    except DatasetError:  # said better by what reads it
        return
    on_gpu = device.type == "cuda"
    places = [(_KEPT, 0 if on_gpu else _SEEN, psutil.virtual_memory().available, "are free")]
    if on_gpu:
        places.append((_KEPT_ON_GPU, _SEEN, torch.cuda.mem_get_info(device)[0], f"are free on {device}"))
    for kept, seen, free, where in places:
        needed = _needed(shape * size**2, kept, seen)
        if needed > free:
            # Not the more, the larger: what is just small enough to be seen in one piece needs the memory for that.
            fitting = (side for side in range(size // CELL * CELL, CELL, -CELL) if _fits(shape * side**2, places))
            largest = next(fitting, None)
            raise DeviceError(
                f"--size {size} of {content} needs {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB {where}.",
                "Close other programs." if largest is None else f"Use --size {largest}, or close other programs.",
            )


def _fits(pixels: float, places: list[tuple[int, int, int, str]]) -> bool:
    return all(_needed(pixels, kept, seen) <= free for kept, seen, free, _ in places)


def _needed(pixels: float, kept: int, seen: int) -> float:
    return _FIXED + kept * pixels + seen * (pixels if pixels <= WHOLE else TILE)
