"""Files of pictures become training pictures: decoded, cropped and scaled, many at once within a bounded memory."""

import contextlib
import io
import random
import threading
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from artgan.config import DataSettings
from artgan.engine.images import decode
from artgan.errors import DatasetError

VERSION = 1  # raise it when the same file and settings give other pixels
_PACKED_AT_ONCE, _PIXELS_AT_ONCE = 1 << 28, 200_000_000


class Decoder:
    """Makes training pictures of files; several threads may use one, and wait where it would take too much memory."""

    def __init__(self, settings: DataSettings) -> None:
        self._settings = settings
        self._packed, self._open = _Room(_PACKED_AT_ONCE), _Room(_PIXELS_AT_ONCE)

    def decode(
        self, size: int, read: Callable[[], bytes], digest: Callable[[bytes], str]
    ) -> tuple[NDArray[np.uint8], bool] | str:
        """What `training_pictures` makes of the `size` bytes that `read` gives, or why nothing."""
        try:
            with self._packed.take(size):
                raw = read()
                with self._open.take(_pixels(raw, self._settings)):
                    return training_pictures(raw, digest(raw), self._settings)
        except Exception as error:  # a broken picture never stops the others
            return why_unreadable(error)


def why_unreadable(error: Exception) -> str:
    """Why a picture could not be had: it is broken, or (a zip's checksum, a file that vanished) not even its bytes."""
    if isinstance(error, DatasetError):
        return error.message
    return f"cannot be read: {' '.join(str(error).split())[:120] or type(error).__name__}"


def _pixels(raw: bytes, settings: DataSettings) -> int:
    """How many pixels a picture has once it is decoded; 0 for what is no picture."""
    try:
        with Image.open(io.BytesIO(raw)) as opened:
            if settings.crops == 1:
                opened.draft(None, (2 * max(settings.size),) * 2)
            return opened.width * opened.height
    except Exception:  # decoding says what is wrong with it
        return 0


class _Room:
    """Lets threads work side by side while what they hold fits into `size`; one that holds more works alone."""

    def __init__(self, size: int) -> None:
        self._size = self._free = size
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def take(self, amount: int) -> Iterator[None]:
        """Wait until there is room for `amount`, and hold it."""
        amount = min(amount, self._size)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= amount)
            self._free -= amount
        try:
            yield
        finally:
            with self._changed:
                self._free += amount
                self._changed.notify_all()


def training_pictures(raw: bytes, digest: str, settings: DataSettings) -> tuple[NDArray[np.uint8], bool]:
    """The crops of one picture, (crops, height, width, channels), and whether it had to be enlarged.

    Crops are drawn from the picture's own content, so they stay the same when other pictures come or go.

    Raises:
        DatasetError: it cannot be decoded.
    """
    width, height = settings.size
    # Small crops need the full picture; a single one is scaled down anyway, so a JPEG may be decoded at less.
    enough = (2 * width, 2 * height) if settings.crops == 1 else None
    picture = decode(raw, settings.channels, enough)
    boxes = crop_boxes(picture.size, settings, digest)
    crops = [picture.resize((width, height), Image.Resampling.LANCZOS, box, reducing_gap=3.0) for box in boxes]
    pixels = np.stack([np.asarray(crop).reshape(height, width, -1) for crop in crops])
    return pixels, picture.width < width or picture.height < height


def crop_boxes(
    size: tuple[int, int], settings: DataSettings, digest: str
) -> Iterator[tuple[float, float, float, float]]:
    """(left, top, right, bottom) of each crop, in pixels of a picture of `size`, all of the training shape's aspect.

    The first is as large as fits, in the centre (or anywhere, with `crop` random). The others lie anywhere, their sides
    spread evenly in logarithm from all of the picture down to a third of it, or to the training picture's own size.
    """
    width, height = settings.size
    largest = min(size[0] / width, size[1] / height)
    smallest = min(largest, max(1.0, largest / 3))
    draw = random.Random(digest)
    for number in range(settings.crops):
        scale = largest if number == 0 else smallest * (largest / smallest) ** draw.random()
        free = (size[0] - scale * width, size[1] - scale * height)
        at = (0.5, 0.5) if number == 0 and settings.crop == "center" else (draw.random(), draw.random())
        left, top = max(0.0, free[0] * at[0]), max(0.0, free[1] * at[1])
        yield left, top, min(size[0], left + scale * width), min(size[1], top + scale * height)
