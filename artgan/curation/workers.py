"""Several processes that read one source. They need no torch, so they start quickly."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import resource_tracker
from types import ModuleType
from typing import Generic, Self, TypeVar

from artgan.data.sources import PictureFile, Source
from artgan.engine.images import quiet_decoding, stderr_shut
from artgan.errors import DatasetError, StorageError

Reader = Callable[[PictureFile], bytes]
Job = TypeVar("Job")
Result = TypeVar("Result")

_FEW = 24  # jobs; starting processes takes longer than doing so many
_AT_ONCE = 8


def again(reader: Reader, file: PictureFile) -> bytes:
    """Read a file that was read before.

    Raises:
        DatasetError: it is gone, or the disk gives way.
    """
    try:
        return reader(file)
    except Exception as error:  # as in `see`
        hint = "Leave the folder alone meanwhile; the same command goes on from here."
        raise DatasetError(f"{file.name} cannot be read any more.", hint) from error


class Workers:
    """As many processes as are asked for, for one source; use it in a `with` block."""

    def __init__(self, source: Source, processes: int | None = None) -> None:
        self.source = source
        self.count = processes or os.cpu_count() or 1
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def each(self, work: Callable[[Job, Reader], Result], jobs: Sequence[Job]) -> Iterator[Result]:
        """What `work` returns for each job, in order; few jobs are done here, unless the processes are there already.

        Raises:
            StorageError: one of the processes was killed.
        """
        if self.count == 1 or (self._pool is None and len(jobs) < _FEW):
            reader = self.source.reader()
            with quiet_decoding():
                for job in jobs:
                    yield work(job, reader)
            return
        try:
            with _starting_processes():
                if self._pool is None:
                    # spawn: a fork of a process in which torch has threads may stand still for ever.
                    context = multiprocessing.get_context("spawn")
                    self._pool = ProcessPoolExecutor(self.count, context, initializer=_open, initargs=(self.source,))
                at_once = max(1, min(_AT_ONCE, len(jobs) // (4 * self.count)))
                found = self._pool.map(_Here(work), jobs, chunksize=at_once)
            yield from found
        except BrokenProcessPool as error:
            raise StorageError(
                "A process that read pictures was killed, or had not enough memory.",
                "Close other programs, or read with one process: --processes 1.",
            ) from error


class _Here(Generic[Job, Result]):
    """`work` with the reader of the process that it is done in."""

    def __init__(self, work: Callable[[Job, Reader], Result]) -> None:
        self.work = work

    def __call__(self, job: Job) -> Result:
        assert _reader is not None
        with quiet_decoding(), stderr_shut():
            return self.work(job, _reader)


@contextlib.contextmanager
def _starting_processes() -> Iterator[None]:
    """Start processes that do not hear Ctrl-C, which is ours to answer, and do not run the user's script once more.

    Each does its sums in one thread: there is a process for every core.
    """
    main, before = sys.modules["__main__"], dict(os.environ)
    sys.modules["__main__"] = ModuleType("__main__")
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    heard = None
    if os.name == "posix":
        resource_tracker.ensure_running()  # which unblocks SIGINT when it starts, as it would below
        heard = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ |= before
        if heard is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, heard)


_reader: Reader | None = None


def _open(source: Source) -> None:
    global _reader  # noqa: PLW0603 - one process reads one source
    if os.name != "posix":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _reader = source.reader()


def _end_with_parent() -> None:
    """A process whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
