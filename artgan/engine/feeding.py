"""Frames go from who draws them to who writes them, both at work at once, in memory that does not grow."""

import itertools
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artgan.errors import Interrupted

Frame = NDArray[np.uint8]

_AHEAD = 32  # frames that may wait: a batch of a generator, so that the next one is drawn while this one is written
_AHEAD_BYTES = 64 << 20  # of large frames fewer wait


@dataclass(frozen=True)
class Handed:
    """How many frames were written, and what ended them before their time, if anything did."""

    count: int
    stopped: KeyboardInterrupt | Interrupted | None = None


def hand_over(
    frames: Iterable[Frame],
    write: Callable[[int, Frame], None],
    *,
    writers: int = 1,
    keep_partial: bool = False,
    on_failure: Callable[[BaseException], None] = lambda error: None,
) -> Handed:
    """Draw frames here, where Ctrl-C arrives and torch has its settings, and write them in other threads.

    Args:
        frames: drawn one by one, at most 32 of them or 64 MiB ahead of what is written.
        write: takes a frame and its number; in order when there is one writer.
        writers: threads that write.
        keep_partial: take a stop by the user, once there is a frame, for the end of the frames.
        on_failure: called with what has failed, before the writers are waited for; it lets go one that is stuck.

    Raises:
        Whatever drawing or writing raised, the first of them.
    """
    written = itertools.count()

    def work(number: int, frame: Frame) -> None:
        write(number, frame)
        next(written)

    pending: deque[Future[None]] = deque()
    stopped: KeyboardInterrupt | Interrupted | None = None
    pool = ThreadPoolExecutor(writers, "artgan-frames")
    try:
        try:
            for number, frame in enumerate(frames):
                ahead = min(_AHEAD, max(2, _AHEAD_BYTES // max(1, frame.nbytes)))
                while pending and (pending[0].done() or len(pending) >= ahead):
                    pending.popleft().result()
                pending.append(pool.submit(work, number, frame))
        except (KeyboardInterrupt, Interrupted) as error:
            if not keep_partial:
                raise
            stopped = error
        while pending:
            pending.popleft().result()
    except BaseException as error:
        on_failure(error)
        raise
    finally:
        pool.shutdown(cancel_futures=True)
    count = next(written)
    if stopped and not count:
        raise stopped
    return Handed(count, stopped)
