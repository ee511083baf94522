"""Work on disk that training need not wait for."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType


class Background:
    """One thread that does what it is handed, in that order; what goes wrong there is raised where it is asked for."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "artgan-background")
        self._pending: deque[Future[object]] = deque()

    def submit(self, work: Callable[[], object]) -> None:
        """Have `work` done after all that was submitted before."""
        self._pending.append(self._pool.submit(work))

    def wait(self) -> None:
        """Wait until everything that was submitted is done."""
        wait(self._pending)

    def finished(self) -> list[object]:
        """What finished work has returned since the last call; raises what it has raised."""
        results = []
        while self._pending and self._pending[0].done():
            results.append(self._pending.popleft().result())
        return results

    def __enter__(self) -> "Background":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish what was begun; raise what went wrong in it, unless something else did already."""
        self._pool.shutdown(wait=True)
        if error is None:
            self.finished()
