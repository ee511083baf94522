"""Several processes that read one source. They need no torch, so they start quickly."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import resource_tracker
from types import ModuleType
from typing import Any, Generic, Self, TypeVar

from artgan.curation.exchange import Exchange, in_order, part_of
from artgan.data.sources import PictureFile, Source
from artgan.engine import processes
from artgan.engine.images import quiet_decoding, stderr_shut
from artgan.engine.processes import local_size
from artgan.errors import ArtganError, DatasetError, StorageError

Reader = Callable[[PictureFile], bytes]
Job = TypeVar("Job")
Result = TypeVar("Result")
Through = Callable[[Iterator[Result], int], Iterator[Result]]

_FEW = 24  # jobs; starting processes takes longer than doing so many
_AT_ONCE = 8
_AHEAD = 128


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


@dataclass(frozen=True)
class Task(Generic[Job, Result]):
    """What is to be done to each of many files.

    Attributes:
        source: where they lie.
        work: that is done to each, in whatever process.
        jobs: what is given to it.
        through: what results go through, if anything, in the process that shares jobs out to those that read; it is
            also told how many these are.
        bunch: of several that share out jobs (`torchrun`), each does so many that follow one another.
        whole: whether few jobs are shared out as well, and none is handed on to those that read: what `work` holds is
            much, and is sent once to each of several.
    """

    source: Source
    work: Callable[[Job, Reader], Result]
    jobs: Sequence[Job]
    through: Through[Result] | None
    bunch: int
    whole: bool


class Workers:
    """As many processes as are asked for, for one source; use it in a `with` block.

    Where this process is the lead of several (`torchrun`), each of them has as many, and does its part of the jobs.
    """

    def __init__(self, source: Source, processes: int | None = None) -> None:
        self.source = source
        self.count = processes or max(1, (os.cpu_count() or 1) // local_size())
        self._pool: ProcessPoolExecutor | None = None
        self._results: Generator[Any] | None = None
        self._exchange: Exchange[Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._leave_rest(kind is None or issubclass(kind, ArtganError))
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _leave_rest(self, tell: bool = True) -> None:
        """End work whose results were not all taken."""
        if self._results is not None:
            self._results.close()
        if self._exchange is not None and tell:  # else this process ends at once, and they notice
            self._exchange.give_up()
        self._results = self._exchange = None

    def each(
        self,
        work: Callable[[Job, Reader], Result],
        jobs: Sequence[Job],
        through: Through[Result] | None = None,
        bunch: int = 1,
        whole: bool = False,
    ) -> Iterator[Result]:
        """What `work` returns for each job, in order; see `Task`. Taking the next task leaves the rest of the last.

        Raises:
            ProcessLost: one of several processes that do this together is gone.
            StorageError: one of the processes was killed, or cannot see the source.
        """
        self._leave_rest()
        task = Task(Source(self.source.path, (), (), (), ()), work, jobs, through, bunch, whole)
        alone = processes.size() == 1 or (len(jobs) < _FEW and not whole)
        self._results = self._own(task, jobs) if alone else self._together(task)
        return self._results

    def _together(self, task: Task[Job, Result]) -> Generator[Result]:
        processes.agreed(task)
        with contextlib.closing(self._part(task)) as part:
            self._exchange = Exchange(part)
            yield from in_order(self._exchange.rounds(), len(task.jobs), task.bunch)

    def help(self, task: Task[Job, Result], should_stop: Callable[[], bool]) -> None:
        """Do this process's part of what another one leads, until that one does not want more.

        Raises:
            ProcessLost: one of the processes is gone.
        """
        self._results = self._part(task)
        for _ in Exchange(self._results, should_stop).rounds():
            pass
        self._leave_rest()

    def _part(self, task: Task[Job, Result]) -> Generator[Result]:
        """This process's part, which is done whether or not the others are waited for."""
        if not self.source.path.exists():  # or every file would be called unreadable
            raise StorageError(
                f"There is no {self.source.path} for {processes.whereabouts()}.",
                "Give a folder that all machines share, by a path that is the same on all of them.",
            )
        mine = [task.jobs[place] for place in part_of(processes.rank(), len(task.jobs), task.bunch)]
        yield from self._own(task, mine, ahead_of_time=True)

    def _own(self, task: Task[Job, Result], jobs: Sequence[Job], ahead_of_time: bool = False) -> Generator[Result]:
        results = self._here(task.work, jobs, task.whole, ahead_of_time)
        yield from task.through(results, self.count) if task.through is not None else results

    def _here(
        self, work: Callable[[Job, Reader], Result], jobs: Sequence[Job], whole: bool, ahead_of_time: bool
    ) -> Iterator[Result]:
        """Few jobs are done in this very process, unless its workers are there already."""
        if whole or self.count == 1 or (self._pool is None and len(jobs) < _FEW):
            reader = self.source.reader()
            if ahead_of_time:
                with ThreadPoolExecutor(1) as thread:
                    yield from ahead(thread, lambda job: work(job, reader), jobs, _AHEAD)
                return
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


def ahead(pool: ThreadPoolExecutor, work: Callable[[Job], Result], jobs: Iterable[Job], most: int) -> Generator[Result]:
    """What `work` returns for each job, in order; threads do it, up to so many jobs ahead of what is taken."""
    waiting: deque[Future[Result]] = deque()
    try:
        for job in jobs:
            waiting.append(pool.submit(work, job))
            while waiting and (waiting[0].done() or len(waiting) >= most):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


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
