"""What training tells, for TensorBoard: an optional listener that writes to `RUN/tensorboard/` and changes nothing."""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from artgan.data.cache import DataEvent
from artgan.engine.images import decode
from artgan.engine.storage import naming_the_path
from artgan.errors import UsageError
from artgan.training.events import Alarmed, Event, Notice, RunStarted, Saved, Scored, Stats, Step

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FOLDER = "tensorboard"
_FLUSH_SECONDS = 10  # who has the page open wants to see something; the library's own two minutes are long


def check_tensorboard() -> None:
    """Ask for the optional package before anything begins.

    Raises:
        UsageError: it is not installed.
    """
    _summary_writer()


def _summary_writer() -> "type[SummaryWriter]":
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        hint = "Install it with: pip install 'artgan[tensorboard]'"
        raise UsageError("--tensorboard needs the package tensorboard.", hint) from error
    return SummaryWriter


class TensorBoard:
    """Writes events of training: figures as scalars by nimg, previews as pictures, notices and alarms as text.

    Whenever training goes back to a checkpoint, in a new session or within one, TensorBoard is told to forget what lay
    after it, so that nothing is there twice.

    Args:
        folder: where the files go.
        nimg: pictures shown so far; what the folder holds beyond it belongs to a past that did not last.

    Raises:
        UsageError: the package tensorboard is not installed.
        StorageError: the folder cannot be written.
    """

    def __init__(self, folder: Path, nimg: int) -> None:
        self.folder, self.nimg = folder, nimg
        # A run without a checkpoint begins again, its first preview included; others keep what lies at the checkpoint.
        self.writer = self._opened(nimg + 1 if nimg else 0)

    def __call__(self, event: Event | DataEvent) -> None:
        """Write one event."""
        with naming_the_path(self.folder):
            if isinstance(event, Step):
                if event.nimg <= self.nimg:
                    self._forget_from(event.nimg)
                self.nimg = event.nimg
            elif isinstance(event, Stats):
                for name, value in event.values.items():
                    self.writer.add_scalar(f"train/{name}", value, event.nimg)
                self.writer.add_scalar("train/images_per_second", event.images_per_second, event.nimg)
            elif isinstance(event, Scored):
                for name, value in event.values.items():
                    self.writer.add_scalar(f"score/{name}", value, event.nimg)
            elif isinstance(event, Saved) and event.kind == "preview":
                if event.nimg == 0 < self.nimg:  # there was no checkpoint to go back to
                    self._forget_from(0)
                self.writer.add_image("preview", np.asarray(decode(event.path)), event.nimg, dataformats="HWC")
            elif isinstance(event, Alarmed):
                alarm = event.alarm
                self.writer.add_text("alarm", f"{alarm.title} {alarm.evidence} {alarm.advice}", self.nimg)
            elif isinstance(event, Notice):
                self.writer.add_text("notice", event.text, self.nimg)

    def close(self) -> None:
        """Write what is still in memory."""
        with naming_the_path(self.folder):
            self.writer.close()

    def _forget_from(self, nimg: int) -> None:
        """Training went back: what was written from `nimg` on is void."""
        self.writer.close()
        self.writer, self.nimg = self._opened(nimg), nimg

    def _opened(self, purge_step: int) -> "SummaryWriter":
        # Files are read in the order of their names, which begin with the second: two of one second might be swapped.
        now = time.time()
        if any(self.folder.glob(f"events.out.tfevents.{int(now):010d}.*")):
            time.sleep(1.01 - now % 1)
        with naming_the_path(self.folder):
            return _summary_writer()(str(self.folder), purge_step=purge_step, flush_secs=_FLUSH_SECONDS)


@contextlib.contextmanager
def beside_tensorboard(
    on_event: Callable[[Event | DataEvent], None], wanted: bool
) -> Iterator[Callable[[Event | DataEvent], None]]:
    """Yield a listener that tells `on_event` and, when it is wanted, a TensorBoard in the folder of the run.

    Raises:
        UsageError: it is wanted, and the package tensorboard is not installed.
    """
    if not wanted:
        yield on_event
        return
    check_tensorboard()
    board: TensorBoard | None = None
    with contextlib.ExitStack() as stack:

        def both(event: Event | DataEvent) -> None:
            nonlocal board
            on_event(event)
            if isinstance(event, RunStarted):
                board = stack.enter_context(contextlib.closing(TensorBoard(event.run / FOLDER, event.nimg)))
            elif board is not None:
                board(event)

        yield both
